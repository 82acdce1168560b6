"""`explain` tells the whole story of a call, and never its content."""

from __future__ import annotations

from msgspec.structs import replace

from scrimp.calls import UNKNOWN_COST, Cost, Line, Target, TraceLine, Usage
from scrimp.ledger.explain import cost_words, explain, price_line, trace_words, usage_words
from scrimp.ledger.steps import sent_to, served_after_all, unserved
from tests.support.ledger_entries import attempt, call_id, entry


def test_every_price_line_shows_how_it_came_to_be() -> None:
    """Quantity times price is the amount, in dollars and in nano-dollars."""
    line = Line("input", 1200, 2_500_000, 3_000_000)
    assert price_line(line) == "1,200 input × 2,500,000 pico-USD = $0.003 (3,000,000 nano-USD)"  # noqa: RUF001 - a real multiplication sign


def test_rounding_up_is_said() -> None:
    """Three tokens at half a nano-dollar each are two nano-dollars."""
    assert price_line(Line("input", 3, 500, 2)).endswith("(2 nano-USD, rounded up)")


def test_the_whole_call_is_told() -> None:
    """Who, what, each lever, each attempt, the money, the time."""
    told = "\n".join(explain(entry()))
    for part in (
        call_id(1),
        "served by upstream",
        "task factual_qa, said by classifier",
        "key ci; team platform; user ana; session s-1; tags app:bot, env:prod",
        "- exact_cache: miss (key 3fa29c, ttl_s 604,800)",
        "attempt 1: openai gpt-4o-mini: a whole reply (status 200), 412.2 ms",
        "answered as gpt-4o-mini-2024-07-18",
        "usage: 1,200 input, 300 cache read, 40 output",
        "cost: $0.003775, from the provider's own usage (prices 2026-03-01)",
        "40 output × 10,000,000 pico-USD = $0.0004 (400,000 nano-USD)",  # noqa: RUF001 - a real multiplication sign
        "untouched it would have cost: $0.0037755",
        "prefix_cache saved $0.0000005",
        "latency: 413.5 ms, of it 412.2 ms upstream and 1.2 ms in Scrimp",
    ):
        assert part in told


def test_content_is_never_told() -> None:
    """Not even when the ledger keeps it."""
    told = "\n".join(explain(replace(entry(), request_content="my secret", reply_content="hers")))
    assert "secret" not in told
    assert "what had arrived" not in told


def test_an_unknown_cost_is_not_zero() -> None:
    """It says that it is not known, and between which bounds it lies when there are any."""
    unknown = replace(entry(), cost_nanousd=None, cost_low_nanousd=None, cost_high_nanousd=None)
    assert "cost: not known; no bounds are known" in explain(unknown)
    bounded = replace(entry(), cost_nanousd=None, cost_low_nanousd=10, cost_high_nanousd=10**9)
    assert "cost: not known; it lies between $0.00000001 and $1.00" in explain(bounded)
    assert "not to be read as $0" in cost_words(UNKNOWN_COST)


def test_an_estimate_tells_its_bounds() -> None:
    """Of an attempt and of the whole call."""
    cost = Cost(5_000_000, 4_000_000, 6_000_000, "estimate")
    words = "about $0.005; the truth lies between $0.004 and $0.006"
    assert cost_words(cost) == words
    estimated = replace(
        entry(),
        cost_basis="estimate",
        cost_nanousd=5_000_000,
        cost_low_nanousd=4_000_000,
        cost_high_nanousd=6_000_000,
        attempts=(replace(attempt(), usage=None, cost=cost, outcome="cut"),),
    )
    told = explain(estimated)
    assert f"cost: {words}" in told
    assert "  usage: usage not reported" in told
    assert any("broke off after its first byte" in line for line in told)


def test_a_hit_sent_nothing() -> None:
    """A call without attempts says so, and that it was free."""
    hit = replace(
        entry(),
        served_by="exact_cache",
        attempts=(),
        saved=(("exact_cache", 3_775_500),),
        cost_basis="free",
        cost_nanousd=0,
        cost_low_nanousd=0,
        cost_high_nanousd=0,
    )
    told = explain(hit)
    assert "nothing was sent to a provider" in told
    assert "cost: $0.00 (known from: free)" in told
    assert "exact_cache saved $0.0037755" in told


def test_a_lever_that_lost_money_is_not_hidden() -> None:
    """A negative saving is told as a loss, with its size."""
    told = explain(replace(entry(), saved=(("retry", -500),)))
    assert "retry cost more than it saved, by $0.0000005" in told


def test_long_values_of_a_trace_are_cut() -> None:
    """A key of a cache is told by its beginning; numbers are told whole."""
    line = TraceLine("exact_cache", "hit", (("key", "0123456789" * 4), ("age_s", 2.5)))
    assert trace_words(line) == "exact_cache: hit (key 01234567…, age_s 2.5)"
    assert trace_words(TraceLine("retry", "first")) == "retry: first"


def test_what_became_of_attempts_is_told_in_words() -> None:
    """By their numbers in the same text, and with the whole reason."""
    numbers = {**unserved(0, 1), "model": "m", "why": "min_length: 12 characters of at least 40"}
    line = TraceLine("cascade", "not_served", tuple(numbers.items()))
    said = "attempt 1 not served, model m, why min_length: 12 characters of at least 40"
    assert trace_words(line) == f"cascade: not_served ({said})"
    target = Target("openai", "gpt-4o-mini", "openai.chat")
    line = TraceLine("route", "chose", tuple({**sent_to(target), "p": 0.9}.items()))
    assert trace_words(line) == "route: chose (to openai gpt-4o-mini, p 0.9)"
    line = TraceLine("cascade", "served", tuple(served_after_all(1, 3).items()))
    assert trace_words(line) == "cascade: served (attempts 2 to 3 served after all)"


def test_suspect_usage_tells_both_numbers() -> None:
    """The provider's own total and ours."""
    assert usage_words(Usage(input_tokens=5, suspect="5/6")) == "5 input (suspect: 5/6)"
    assert usage_words(Usage()) == "no tokens"
