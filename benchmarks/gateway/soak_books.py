"""The ledger beside the simulator's bill, call by call.

Where the provider told its usage the two must be equal to the nano-dollar; where it could not, the
bill must lie between the ledger's bounds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_QUERY = """
SELECT seq, session, cost_nanousd, cost_low_nanousd, cost_high_nanousd, served_by
FROM calls WHERE seq > ? ORDER BY seq
"""


@dataclass(frozen=True, slots=True)
class Booked:
    """One entry, as far as money goes."""

    number: int
    cost: int | None
    low: int | None
    high: int | None
    served_by: str


@dataclass(slots=True)
class Books:
    """All that was compared so far; `wrong` is empty while both agree."""

    entries: int = 0
    exact_calls: int = 0
    exact_ledger_nanousd: int = 0
    exact_bill_nanousd: int = 0
    bounded_calls: int = 0
    bounded_low_nanousd: int = 0
    bounded_bill_nanousd: int = 0
    bounded_high_nanousd: int = 0
    served_by: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    unseen: set[int] = field(default_factory=set)  # left, and not booked so far

    @property
    def never_seen(self) -> int:
        """How many clients left before the gateway had read their call."""
        return len(self.unseen)

    def compare(
        self, booked: Iterable[Booked], bill: Mapping[int, int], asked: range, left: frozenset[int]
    ) -> None:
        """Add some calls: their entries, what each was billed, and which of them left."""
        owed = dict(bill)
        missing = set(asked) | self.unseen
        for entry in booked:
            self.entries += 1
            self.served_by[entry.served_by] = self.served_by.get(entry.served_by, 0) + 1
            if entry.number not in missing:
                self.wrong.append(f"call {entry.number} was booked twice, or never asked")
            missing.discard(entry.number)
            self._one(entry, owed.pop(entry.number, 0))
        self.wrong += [f"call {n} was billed {nano} and is not booked" for n, nano in owed.items()]
        left |= self.unseen
        self.wrong += [f"call {n} is not booked" for n in missing - left]
        self.unseen = missing & left

    def _one(self, entry: Booked, billed: int) -> None:
        low, cost, high = entry.low, entry.cost, entry.high
        if low is None or cost is None or high is None:
            self.wrong.append(f"call {entry.number} has no price; it was billed {billed}")
        elif low == high:
            self.exact_calls += 1
            self.exact_ledger_nanousd += cost
            self.exact_bill_nanousd += billed
            if cost != billed:
                self.wrong.append(f"call {entry.number} is booked {cost}, billed {billed}")
        else:
            self.bounded_calls += 1
            self.bounded_low_nanousd += low
            self.bounded_bill_nanousd += billed
            self.bounded_high_nanousd += high
            if not low <= billed <= high:
                bounds = f"[{low}, {high}]"
                self.wrong.append(f"call {entry.number} is booked {bounds}, billed {billed}")


class LedgerFile:
    """The gateway's ledger, read beside it."""

    def __init__(self, path: Path) -> None:
        self._uri = f"file:{path}?mode=ro"
        self._seen = 0

    def numbers(self) -> frozenset[int]:
        """The calls that were booked since `new` was asked last."""
        return frozenset(int(row[1]) for row in self._rows())

    def new(self) -> list[Booked]:
        """The entries since the last time."""
        rows = self._rows()
        if rows:
            self._seen = rows[-1][0]
        return [Booked(int(row[1]), *row[2:]) for row in rows]

    def _rows(self) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self._uri, uri=True)) as connection:
            return connection.execute(_QUERY, (self._seen,)).fetchall()
