"""Adjustments in the ledger's file: read beside a gateway, and added while one writes.

One transaction holds a few hundred calls: it looks at what stands in the books, adds what is
missing to the new amounts, and moves the sums with it. Whoever does the same at the same time, or
again, finds nothing left to add.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from scrimp.errors import StoreError
from scrimp.ledger.adjustment import (
    Adjustment,
    Amounts,
    Period,
    adjusted_sums,
    amounts_now,
    difference,
)
from scrimp.ledger.rollups import EPOCH
from scrimp.ports import Entry
from scrimp.stores.sqlite_ledger_file import open_reader, open_writer
from scrimp.stores.sqlite_ledger_rows import add_sums, id_bytes, select, to_entry
from scrimp.stores.sqlite_transaction import one_transaction

PAGE = 256
"""Calls in one transaction: some milliseconds, so that a gateway hardly waits."""

_BUSY_MS = 30_000
_MICROSECOND = timedelta(microseconds=1)
_COLUMNS = (
    *("call_id", "call_at_us", "at_us", "reason", "price_version", "cost_basis", "known"),
    *("cost_nanousd", "cost_low_nanousd", "cost_high_nanousd", "baseline_nanousd", "saved"),
)
_INSERT = (
    f"INSERT INTO adjustments ({', '.join(_COLUMNS)}) "  # noqa: S608 - constants only
    f"VALUES ({', '.join('?' * len(_COLUMNS))})"
)
_encode = msgspec.json.Encoder().encode
_saved = msgspec.json.Decoder(tuple[tuple[str, int, int], ...]).decode

Change = tuple[Entry, Amounts]
"""A call, and what its amounts should be."""


def adjustments_of(
    connection: sqlite3.Connection, entries: Sequence[Entry]
) -> dict[str, list[Adjustment]]:
    """The adjustments of these calls by call, oldest first."""
    found: dict[str, list[Adjustment]] = {}
    marks = ", ".join("?" * len(entries))
    query = (
        f"SELECT {', '.join(_COLUMNS)} FROM adjustments "  # noqa: S608 - constants only, values are bound
        f"WHERE call_id IN ({marks}) ORDER BY seq"
    )
    for row in connection.execute(query, [id_bytes(entry.id) for entry in entries]):
        one = _adjustment(row)
        found.setdefault(one.call_id, []).append(one)
    return found


class LedgerAdjuster:
    """Reads calls with what stands in the books, and adds corrections. Raises StoreError."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def calls(self, period: Period) -> Iterator[list[tuple[Entry, Amounts]]]:
        """All calls of a period with their amounts as they stand now, in pages, oldest first.

        No transaction is held between pages.
        """
        after = ((period.since - EPOCH) // _MICROSECOND, -1)
        whose = "AND ? IN (model, model_requested) " if period.model else ""
        where = f"WHERE at_us < ? AND (at_us, seq) > (?, ?) {whose}ORDER BY at_us, seq LIMIT ?"
        end = (period.until - EPOCH) // _MICROSECOND
        try:
            connection = open_reader(self._path)
            try:
                while page := self._page(connection, where, (end, *after, *_named(period), PAGE)):
                    yield [(entry, now) for entry, now, _ in page]
                    after = page[-1][2]
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise StoreError(f"the ledger {self._path} cannot be read: {error}") from error

    def span(self) -> tuple[datetime, datetime] | None:
        """When the first and the last call began; None without calls."""
        try:
            connection = open_reader(self._path)
            try:
                query = "SELECT min(at_us), max(at_us) FROM calls"
                first, last = connection.execute(query).fetchone()
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise StoreError(f"the ledger {self._path} cannot be read: {error}") from error
        if first is None:
            return None
        return EPOCH + first * _MICROSECOND, EPOCH + last * _MICROSECOND

    def adjust(
        self, changes: Sequence[Change], *, at: datetime, reason: str
    ) -> list[tuple[Entry, Adjustment]]:
        """Add what is missing to these amounts, at once or not at all; what was added."""
        if not self._path.is_file():
            raise StoreError(f"there is no ledger at {self._path}")
        try:
            connection = open_writer(self._path, synchronous="FULL", busy_timeout_ms=_BUSY_MS)
            try:
                return _adjust(connection, changes, at=at, reason=reason)
            finally:
                connection.close()
        except (sqlite3.Error, OSError, OverflowError) as error:
            said = f"the ledger {self._path} cannot be adjusted now: {error} (try again)"
            raise StoreError(said) from error

    def _page(
        self, connection: sqlite3.Connection, where: str, bound: tuple[str | int, ...]
    ) -> list[tuple[Entry, Amounts, tuple[int, int]]]:
        connection.execute("BEGIN")  # calls and adjustments from one moment
        try:
            rows = connection.execute(select(where, also="seq"), bound).fetchall()
            entries = [to_entry(row[:-1]) for row in rows]
            known = adjustments_of(connection, entries)
        finally:
            connection.execute("ROLLBACK")
        return [
            (
                entry,
                amounts_now(entry, known.get(entry.id, ())),
                ((entry.at - EPOCH) // _MICROSECOND, row[-1]),
            )
            for entry, row in zip(entries, rows, strict=True)
        ]


def _named(period: Period) -> tuple[str, ...]:
    return (period.model,) if period.model else ()


def _adjust(
    connection: sqlite3.Connection, changes: Sequence[Change], *, at: datetime, reason: str
) -> list[tuple[Entry, Adjustment]]:
    with one_transaction(connection):
        known = adjustments_of(connection, [entry for entry, _ in changes])
        added: list[tuple[Entry, Adjustment]] = []
        for entry, then in changes:
            now = amounts_now(entry, known.get(entry.id, ()))
            one = difference(entry, now, then, at=at, reason=reason)
            if one is not None:
                added.append((entry, one))
        connection.executemany(_INSERT, [_row(one) for _, one in added])
        add_sums(connection, adjusted_sums(added))
    return added


def _row(one: Adjustment) -> tuple[object, ...]:
    return (
        id_bytes(one.call_id),
        (one.call_at - EPOCH) // _MICROSECOND,
        (one.at - EPOCH) // _MICROSECOND,
        one.reason,
        one.price_version,
        one.cost_basis,
        int(one.known),
        one.cost_nanousd,
        one.cost_low_nanousd,
        one.cost_high_nanousd,
        one.baseline_nanousd,
        _encode(one.saved).decode(),
    )


def _adjustment(row: Sequence[object]) -> Adjustment:
    """Raises StoreError when a row does not hold what this version writes."""
    values: dict[str, Any] = dict(zip(_COLUMNS, row, strict=True))
    try:
        values["call_id"] = str(UUID(bytes=values["call_id"]))
        for name in ("call_at", "at"):
            values[name] = EPOCH + values.pop(f"{name}_us") * _MICROSECOND
        values["known"] = bool(values["known"])
        values["saved"] = _saved(values["saved"])
    except (TypeError, ValueError) as error:
        msg = f"an adjustment in the ledger cannot be read: {type(error).__name__}"
        raise StoreError(msg) from error
    return Adjustment(**values)
