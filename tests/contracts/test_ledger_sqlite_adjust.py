"""Adjustments in the ledger's file: added beside writers, by several at once, from every schema."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from scrimp.calls import Usage
from scrimp.errors import StoreError
from scrimp.ledger.adjustment import REPRICED, Period, booked_amounts
from scrimp.ledger.reprice import reprice
from scrimp.ports import Entry
from scrimp.repricing import reprice_period
from scrimp.stores import sqlite_ledger_file as ledger_file
from scrimp.stores.sqlite_ledger import SqliteLedger
from scrimp.stores.sqlite_ledger_adjust import PAGE, LedgerAdjuster
from scrimp.stores.sqlite_ledger_read import LedgerReader
from scrimp.stores.sqlite_ledger_rows import COLUMNS, ROLLUP_COLUMNS, TRAITS
from tests.support.books import book, call_with, hit_for, priced_by, prices, tried
from tests.support.ledger_entries import BEGIN, call_id, entry, kept

OLD = book({"input": 1_000_000, "output": 4_000_000}, version="old")
NEW = book({"input": 2_000_000, "output": 3_000_000}, version="new")
NEWER = book({"input": 3_000_000, "output": 3_000_000}, version="newer")
PERIOD = Period(BEGIN - timedelta(days=30), BEGIN + timedelta(days=30))
NOW = datetime(2026, 11, 22, tzinfo=UTC)
DELTA = 90_000


def call(number: int) -> Entry:
    """A call that costs 140,000 nano-dollars at the old book and 230,000 at the new one."""
    usage = Usage(input_tokens=100, output_tokens=10)
    return call_with(number, priced_by(OLD, tried(usage)))


async def ledger_with(path: Path, calls: list[Entry]) -> Path:
    """A ledger that is closed again."""
    ledger = SqliteLedger.open(path)
    for one in calls:
        ledger.append(one)
    await ledger.close()
    return path


def cost_of(path: Path) -> int:
    """What a report says."""
    return LedgerReader(path).report(PERIOD.since, PERIOD.until, "total").total.cost_nanousd


def run(path: Path, *, apply: bool = True) -> int:
    """How many calls were (or would be) adjusted."""
    books = LedgerAdjuster(path)
    return reprice_period(books, PERIOD, prices(NEW), at=NOW, apply=apply).total.changed


async def test_an_entry_keeps_what_a_hit_stood_in_for(tmp_path: Path) -> None:
    """The attempt that was not made comes back as it was."""
    one = hit_for(1, call(1).attempts[0])
    path = await ledger_with(tmp_path / "ledger.db", [one])
    assert LedgerReader(path).find(one.id) == one


async def test_looking_writes_nothing(tmp_path: Path) -> None:
    """Without being asked to, nothing is added."""
    path = await ledger_with(tmp_path / "ledger.db", [call(1)])
    assert run(path, apply=False) == 1
    assert LedgerReader(path).adjusted(PERIOD.since, PERIOD.until).calls == 0
    assert cost_of(path) == 140_000


async def test_many_pages_are_adjusted_once(tmp_path: Path) -> None:
    """Calls of one moment, more than fit in a page: none is left out, none is added twice."""
    calls = [replace(call(n), at=BEGIN) for n in range(2 * PAGE + 3)]
    path = await ledger_with(tmp_path / "ledger.db", calls)
    seen: list[int] = []
    tally = reprice_period(
        LedgerAdjuster(path), PERIOD, prices(NEW), at=NOW, apply=True, watch=seen.append
    )
    assert (tally.total.calls, tally.total.changed) == (len(calls), len(calls))
    assert seen == [PAGE, 2 * PAGE, len(calls)]
    adjusted = LedgerReader(path).adjusted(PERIOD.since, PERIOD.until)
    assert (adjusted.calls, adjusted.cost_nanousd) == (len(calls), DELTA * len(calls))
    assert run(path) == 0
    assert LedgerReader(path).check().ok


async def test_only_one_model_is_looked_at(tmp_path: Path) -> None:
    """By the name that was asked or by the one that answered."""
    other = replace(call(2), model="gpt-other", model_requested="mine")
    path = await ledger_with(tmp_path / "ledger.db", [call(1), other])
    for name, ids in (("gpt-4o-mini", [1]), ("gpt-other", [2]), ("mine", [2]), ("none", [])):
        period = Period(PERIOD.since, PERIOD.until, name)
        pages = list(LedgerAdjuster(path).calls(period))
        assert [one.id for page in pages for one, _ in page] == [call_id(n) for n in ids]


async def test_several_at_once_add_it_once(tmp_path: Path) -> None:
    """Four at the same time: each difference is looked for inside the writing transaction."""
    path = await ledger_with(tmp_path / "ledger.db", [call(n) for n in range(600)])
    changed = await asyncio.gather(*(asyncio.to_thread(run, path) for _ in range(4)))
    assert sum(changed) == 600
    assert cost_of(path) == 600 * 230_000
    assert LedgerReader(path).check().ok


async def test_a_gateway_may_write_meanwhile(tmp_path: Path) -> None:
    """New calls come in while old ones are adjusted; every sum still equals its calls."""
    path = await ledger_with(tmp_path / "ledger.db", [call(n) for n in range(400)])
    ledger = SqliteLedger.open(path)
    number = 1000
    async with asyncio.TaskGroup() as group:
        adjusting = group.create_task(asyncio.to_thread(run, path))
        while not adjusting.done():
            ledger.append(replace(call(number), at=BEGIN + timedelta(days=60)))
            number += 1
            await asyncio.sleep(0)
    assert adjusting.result() == 400
    await ledger.flush()
    assert ledger.health().dropped == 0
    await ledger.close()
    check = LedgerReader(path).check()
    assert (check.ok, check.calls) == (True, 400 + number - 1000)


async def test_a_second_correction_begins_where_the_first_ended(tmp_path: Path) -> None:
    """Each adds its own difference; explain can tell of both."""
    path = await ledger_with(tmp_path / "ledger.db", [call(1)])
    run(path)
    books = LedgerAdjuster(path)
    amounts = reprice(call(1), prices(NEWER)).amounts
    books.adjust([(call(1), amounts)], at=NOW + timedelta(days=1), reason=REPRICED)
    first, second = LedgerReader(path).adjustments(call(1))
    assert (first.price_version, first.cost_nanousd) == ("new", DELTA)
    assert (second.price_version, second.cost_nanousd) == ("newer", 100_000)
    assert cost_of(path) == 330_000


async def test_a_failure_leaves_nothing_half_done(tmp_path: Path) -> None:
    """One amount that no row can hold: neither adjustments nor sums change."""
    path = await ledger_with(tmp_path / "ledger.db", [call(1), call(2)])
    good = reprice(call(1), prices(NEW)).amounts
    absurd = replace(good, cost_nanousd=1 << 70)
    with pytest.raises(StoreError, match="cannot be adjusted now"):
        LedgerAdjuster(path).adjust([(call(1), good), (call(2), absurd)], at=NOW, reason=REPRICED)
    assert cost_of(path) == 2 * 140_000
    assert LedgerReader(path).check().ok


def test_without_a_ledger_none_is_made(tmp_path: Path) -> None:
    """Neither by looking nor by adjusting."""
    books = LedgerAdjuster(tmp_path / "ledger.db")
    with pytest.raises(StoreError, match="there is no ledger at"):
        list(books.calls(PERIOD))
    with pytest.raises(StoreError, match="there is no ledger at"):
        books.adjust([(call(1), booked_amounts(call(1)))], at=NOW, reason=REPRICED)
    with pytest.raises(StoreError, match="there is no ledger at"):
        books.span()
    assert list(tmp_path.iterdir()) == []


async def test_the_span_says_when_there_were_calls(tmp_path: Path) -> None:
    """None while there are none."""
    path = await ledger_with(tmp_path / "ledger.db", [])
    assert LedgerAdjuster(path).span() is None
    await ledger_with(path, [call(1), call(9)])
    assert LedgerAdjuster(path).span() == (call(1).at, call(9).at)


@pytest.mark.parametrize("released", [1, 2, 3])
async def test_a_ledger_of_every_released_schema_can_be_adjusted(
    tmp_path: Path, released: int
) -> None:
    """Its calls come through the migration as they were, and their sums with them."""
    path = tmp_path / "ledger.db"
    wrote = Usage(input_tokens=5, cache_write_5m_tokens=70, cache_write_1h_tokens=7)
    await ledger_with(path, [call(1), entry(2), replace(entry(3), usage=wrote)])
    with closing(sqlite3.connect(path)) as new:
        later = ({"untouched"} if released == 1 else set()) | ({*TRAITS} if released < 3 else set())
        columns = ", ".join(name for name in COLUMNS if name not in later)
        calls = new.execute(f"SELECT {columns} FROM calls").fetchall()  # noqa: S608 - constants only
        before = ", ".join(ROLLUP_COLUMNS[:-4])  # prefix caches have sums since 4
        sums = new.execute(f"SELECT {before} FROM rollups").fetchall()  # noqa: S608 - the same
    path.unlink()
    _made_by(released, path, columns, calls, sums)
    with pytest.raises(StoreError, match=rf"schema version {released}, .* reads {_newest()}"):
        LedgerReader(path).recent(1)
    await SqliteLedger.open(path).close()
    reader = LedgerReader(path)
    assert reader.find(call_id(1)) == call(1)
    assert reader.find(call_id(2)) == kept(entry(2))
    assert run(path) == 1
    check = reader.check()
    assert (check.problems, check.calls, check.schema_version) == ((), 3, _newest())
    row = reader.report(BEGIN, BEGIN + timedelta(hours=1), "tag").rows[0]
    assert (row.cache_write_5m_tokens, row.cache_write_1h_tokens) == (70, 7)


def _newest() -> int:
    return len(ledger_file.migrations())


def _made_by(
    released: int,
    path: Path,
    columns: str,
    calls: list[tuple[object, ...]],
    sums: list[tuple[object, ...]],
) -> None:
    """The file as a Scrimp of that schema leaves it."""
    with closing(sqlite3.connect(path)) as old:
        for script in ledger_file.migrations()[:released]:
            old.executescript(script)
        old.execute(f"PRAGMA user_version = {released}")
        old.execute(f"PRAGMA application_id = {ledger_file.APPLICATION_ID}")
        marks = ", ".join("?" * len(calls[0]))
        old.executemany(f"INSERT INTO calls ({columns}) VALUES ({marks})", calls)  # noqa: S608 - the same
        marks = ", ".join("?" * len(sums[0]))
        old.executemany(f"INSERT INTO rollups VALUES ({marks})", sums)  # noqa: S608 - the same
        old.commit()
