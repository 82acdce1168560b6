"""How an attempt ends: one line in the trace, one end of the connection."""

from __future__ import annotations

import asyncio

import pytest

from scrimp.calls import FREE_COST, UNKNOWN_COST, Call
from scrimp.errors import UpstreamError
from tests.support.core import (
    JSON_HEADERS,
    SSE_HEADERS,
    USAGE,
    HereSink,
    ScriptedExchange,
    ScriptedUpstream,
    attempt_on,
    call_of,
    failing,
    forever,
    json_exchange,
    never_opens,
    only_attempt,
    stream_events,
    streaming,
)

BROKE = UpstreamError("provider broke off", status=502)


async def cancelled(call: Call, exchange: ScriptedExchange) -> None:
    """Run an attempt until it waits for ever, then cancel it."""
    task = asyncio.get_running_loop().create_task(_reply(call, exchange))
    for _ in range(10):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def _reply(call: Call, exchange: ScriptedExchange) -> None:
    await attempt_on(ScriptedUpstream(exchange))(call)


@pytest.mark.parametrize("status", [400, 401, 429, 500, 502, 503, 529])
async def test_a_refusal_keeps_status_headers_and_body(status: int) -> None:
    """It costs nothing, unless a server failed that may have worked; its connection lives on."""
    call, body = call_of(), b'{"error":{"message":"no"}}'
    exchange = json_exchange(body, status=status, headers=(("retry-after", "7"),))
    error = await failing(call, exchange)
    assert (error.status, error.body) == (status, body)
    assert ("retry-after", "7") in error.headers
    attempt = only_attempt(call)
    ended = ("failed", UNKNOWN_COST) if status in (500, 502) else ("rejected", FREE_COST)
    assert (attempt.status, (attempt.outcome, attempt.cost)) == (status, ended)
    assert exchange.closed == (1, 0)


@pytest.mark.parametrize("status", [429, 503, 529])
async def test_a_refusal_whose_body_breaks_is_still_that_refusal(status: int) -> None:
    """Status and headers say how to go on; half a body says nothing."""
    call = call_of()
    headers = (*JSON_HEADERS, ("retry-after", "7"))
    exchange = ScriptedExchange(status, headers, [b'{"err', BROKE])
    error = await failing(call, exchange)
    assert (error.status, error.body, error.headers) == (status, b"", headers)
    assert only_attempt(call).outcome == "rejected"
    assert exchange.closed == (0, 1)


async def test_an_endless_refusal_is_cut_short() -> None:
    """A megabyte of error is enough; the rest is not waited for."""
    call = call_of()
    exchange = ScriptedExchange(500, JSON_HEADERS, [b"x" * 600_000, b"x" * 600_000, forever])
    error = await failing(call, exchange)
    assert (error.status, len(error.body)) == (500, 1_200_000)
    assert exchange.closed == (0, 1)


@pytest.mark.parametrize(("sent", "outcome"), [(True, "failed"), (False, "unsent")])
async def test_no_answer_at_all(sent: bool, outcome: str) -> None:  # noqa: FBT001 (a parameter)
    """What never left is free; what left and was not answered may have been billed."""
    call = call_of()
    upstream = ScriptedUpstream(UpstreamError("gone", status=504, sent=sent))
    with pytest.raises(UpstreamError):
        await attempt_on(upstream)(call)
    attempt = only_attempt(call)
    assert (attempt.outcome, attempt.status) == (outcome, 0)
    assert attempt.cost == (UNKNOWN_COST if sent else FREE_COST)


async def test_a_bug_while_opening_is_accounted() -> None:
    """Something may have been sent, so the attempt is in the trace."""
    call = call_of()
    with pytest.raises(ZeroDivisionError):
        await attempt_on(ScriptedUpstream(ZeroDivisionError()))(call)
    assert only_attempt(call).outcome == "failed"


async def test_cancelled_while_opening() -> None:
    """The client left before there was an answer."""
    call = call_of()
    task = asyncio.get_running_loop().create_task(
        asyncio.wait_for(attempt_on(ScriptedUpstream(never_opens))(call), None)
    )
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    attempt = only_attempt(call)
    assert (attempt.outcome, attempt.status, attempt.cost) == ("cancelled", 0, UNKNOWN_COST)


async def test_cancelled_while_connecting() -> None:
    """The client left before there was a connection: nothing was asked, nothing is owed."""
    call, upstream = call_of(), ScriptedUpstream(never_opens)
    upstream.connects = False
    task = asyncio.get_running_loop().create_task(
        asyncio.wait_for(attempt_on(upstream)(call), None)
    )
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    attempt = only_attempt(call)
    assert (attempt.outcome, attempt.status, attempt.cost) == ("unsent", 0, FREE_COST)


async def test_a_redirect_costs_nothing() -> None:
    """It is passed on, not followed, and nobody worked for it."""
    call, exchange = call_of(), json_exchange(b"", status=302, headers=(("location", "/"),))
    reply = await attempt_on(ScriptedUpstream(exchange))(call)
    assert (reply.status, reply.cacheable) == (302, False)
    assert only_attempt(call).cost == FREE_COST


async def test_cancelled_while_reading() -> None:
    """The provider's connection is closed at once; what had come is kept for the estimate."""
    events = stream_events("Hi")
    for call, status, first, outcome, partial in (
        (streaming(), 200, events[0], "cancelled", events[0]),
        (streaming(), 200, b"", "cancelled", b""),
        (call_of(), 200, b'{"id', "cancelled", b""),
        (call_of(operation="passthrough"), 200, b"abc", "cancelled", b""),
        (call_of(), 429, b"abc", "rejected", b""),
    ):
        headers = SSE_HEADERS if call.request.stream else JSON_HEADERS
        exchange = ScriptedExchange(status, headers, [first, forever] if first else [forever])
        await cancelled(call, exchange)
        attempt = only_attempt(call)
        assert (attempt.outcome, attempt.status, attempt.partial) == (outcome, status, partial)
        assert exchange.closed == (0, 1)


async def test_usage_that_had_come_prices_a_cancelled_stream() -> None:
    """A client that leaves after the usage event pays what the provider said, no estimate."""
    call = streaming()
    exchange = ScriptedExchange(200, SSE_HEADERS, [*stream_events("Hi", done=False), forever])
    await cancelled(call, exchange)
    attempt = only_attempt(call)
    assert (attempt.outcome, attempt.usage, attempt.partial) == ("cancelled", USAGE, b"")
    assert attempt.cost.nanousd == 13


async def test_a_client_that_leaves_with_the_end_marker_has_all() -> None:
    """SDKs close the connection on it, before the provider has closed its own."""
    call = streaming()
    exchange = ScriptedExchange(200, SSE_HEADERS, [*stream_events("Hi"), forever])
    await cancelled(call, exchange)
    attempt = only_attempt(call)
    assert (attempt.outcome, attempt.usage) == ("ok", USAGE)
    assert exchange.closed == (0, 1)


@pytest.mark.parametrize(
    ("error", "outcome"), [(asyncio.CancelledError(), "cancelled"), (OSError(), "cut")]
)
async def test_a_client_that_cannot_be_written_to(error: BaseException, outcome: str) -> None:
    """A full socket cancels the call; a bug in a sink is no leaving client."""
    call = streaming(sink=HereSink(fails=error))
    exchange = ScriptedExchange(200, SSE_HEADERS, stream_events("Hi"))
    with pytest.raises(type(error)):
        await attempt_on(ScriptedUpstream(exchange))(call)
    assert only_attempt(call).outcome == outcome
    assert exchange.closed == (0, 1)
