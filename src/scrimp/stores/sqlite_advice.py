"""Adds up the calls of a ledger, or of a log, for advice: in a scratch database of its own.

Every pass is sorted or summed by SQLite, which spills to a temporary file: memory is bounded, and
the ledger is read once, beside a gateway that writes.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from scrimp.advice.repeats import Player, Row
from scrimp.advice.systems import Start, systems
from scrimp.advice.words import Cell, Facts, Hours, Outputs, System
from scrimp.errors import StoreError
from scrimp.ledger.rollups import EPOCH
from scrimp.ports import Entry
from scrimp.stores.sqlite_ledger_file import open_reader
from scrimp.traits import Traits

MOST_CELLS = 20_000
MOST_SYSTEMS = 200
_LEAST_BYTES = 2_048  # of a beginning: no provider keeps one of less than 512 tokens
_MICROSECOND = timedelta(microseconds=1)
_HOUR_US = 3_600_000_000
_PAGE_KIB = 64 * 1024

_SCRATCH = """
CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT UNIQUE);
CREATE TABLE facts (
  seq INTEGER PRIMARY KEY, id BLOB, at_us INTEGER, took_us INTEGER, provider INTEGER,
  model INTEGER, task INTEGER, key INTEGER, flags INTEGER, cost INTEGER, fresh INTEGER,
  read INTEGER, write INTEGER, output INTEGER, prompt INTEGER, stamped INTEGER, loose INTEGER,
  system INTEGER, form INTEGER, system_bytes INTEGER, body_bytes INTEGER, result_bytes INTEGER
);
CREATE TABLE repeats (seq INTEGER PRIMARY KEY, how TEXT);
CREATE TABLE tops (
  digest INTEGER, provider INTEGER, model INTEGER, number INTEGER,
  PRIMARY KEY (digest, provider, model)
) WITHOUT ROWID;
"""
_STREAM, _CAPPED, _OWN_MARKS, _KNOWN = 1, 2, 4, 8
_NAMES = """
INSERT OR IGNORE INTO names (name) SELECT DISTINCT value FROM ledger.rollups
WHERE dimension IN ('provider', 'model', 'task', 'key')
"""
_COPY = """
INSERT INTO facts
SELECT seq, id, at_us, cast(latency_ms * 1000 AS INTEGER),
  (SELECT names.id FROM names WHERE name = provider),
  (SELECT names.id FROM names WHERE name = model),
  (SELECT names.id FROM names WHERE name = task),
  (SELECT names.id FROM names WHERE name = key),
  stream + 2 * (body_bytes IS NULL OR max_output_tokens IS NOT NULL)
    + 4 * coalesce(own_marks, 0) + 8 * (body_bytes IS NOT NULL),
  {cost}, input_tokens + input_audio_tokens + input_image_tokens,
  cache_read_tokens + cache_read_audio_tokens, cache_write_5m_tokens + cache_write_1h_tokens,
  output_tokens + reasoning_tokens + output_audio_tokens + output_image_tokens,
  prompt, coalesce(stamped, prompt), coalesce(loose, stamped, prompt),
  coalesce(system_stamped, system), system, system_bytes, body_bytes, result_bytes
FROM ledger.calls
WHERE at_us >= ? AND at_us < ? AND purpose = 'client' AND outcome = 'ok'
  AND served_by IN ('upstream', 'recorded') AND {cost} > 0
"""
_AS_BOOKED = "cost_nanousd"
_AS_CORRECTED = """(coalesce(cost_nanousd, 0) + coalesce((
  SELECT sum(cost_nanousd) FROM ledger.adjustments WHERE call_id = calls.id), 0))"""
_ROWS = """
SELECT seq, at_us, took_us, cost, task, prompt, stamped, loose FROM facts
WHERE prompt IS NOT NULL AND loose IN (
  SELECT loose FROM facts WHERE prompt IS NOT NULL GROUP BY loose HAVING count(*) > 1)
ORDER BY loose, at_us, seq
"""
_STARTS = f"""
SELECT provider, model, system, form, at_us, cost,
  (fresh + read + write) * min(system_bytes, body_bytes) / max(body_bytes, 1), read,
  flags & {_OWN_MARKS}, seq
FROM facts WHERE system IS NOT NULL AND system_bytes >= {_LEAST_BYTES} ORDER BY seq
"""  # noqa: S608 - constants of ours
_CELLS = """
SELECT facts.provider, facts.model, task, key, flags & 7 AS flag, coalesce(how, '') AS repeated,
  coalesce(number, 0) AS beginning, count(*), sum(cost), sum(fresh), sum(read), sum(write),
  sum(output), coalesce(sum(body_bytes), 0), coalesce(sum(result_bytes), 0)
