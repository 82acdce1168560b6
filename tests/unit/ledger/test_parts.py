"""Parts of a shared attempt: what is not exactly known has one payer, lines keep their numbers."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from scrimp.calls import FREE_COST, UNKNOWN_COST, Attempt, Cost, Target, TraceLine, Usage
from scrimp.ledger.marked import marked
from scrimp.ledger.parts import (
    Weights,
    apart,
    estimated,
    parts_of,
    saving_apart,
    told_to,
)
from scrimp.ledger.prefixes import premium_of
from scrimp.ledger.reprice import reprice
from scrimp.ledger.steps import unserved
from scrimp.prices.book import read_book
from scrimp.prices.pricing import price
from scrimp.terms import Terms
from tests.support import books
from tests.support.core import attempt_of, flat_price

NOON = datetime(2026, 5, 6, 12, tzinfo=UTC)
TARGET = Target("openai", "gpt-4o-mini", "openai.chat")
THREE = Weights((1, 1, 1), (1, 1, 1))


@pytest.mark.parametrize("cost", [UNKNOWN_COST, Cost(5, 0, 90, "estimate", "a")])
def test_a_cost_that_is_no_bill_has_one_payer(cost: Cost) -> None:
    """Its bounds belong to the whole; the others paid nothing of it."""
    first, *others = parts_of(attempt_of(usage=None, cost=cost, partial=b"x"), THREE)
    assert first.cost == cost
    assert [one.cost for one in others] == [FREE_COST] * 2
    assert {one.partial for one in (first, *others)} == {b""}


def test_a_bill_that_the_provider_told_is_parted_too() -> None:
    """Without lines that add up it goes by the input's weights, and what was told with it."""
    usage = Usage(input_tokens=10, terms=Terms(reported_nanousd=100, compute_ms=31))
    attempt = attempt_of(usage=usage, cost=Cost.reported(100))
    parts = parts_of(attempt, Weights((3, 1), (1, 1)))
    assert [one.cost.nanousd for one in parts] == [75, 25]
    told = [one.usage.terms for one in parts if one.usage is not None]
    assert [(one.reported_nanousd, one.compute_ms) for one in told if one] == [(75, 23), (25, 8)]


def test_lines_count_on_from_the_attempts_that_a_trace_has() -> None:
    """A draft was attempt 0: what the prompt says of its own attempt 0 is of attempt 1 there."""
    lines = [
        TraceLine("fallback", "answered", tuple(unserved(0, 1).items())),
        TraceLine("prefix_cache", "marked", (*marked(0, 2).items(), ("tokens", 5))),
        TraceLine("budget", "open", (("hold", "h"), ("attempt", 0))),
    ]
    told = told_to(lines, 1)
    assert dict(told[0].numbers) == {"unserved_from": 1, "unserved_to": 2}
    assert dict(told[1].numbers) == {"marked_from": 1, "marked_to": 3, "tokens": 5}
    assert [line.lever for line in told] == ["fallback", "prefix_cache"]


def test_a_call_by_itself_is_cached_in_the_same_shares() -> None:
    """Nobody knows what the provider's cache would have done; thoughts stay as they are."""
    usage = Usage(input_tokens=30, cache_read_tokens=10, output_tokens=8, reasoning_tokens=64)
    alone = apart(usage, 400, 5)
    assert (alone.input_tokens, alone.cache_read_tokens) == (300, 100)
    assert (alone.output_tokens, alone.reasoning_tokens) == (5, 64)


def test_a_saving_is_the_price_alone_less_the_part() -> None:
    """And none at all where the price is not known."""
    part = attempt_of()
    told = saving_apart("pack", part, Usage(input_tokens=100, output_tokens=2), flat_price)
    assert told == {"lever": "pack", "tokens": 91, "saved_nanousd": 104 - 13}
    unpriced = attempt_of(target=Target("openai", "unpriced", "openai.chat"))
    assert saving_apart("pack", unpriced, Usage(input_tokens=1), flat_price) is None


