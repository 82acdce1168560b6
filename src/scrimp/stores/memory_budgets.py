"""Budgets counted in this process, with a journal file so that a restart forgets nothing.

For one process, and any of its threads. A line of the journal is with the operating system before a
hold is answered, so that a process that is killed loses nothing; what a loss of power takes is the
last moments. Without a journal all ends with the process.

A hold that was ended is known by its id for an hour, or while fewer than 25,000 ended after it; one
that was charged for a day after its lease.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from scrimp.budgets.counters import (
    NOTHING,
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
    lease_us_of,
    needs_of,
    settle,
    standing,
    standings,
    take,
    used_of,
)
from scrimp.budgets.windows import ENDLESS_US
from scrimp.errors import StoreError
from scrimp.limits import Amounts, Limit, Standing, Verdict
from scrimp.ports import Clock
from scrimp.stores.memory_budgets_journal import Journal, KeptHold, Record, Snapshot

_log = logging.getLogger("scrimp.budgets")

_ENDED_US = 3600 * 1_000_000
_ENDED = 25_000
_CHARGED_US = 86_400 * 1_000_000
_PLANS = 10_000
_TIDY_US = 60 * 1_000_000
_BEHIND_US = 60 * 1_000_000


class Held:
    """One hold that nobody has ended."""

    __slots__ = ("lease_us", "parts", "until_us")

    def __init__(self, parts: list[Part], until_us: int, lease_us: int) -> None:
        self.parts = parts
        self.until_us = until_us
        self.lease_us = lease_us


class MemoryBudgets:
    """Implements `limits.BudgetStore`. Make it with `open`."""

    def __init__(
        self, clock: Clock, journal: Journal | None, tell: Callable[[str], None] = _log.warning
    ) -> None:
        self._now = clock.now
        self._lock = threading.Lock()
        self._journal = journal
        self._tell = tell
        self._counters: dict[CounterKey, Counter] = {}
        self._plans: dict[tuple[Limit, ...], Plan] = {}
        self._same: dict[int, tuple[tuple[Limit, ...], Plan]] = {}
        self._open: dict[str, Held] = {}
        self._leases: dict[int, dict[str, Held]] = {}  # by length: each in the order of its ends
        self._charged: dict[str, Held] = {}
        self._ended: set[str] = set()
        self._ended_before: set[str] = set()
        self._ended_since_us = 0
        self._latest_us = 0
        self._due_us = ENDLESS_US
        self._tidy_us = 0
        self._behind = False

    @classmethod
    def open(
        cls,
        clock: Clock,
        journal: Path | None = None,
        *,
        tell: Callable[[str], None] = _log.warning,
    ) -> MemoryBudgets:
        """Count from 0, or go on from a journal (0600; made where there is none).

        Raises StoreError when the journal is in use by another process, cannot be read or written,
        or is not one.
        """
        if journal is None:
            return cls(clock, None, tell)
        opened = Journal.open(journal, tell)
        try:
            budgets = cls(clock, opened, tell)
            for record in opened.records():
                budgets._replay(record)
            budgets._turn()
            opened.compact(budgets._snapshot())
        except BaseException:
            opened.close()
            raise
        return budgets

    async def hold(
        self,
        hold_id: str,
        limits: tuple[Limit, ...],
        worst: Amounts,
        *,
        lease_s: float,
        over_soft: bool = False,
    ) -> Verdict:
        """Reserve the worst case in every limit, or in none."""
        needs, lease_us = needs_of(worst), lease_us_of(lease_s)
        with self._lock:
            return self._hold(hold_id, limits, needs, lease_us, soft=over_soft)

    def _hold(
        self, hold_id: str, limits: tuple[Limit, ...], needs: Needs, lease_us: int, *, soft: bool
    ) -> Verdict:
        now_us = self._turn()
        plan = self._plan(limits, now_us)
        if not limits or self._knows(hold_id):
            return Verdict(standings(plan))
        if (line := decide(plan, needs, over_soft=soft)) is not None:
            return Verdict(standings(plan), standing(line), needs[line.unit])
        held = Held(take(plan, needs), now_us + lease_us, lease_us)
        if self._journal is not None:
            try:
                self._journal.hold(now_us, hold_id, held.until_us, lease_us, held.parts)
            except (OSError, ValueError) as error:  # ValueError: half a character in a name
                settle(held.parts, NOTHING)
                why = error.strerror if isinstance(error, OSError) else type(error).__name__
                raise StoreError(f"budgets cannot be kept now: {why}") from error
        self._keep(hold_id, held)
        return Verdict(standings(plan))

    def settle(self, hold_id: str, actual: Amounts) -> None:
        """Book what it was and end the hold."""
        with self._lock:
            self._end(hold_id, used_of(actual))

    def release(self, hold_id: str) -> None:
        """End a hold of an attempt that provably never left."""
        with self._lock:
            self._end(hold_id, NOTHING)

    async def standing(self, limits: tuple[Limit, ...]) -> tuple[Standing, ...]:
        """How these limits stand now."""
        with self._lock:
            return standings(self._plan(limits, self._turn()))

    async def reset(self, limits: tuple[Limit, ...]) -> None:
        """Count these limits from 0 again in their current windows; open holds stay held."""
        with self._lock:
            now_us = self._turn()
            counters = self._plan(limits, now_us).counters
            if self._journal is not None:
                try:
                    self._journal.reset(now_us, counters)
                except OSError as error:
                    raise StoreError(f"budgets cannot be reset now: {error.strerror}") from error
            self._reset(counters)

    async def flush(self) -> None:
        """Every settlement is in the journal at once; this writes what a full disk had refused."""
        if self._journal is not None:
            try:
                with self._lock:
                    self._journal.catch_up()
            except OSError as error:
                raise StoreError(f"budgets cannot be kept now: {error.strerror}") from error

    async def close(self) -> None:
        """Let go of the journal. May be called twice."""
        if self._journal is not None:
            with self._lock:
                self._journal.close(self._latest_us)

    def _turn(self) -> int:
        """Time, never backwards; holds whose lease has ended by now are charged."""
        now_us = round(self._now().timestamp() * 1_000_000)
        if now_us < self._latest_us:
            if not self._behind and self._latest_us - now_us > _BEHIND_US:
                self._behind = True
                behind_s = (self._latest_us - now_us) // 1_000_000
                self._tell(f"budgets: the clock is {behind_s} s behind; windows wait for it")
            now_us = self._latest_us
        else:
            self._behind = False
        self._at(now_us)
        return now_us

    def _at(self, now_us: int) -> None:
        self._latest_us = now_us
        if now_us >= self._due_us:
            self._charge_due(now_us)
        if now_us >= self._tidy_us:
            self._tidy(now_us)
        journal = self._journal
        if journal is not None and journal.is_long:
            self._tidy(now_us)  # a counter that is not in the new file must not be in use
            journal.compact(self._snapshot())

    def _plan(self, limits: tuple[Limit, ...], now_us: int) -> Plan:
        """The same tuple has the same plan: callers that keep theirs are answered faster."""
        found = self._same.get(id(limits))
        if found is not None and found[0] is limits:
            plan = found[1]
        else:
            known = self._plans.get(limits)
            if known is None:
                known = self._plans[limits] = Plan(tuple([self._line(one) for one in limits]))
            plan = known
            if len(self._same) >= _PLANS:
                self._same.clear()
            self._same[id(limits)] = (limits, plan)
        if now_us >= plan.roll_us:
            plan.roll(now_us)
        return plan

    def _knows(self, hold_id: str) -> bool:
        return (
            hold_id in self._open
            or hold_id in self._ended
            or hold_id in self._ended_before
            or hold_id in self._charged
        )

    def _line(self, limit: Limit) -> Line:
        key = key_of(limit)
        counter = self._counters.get(key)
        if counter is None:
            counter = self._counters[key] = Counter(key)
        return Line.of(limit, counter)

    def _keep(self, hold_id: str, held: Held) -> None:
        self._open[hold_id] = held
        line = self._leases.get(held.lease_us)
        if line is None:
            line = self._leases[held.lease_us] = {}
        line[hold_id] = held
        self._due_us = min(self._due_us, held.until_us)

    def _end(self, hold_id: str, used: Needs) -> None:
        now_us = self._turn()
        if (held := self._open.pop(hold_id, None)) is not None:
            del self._leases[held.lease_us][hold_id]
            settle(held.parts, used)
        elif (held := self._charged.pop(hold_id, None)) is not None:
            correct(held.parts, used)
        else:
            return
        self._remember(hold_id, now_us)
        if self._journal is not None:
            self._journal.end(now_us, hold_id, used)

    def _charge_due(self, now_us: int) -> None:
        due_us = ENDLESS_US
        for line in self._leases.values():
            due = []
            for hold_id, held in line.items():
                if held.until_us > now_us:
                    due_us = min(due_us, held.until_us)
                    break
                due.append(hold_id)
            for hold_id in due:
                del self._open[hold_id]
                held = line.pop(hold_id)
                held.parts = charge(held.parts)
                self._charged[hold_id] = held
        self._due_us = due_us

    def _reset(self, counters: tuple[Counter, ...]) -> None:
        for counter in counters:
            counter.clear()
        for held in self._charged.values():  # what they were charged with is gone
            held.parts = [part for part in held.parts if part[0] not in counters]

    def _remember(self, hold_id: str, now_us: int) -> None:
        if len(self._ended) >= _ENDED or now_us - self._ended_since_us >= _ENDED_US:
            self._ended_before, self._ended = self._ended, set()
            self._ended_since_us = now_us
        self._ended.add(hold_id)

    def _tidy(self, now_us: int) -> None:
        """Let go of what no call can ask for again."""
        self._tidy_us = now_us + _TIDY_US
        old_us = now_us - _CHARGED_US
        for hold_id in [one for one, held in self._charged.items() if held.until_us <= old_us]:
            del self._charged[hold_id]
        self._leases = {length: line for length, line in self._leases.items() if line}
        for counter in self._counters.values():
            if now_us >= counter.roll_us:
                counter.roll(now_us)
        # Plans hold counters: both go together, or two counters could stand for one key.
        self._plans.clear()
        self._same.clear()
        needed = {part[0] for held in self._open.values() for part in held.parts}
        needed |= {part[0] for held in self._charged.values() for part in held.parts}
        self._counters = {
            key: counter
            for key, counter in self._counters.items()
            if counter.used or counter.held or counter in needed
        }

    def _replay(self, record: Record) -> None:
        """Do again what a line of the journal says was done."""
        self._at(max(record.at_us, self._latest_us))
        match record.what:
            case "cell":
                counter = self._counter(record.keys[0])
                start_us, used = record.numbers
                counter.load(start_us, used, 0)
            case "hold" | "charged":
                self._replay_hold(record)
            case "end":
                usd, tokens, calls = record.numbers
                journal, self._journal = self._journal, None
                self._end(record.hold_id, (usd, tokens, calls))
                self._journal = journal
            case "reset":
                self._reset(tuple(self._counter(key) for key in record.keys))
            case "ended":
                self._remember(record.hold_id, record.at_us)

    def _replay_hold(self, record: Record) -> None:
        parts = [
            (self._counter(key), record.numbers[2 * at], record.numbers[2 * at + 1])
            for at, key in enumerate(record.keys)
        ]
        held = Held(parts, record.until_us, record.lease_us)
        if record.what == "charged":
            self._charged[record.hold_id] = held
            return
        for counter, start_us, amount in parts:
            counter.add(start_us, 0, amount)
        self._keep(record.hold_id, held)

    def _counter(self, key: CounterKey) -> Counter:
        counter = self._counters.get(key)
        if counter is None:
            counter = self._counters[key] = Counter(key)
        if self._latest_us >= counter.roll_us:
            counter.roll(self._latest_us)
        return counter

    def _snapshot(self) -> Snapshot:
        """All that a later process must know, in an order that can be replayed."""
        return Snapshot(
            self._latest_us,
            tuple(self._counters.values()),
            _kept(self._open),
            _kept(self._charged),
            (*self._ended_before, *self._ended),
        )


def _kept(holds: dict[str, Held]) -> tuple[KeptHold, ...]:
    return tuple((one, held.until_us, held.lease_us, held.parts) for one, held in holds.items())
