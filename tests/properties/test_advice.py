"""Planted waste is found for what it cost, to the nano-dollar; without any nothing is said."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from scrimp.advice.advising import Advice, advise
from scrimp.advice.words import Rates, Setup, per_month
from scrimp.calls import Usage
from scrimp.ports import Entry
from scrimp.stores.sqlite_advice import of_entries
from scrimp.tasks import TTL_S
from scrimp.traits import Traits
from tests.support.ledger_entries import call_id, entry

BEGIN = datetime(2026, 11, 2, tzinfo=UTC)
HOUR_S = 3600
OFF = Setup(exact=False, coalesce=False, ttl_s=TTL_S, clamp=False)
COSTS = st.lists(st.integers(1, 10**12), min_size=1, max_size=8)


def rates_of(provider: str, model: str) -> Rates:
    """$1 and $4 for a million tokens, whatever it is."""
    assert provider
    assert model
    return Rates(input=1_000_000, output=4_000_000)


def paid(number: int, at_s: float, cost: int, **traits: int) -> Entry:
    """A capped call that nobody asked before, unless traits say so."""
    known = {"prompt": -number, "max_output_tokens": 100, **traits}
    return replace(
        entry(number),
        id=call_id(number),
        at=BEGIN + timedelta(seconds=at_s),
        cost_nanousd=cost,
        task="factual_qa",
        stream=True,
        latency_ms=500.0,
        usage=Usage(input_tokens=100, output_tokens=10),
        traits=replace(Traits(400), **known),
    )


def advice(entries: Sequence[Entry], setup: Setup = OFF) -> Advice:
    """From one call on."""
    return advise(of_entries(entries, setup.ttl_s), rates_of, setup, least=1)


@settings(max_examples=60, deadline=None)
@given(st.lists(COSTS, min_size=1, max_size=6), st.lists(st.integers(1, 10**12), max_size=6))
def test_planted_repeats_are_found_for_what_they_cost(
    groups: list[list[int]], clean: list[int]
) -> None:
    """All but the first of each group, exactly, in any order among calls that came once."""
    entries: list[Entry] = []
    for prompt, costs in enumerate(groups, 1):
        for turn, cost in enumerate(costs):
            entries.append(paid(len(entries) + 1, 60 * turn, cost, prompt=prompt))
    for cost in clean:
        entries.append(paid(len(entries) + 1, 5.0, cost))
    planted = sum(sum(costs[1:]) for costs in groups)
    found = advice(entries)
    assert sum(one.nanousd for one in found.findings) == planted == found.nanousd
    assert {one.kind for one in found.findings} <= {"duplicates"}
    assert found.facts.cost == sum(entry.cost_nanousd or 0 for entry in entries)


@settings(max_examples=60, deadline=None)
@given(COSTS, COSTS, COSTS)
def test_each_kind_of_repeat_is_told_from_the_others(
    exact: list[int], stamped: list[int], loose: list[int]
) -> None:
    """Word for word, but for stamps, but for white space: each for its own cost."""
    entries: list[Entry] = []
    for turn, cost in enumerate(exact):
        entries.append(paid(len(entries) + 1, 60 * turn, cost, prompt=1, loose=1))
    for turn, cost in enumerate(stamped):
        number = len(entries) + 1
        entries.append(paid(number, 60 * turn, cost, prompt=100 + turn, stamped=2, loose=2))
    for turn, cost in enumerate(loose):
        entries.append(paid(len(entries) + 1, 60 * turn, cost, prompt=200 + turn, loose=3))
    found = {one.kind: one.nanousd for one in advice(entries).findings}
    planted = {"duplicates": exact, "look_alikes": stamped, "spellings": loose}
    assert found == {kind: sum(costs[1:]) for kind, costs in planted.items() if len(costs) > 1}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 10**12), max_size=30), st.booleans())
def test_clean_traffic_gives_nothing(costs: list[int], on: bool) -> None:  # noqa: FBT001 (drawn)
    """Whatever the settings say."""
    setup = replace(OFF, exact=on, coalesce=on)
    entries = [paid(number, 40 * number, cost) for number, cost in enumerate(costs, 1)]
    assert advice(entries, setup).findings == ()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(60, 3 * 86400), min_size=1, max_size=12),
    st.sampled_from([3600, 6 * 3600, 86400]),
)
def test_a_memory_with_that_life_would_have_answered_just_those(
    gaps: list[int], ttl_s: int
) -> None:
    """What is said of one prompt's calls is what a cache does that is played by hand."""
    at_s, entries = 0, [paid(1, 0, 1000, prompt=1)]
    stored_s, hits = 0, 0
    for number, gap_s in enumerate(gaps, 2):
        at_s += gap_s
        entries.append(paid(number, at_s, 1000, prompt=1))
        if at_s - stored_s < ttl_s:
            hits += 1
        else:
            stored_s = at_s
    setup = replace(OFF, ttl_s={"factual_qa": ttl_s})
    found = {one.kind: one for one in advice(entries, setup).findings}
    assert (found["duplicates"].nanousd if hits else 0) == hits * 1000


@settings(max_examples=60, deadline=None)
@given(st.lists(COSTS, min_size=1, max_size=5), st.integers(0, 40))
def test_the_total_counts_no_call_twice(groups: list[list[int]], results: int) -> None:
    """It is at least the largest finding, at most their sum, and at most what was spent."""
    entries: list[Entry] = []
    for prompt, costs in enumerate(groups, 1):
        for turn, cost in enumerate(costs):
            number = len(entries) + 1
            entries.append(paid(number, 60 * turn, cost, prompt=prompt, result_bytes=10 * results))
    found = advice(entries)
    each = [one.nanousd for one in found.findings]
    assert found.nanousd <= found.facts.cost
    assert found.nanousd <= sum(each)
    for one in found.findings:
        assert one.low <= one.nanousd <= one.high


@given(st.integers(0, 10**15), st.integers(1, 400 * 86_400 * 10**6))
def test_a_month_is_reckoned_in_whole_nanodollars(nanousd: int, span_us: int) -> None:
    """Thirty days of the time that was looked at; never more than thirty times what was seen."""
    facts = of_entries([paid(1, 0, 1)], TTL_S)
    month = per_month(nanousd, replace(facts, last_us=facts.first_us + span_us))
    assert 0 <= month <= 30 * nanousd
    days = max(1, span_us / 86_400e6)
    assert abs(month - nanousd * 30 / days) <= 1 + month * 1e-9