def test_bounds_of_what_nobody_told_hold_the_truth() -> None:
    """No text has more tokens than bytes; after a refusal nothing may have been billed."""
    attempt = Attempt(TARGET, "failed", 0, NOON, 1.0)
    cost = estimated(attempt, 4000, 100, flat_price)
    assert (cost.nanousd, cost.low_nanousd, cost.high_nanousd) == (1000, 0, 4000 + 1024 + 200)
    again = estimated(Attempt(TARGET, "failed", 500, NOON, 1.0), 4000, 100, flat_price)
    assert again.nanousd == 0


def test_a_part_is_not_priced_again_at_the_same_rates() -> None:
    """A third of a bill of 38 nano-dollars is not 13 of its own, rounded up anew."""
    book = books.book({"input": 12_500, "output": 25_000})
    whole = books.priced_by(book, books.tried(Usage(input_tokens=3, output_tokens=0)))
    parts = parts_of(whole, THREE)
    assert sum(one.cost.nanousd or 0 for one in parts) == whole.cost.nanousd == 38
    for number, part in enumerate(parts):
        entry = books.call_with(number, part)
        assert reprice(entry, books.prices(book)).amounts.cost_nanousd == part.cost.nanousd


FEE = 7_000_000
RATES = {"input": 1000, "cache_read": 100_000, "cache_write_5m": 2000, "output": 4000}
MADE = read_book(
    books.book_json({"gpt-4o-mini": {"rows": [{"rates": RATES, "fees": {"request": FEE * 1000}}]}}),
    source="the test",
)


def listed(usage: Usage, target: Target, at: datetime, service_tier: str) -> Cost:
    """At a list with a fee for each request."""
    return price(usage, target.model, target.provider, at, book=MADE, service_tier=service_tier)


def shared(usage: Usage) -> tuple[Attempt, list[Attempt]]:
    """A shared attempt with its bill, and its three parts."""
    whole = attempt_of(target=TARGET, started_at=NOON, usage=usage)
    whole = replace(whole, cost=listed(usage, TARGET, NOON, ""))
    return whole, parts_of(whole, Weights((5, 0, 2), (1, 1, 1)))


def test_what_is_reckoned_from_a_part_has_its_share_of_the_fee_and_no_more() -> None:
    """What a write cost beyond fresh input: the fee is on both sides of it, for parts too."""
    whole, parts = shared(Usage(input_tokens=70, cache_write_5m_tokens=700, output_tokens=3))
    assert premium_of([whole], listed) == 700
    assert [premium_of([part], listed) for part in parts] == [500, None, 200]


def test_by_itself_a_call_would_have_paid_a_fee_of_its_own() -> None:
    """So sharing saved it: by the bill of the list, and by one that the provider told."""
    usage = Usage(input_tokens=70, output_tokens=3)
    _, parts = shared(usage)
    saved = [saving_apart("pack", part, Usage(input_tokens=10), listed) for part in parts]
    alone = 10 + FEE
    assert [one and one["saved_nanousd"] for one in saved] == [
        alone - (part.cost.nanousd or 0) for part in parts
    ]
    told = replace(usage, terms=Terms(reported_nanousd=9))
    reported = attempt_of(target=TARGET, started_at=NOON, usage=told, cost=Cost.reported(9))
    again = parts_of(reported, Weights((5, 0, 2), (1, 1, 1)))
    assert [saving_apart("pack", part, Usage(input_tokens=10), listed) for part in again] == saved


def test_a_part_of_before_stays_as_it_was_booked() -> None:
    """It does not know its place; at the same rates its share of the fee is kept."""
    _, parts = shared(Usage(input_tokens=70, output_tokens=3))
    for part in (parts[0], parts[2]):
        assert part.usage is not None
        old = replace(part, usage=replace(part.usage, terms=None))
        entry = books.call_with(1, old)
        assert reprice(entry, books.prices(MADE)).amounts.cost_nanousd == part.cost.nanousd


def test_a_fee_that_changed_is_in_the_price_of_a_call_of_its_own() -> None:
    """At the same rates of tokens, too."""
    whole, _ = shared(Usage(input_tokens=70, output_tokens=3))
    dearer = books.book_json(
        {"gpt-4o-mini": {"rows": [{"rates": RATES, "fees": {"request": FEE * 3000}}]}}
    )
    now = books.prices(read_book(dearer, source="the test"))
    found = reprice(books.call_with(1, whole), now).amounts.cost_nanousd
    assert found == (whole.cost.nanousd or 0) + 2 * FEE
