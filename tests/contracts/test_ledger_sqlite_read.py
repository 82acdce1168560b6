"""Reports and checks over a file that a gateway may be writing."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from scrimp.errors import StoreError
from scrimp.ledger.report import By
from scrimp.ports import Entry
from scrimp.stores.sqlite_ledger import SqliteLedger
from scrimp.stores.sqlite_ledger_read import LedgerReader
from tests.support.ledger_entries import BEGIN, call_id, entry

DAY = BEGIN.replace(hour=0, minute=0, second=0, microsecond=0)
TOMORROW = DAY + timedelta(days=1)


def booked() -> list[Entry]:
    """Two calls today, a hit of another tenant today, one tomorrow whose cost is not known."""
    hit = replace(
        entry(3),
        tenant="globex",
        served_by="exact_cache",
        model="claude-haiku-4-5",
        tags=("app:bot",),
        user="bob",
        attempts=(),
        cost_nanousd=0,
        cost_low_nanousd=0,
        cost_high_nanousd=0,
        saved=(("exact_cache", 3_775_500),),
        latency_ms=2.0,
        upstream_ms=0.0,
    )
    unknown = replace(
        entry(4),
        at=TOMORROW,
        cost_nanousd=None,
        cost_low_nanousd=None,
        cost_high_nanousd=None,
        baseline_nanousd=None,
        saved=(),
        outcome="cut",
    )
    return [entry(1), entry(2), hit, unknown]


@pytest.fixture
async def reader(tmp_path: Path) -> AsyncIterator[LedgerReader]:
    """A reader beside a writer that is still open."""
    ledger = SqliteLedger.open(tmp_path / "ledger.db")
    for one in booked():
        ledger.append(one)
    await ledger.flush()
    yield LedgerReader(tmp_path / "ledger.db")
    await ledger.close()


def test_a_report_takes_its_hours_and_no_others(reader: LedgerReader) -> None:
    """`until` is outside; the sums are those of the entries."""
    total = reader.report(DAY, TOMORROW, "total").total
    assert (total.calls, total.hits, total.unpriced_calls) == (3, 1, 0)
    assert total.cost_nanousd == 2 * 3_775_000
    assert total.baseline_nanousd - total.cost_nanousd == total.saved_nanousd == 3_776_500
    assert (total.input_tokens, total.cache_read_tokens, total.output_tokens) == (4500, 900, 120)


def test_part_of_an_hour_is_a_whole_hour(reader: LedgerReader) -> None:
    """The report says which hours it took."""
    report = reader.report(BEGIN, BEGIN + timedelta(seconds=1), "total")
    assert report.total.calls == 3
    assert report.since == BEGIN.replace(minute=0, second=0, microsecond=0)
    assert report.until == report.since + timedelta(hours=1)


def test_days_are_utc_and_in_order(reader: LedgerReader) -> None:
    """One row a day that has calls."""
    rows = reader.report(DAY, TOMORROW + timedelta(days=1), "day").rows
    assert [(row.value, row.calls, row.errors, row.unpriced_calls) for row in rows] == [
        ("2026-03-04", 3, 0, 0),
        ("2026-03-05", 1, 1, 1),
    ]


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("model", [("gpt-4o-mini", 2), ("claude-haiku-4-5", 1)]),
        ("key", [("ci", 3)]),
        ("tag", [("app:bot", 3), ("env:prod", 2)]),
        ("task", [("factual_qa", 3)]),
        ("provider", [("openai", 3)]),
        ("user", [("ana", 2), ("bob", 1)]),
        ("team", [("platform", 3)]),
        ("served_by", [("upstream", 2), ("exact_cache", 1)]),
        ("lever", [("exact_cache", 1), ("prefix_cache", 2)]),
    ],
)
def test_a_report_by_each_dimension(
    reader: LedgerReader, by: By, expected: list[tuple[str, int]]
) -> None:
    """The dearest first; levers by what they saved."""
    report = reader.report(DAY, TOMORROW, by)
    assert [(row.value, row.calls) for row in report.rows] == expected
    assert report.total.calls == 3


def test_a_lever_gets_its_own_part_of_the_saving(reader: LedgerReader) -> None:
    """The parts add up to the whole."""
    report = reader.report(DAY, TOMORROW, "lever")
    assert [row.saved_nanousd for row in report.rows] == [3_775_500, 1000]
    assert sum(row.saved_nanousd for row in report.rows) == report.total.saved_nanousd


def test_a_tenant_sees_its_own_sums_only(reader: LedgerReader) -> None:
    """Rows and total alike."""
    report = reader.report(DAY, TOMORROW, "user", tenant="globex")
    assert [row.value for row in report.rows] == ["bob"]
    assert (report.total.calls, report.total.hits) == (1, 1)
    assert reader.report(DAY, TOMORROW, "user", tenant="nobody").rows == ()


def test_recent_is_newest_first(reader: LedgerReader) -> None:
    """In the order of booking, as many as asked for."""
    assert [one.id for one in reader.recent(2)] == [call_id(4), call_id(3)]


def test_latency_added_leaves_out_the_provider(reader: LedgerReader) -> None:
    """Over the calls in the range, the newest ones when there are too many."""
    added = reader.latency_added(DAY, TOMORROW)
    assert (added.calls, added.p50_ms, added.p95_ms) == (3, 1.25, 2.0)
    assert reader.latency_added(DAY, TOMORROW, limit=1).p50_ms == 2.0


def test_a_reader_cannot_write(reader: LedgerReader) -> None:
    """Whatever it is asked to run."""
    with (
        pytest.raises(StoreError, match="readonly"),
        reader._connection() as connection,
    ):
        connection.execute("DELETE FROM calls")


@pytest.mark.parametrize(
    ("statement", "word"),
    [
        ("UPDATE rollups SET cost_nanousd = cost_nanousd + 1 WHERE dimension = 'total'", "hours"),
        ("DELETE FROM rollups WHERE dimension = 'user' AND value = 'bob'", "by user"),
        ("UPDATE rollups SET calls = calls + 1 WHERE dimension = 'tag'", "by tag"),
        ("UPDATE rollups SET saved_nanousd = 0 WHERE dimension = 'lever'", "by lever"),
        ("DELETE FROM calls WHERE seq = 2", "hours"),
    ],
)
def test_a_check_finds_sums_that_do_not_add_up(
    reader: LedgerReader, tmp_path: Path, statement: str, word: str
) -> None:
    """Each kind of rollup is compared with the calls."""
    assert reader.check().ok
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as other:
        other.execute(statement)
        other.commit()
    check = reader.check()
    assert not check.ok
    assert any(word in problem for problem in check.problems)


async def test_a_damaged_file_is_told_and_calls_go_on(tmp_path: Path) -> None:
    """Pages overwritten underneath: entries are set aside, the check says what is wrong."""
    path = tmp_path / "ledger.db"
    ledger = SqliteLedger.open(path)
    for number in range(200):
        ledger.append(entry(number))
    await ledger.close()
    whole = path.read_bytes()
    kept = 12 * 4096  # the schema itself: without it nobody could say whose file it is
    path.write_bytes(whole[:kept] + b"\xff" * (len(whole) - kept))
    told: list[str] = []
    ledger = SqliteLedger.open(path, tell=told.append)
    ledger.append(entry(1000))
    await ledger.flush()
    assert (ledger.health().ok, ledger.health().spilled) == (False, 1)
    assert "malformed" in ledger.health().last_error
    await ledger.close()
    with pytest.raises(StoreError, match=r"malformed|cannot be read"):
        LedgerReader(path).recent(1)
    path.write_bytes(whole)
    await SqliteLedger.open(path, tell=told.append).close()
    assert LedgerReader(path).check().calls == 201


async def test_what_clients_asked_of_a_model_leaves_out_what_scrimp_asks_itself(
    tmp_path: Path,
) -> None:
    """A month's traffic is no larger for the comparisons that were made of it."""
    ledger = SqliteLedger.open(tmp_path / "ledger.db")
    compared = replace(entry(3), purpose="audit", tags=("scrimp-compare",))
    for one in (entry(1), entry(2), compared, replace(entry(4), model="gpt-4o")):
        ledger.append(one)
    await ledger.close()
    reader = LedgerReader(tmp_path / "ledger.db")
    found = reader.asked_by_clients("gpt-4o-mini", DAY, TOMORROW)
    assert found == (2, 2 * 3_775_000)
    assert reader.asked_by_clients("gpt-4o-mini", TOMORROW, TOMORROW + timedelta(days=1)) == (0, 0)
