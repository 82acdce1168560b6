"""Counters and holds as rows of one SQLite file, changed within one transaction at a time.

What was read or written is remembered from one transaction to the next, as long as no other
process has had its turn in between; each changed row is written once per transaction, whatever the
number of holds that changed it.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field

import msgspec

from scrimp.budgets.counters import (
    Counter,
    CounterKey,
    Line,
    Needs,
    Part,
    Plan,
    charge,
    correct,
    decide,
    key_of,
    settle,
    standing,
    standings,
    take,
)
from scrimp.budgets.windows import ENDLESS_US
from scrimp.limits import Limit, Standing, Verdict

ENDED_US = 3600 * 1_000_000
"""How long an ended hold is known by its id."""

CHARGED_US = 86_400 * 1_000_000
"""How long after its lease a charged hold may still be settled."""

_OPEN, _CHARGED, _ENDED = 0, 1, 2
_REMEMBERED = 20_000
_DUE = 1000
_PRUNED = 4000
_PRUNE_HOLDS_US = 1_000_000
_PRUNE_CELLS_US = 60 * 1_000_000
_KEEP_TIME_US = 60 * 1_000_000
_OPEN_UNTIL_US = ENDLESS_US - 1  # cells of open windows: gone when nothing is held

_encode = msgspec.json.Encoder().encode
_parts = msgspec.json.Decoder(list[int]).decode
_key = msgspec.json.Decoder(CounterKey).decode


@dataclass(slots=True, eq=False)
class _Hold:
    state: int
    due_us: int
    parts: list[Part] = field(default_factory=list)


class Rows:
    """Everything between BEGIN and COMMIT. After an error: roll back, and `forget`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._execute = connection.execute
        self._now_us = 0
        self._turn = -1
        self._prune_holds_us = self._prune_cells_us = 0
        self._counters: dict[CounterKey, Counter] = {}
        self._numbered: dict[int, Counter] = {}
        self._plans: dict[tuple[Limit, ...], Plan] = {}
        self._same: dict[int, tuple[tuple[Limit, ...], Plan]] = {}
        self._holds: dict[str, _Hold] = {}
        self._changed_holds: dict[str, _Hold] = {}
        self._changed_cells: dict[tuple[Counter, int], None] = {}

    def begin(self, now_us: int) -> int:
        """Take the turn. Returns how far the clock is behind the latest time seen, 0 when not."""
        row: tuple[int, int] = self._execute("SELECT latest_us, turn FROM clock").fetchone()
        latest_us, turn = row
        if turn != self._turn or len(self._holds) + len(self._counters) > _REMEMBERED:
            self.forget()
        self._turn = turn
        self._now_us = max(now_us, latest_us, self._now_us)
        self._prune()
        self._charge_due()
        if self._now_us - latest_us >= _KEEP_TIME_US:
            self._turned()
        return self._now_us - now_us

    def keep_time(self) -> None:
        """Write what time it is, though nothing else has changed."""
        self._turned()

    def finish(self) -> None:
        """Write what has changed; the caller commits."""
        if not (self._changed_holds or self._changed_cells):
            return
        self._write_cells()
        rows = [
            (hold_id, hold.state, hold.due_us, _flat(hold))
            for hold_id, hold in self._changed_holds.items()
        ]
        self.connection.executemany(
            "INSERT INTO holds (id, state, due_us, parts) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO "
            "UPDATE SET state = excluded.state, due_us = excluded.due_us, parts = excluded.parts",
            rows,
        )
        for hold_id, hold in self._changed_holds.items():
            if hold.state != _OPEN:
                self._holds.pop(hold_id, None)
        self._changed_holds.clear()
        self._turned()

    def forget(self) -> None:
        """Remember nothing: the rows are the truth."""
        self._counters.clear()
        self._numbered.clear()
        self._plans.clear()
        self._same.clear()
        self._holds.clear()
        self._changed_holds.clear()
        self._changed_cells.clear()

    def hold(
        self, hold_id: str, limits: tuple[Limit, ...], needs: Needs, lease_us: int, *, soft: bool
    ) -> tuple[Verdict, bool]:
        """Reserve in all limits or in none; soft limits deny unless `soft`. True: it is new."""
        plan = self._plan(limits)
        if not limits or self._find(hold_id) is not None:
            return Verdict(standings(plan)), False
        if (line := decide(plan, needs, over_soft=soft)) is not None:
            return Verdict(standings(plan), standing(line), needs[line.unit]), False
        hold = _Hold(_OPEN, self._now_us + lease_us, take(plan, needs))
        self._holds[hold_id] = hold
        self._change(hold_id, hold)
        return Verdict(standings(plan)), True

    def end(self, hold_id: str, used: Needs) -> None:
        """Book what it was, once."""
        hold = self._find(hold_id)
        if hold is None or hold.state == _ENDED:
            return
        if hold.state == _OPEN:
            settle(hold.parts, used)
        else:
            correct(hold.parts, used)
        self._change(hold_id, hold)
        hold.state, hold.due_us, hold.parts = _ENDED, self._now_us + ENDED_US, []

    def standing(self, limits: tuple[Limit, ...]) -> tuple[Standing, ...]:
        """How these limits stand."""
        return standings(self._plan(limits))

    def reset(self, limits: tuple[Limit, ...]) -> None:
        """Count from 0; what charged holds were charged with is gone."""
        counters = self._plan(limits).counters
        for counter in counters:
            counter.clear()
            starts = (counter.start_us,) if counter.cells is None else counter.cells
            self._changed_cells.update(((counter, start_us), None) for start_us in starts)
        query = "SELECT id FROM holds WHERE state = ?"
        charged = {hold_id for (hold_id,) in self._execute(query, (_CHARGED,))}
        charged |= {one for one, hold in self._changed_holds.items() if hold.state == _CHARGED}
        for hold_id in charged:
            hold = self._find(hold_id)
            if hold is not None and hold.state == _CHARGED:
                hold.parts = [part for part in hold.parts if part[0] not in counters]
                self._changed_holds[hold_id] = hold

    def _plan(self, limits: tuple[Limit, ...]) -> Plan:
        found = self._same.get(id(limits))
        if found is not None and found[0] is limits:
            plan = found[1]
        else:
            known = self._plans.get(limits)
            if known is None:
                known = self._plans[limits] = Plan(tuple([self._line(one) for one in limits]))
            plan = known
            if len(self._same) > _REMEMBERED:
                self._same.clear()
            self._same[id(limits)] = (limits, plan)
        if self._now_us >= plan.roll_us:
            plan.roll(self._now_us)
        return plan

    def _line(self, limit: Limit) -> Line:
        counter = self._counter(key_of(limit))
        return Line.of(limit, counter)

    def _counter(self, key: CounterKey) -> Counter:
        counter = self._counters.get(key)
        if counter is None:
            counter = Counter(key)
            counter.roll(self._now_us)
            rows = self._execute(
                "SELECT id, start_us, used, held FROM counters LEFT JOIN cells ON counter = id "
                "WHERE key = ?",
                (_encode(key).decode(),),
            )
            for counter.number, start_us, used, held in rows:
                if start_us is not None:
                    counter.load(start_us, used, held)
            self._counters[key] = counter
            if counter.number:
                self._numbered[counter.number] = counter
        return counter

    def _counter_numbered(self, number: int) -> Counter | None:
        """None when its last window is over."""
        counter = self._numbered.get(number)
        if counter is None:
            row = self._execute("SELECT key FROM counters WHERE id = ?", (number,)).fetchone()
            counter = None if row is None else self._counter(_key(row[0]))
        return counter

    def _find(self, hold_id: str) -> _Hold | None:
        hold = self._holds.get(hold_id) or self._changed_holds.get(hold_id)
        if hold is None:
            query = "SELECT state, due_us, parts FROM holds WHERE id = ?"
            row = self._execute(query, (hold_id,)).fetchone()
            if row is not None:
                hold = self._read(*row)
        return hold

    def _read(self, state: int, due_us: int, parts: str) -> _Hold:
        flat = _parts(parts) if parts else []
        found = (
            (self._counter_numbered(number), start_us, amount)
            for number, start_us, amount in zip(flat[::3], flat[1::3], flat[2::3], strict=True)
        )
        return _Hold(state, due_us, [(c, at, amount) for c, at, amount in found if c is not None])

    def _change(self, hold_id: str, hold: _Hold) -> None:
        self._changed_holds[hold_id] = hold
        for counter, start_us, _ in hold.parts:
            self._changed_cells[counter, start_us] = None

    def _charge_due(self) -> None:
        """Holds whose lease has ended by now are charged, whoever held them."""
        query = "SELECT id, due_us, parts FROM holds WHERE state = ? AND due_us <= ? LIMIT ?"
        while rows := self._execute(query, (_OPEN, self._now_us, _DUE)).fetchall():
            for hold_id, due_us, parts in rows:
                hold = self._holds.pop(hold_id, None) or self._read(_OPEN, due_us, parts)
                self._change(hold_id, hold)
                hold.parts = charge(hold.parts)
                hold.state, hold.due_us = _CHARGED, due_us + CHARGED_US
            self.finish()

    def _prune(self) -> None:
        """Let go of what no call can ask for again."""
        now_us = self._now_us
        if now_us >= self._prune_holds_us:
            self._prune_holds_us = now_us + _PRUNE_HOLDS_US
            self._execute(
                "DELETE FROM holds WHERE id IN (SELECT id FROM holds "
                "WHERE state IN (?, ?) AND due_us <= ? LIMIT ?)",
                (_CHARGED, _ENDED, now_us, _PRUNED),
            )
        if now_us >= self._prune_cells_us:
            self._prune_cells_us = now_us + _PRUNE_CELLS_US
            gone = self._execute("DELETE FROM cells WHERE until_us <= ?", (now_us,)).rowcount
            gone += self._execute(
                "DELETE FROM cells WHERE until_us = ? AND held = 0", (_OPEN_UNTIL_US,)
            ).rowcount
            if gone:
                self._execute("DELETE FROM counters WHERE id NOT IN (SELECT counter FROM cells)")
                self.forget()
                self._turned()

    def _turned(self) -> None:
        """Tell the others that what they remember is old."""
        self._turn += 1
        self._execute("UPDATE clock SET latest_us = ?, turn = ?", (self._now_us, self._turn))

    def _write_cells(self) -> None:
        rows = []
        for counter, start_us in self._changed_cells:
            if (cell := counter.cell(start_us)) is None:
                continue  # its window is over
            if not counter.number:
                text = _encode(counter.key).decode()
                added = self._execute("INSERT INTO counters (key) VALUES (?)", (text,))
                counter.number = added.lastrowid or 0
                self._numbered[counter.number] = counter
            until_us = counter.until_us(start_us) if counter.counts_used else _OPEN_UNTIL_US
            rows.append((counter.number, start_us, until_us, *cell))
        self.connection.executemany(
            "INSERT INTO cells (counter, start_us, until_us, used, held) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (counter, start_us) DO UPDATE SET used = excluded.used, "
            "held = excluded.held",
            rows,
        )
        self._changed_cells.clear()


def _flat(hold: _Hold) -> str:
    if hold.state == _ENDED:
        return ""
    flat: list[int] = []
    for counter, start_us, amount in hold.parts:
        if counter.number:  # without one, its window was over before it was ever written
            flat += (counter.number, start_us, amount)
    return _encode(flat).decode()
