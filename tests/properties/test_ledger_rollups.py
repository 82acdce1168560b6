"""Rollups equal calls, whatever is booked, in whatever groups, however often."""

from __future__ import annotations

import tempfile
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from scrimp.calls import COUNTERS as USAGE_COUNTERS
from scrimp.calls import Usage
from scrimp.ledger.rollups import COUNTERS, SINGLE, counters, rollups
from scrimp.ports import Entry
from scrimp.stores.sqlite_ledger_file import open_writer
from scrimp.stores.sqlite_ledger_read import LedgerReader
from scrimp.stores.sqlite_ledger_rows import write
from tests.support.ledger_entries import BEGIN, call_id, entry

_names = st.sampled_from(["", "a", "b", "naïve", "c;d"])
_amounts = st.one_of(st.none(), st.integers(0, 10**12))
_usages = st.builds(Usage, **dict.fromkeys(USAGE_COUNTERS, st.integers(0, 10**6)))


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    """Entries over a few hours, with few names, so that rows are shared."""
    number = draw(st.integers(0, 60))
    return replace(
        entry(number),
        at=BEGIN + timedelta(minutes=draw(st.integers(-300, 300))),
        status=draw(st.sampled_from([0, 200, 429, 499, 500])),
        outcome=draw(st.sampled_from(["ok", "rejected", "cut", "cancelled"])),
        served_by=draw(st.sampled_from(["upstream", "exact_cache", "coalesce", "none", ""])),
        usage=draw(_usages),
        cost_nanousd=draw(_amounts),
        cost_low_nanousd=draw(_amounts),
        cost_high_nanousd=draw(_amounts),
        baseline_nanousd=draw(_amounts),
        saved=tuple(draw(st.lists(st.tuples(_names, st.integers(-(10**9), 10**9)), max_size=3))),
        tenant=draw(_names),
        key=draw(_names),
        team=draw(_names),
        user=draw(_names),
        task=draw(_names),
        model=draw(_names),
        provider=draw(_names),
        tags=tuple(draw(st.lists(_names, max_size=3))),
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(entries(), max_size=25), max_size=5))
def test_rollups_equal_calls(groups: list[list[Entry]]) -> None:
    """After any groups, with ids that come again, the file's own check finds no difference."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        with closing(open_writer(path, synchronous="NORMAL", busy_timeout_ms=100)) as connection:
            new = sum(write(connection, group)[0] for group in groups)
        first: dict[str, Entry] = {}
        for group in groups:
            for one in group:
                first.setdefault(one.id, one)
        check = LedgerReader(path).check()
        assert check.problems == ()
        assert check.calls == new == len(first)
        begin, end = BEGIN - timedelta(hours=6), BEGIN + timedelta(hours=6)
        total = LedgerReader(path).report(begin, end, "total").total
        expected = [sum(column) for column in zip(*map(counters, first.values()), strict=True)]
        assert [getattr(total, name) for name in COUNTERS] == (expected or [0] * len(COUNTERS))


@given(st.lists(entries(), max_size=30))
def test_every_single_valued_dimension_adds_up_to_the_total(group: list[Entry]) -> None:
    """Money neither appears nor is lost on the way into the rows."""
    sums = rollups(group)
    expected = tuple(sum(column) for column in zip(*map(counters, group), strict=True))
    for dimension in SINGLE:
        rows = [row for key, row in sums.items() if key[0] == dimension]
        assert tuple(sum(column) for column in zip(*rows, strict=True)) == expected


@given(st.lists(entries(), min_size=1, max_size=30), st.integers(0, 30))
def test_rollups_of_two_groups_add_up_to_those_of_both(group: list[Entry], cut: int) -> None:
    """How entries are grouped into transactions changes nothing."""
    whole = rollups(group)
    left, right = rollups(group[:cut]), rollups(group[cut:])
    zero = (0,) * len(COUNTERS)
    for key in whole.keys() | left.keys() | right.keys():
        both = zip(left.get(key, zero), right.get(key, zero), strict=True)
        assert whole[key] == tuple(a + b for a, b in both)


@given(st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1)), st.integers(0, 10**6))  # noqa: DTZ001 - made aware below
def test_times_survive_to_the_microsecond(at: datetime, number: int) -> None:
    """No float touches a time on its way into the ledger and back."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        booked = replace(entry(number), at=at.replace(tzinfo=UTC))
        with closing(open_writer(path, synchronous="NORMAL", busy_timeout_ms=100)) as connection:
            write(connection, [booked])
        found = LedgerReader(path).find(call_id(number))
        assert found is not None
        assert found.at == booked.at
