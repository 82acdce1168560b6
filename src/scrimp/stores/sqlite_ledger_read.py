"""Reading the ledger's file: reports, single calls, and the checks of `scrimp doctor`.

Read-only and synchronous: commands use it as it is, a server from a thread. It works beside a
gateway that writes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import assert_never

from scrimp.errors import StoreError
from scrimp.ledger.adjustment import Adjustment
from scrimp.ledger.report import (
    Adjusted,
    By,
    LatencyAdded,
    Report,
    ReportRow,
    latency_added,
)
from scrimp.ledger.rollups import COUNTERS, EPOCH, HOUR, SINGLE
from scrimp.ports import Entry
from scrimp.stores import sqlite_ledger_spill as spill
from scrimp.stores.sqlite_ledger_adjust import adjustments_of
from scrimp.stores.sqlite_ledger_attempts import AttemptReader
from scrimp.stores.sqlite_ledger_file import migrations, open_reader
from scrimp.stores.sqlite_ledger_rows import id_bytes, select, to_entry
from scrimp.stores.sqlite_schema import schema_version

_SUMS = ", ".join(f"coalesce(sum({name}), 0)" for name in COUNTERS)
_MICROSECOND = timedelta(microseconds=1)

_CALL_SUMS = """
SELECT at_us / 3600000000 AS hour, tenant, count(*),
  sum(served_by NOT IN ('upstream', 'none', 'recorded', '')),
  sum(outcome <> 'cancelled' AND (status >= 400 OR outcome <> 'ok')),
  sum(cost_nanousd IS NULL) - coalesce(sum(more.known), 0),
  sum(coalesce(cost_nanousd, 0)) + coalesce(sum(more.cost), 0),
  sum(coalesce(cost_low_nanousd, 0)) + coalesce(sum(more.low), 0),
  sum(coalesce(cost_high_nanousd, 0)) + coalesce(sum(more.high), 0),
  sum(coalesce(baseline_nanousd, 0)) + coalesce(sum(more.baseline), 0),
  sum((SELECT coalesce(sum(json_extract(value, '$[1]')), 0) FROM json_each(saved)))
    + coalesce(sum(more.saved_in_all), 0),
  sum(input_tokens + cache_read_tokens + cache_write_5m_tokens + cache_write_1h_tokens
    + input_audio_tokens + cache_read_audio_tokens + input_image_tokens),
  sum(cache_read_tokens + cache_read_audio_tokens),
  sum(output_tokens + reasoning_tokens + output_audio_tokens + output_image_tokens),
  sum(cache_write_5m_tokens), sum(cache_write_1h_tokens)
FROM calls LEFT JOIN (
  SELECT call_id, sum(known) AS known, sum(cost_nanousd) AS cost, sum(cost_low_nanousd) AS low,
    sum(cost_high_nanousd) AS high, sum(baseline_nanousd) AS baseline,
    sum((SELECT coalesce(sum(json_extract(value, '$[1]')), 0) FROM json_each(saved)))
      AS saved_in_all
  FROM adjustments GROUP BY call_id
) AS more ON more.call_id = calls.id
GROUP BY hour, tenant ORDER BY hour, tenant
"""
_TRACE_SUMS = """
SELECT at_us / 3600000000 AS hour, tenant,
  sum(CASE WHEN json_extract(line.value, '$.verdict') = 'cache_written'
    AND json_extract(number.value, '$[0]') = 'premium_nanousd'
    THEN json_extract(number.value, '$[1]') ELSE 0 END),
  sum(CASE WHEN json_extract(line.value, '$.verdict') = 'broken'
    AND json_extract(number.value, '$[0]') = 'lost_nanousd'
    THEN json_extract(number.value, '$[1]') ELSE 0 END)
