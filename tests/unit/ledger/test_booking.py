"""Booking: what the client saw, and money that adds up."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from scrimp.calls import (
    FREE_COST,
    UNKNOWN_COST,
    Booked,
    Cost,
    Outcome,
    Reply,
    ReplyFacts,
    Usage,
)
from scrimp.errors import BudgetExceeded, InvalidRequest, StoreError, UnknownModel, UpstreamError
from scrimp.ledger.booking import Ending, booked, entry_of, needs_estimate, total_cost, total_usage
from scrimp.ports import Entry
from tests.support.core import NOON, USAGE, attempt_of, call_of, reply_of, sink_of


def cost(nanousd: int) -> Cost:
    """An exact cost."""
    return Cost.exact(nanousd, price_version="test", lines=())


def ended(
    reply: Reply | None = None,
    error: BaseException | None = None,
    *outcomes: tuple[Outcome, int],
    begun: bool = False,
) -> Entry:
    """The entry of a call that ended so, after attempts with these outcomes and statuses."""
    call = call_of()
    sink_of(call).begun = begun
    call.trace.attempts += [attempt_of(outcome=how, status=status) for how, status in outcomes]
    call.trace.booked = booked(reply, call.trace.attempts, FREE_COST)
    return entry_of(call, Ending(reply, error, 12.5), keep_content=False)


CUT = UpstreamError("broke off", status=502)


@pytest.mark.parametrize(
    ("entry", "status", "outcome"),
    [
        (ended(reply_of(), None, ("ok", 200)), 200, "ok"),
        (ended(reply_of(served_by="exact_cache")), 200, "ok"),
        (ended(reply_of(facts=ReplyFacts(error="x")), None, ("cut", 200)), 200, "cut"),
        (ended(None, UpstreamError("", status=429), ("rejected", 429)), 429, "rejected"),
        (ended(None, UpstreamError("", status=500), ("rejected", 500)), 500, "rejected"),
        (ended(None, UpstreamError("", status=504), ("failed", 0)), 504, "failed"),
        (ended(None, UpstreamError("", status=502, sent=False), ("unsent", 0)), 502, "failed"),
        (ended(None, CUT, ("cut", 200)), 502, "failed"),
        (ended(None, CUT, ("cut", 200), begun=True), 200, "cut"),
        (ended(None, CUT, ("rejected", 429), ("cut", 200), begun=True), 200, "cut"),
        (ended(None, InvalidRequest("")), 400, "refused"),
        (ended(None, UnknownModel("")), 404, "refused"),
        (ended(None, BudgetExceeded("")), 429, "refused"),
        (ended(None, asyncio.CancelledError(), ("cancelled", 200)), 499, "cancelled"),
        (ended(None, asyncio.CancelledError(), ("cancelled", 200), begun=True), 499, "cancelled"),
        (ended(None, asyncio.CancelledError(), ("ok", 200), begun=True), 200, "ok"),
        (ended(None, asyncio.CancelledError(), ("ok", 200)), 499, "cancelled"),
        (ended(None, asyncio.CancelledError()), 499, "cancelled"),
        (ended(None, ZeroDivisionError(), ("ok", 200)), 500, "failed"),
        (ended(None, StoreError("")), 500, "failed"),
    ],
)  # fmt: skip
def test_status_and_outcome_are_what_the_client_saw(
    entry: Entry, status: int, outcome: str
) -> None:
    """The status line it got (499: it had left), and how it ended in one word."""
    assert (entry.status, entry.outcome) == (status, outcome)


def test_who_left_with_the_whole_answer_was_served() -> None:
    """By the upstream, although no reply came back through the levers."""
    left = ended(None, asyncio.CancelledError(), ("ok", 200), begun=True)
    assert left.served_by == "upstream"
    assert ended(None, asyncio.CancelledError(), ("cancelled", 200)).served_by == "none"


def test_an_entry_says_all_that_is_known() -> None:
    """Times, target, caller and attempts of the call as it was."""
    call = call_of()
    call.trace.attempts += [attempt_of(latency_ms=4.0), attempt_of(latency_ms=5.0, ttft_ms=2.0)]
    call.trace.note("saver", "tried", {"n": 1})
    call.trace.booked = booked(reply_of(), call.trace.attempts, FREE_COST)
    entry = entry_of(call, Ending(reply_of(), None, 12.5), keep_content=False)
    assert (entry.id, entry.at, entry.stream) == (call.id, NOON, False)
    assert (entry.provider, entry.model, entry.model_requested) == (
        "openai",
        "gpt-4o-mini",
        "gpt-4o-mini",
    )
    assert (entry.latency_ms, entry.upstream_ms, entry.ttft_ms) == (12.5, 9.0, 2.0)
    assert (entry.served_by, entry.tenant, entry.task) == ("upstream", "local", "general")
    assert entry.trace == tuple(call.trace.lines)
    assert entry.attempts == tuple(call.trace.attempts)
    assert (entry.request_content, entry.reply_content) == (None, None)


def test_content_is_kept_only_when_asked_for() -> None:
    """Both sides as text; bytes that are no UTF-8 do not break the booking."""
    call = call_of()
    call.trace.booked = Booked(FREE_COST, 0)
    ending = Ending(reply_of(body=b"caf\xe9"), None, 1.0)
    kept = entry_of(call, ending, keep_content=True)
    assert kept.request_content == call.request.body.decode()
    assert kept.reply_content == "caf�"
    gone = entry_of(call, Ending(None, CUT, 1.0), keep_content=True)
    assert gone.reply_content is None


def test_unknown_is_never_zero() -> None:
    """One attempt without a price makes the whole call unknown, its baseline too."""
    attempts = [attempt_of(cost=cost(5)), attempt_of(cost=UNKNOWN_COST)]
    assert total_cost([attempt.cost for attempt in attempts]) == UNKNOWN_COST
    assert booked(reply_of(), attempts, FREE_COST) == Booked(UNKNOWN_COST, None)
    hit = reply_of(served_by="exact_cache")
    assert booked(hit, [], UNKNOWN_COST) == Booked(FREE_COST, None)


def test_a_hit_saves_what_the_answer_would_cost_now() -> None:
    """All of it, given to the lever that answered."""
    hit = reply_of(served_by="exact_cache")
    assert booked(hit, [], cost(700)) == Booked(FREE_COST, 700, (("exact_cache", 700),))


def test_attempts_before_the_last_are_the_price_of_retrying() -> None:
    """A negative saving, so that nobody is flattered."""
    attempts = [attempt_of(cost=cost(30)), attempt_of(cost=cost(0)), attempt_of(cost=cost(100))]
    result = booked(reply_of(), attempts, FREE_COST)
    assert (result.cost.nanousd, result.baseline_nanousd) == (130, 100)
    assert result.saved == (("retry", -30),)


def test_free_retries_cost_nothing() -> None:
    """Refused attempts are not billed, so there is nothing to give to the lever."""
    attempts = [attempt_of(cost=FREE_COST), attempt_of(cost=cost(100))]
    assert booked(reply_of(), attempts, FREE_COST).saved == ()


def test_a_refused_call_costs_nothing() -> None:
    """Known to be zero: nothing was sent."""
    assert booked(None, [], FREE_COST) == Booked(FREE_COST, 0)


@pytest.mark.parametrize(
    ("outcome", "operation", "usage", "wanted"),
    [
        ("cut", "chat", None, True),
        ("cancelled", "chat", None, True),
        ("failed", "chat", None, True),
        ("ok", "chat", None, True),
        ("cut", "chat", USAGE, False),
        ("rejected", "chat", None, False),
        ("unsent", "chat", None, False),
        ("ok", "passthrough", None, False),
        ("cancelled", "count_tokens", None, False),
    ],
)
def test_what_needs_an_estimate(
    outcome: Outcome, operation: str, usage: Usage | None, *, wanted: bool
) -> None:
    """Whatever may have been billed without saying how much, where Scrimp can count."""
    attempt = attempt_of(outcome=outcome, usage=usage, cost=UNKNOWN_COST)
    assert needs_estimate(attempt, call_of(operation=operation)) is wanted


def test_usage_is_that_of_all_attempts() -> None:
    """Summed kind by kind; doubts are kept beside each other."""
    one = Usage(input_tokens=1, reasoning_tokens=2, suspect="a")
    two = Usage(input_tokens=10, web_search_requests=3, suspect="b")
    attempts = [attempt_of(usage=one), attempt_of(usage=None), attempt_of(usage=two)]
    assert total_usage(attempts) == Usage(
        input_tokens=11, reasoning_tokens=2, web_search_requests=3, suspect="a; b"
    )
    assert total_usage([]) == Usage()
    assert total_usage([attempt_of(usage=replace(one, suspect=""))]).suspect == ""
