"""Sums of runs: exact, and what is unknown stays said."""

from __future__ import annotations

from decimal import Decimal

from scrimp.calls import Usage
from scrimp.integrations.langchain_totals import Paid, Totals


def test_sums_are_exact() -> None:
    """To the nano-dollar, in whole numbers and in dollars."""
    usage = Usage(input_tokens=7, cache_read_tokens=3, output_tokens=2, reasoning_tokens=5)
    sums = Totals().with_paid(Paid(usage, 1)).with_paid(Paid(usage, 123_456_789_012))
    assert (sums.prompt_tokens, sums.prompt_tokens_cached, sums.completion_tokens) == (20, 6, 14)
    assert (sums.total_tokens, sums.reasoning_tokens, sums.successful_requests) == (34, 10, 2)
    assert (sums.total_nanousd, sums.total_cost) == (123_456_789_013, Decimal("123.456789013"))


def test_an_unknown_cost_makes_the_total_unknown() -> None:
    """What is known stays to be had; each reason stands once, each request counts."""
    sums = Totals().with_paid(Paid(Usage(input_tokens=1), 10))
    for _ in range(2):
        sums = sums.with_paid(Paid(None, None, "m: no price"), booked=False)
    sums = sums.with_failed("m: cut")
    assert (sums.total_nanousd, sums.total_cost, sums.known_cost) == (None, None, Decimal("1E-8"))
    assert (sums.unpriced_requests, sums.unpriced) == (3, ("m: no price", "m: cut"))
    assert (sums.unbooked_requests, sums.failed_requests, sums.successful_requests) == (2, 1, 3)
    assert "3 of unknown cost" in str(sums)


def test_hits_and_refusals_cost_nothing() -> None:
    """And a free total is $0, since it is known."""
    sums = Totals().with_hit().with_failed("")
    assert (sums.cached_requests, sums.failed_requests) == (1, 1)
    assert (sums.total_nanousd, sums.total_cost, sums.total_tokens) == (0, Decimal(0), 0)