FROM calls, json_each(trace) AS line, json_each(line.value, '$.numbers') AS number
WHERE instr(trace, '"cache_written"') OR instr(trace, '"broken"')
GROUP BY hour, tenant
"""
_LEVER_SUMS = """
SELECT lever, sum(calls), sum(nanousd) FROM (
  SELECT json_extract(each.value, '$[0]') AS lever, 1 AS calls,
    json_extract(each.value, '$[1]') AS nanousd
  FROM calls, json_each(saved) AS each
  UNION ALL
  SELECT json_extract(each.value, '$[0]'), json_extract(each.value, '$[2]'),
    json_extract(each.value, '$[1]')
  FROM adjustments, json_each(saved) AS each
) GROUP BY 1 ORDER BY 1
"""
_SAVED_BY_TASK = """
SELECT tenant, task, sum(nanousd) FROM (
  SELECT tenant, task, json_extract(each.value, '$[1]') AS nanousd
  FROM calls, json_each(saved) AS each
  WHERE at_us >= :since AND at_us < :until AND served_by = :lever
    AND json_extract(each.value, '$[0]') = :lever
  UNION ALL
  SELECT tenant, task, json_extract(each.value, '$[1]')
  FROM adjustments JOIN calls ON calls.id = call_id, json_each(adjustments.saved) AS each
  WHERE call_at_us >= :since AND call_at_us < :until
    AND json_extract(each.value, '$[0]') = :lever
) GROUP BY 1, 2
"""
_ADJUSTED = """
SELECT count(DISTINCT call_id), coalesce(sum(cost_nanousd), 0), coalesce(sum(known), 0)
FROM adjustments WHERE call_at_us >= ? AND call_at_us < ?
"""
_FREQUENT = """
SELECT request_content, task, count(*) AS asked FROM calls
WHERE request_content IS NOT NULL AND operation = 'chat' AND purpose = 'client' AND outcome = 'ok'
  AND coalesce(tenant = nullif(:tenant, ''), 1)
GROUP BY request_content ORDER BY asked DESC, max(seq) DESC LIMIT :top
"""
_OF_CLIENTS = """
SELECT count(*), coalesce(sum(coalesce(cost_nanousd, 0)
  + coalesce((SELECT sum(cost_nanousd) FROM adjustments WHERE call_id = calls.id), 0)), 0)
FROM calls WHERE at_us >= ? AND at_us < ? AND model = ? AND purpose = 'client'
"""
_TAG_COUNTS = """
SELECT tag, count(*) FROM
  (SELECT DISTINCT calls.seq, each.value AS tag FROM calls, json_each(tags) AS each)
GROUP BY 1 ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class LedgerCheck:
    """What `scrimp doctor` wants to know; `problems` is empty when all is well."""

    schema_version: int
    newest_schema_version: int
    calls: int
    spilled: int
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """True when nothing is wrong and nothing waits to be read back."""
        return not self.problems and not self.spilled


