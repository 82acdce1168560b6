"""Counters of limits, what a hold takes of them, and who is refused. Pure: nothing here does I/O.

This is the whole arithmetic of budgets; engines differ only in where counters and holds live.
Amounts are integers. No sum passes MAX: a hold that would is refused, a settlement stays at it.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import msgspec

from scrimp.budgets.windows import BUCKETS, ENDLESS_US, bucket_us, cell_at, moment
from scrimp.errors import StoreError
from scrimp.limits import Amounts, Limit, Standing, Unit, Window

MAX = 2**63 - 1

Needs = tuple[int, int, int]
"""Amounts in the order of UNITS. Settled with, a negative one means: as much as was held."""

UNITS: dict[Unit, int] = {"usd": 0, "tokens": 1, "calls": 2}
NOTHING: Needs = (0, 0, 0)

_OLDEST_LEASE_S = 366 * 86_400


class CounterKey(NamedTuple):
    """What limits must have in common to share a counter: scope, unit and window, spelled out."""

    kind: str
    name: str
    model: str
    provider: str
    unit: Unit
    window: str
    seconds: int
    zone: str


def key_of(limit: Limit) -> CounterKey:
    """The key of the counter that a limit looks at."""
    scope, window = limit.scope, limit.window
    rolling = window.kind == "rolling"
    calendar = window.kind not in ("rolling", "lifetime", "open")
    return CounterKey(
        scope.kind,
        scope.name,
        scope.model,
        scope.provider,
        limit.unit,
        window.kind,
        window.seconds if rolling else 0,
        (window.zone or "UTC") if calendar else "",
    )


class Counter:
    """What is used and held of one key in the window that is now.

    `used` and `held` are of the whole window; `cells` (of rolling windows only) has both for each
    bucket. `start_us` is the cell that a hold is counted in now, `roll_us` the moment after it.
    Where `counts_used` is false (open windows), only what is held counts. `number` and `key` are
    for whoever stores it.
    """

    __slots__ = (
        "cells",
        "counts_used",
        "held",
        "key",
        "number",
        "resets_at",
        "roll_us",
        "start_us",
        "unit",
        "used",
        "window",
    )

    def __init__(self, key: CounterKey) -> None:
        self.key = key
        self.number = 0
        self.window = msgspec.convert(
            {"kind": key.window, "seconds": key.seconds, "zone": key.zone or "UTC"}, Window
        )
        self.unit = UNITS[key.unit]
        self.counts_used = key.window != "open"
        self.used = 0
        self.held = 0
        self.start_us = self.roll_us = -1
        self.cells: dict[int, list[int]] | None = {} if key.window == "rolling" else None
        self.resets_at: datetime | None = None

    def roll(self, now_us: int) -> None:
        """Move on to the cell that is now. Time never runs backwards here."""
        start_us, end_us, _ = cell_at(self.window, now_us)
        if start_us == self.start_us:
            return
        self.start_us, self.roll_us = start_us, end_us
        if self.cells is None:
            self.used = self.held = 0
            self.resets_at = None if end_us == ENDLESS_US else moment(end_us)
            return
        oldest_us = start_us - BUCKETS * bucket_us(self.window)
        for gone_us in [at_us for at_us in self.cells if at_us < oldest_us]:
            used, held = self.cells.pop(gone_us)
            self.used -= used
            self.held -= held
        self.cells[start_us] = [0, 0]

    def load(self, start_us: int, used: int, held: int) -> None:
        """Put in what a store had kept of a cell; nothing when that cell no longer counts."""
        if self.cells is None:
            if start_us == self.start_us:
                self.used, self.held = used, held
        elif start_us > self.start_us - (BUCKETS + 1) * bucket_us(self.window):
            self.cells[start_us] = [used, held]
            self.used += used
            self.held += held

    def cell(self, start_us: int) -> tuple[int, int] | None:
        """Used and held of a cell; None when it no longer counts."""
        if self.cells is None:
            return (self.used, self.held) if start_us == self.start_us else None
        found = self.cells.get(start_us)
        return None if found is None else (found[0], found[1])

    def add(self, start_us: int, used: int, held: int) -> None:
        """Change a cell, unless its window is over: what was held then is of no interest now."""
        cells = self.cells
        if cells is None:
            if start_us == self.start_us:
                self.held += held
                if used and self.counts_used:
                    self.used = min(max(self.used + used, 0), MAX)
        elif (cell := cells.get(start_us)) is not None:
            before = cell[0]
            cell[0] = min(max(before + used, 0), MAX)
            cell[1] += held
            self.used += cell[0] - before
            self.held += held

    def until_us(self, start_us: int) -> int:
        """When a cell of this window counts for nothing any more."""
        if self.cells is None:
            return self.roll_us
        return start_us + (BUCKETS + 1) * bucket_us(self.window)

    def clear(self) -> None:
        """Count what is used from 0 again; what is held stays held."""
        self.used = 0
        for cell in (self.cells or {}).values():
            cell[0] = 0

    def falls_out_at(self) -> datetime | None:
        """When the window ends; of a rolling one, when the oldest amount in it falls out."""
        if self.cells is None:
            return self.resets_at
        width_us = bucket_us(self.window)
        in_use = (at_us for at_us, cell in self.cells.items() if cell[0] or cell[1])
        return moment(min(in_use, default=self.start_us) + (BUCKETS + 1) * width_us)


Part = tuple[Counter, int, int]
"""What a hold took of one counter: the counter, the start of the cell, the amount."""


class Line(NamedTuple):
    """One limit of a hold, with its counter and what is asked of it on every call."""

    counter: Counter
    amount: int
    unit: int
    hard: bool
    limit: Limit

    @classmethod
    def of(cls, limit: Limit, counter: Counter) -> Line:
        """A limit beside its counter."""
        return cls(counter, min(limit.amount, MAX), counter.unit, limit.hard, limit)


class Plan:
    """Limits that are asked together, with their counters; good until `roll_us`."""

    __slots__ = ("counters", "lines", "roll_us")

    def __init__(self, lines: tuple[Line, ...]) -> None:
        self.lines = lines
        self.counters = tuple(dict.fromkeys(line.counter for line in lines))
        self.roll_us = -1

    def roll(self, now_us: int) -> None:
        """Bring every counter to the window that is now."""
        if now_us < self.roll_us:
            return
        for counter in self.counters:
            if now_us >= counter.roll_us:
                counter.roll(now_us)
        self.roll_us = min((counter.roll_us for counter in self.counters), default=ENDLESS_US)


def needs_of(worst: Amounts) -> Needs:
    """What a hold asks for. Raises StoreError for what is no amount."""
    needs = (worst.usd_nanousd, worst.tokens, worst.calls)
    for name, need in zip(UNITS, needs, strict=True):
        if need.__class__ is not int or not 0 <= need <= MAX:
            raise StoreError(f"{need} {name} cannot be held (a whole number from 0 to {MAX})")
    return needs


def used_of(actual: Amounts) -> Needs:
    """What a settlement books; what is no amount is booked as it was held."""
    usd, tokens, calls = (
        used if used.__class__ is int and 0 <= used <= MAX else -1
        for used in (actual.usd_nanousd, actual.tokens, actual.calls)
    )
    return usd, tokens, calls


def lease_us_of(lease_s: float) -> int:
    """A lease in microseconds. Raises StoreError for what is no lease."""
    if not 0 < lease_s <= _OLDEST_LEASE_S:
        raise StoreError(f"a lease of {lease_s} s cannot be given (more than 0, at most a year)")
    return round(lease_s * 1_000_000)


def decide(plan: Plan, needs: Needs, *, over_soft: bool) -> Line | None:
    """The limit that stands in the way, or None when all may be held.

    Who needs nothing of a limit is never in its way, so that what is free goes on when money is
    spent. A hard limit is named before a soft one, then the one whose window ends last.
    """
    denied: list[Line] = []
    for line in plan.lines:
        counter, amount, unit, hard, _ = line
        if need := needs[unit]:
            total = counter.used + counter.held + need
            if total > amount and (hard or not over_soft or total > MAX):
                denied.append(line)
    return max(denied, key=_in_the_way) if denied else None


def _in_the_way(line: Line) -> tuple[bool, int]:
    counter = line.counter
    ends_us = counter.roll_us if counter.counts_used else 0
    if counter.cells is not None:
        ends_us = counter.roll_us + BUCKETS * bucket_us(counter.window)
    return line.hard, ends_us


def take(plan: Plan, needs: Needs) -> list[Part]:
    """Hold it, once in each counter. Counters of which nothing is needed are remembered too."""
    parts = []
    for counter in plan.counters:
        need = needs[counter.unit]
        counter.held += need
        if counter.cells is not None:
            counter.cells[counter.start_us][1] += need
        parts.append((counter, counter.start_us, need))
    return parts


def settle(parts: list[Part], used: Needs) -> None:
    """End a hold with what it was."""
    for counter, start_us, amount in parts:
        actual = used[counter.unit]
        if actual < 0:
            actual = amount
        if counter.cells is None and counter.counts_used and start_us == counter.start_us:
            counter.held -= amount  # most are of this kind: no call for them
            counter.used = min(counter.used + actual, MAX)
        else:
            counter.add(start_us, actual, -amount)


def charge(parts: list[Part]) -> list[Part]:
    """Book a hold that nobody ended, in full; what a late settlement may still correct of it."""
    for counter, start_us, amount in parts:
        counter.add(start_us, amount, -amount)
    return [part for part in parts if part[0].counts_used]


def correct(parts: list[Part], used: Needs) -> None:
    """Put what it was in the place of what was charged."""
    for counter, start_us, amount in parts:
        actual = used[counter.unit]
        if actual >= 0:
            counter.add(start_us, actual - amount, 0)


def standings(plan: Plan) -> tuple[Standing, ...]:
    """How the limits of a plan stand, in their order."""
    return tuple(
        [
            Standing(
                limit,
                counter.used,
                counter.held,
                counter.resets_at if counter.cells is None else counter.falls_out_at(),
            )
            for counter, _, _, _, limit in plan.lines
        ]
    )


def standing(line: Line) -> Standing:
    """How one limit stands."""
    counter = line.counter
    return Standing(line.limit, counter.used, counter.held, counter.falls_out_at())
