"""Ledger entries to SQLite rows and back, and the one transaction that writes them.

Rows go in by statements of many rows: a thread lets go of the interpreter once per statement,
and waits for it again, so a statement per row would wait on the event loop once per call.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from itertools import chain
from operator import attrgetter
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from scrimp.calls import COUNTERS as COUNTERS_OF_USAGE
from scrimp.calls import Attempt, TraceLine, Usage
from scrimp.errors import StoreError
from scrimp.ledger.rollups import COUNTERS, EPOCH, Counts, RollupKey, flat, rollups
from scrimp.ports import Entry
from scrimp.traits import Traits

Row = tuple[Any, ...]

USAGE = (*COUNTERS_OF_USAGE, "suspect")
TRAITS = Traits.__struct_fields__
COLUMNS = (
    *("id", "at_us", "purpose", "operation", "dialect", "provider", "model_requested", "model"),
    *("status", "outcome", "served_by", "stream"),
    *USAGE,
    *("cost_basis", "cost_nanousd", "cost_low_nanousd", "cost_high_nanousd", "baseline_nanousd"),
    *("saved", "price_version", "latency_ms", "upstream_ms", "ttft_ms"),
    *("tenant", "key", "team", "user", "task", "task_source", "tags", "session"),
    *("trace", "attempts", "request_content", "reply_content", "untouched"),
    *TRAITS,
)
ROLLUP_COLUMNS = ("dimension", "hour", "tenant", "value", *COUNTERS)

UNFIT = (
    AttributeError,
    TypeError,
    ValueError,
    OverflowError,
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
)
"""What a single entry that no row can hold raises; anything else is the store's own trouble."""

_MICROSECOND = timedelta(microseconds=1)
_SIZES = (128, 64, 32, 16, 8, 4, 2, 1)
_encode = msgspec.json.Encoder().encode
_pairs = msgspec.json.Decoder(tuple[tuple[str, int], ...]).decode
_texts = msgspec.json.Decoder(tuple[str, ...]).decode
_trace = msgspec.json.Decoder(tuple[TraceLine, ...]).decode
_attempts = msgspec.json.Decoder(tuple[Attempt, ...]).decode
_one_attempt = msgspec.json.Decoder(Attempt).decode

_usage_values = attrgetter(*USAGE)
_trait_values = attrgetter(*TRAITS)
_NO_TRAITS = (None,) * len(TRAITS)
_before_usage = attrgetter(*COLUMNS[2 : COLUMNS.index(USAGE[0])])
_before_saved = attrgetter(*COLUMNS[COLUMNS.index("cost_basis") : COLUMNS.index("saved")])
_before_tags = attrgetter(*COLUMNS[COLUMNS.index("price_version") : COLUMNS.index("tags")])


def id_bytes(call_id: str) -> bytes:
    """The 16 bytes of a call's id. Raises ValueError when it is no UUID."""
    raw = bytes.fromhex(call_id.replace("-", ""))
    if len(raw) != 16:
        msg = f"a call's id is a UUID of 16 bytes, not {len(raw)}"
        raise ValueError(msg)
    return raw


def _kept(attempt: Attempt) -> Attempt:
    """Without what had arrived of a broken reply."""
    return replace(attempt, partial=b"") if attempt.partial else attempt


def to_row(entry: Entry) -> Row:
    """Raises one of UNFIT when no row can hold the entry."""
    return (
        id_bytes(entry.id),
        (entry.at - EPOCH) // _MICROSECOND,
        *_before_usage(entry),
        *_usage_values(entry.usage),
        *_before_saved(entry),
        _encode(entry.saved).decode() if entry.saved else "[]",
        *_before_tags(entry),
        _encode(entry.tags).decode() if entry.tags else "[]",
        entry.session,
        _encode(entry.trace).decode(),
        _encode([_kept(attempt) for attempt in entry.attempts]).decode()
        if entry.attempts
        else "[]",
        entry.request_content,
        entry.reply_content,
        None if entry.untouched is None else _encode(_kept(entry.untouched)).decode(),
        *(_NO_TRAITS if entry.traits is None else _trait_values(entry.traits)),
    )