class LedgerReader:
    """Opens the file for each question; every method raises StoreError when it cannot answer."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        connection = open_reader(self._path)
        try:
            yield connection
        except sqlite3.Error as error:
            raise StoreError(f"the ledger {self._path} cannot be read: {error}") from error
        finally:
            connection.close()

    def report(
        self, since: datetime, until: datetime, by: By, *, tenant: str | None = None
    ) -> Report:
        """Sums over the whole hours that [since, until) touches, the dearest first.

        Days are UTC and in order of time; levers come by what they saved. Without a tenant the
        sums are over all tenants.
        """
        first, end = (since - EPOCH) // HOUR, -((EPOCH - until) // HOUR)
        with self._connection() as connection:
            connection.execute("BEGIN")  # rows and total from one moment
            rows = tuple(_rows(connection, (first, end), by, tenant))
            total = next(iter(_rows(connection, (first, end), "total", tenant)), ReportRow(""))
        return Report(by, EPOCH + first * HOUR, EPOCH + end * HOUR, rows, total)

    def asked_by_clients(self, model: str, since: datetime, until: datetime) -> tuple[int, int]:
        """How many calls of clients a model had in [since, until), and what they have cost.

        Unlike a report it leaves out what Scrimp asks by itself: comparisons, shadows, judges.
        """
        span = ((since - EPOCH) // _MICROSECOND, (until - EPOCH) // _MICROSECOND)
        with self._connection() as connection:
            calls, nanousd = connection.execute(_OF_CLIENTS, (*span, model)).fetchone()
        return int(calls), int(nanousd)

    def saved_by_answering(
        self, lever: str, since: datetime, until: datetime
    ) -> dict[tuple[str, str], int]:
        """What a lever saved by calls that it answered, by tenant and task type. Reads each."""
        first, end = (since - EPOCH) // _MICROSECOND, (until - EPOCH) // _MICROSECOND
        values = {"lever": lever, "since": first, "until": end}
        with self._connection() as connection:
            rows = connection.execute(_SAVED_BY_TASK, values).fetchall()
        return {(tenant, task): int(nanousd) for tenant, task, nanousd in rows}

    def frequent(self, top: int, tenant: str = "") -> list[tuple[str, str, int]]:
        """Bodies of chats that were asked most often, with task type and how often.

        Empty where the ledger keeps no content.
        """
        with self._connection() as connection:
            return connection.execute(_FREQUENT, {"top": top, "tenant": tenant}).fetchall()

    def find(self, call_id: str) -> Entry | None:
        """One entry, in the database or still in the spill file; None also for what is no id."""
        try:
            key = id_bytes(call_id)
        except ValueError:
            return None
        failure: StoreError | None = None
        try:
            with self._connection() as connection:
                row = connection.execute(select("WHERE id = ?"), (key,)).fetchone()
            if row is not None:
                return to_entry(row)
        except StoreError as error:
            failure = error
        if (entry := self._find_spilled(key)) is not None:
            return entry
        if failure is not None:
            raise failure
        return None

    def _find_spilled(self, key: bytes) -> Entry | None:
        try:
            return next((e for e in spill.entries_in(self._path) if id_bytes(e.id) == key), None)
        except (OSError, ValueError) as error:
            raise StoreError(f"the spill file of {self._path} cannot be read") from error

    @property
    def attempts(self) -> AttemptReader:
        """What was sent to providers, call by call, to be laid beside their bill."""
        return AttemptReader(self._path)

    def recent(self, limit: int) -> list[Entry]:
        """The entries that were booked last, newest first."""
        with self._connection() as connection:
            rows = connection.execute(select("ORDER BY seq DESC LIMIT ?"), (limit,)).fetchall()
        return [to_entry(row) for row in rows]

    def latency_added(
        self, since: datetime, until: datetime, *, limit: int = 20_000
    ) -> LatencyAdded:
        """Latency less the time upstream, over the newest `limit` calls begun in [since, until)."""
        query = (
            "SELECT latency_ms - upstream_ms FROM calls WHERE at_us >= ? AND at_us < ? "
            "AND operation <> 'recorded' ORDER BY at_us DESC LIMIT ?"
        )
        bounds = ((since - EPOCH) // _MICROSECOND, (until - EPOCH) // _MICROSECOND, limit)
        with self._connection() as connection:
            return latency_added([added for (added,) in connection.execute(query, bounds)])

    def adjusted(self, since: datetime, until: datetime) -> Adjusted:
        """What corrections made later are worth, over calls begun in [since, until)."""
        bounds = ((since - EPOCH) // _MICROSECOND, (until - EPOCH) // _MICROSECOND)
        with self._connection() as connection:
            return Adjusted(*connection.execute(_ADJUSTED, bounds).fetchone())

    def adjustments(self, entry: Entry) -> tuple[Adjustment, ...]:
        """The corrections of one call, oldest first."""
        with self._connection() as connection:
            return tuple(adjustments_of(connection, [entry]).get(entry.id, ()))

    def check(self) -> LedgerCheck:
        """Is the file whole, do the sums equal the calls, does anything wait. Reads every page."""
        problems: list[str] = []
        try:
            spilled = spill.count(self._path)
        except OSError as error:
            spilled = 0
            problems.append(f"the spill file cannot be read: {error.strerror}")
        unreadable = spill.unreadable_path(self._path)
        if unreadable.exists():
            problems.append(f"{unreadable} holds spilled lines that could not be read back")
        with self._connection() as connection:
            connection.execute("BEGIN")
            version = schema_version(connection)
            integrity = [line for (line,) in connection.execute("PRAGMA quick_check(5)")]
            if integrity != ["ok"]:
                problems += [f"damaged: {line}" for line in integrity]
            problems += _unequal_sums(connection)
            (calls,) = connection.execute("SELECT count(*) FROM calls").fetchone()
        return LedgerCheck(version, len(migrations()), calls, spilled, tuple(problems))


def _rows(
    connection: sqlite3.Connection, hours: tuple[int, int], by: By, tenant: str | None
) -> Iterator[ReportRow]:
    match by:
        case "day":
            dimension, value, order = "total", "hour / 24", "1"
        case "lever":
            dimension, value, order = "lever", "value", "sum(saved_nanousd) DESC, 1"
        case "breaker":
            dimension, value, order = "breaker", "value", "sum(broken_nanousd) DESC, 1"
        case (
            "total" | "model" | "key" | "tag" | "task" | "provider" | "user" | "team" | "served_by"
        ):
            dimension, value, order = by, "value", "sum(cost_nanousd) DESC, sum(calls) DESC, 1"
        case _:
            assert_never(by)
    whose = "" if tenant is None else "AND tenant = ?"
    query = (
        f"SELECT {value}, {_SUMS} FROM rollups "  # noqa: S608 - constants only, values are bound
        f"WHERE dimension = ? AND hour >= ? AND hour < ? {whose} GROUP BY 1 ORDER BY {order}"
    )
    bound: tuple[str | int, ...] = (dimension, *hours)
    for name, *sums in connection.execute(query, bound if tenant is None else (*bound, tenant)):
        yield ReportRow(_day(name) if by == "day" else name, *sums)


def _day(number: int) -> str:
    return (datetime.fromtimestamp(0, UTC) + timedelta(days=number)).date().isoformat()


def _unequal_sums(connection: sqlite3.Connection) -> Iterator[str]:
    """Where the rollups do not add up to the calls. All in one read transaction."""
    # Names are listed, not *: a later schema may append columns.
    totals = connection.execute(
        f"SELECT hour, tenant, {', '.join(COUNTERS)} FROM rollups "  # noqa: S608 - constants only
        "WHERE dimension = 'total' ORDER BY hour, tenant"
    ).fetchall()
    traced = {(hour, tenant): sums for hour, tenant, *sums in connection.execute(_TRACE_SUMS)}
    from_calls = [
        (*row, *traced.get(row[:2], (0, 0))) for row in connection.execute(_CALL_SUMS).fetchall()
    ]
    if totals != from_calls:
        odd = set(totals) ^ set(from_calls)
        yield f"rollups differ from calls in {len({row[:2] for row in odd})} hours of a tenant"
    for dimension in SINGLE[1:]:
        query = (
            f"SELECT hour, tenant, {_SUMS} FROM rollups WHERE dimension = ? "  # noqa: S608 - constants only
            "GROUP BY 1, 2 ORDER BY 1, 2"
        )
        if connection.execute(query, (dimension,)).fetchall() != totals:
            yield f"rollups by {dimension} do not add up to those of all calls"
    levers = connection.execute(
        "SELECT value, sum(calls), sum(saved_nanousd) FROM rollups WHERE dimension = 'lever' "
        "GROUP BY 1 ORDER BY 1"
    ).fetchall()
    if levers != connection.execute(_LEVER_SUMS).fetchall():
        yield "rollups by lever differ from what the calls say was saved"
    tags = connection.execute(
        "SELECT value, sum(calls) FROM rollups WHERE dimension = 'tag' GROUP BY 1 ORDER BY 1"
    ).fetchall()
    if tags != connection.execute(_TAG_COUNTS).fetchall():
        yield "rollups by tag differ from the tags of the calls"