FROM facts LEFT JOIN repeats USING (seq) LEFT JOIN tops
  ON tops.digest = system AND tops.provider = facts.provider AND tops.model = facts.model
GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY sum(cost) DESC LIMIT ?
"""
_OUTPUTS = f"""
SELECT provider, model, task, output, count(*) FROM facts
WHERE NOT flags & {_CAPPED} AND output > 0 GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""  # noqa: S608 - the same
_HOURS = f"""
SELECT key, provider, model, at_us / 3600000000 % 24 AS hour, count(*), sum(cost),
  count(DISTINCT at_us / 86400000000)
FROM facts WHERE NOT flags & {_STREAM}
  AND task IS NOT (SELECT names.id FROM names WHERE name = 'embedding')
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3
"""  # noqa: S608 - the same
_BREAKERS = """
SELECT value, sum(calls), sum(broken_nanousd) FROM ledger.rollups
WHERE dimension = 'breaker' AND hour >= ? AND hour < ? GROUP BY 1 HAVING sum(broken_nanousd) > 0
"""
_TOTALS = f"""
SELECT count(*), coalesce(sum(cost), 0), coalesce(sum(flags & {_KNOWN} > 0), 0),
  min(at_us), max(at_us) FROM facts
"""  # noqa: S608 - the same

Names = dict[int, str]


