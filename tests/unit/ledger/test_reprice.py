"""What a booked call would have cost at other prices."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from scrimp.calls import FREE_COST, UNKNOWN_COST, Cost, Usage
from scrimp.ledger.adjustment import (
    REPRICED,
    Amounts,
    amounts_now,
    booked_amounts,
    by_lever,
    difference,
)
from scrimp.ledger.explain import explain
from scrimp.ledger.reprice import REMARKS, Tally, reprice
from scrimp.ports import Entry
from scrimp.terms import Terms
from tests.support.books import book, broken, call_with, hit_for, priced_by, prices, tried
from tests.support.ledger_entries import entry

OLD = book({"input": 1_000_000, "output": 4_000_000}, version="old")
NEW = book({"input": 2_000_000, "output": 3_000_000}, version="new")
USAGE = Usage(input_tokens=100, output_tokens=10)
NOW = datetime(2026, 11, 22, tzinfo=UTC)


def adds_up(amounts: Amounts) -> bool:
    """Whether baseline - cost = sum(saved)."""
    assert amounts.baseline_nanousd is not None
    assert amounts.cost_nanousd is not None
    return amounts.baseline_nanousd - amounts.cost_nanousd == sum(s for _, s in amounts.saved)


def test_usage_is_priced_at_the_other_book() -> None:
    """100 x 2 + 10 x 3 in place of 100 x 1 + 10 x 4 micro-dollars."""
    told = reprice(call_with(1, priced_by(OLD, tried(USAGE))), prices(NEW))
    assert told.amounts == Amounts("usage", "new", 230_000, 230_000, 230_000, 230_000)
    assert told.remarks == frozenset()


def test_the_same_book_changes_nothing() -> None:
    """Whatever kind of call it is."""
    paid = priced_by(OLD, tried(USAGE))
    calls = [call_with(1, paid), call_with(2, paid, paid), call_with(3, broken(OLD))]
    for one in (*calls, hit_for(4, paid)):
        amounts = reprice(one, prices(OLD)).amounts
        assert difference(one, booked_amounts(one), amounts, at=NOW, reason=REPRICED) is None


def test_what_retries_cost_is_priced_again() -> None:
    """The attempts before the last one are a negative saving, at any price."""
    paid = priced_by(OLD, tried(USAGE))
    amounts = reprice(call_with(1, paid, paid), prices(NEW)).amounts
    assert (amounts.cost_nanousd, amounts.baseline_nanousd) == (460_000, 230_000)
    assert amounts.saved == (("retry", -230_000),)


def test_a_hit_saves_what_its_attempt_would_cost_now() -> None:
    """It costs nothing at any price; its baseline and its saving move together."""
    told = reprice(hit_for(1, priced_by(OLD, tried(USAGE))), prices(NEW))
    assert told.amounts.cost_nanousd == 0
    assert told.amounts.saved == (("exact_cache", 230_000),)
    assert adds_up(told.amounts)
    assert told.amounts.price_version == "new"


def test_a_hit_on_a_model_that_had_no_price_gets_its_saving() -> None:
    """Nothing was saved as far as was known; now something was."""
    hit = hit_for(1, tried(USAGE))
    assert hit.baseline_nanousd is None
    amounts = reprice(hit, prices(NEW)).amounts
    one = difference(hit, booked_amounts(hit), amounts, at=NOW, reason=REPRICED)
    assert one is not None
    assert (one.baseline_nanousd, one.saved) == (230_000, (("exact_cache", 230_000, 1),))
    assert one.known is False
    assert adds_up(amounts_now(hit, [one]))


def test_a_hit_without_its_usage_stays_and_says_so() -> None:
    """Older entries do not keep what the answer had used."""
    hit = replace(hit_for(1, priced_by(OLD, tried(USAGE))), untouched=None)
    told = reprice(hit, prices(NEW))
    assert told.amounts == booked_amounts(hit)
    assert told.remarks == {"baseline_kept"}


def test_an_unknown_cost_becomes_known() -> None:
    """The call had no price; this book has one."""
    one = call_with(1, tried(USAGE))
    assert one.cost_nanousd is None
    amounts = reprice(one, prices(NEW)).amounts
    added = difference(one, booked_amounts(one), amounts, at=NOW, reason=REPRICED)
    assert added is not None
    assert (added.known, added.cost_nanousd, added.baseline_nanousd) == (True, 230_000, 230_000)
    assert amounts_now(one, [added]) == amounts


def test_a_price_that_the_other_book_lacks_is_kept() -> None:
    """What is known never becomes unknown."""
    one = call_with(1, priced_by(OLD, tried(USAGE)))
    told = reprice(one, prices(book({"input": 1}, model="gpt-other")))
    assert told.amounts == booked_amounts(one)
    assert told.remarks == {"no_price"}


def test_what_a_provider_said_itself_is_kept() -> None:
    """Its own figure is better than any price list."""
    usage = replace(USAGE, terms=Terms(reported_nanousd=77))
    one = call_with(1, tried(usage, cost=Cost.reported(77)))
    told = reprice(one, prices(NEW))
    assert (told.amounts.cost_nanousd, told.remarks) == (77, frozenset({"reported"}))


def test_an_estimate_has_its_bounds_priced_again() -> None:
    """From the tokens that were counted when the call was settled."""
    told = reprice(call_with(1, broken(OLD)), prices(NEW))
    assert told.remarks == {"estimate"}
    again = broken(NEW).cost
    amounts = told.amounts
    assert (amounts.low_nanousd, amounts.cost_nanousd, amounts.high_nanousd) == (
        again.low_nanousd,
        again.nanousd,
        again.high_nanousd,
    )


def test_an_estimate_that_may_be_free_may_be_free_at_any_price() -> None:
    """A provider that failed may not have begun: that bound does not depend on the price."""
    attempt = broken(OLD)
    free = replace(attempt.cost, nanousd=0, low_nanousd=0, lines=())
    told = reprice(call_with(1, replace(attempt, status=500, cost=free)), prices(NEW))
    assert (told.amounts.low_nanousd, told.amounts.cost_nanousd) == (0, 0)
    assert told.amounts.high_nanousd == broken(NEW).cost.high_nanousd


def test_an_estimate_without_counts_stays_and_says_so() -> None:
    """Older entries do not keep what was counted."""
    attempt = broken(OLD)
    one = call_with(1, replace(attempt, cost=replace(attempt.cost, counted=())))
    told = reprice(one, prices(NEW))
    assert (told.amounts, told.remarks) == (booked_amounts(one), frozenset({"estimate_kept"}))


@pytest.mark.parametrize("cost", [FREE_COST, UNKNOWN_COST])
def test_without_usage_nothing_is_guessed(cost: Cost) -> None:
    """What was free stays free, what is unknown stays unknown."""
    one = call_with(1, tried(None, cost=cost, outcome="rejected"))
    told = reprice(one, prices(NEW))
    assert told.amounts == booked_amounts(one)
    assert told.remarks == ({"no_usage"} if cost is UNKNOWN_COST else frozenset())


def test_savings_of_other_levers_stay_as_booked() -> None:
    """Only the cost moves, and the baseline with it: both still add up."""
    one = call_with(1, priced_by(OLD, tried(USAGE)))
    one = replace(one, saved=(("trim", 5_000),), baseline_nanousd=145_000)
    told = reprice(one, prices(NEW))
    assert told.remarks == {"savings_kept"}
    assert told.amounts.saved == (("trim", 5_000),)
    assert adds_up(told.amounts)


def test_a_call_stays_in_the_place_where_it_was_priced() -> None:
    """The settings of today may name another one."""
    told = reprice(
        call_with(1, replace(priced_by(OLD, tried(USAGE)), cost=_placed("eu"))), prices(NEW)
    )
    assert told.remarks == {"no_price"}  # this book does not know what "eu" costs


def _placed(place: str) -> Cost:
    cost = priced_by(OLD, tried(USAGE)).cost
    return replace(cost, place=place)


def test_a_lever_that_stands_twice_is_added_up() -> None:
    """Nothing is lost on the way into one number."""
    assert by_lever((("a", 1), ("b", 2), ("a", 3))) == {"a": 4, "b": 2}


def test_a_tally_lists_what_has_a_price_now() -> None:
    """By model, with the ids of some."""
    tally = Tally()
    for number in range(5):
        _count(tally, call_with(number, tried(USAGE)))
    found = tally.found["gpt-4o-mini"]
    assert (found.calls, found.nanousd, len(found.ids)) == (5, 5 * 230_000, 3)
    assert (tally.total.found, tally.total.unknown) == (5, 0)


def _count(tally: Tally, one: Entry) -> None:
    tally.add(one, booked_amounts(one), reprice(one, prices(NEW)), changed=True)


def test_every_remark_can_be_said() -> None:
    """A remark without words would end in an error when it is shown."""
    assert all(said and not said.endswith(".") for said in REMARKS.values())


def test_explain_tells_of_adjustments() -> None:
    """What was added, why, and what stands in the books now."""
    one = call_with(1, priced_by(OLD, tried(USAGE)))
    added = difference(
        one,
        booked_amounts(one),
        reprice(one, prices(NEW)).amounts,
        at=NOW,
        reason=REPRICED,
    )
    assert added is not None
    told = explain(one, [added])
    assert "cost: $0.00014 (known from: usage)" in told
    assert (
        "adjusted at 2026-11-22T00:00:00+00:00 (reprice, prices new): "
        "cost +$0.00009, untouched +$0.00009"
    ) in told
    assert "cost now: $0.00023 (known from: usage)" in told
    assert explain(entry(1)) == explain(entry(1), [])