def to_entry(row: Row) -> Entry:
    """Raises StoreError when a row does not hold what this version writes."""
    values = dict(zip(COLUMNS, row, strict=True))
    try:
        values["usage"] = Usage(**{name: values.pop(name) for name in USAGE})
        values["id"] = str(UUID(bytes=values["id"]))
        values["at"] = EPOCH + timedelta(microseconds=values.pop("at_us"))
        values["stream"] = bool(values["stream"])
        values["saved"] = _pairs(values["saved"])
        values["tags"] = _texts(values["tags"])
        values["trace"] = _trace(values["trace"])
        values["attempts"] = _attempts(values["attempts"])
        if (untouched := values["untouched"]) is not None:
            values["untouched"] = _one_attempt(untouched)
        values["traits"] = _traits({name: values.pop(name) for name in TRAITS})
    except (TypeError, ValueError) as error:  # msgspec's decoding errors are ValueErrors
        raise StoreError(f"a row of the ledger cannot be read: {type(error).__name__}") from error
    return Entry(**values)


def _traits(values: dict[str, Any]) -> Traits | None:
    if values["body_bytes"] is None:
        return None
    return Traits(**{**values, "own_marks": bool(values["own_marks"])})


def select(where: str, *, also: str = "") -> str:
    """A query for whole rows; `where` is a constant of ours with bound parameters.

    `also` names one more column, behind the others.
    """
    names = (*COLUMNS, also) if also else COLUMNS
    return f"SELECT {', '.join(names)} FROM calls {where}"  # noqa: S608 - constants only


@cache
def _insert_calls(rows: int) -> str:
    marks = ", ".join(["(" + ", ".join("?" * len(COLUMNS)) + ")"] * rows)
    # Not INSERT OR IGNORE: that would also swallow a row that misses a value.
    return f"INSERT INTO calls ({', '.join(COLUMNS)}) VALUES {marks} ON CONFLICT (id) DO NOTHING"  # noqa: S608 - constants only


@cache
def _add_rollups(rows: int) -> str:
    marks = ", ".join(["(" + ", ".join("?" * len(ROLLUP_COLUMNS)) + ")"] * rows)
    added = ", ".join(f"{name} = {name} + excluded.{name}" for name in COUNTERS)
    return (
        f"INSERT INTO rollups VALUES {marks} "  # noqa: S608 - constants only
        f"ON CONFLICT (dimension, hour, tenant, value) DO UPDATE SET {added}"
    )


def _run(connection: sqlite3.Connection, sql: Any, rows: Sequence[Row]) -> int:
    """Run a statement of many rows over all of them; how many rows changed."""
    changed = 0
    start = 0
    for size in _SIZES:
        statement = sql(size)
        while len(rows) - start >= size:
            piece = rows[start : start + size]
            changed += connection.execute(statement, list(chain.from_iterable(piece))).rowcount
            start += size
    return changed


def add_sums(connection: sqlite3.Connection, sums: dict[RollupKey, Counts]) -> None:
    """Add to the hourly sums, inside a transaction of the caller's."""
    _run(connection, _add_rollups, flat(sums))


def _rollback(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:  # SQLite itself rolls back when the disk is full
        connection.execute("ROLLBACK")


def _insert(
    connection: sqlite3.Connection, entries: Sequence[Entry]
) -> tuple[list[Entry], list[tuple[Entry, str]]]:
    """Insert one at a time, for a batch with a known id or an unfit entry in it.

    Returns those that were new, and those that no row can hold with the kind of error.
    """
    new: list[Entry] = []
    unfit: list[tuple[Entry, str]] = []
    for entry in entries:
        try:
            if connection.execute(_insert_calls(1), to_row(entry)).rowcount:
                new.append(entry)
        except UNFIT as error:
            unfit.append((entry, type(error).__name__))
    return new, unfit


def write(
    connection: sqlite3.Connection, entries: Sequence[Entry]
) -> tuple[int, list[tuple[Entry, str]]]:
    """Commit entries and their rollups together; an id that is there already changes nothing.

    Returns how many were new, and the entries that no row can hold with the kind of error.
    Raises sqlite3.Error with nothing written.
    """
    try:
        connection.execute("BEGIN IMMEDIATE")
        unfit: list[tuple[Entry, str]] = []
        try:
            rows = [to_row(entry) for entry in entries]
            all_new = _run(connection, _insert_calls, rows) == len(rows)
        except UNFIT:
            all_new = False
        if all_new:
            new = entries
        else:
            _rollback(connection)
            connection.execute("BEGIN IMMEDIATE")
            new, unfit = _insert(connection, entries)
        add_sums(connection, rollups(new))
        connection.execute("COMMIT")
    except BaseException:
        _rollback(connection)
        raise
    return len(new), unfit
