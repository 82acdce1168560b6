"""Re-pricing keeps every sum, and does nothing twice."""

from __future__ import annotations

import tempfile
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from scrimp.calls import Attempt, Usage
from scrimp.ledger.adjustment import Period
from scrimp.ledger.report import ReportRow
from scrimp.ports import Entry
from scrimp.prices.book import PriceBook
from scrimp.repricing import reprice_period
from scrimp.stores.sqlite_ledger_adjust import LedgerAdjuster
from scrimp.stores.sqlite_ledger_file import open_writer
from scrimp.stores.sqlite_ledger_read import LedgerReader
from scrimp.stores.sqlite_ledger_rows import write
from tests.support.books import book, broken, call_with, hit_for, priced_by, prices, tried
from tests.support.ledger_entries import BEGIN

PERIOD = Period(BEGIN - timedelta(days=1), BEGIN + timedelta(days=1))
NOW = datetime(2026, 11, 22, tzinfo=UTC)
_MODELS = ("gpt-4o-mini", "gpt-unknown")
_rates = st.integers(0, 5_000_000)
_books = st.builds(
    lambda rates, version: book(
        dict(zip(("input", "output", "cache_read"), rates, strict=True)), version=version
    ),
    st.tuples(_rates, _rates, _rates),
    st.sampled_from("abc"),
)
_usages = st.builds(
    Usage,
    input_tokens=st.integers(0, 10**6),
    output_tokens=st.integers(0, 10**6),
    cache_read_tokens=st.integers(0, 10**6),
)


@st.composite
def _attempts(draw: st.DrawFn, made: PriceBook) -> Attempt:
    """Paid at a book, broken off, or of a model that no book knows."""
    kind = draw(st.sampled_from(["paid", "paid", "broken", "unpriced", "late"]))
    if kind == "broken":
        return broken(made)
    attempt = tried(draw(_usages), model=_MODELS[kind == "unpriced"])
    return priced_by(made, attempt) if kind == "paid" else attempt


@st.composite
def _ledgers(draw: st.DrawFn) -> tuple[PriceBook, list[Entry]]:
    """A book and calls at its prices: answered by providers, by the cache, changed by levers."""
    made = draw(_books)
    calls: list[Entry] = []
    for number in range(draw(st.integers(0, 8))):
        attempts = draw(st.lists(_attempts(made), min_size=1, max_size=3))
        kind = draw(st.sampled_from(["paid", "hit", "trimmed"]))
        if kind == "hit":
            calls.append(hit_for(number, attempts[-1]))
            continue
        one = call_with(number, *attempts, tags=("a", "b"))
        if kind == "trimmed" and one.cost_nanousd is not None:
            one = replace(one, saved=(("trim", 7),), baseline_nanousd=one.cost_nanousd + 7)
        calls.append(one)
    return made, calls


def _written(path: Path, calls: list[Entry]) -> None:
    with closing(open_writer(path, synchronous="NORMAL", busy_timeout_ms=100)) as connection:
        write(connection, calls)


def _total(path: Path) -> ReportRow:
    return LedgerReader(path).report(PERIOD.since, PERIOD.until, "total").total


def _applied(path: Path, made: PriceBook) -> int:
    tally = reprice_period(LedgerAdjuster(path), PERIOD, prices(made), at=NOW, apply=True)
    assert _total(path).cost_nanousd == tally.total.new_nanousd
    assert LedgerReader(path).check().problems == ()
    return tally.total.changed


@settings(max_examples=60, deadline=None)
@given(_ledgers(), _books)
def test_every_sum_holds_and_twice_is_once(
    booked: tuple[PriceBook, list[Entry]], other: PriceBook
) -> None:
    """Entries and adjustments make the rollups; the same book again adds nothing."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        _written(path, booked[1])
        looked = reprice_period(LedgerAdjuster(path), PERIOD, prices(other), at=NOW, apply=False)
        assert _applied(path, other) == looked.total.changed
        assert _applied(path, other) == 0
        total = _total(path)
        if not total.unpriced_calls:
            assert total.baseline_nanousd - total.cost_nanousd == total.saved_nanousd
        reader = LedgerReader(path)
        for one in booked[1]:
            assert reader.find(one.id) == one  # history is never overwritten


@settings(max_examples=40, deadline=None)
@given(_ledgers())
def test_the_book_that_was_booked_changes_nothing_but_what_was_unknown(
    booked: tuple[PriceBook, list[Entry]],
) -> None:
    """Calls that had a price keep it; those that had none may get one."""
    made, calls = booked
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        _written(path, calls)
        before = _total(path)
        changed = _applied(path, made)
        late = [one for one in calls if None in (one.cost_nanousd, one.baseline_nanousd)]
        assert changed <= len(late)
        if not late:
            assert _total(path) == before


@settings(max_examples=40, deadline=None)
@given(_ledgers(), _books)
def test_there_and_back_is_where_it_was(
    booked: tuple[PriceBook, list[Entry]], other: PriceBook
) -> None:
    """A wrong book can be taken back by the right one."""
    made, calls = booked
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        _written(path, calls)
        _applied(path, made)
        before = _total(path)
        _applied(path, other)
        _applied(path, made)
        assert _total(path) == before