def of_ledger(path: Path, since: datetime, until: datetime, ttl_s: Mapping[str, int]) -> Facts:
    """Paid calls of a ledger that began in [since, until). Raises StoreError.

    The time that is looked at is from the first of them until `until`.
    """
    open_reader(path).close()  # says what is wrong with it
    bounds = ((since - EPOCH) // _MICROSECOND, (until - EPOCH) // _MICROSECOND)
    broken: list[tuple[str, int, int]] = []

    def fill(scratch: sqlite3.Connection) -> None:
        scratch.execute("ATTACH ? AS ledger", (f"{path.resolve().as_uri()}?mode=ro",))
        corrected = scratch.execute("SELECT EXISTS (SELECT 1 FROM ledger.adjustments)").fetchone()
        cost = _AS_CORRECTED if corrected[0] else _AS_BOOKED
        scratch.execute(_NAMES)
        scratch.execute(_COPY.format(cost=cost), bounds)
        hours = (bounds[0] // _HOUR_US, -(-bounds[1] // _HOUR_US))
        broken.extend(scratch.execute(_BREAKERS, hours))
        scratch.execute("DETACH ledger")

    found = _facts(fill, ttl_s, f"the ledger {path}")
    if not found.calls:
        return found
    return replace(found, last_us=max(found.last_us, bounds[1]), breakers=tuple(broken))


def of_entries(entries: Iterable[Entry], ttl_s: Mapping[str, int]) -> Facts:
    """The same of calls from elsewhere. Raises StoreError, and what the iterator raises."""
    insert = f"INSERT INTO facts VALUES ({', '.join('?' * 22)})"  # noqa: S608 - marks only

    def fill(scratch: sqlite3.Connection) -> None:
        numbers: dict[str, int] = {}
        rows = (_row(seq, one, numbers) for seq, one in enumerate(entries, 1))
        scratch.executemany(insert, rows)
        pairs = [(number, name) for name, number in numbers.items()]
        scratch.executemany("INSERT INTO names VALUES (?, ?)", pairs)

    return _facts(fill, ttl_s, "the scratch file of advice")


def _facts(
    fill: Callable[[sqlite3.Connection], None], ttl_s: Mapping[str, int], what: str
) -> Facts:
    try:
        with closing(sqlite3.connect("file:", uri=True, isolation_level=None)) as scratch:
            for pragma in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{_PAGE_KIB}"):
                scratch.execute(f"PRAGMA {pragma}")
            scratch.executescript(_SCRATCH)
            fill(scratch)
            return _added_up(scratch, ttl_s)
    except (sqlite3.Error, OverflowError) as error:
        raise StoreError(f"{what} cannot be read: {error}") from error


def _added_up(scratch: sqlite3.Connection, ttl_s: Mapping[str, int]) -> Facts:
    calls, cost, known, first_us, last_us = scratch.execute(_TOTALS).fetchone()
    if not calls:
        return Facts(0, 0, 0, 0, 0)
    names: Names = dict(scratch.execute("SELECT id, name FROM names"))
    player = Player({number: ttl_s.get(name, 0) for number, name in names.items()})
    reader, writer = scratch.cursor(), scratch.cursor()
    again = player.play(map(Row._make, reader.execute(_ROWS)))
    writer.executemany("INSERT INTO repeats VALUES (?, ?)", again)
    tops = _dearest(systems(map(Start._make, reader.execute(_STARTS))))
    rows = [(one.digest, int(one.provider), int(one.model), one.number) for one in tops]
    writer.executemany("INSERT INTO tops VALUES (?, ?, ?, ?)", rows)
    return Facts(
        first_us,
        last_us,
        calls,
        cost,
        known,
        cells=tuple([_cell(row, names) for row in reader.execute(_CELLS, (MOST_CELLS,))]),
        systems=tuple([_named(one, names, writer) for one in tops]),
        outputs=tuple(_outputs(reader.execute(_OUTPUTS), names)),
        hours=tuple(_hours(reader.execute(_HOURS), names)),
        longer={(names[task], step): sums for (task, step), sums in player.longer.items()},
    )


def _dearest(found: Iterable[System]) -> list[System]:
    """Those that cost most, numbered from 1."""
    kept = heapq.nlargest(MOST_SYSTEMS, found, key=lambda one: (one.cost, one.number))
    return [replace(one, number=number) for number, one in enumerate(kept, 1)]


def _named(one: System, names: Names, cursor: sqlite3.Cursor) -> System:
    """With names instead of their numbers, and the id of its first call."""
    query = "SELECT id FROM facts WHERE seq = ?"
    (call_id,) = cursor.execute(query, (int(one.example),)).fetchone()
    provider, model = names[int(one.provider)], names[int(one.model)]
    return replace(one, provider=provider, model=model, example=str(UUID(bytes=call_id)))


def _cell(row: tuple[Any, ...], names: Names) -> Cell:
    *numbers, flags = row[:5]
    provider, model, task, key = (names.get(number, "") for number in numbers)
    marks = (bool(flags & _STREAM), bool(flags & _CAPPED), bool(flags & _OWN_MARKS))
    return Cell(provider, model, task, key, *marks, *row[5:])


def _outputs(rows: Iterable[tuple[Any, ...]], names: Names) -> Iterator[Outputs]:
    """By provider, model and task, where the smallest outputs come first."""
    for numbers, group in groupby(rows, key=lambda row: row[:3]):
        sizes = [(output, many) for *_, output, many in group]
        calls = sum(many for _, many in sizes)
        p99 = passed = 0
        for output, many in sizes:
            p99, passed = output, passed + many
            if passed * 100 >= calls * 99:
                break
        beyond = sum((output - p99) * many for output, many in sizes if output > p99)
        provider, model, task = (names.get(number, "") for number in numbers)
        yield Outputs(provider, model, task, calls, p99, sizes[-1][0], beyond)


def _hours(rows: Iterable[tuple[Any, ...]], names: Names) -> Iterator[Hours]:
    for numbers, group in groupby(rows, key=lambda row: row[:3]):
        calls, cost, days = [0] * 24, [0] * 24, 0
        for *_, hour, many, nanousd, on_days in group:
            calls[hour], cost[hour] = many, nanousd
            days = max(days, on_days)
        key, provider, model = (names.get(number, "") for number in numbers)
        yield Hours(key, provider, model, tuple(calls), tuple(cost), days)


def _row(seq: int, one: Entry, numbers: dict[str, int]) -> tuple[Any, ...]:
    """As the ledger's own rows are copied."""
    usage, traits = one.usage, one.traits or Traits(0)
    known = one.traits is not None
    stamped = traits.prompt if traits.stamped is None else traits.stamped
    system = traits.system if traits.system_stamped is None else traits.system_stamped
    flags = (
        _STREAM * one.stream
        + _CAPPED * (not known or traits.max_output_tokens is not None)
        + _OWN_MARKS * traits.own_marks
        + _KNOWN * known
    )
    named = (one.provider, one.model, one.task, one.key)
    return (
        *(seq, UUID(one.id).bytes, (one.at - EPOCH) // _MICROSECOND, int(one.latency_ms * 1000)),
        *(numbers.setdefault(name, len(numbers) + 1) for name in named),
        *(flags, one.cost_nanousd),
        usage.input_tokens + usage.input_audio_tokens + usage.input_image_tokens,
        usage.cache_read_tokens + usage.cache_read_audio_tokens,
        usage.cache_write_5m_tokens + usage.cache_write_1h_tokens,
        usage.total_output_tokens,
        *(traits.prompt, stamped, stamped if traits.loose is None else traits.loose),
        *(system, traits.system, traits.system_bytes, traits.body_bytes if known else None),
        traits.result_bytes,
    )
