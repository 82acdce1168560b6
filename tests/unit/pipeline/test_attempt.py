"""One attempt upstream: what the client sees, what is kept, what it costs."""

from __future__ import annotations

import pytest

from scrimp.calls import FREE_COST, UNKNOWN_COST, HeldSink
from scrimp.errors import InvalidRequest, UpstreamError
from scrimp.remembered import CacheControl
from tests.support.core import (
    JSON_HEADERS,
    SSE_HEADERS,
    USAGE,
    ScriptedExchange,
    ScriptedUpstream,
    answer_fields,
    attempt_on,
    call_of,
    chat_fields,
    failing,
    json_exchange,
    only_attempt,
    sink_of,
    stream_events,
    streaming,
    verdicts,
)

BROKE = UpstreamError("provider broke off", status=502)


async def test_a_document_comes_back_whole() -> None:
    """The body is the provider's own; nothing is written live; the connection is given back."""
    call, exchange = call_of(), json_exchange(answer_fields())
    reply = await attempt_on(ScriptedUpstream(exchange))(call)
    assert (reply.status, reply.body, reply.framing) == (200, answer_fields(), "json")
    assert reply.cacheable
    assert not sink_of(call).begun
    assert exchange.closed == (1, 0)
    attempt = only_attempt(call)
    assert (attempt.outcome, attempt.usage, attempt.request_id) == ("ok", USAGE, "req_1")
    assert (attempt.cost.nanousd, attempt.partial) == (13, b"")


async def test_an_unchanged_call_goes_up_byte_for_byte() -> None:
    """Body, headers, credential and the path behind our own root."""
    call = call_of(path="/v1/chat/completions?beta=1")
    upstream = ScriptedUpstream(json_exchange(answer_fields()))
    await attempt_on(upstream)(call)
    sent = upstream.requests[0]
    assert (sent.body, sent.headers) == (call.request.body, call.headers)
    assert (sent.method, sent.path) == ("POST", "/chat/completions?beta=1")


async def test_a_call_that_forbids_a_new_answer_is_never_sent() -> None:
    """Whatever lever was switched off or skipped above: `only` does not pay."""
    call, upstream = call_of(cache=CacheControl("only")), ScriptedUpstream(BROKE)
    with pytest.raises(InvalidRequest, match="x-scrimp-cache: only"):
        await attempt_on(upstream)(call)
    assert (upstream.requests, call.trace.attempts) == ([], [])


async def test_live_events_leave_before_the_reply_is_complete() -> None:
    """The client has the first event while the provider is still silent about the rest."""
    call = streaming()
    events = stream_events("Hi", " there")
    seen: list[bytes] = []

    async def look() -> None:
        seen.append(sink_of(call).body)

    exchange = ScriptedExchange(200, SSE_HEADERS, [events[0], look, b"".join(events[1:])])
    reply = await attempt_on(ScriptedUpstream(exchange))(call)
    assert seen == [events[0]]
    assert reply.body == b"".join(events)
    assert reply.facts.usage == USAGE
    assert reply.cacheable


async def test_usage_that_only_scrimp_asked_for_is_not_shown() -> None:
    """The body asks for it, the client's stream lacks that one event, the kept reply has it."""
    call, events = streaming(), stream_events("Hi")
    upstream = ScriptedUpstream(ScriptedExchange(200, SSE_HEADERS, events))
    reply = await attempt_on(upstream, ask_usage=frozenset({"openai"}))(call)
    assert b'"include_usage":true' in upstream.requests[0].body
    assert sink_of(call).body == b"".join([*events[:-2], events[-1]])
    assert reply.body == b"".join(events)


async def test_a_hang_up_before_the_first_byte_leaves_the_client_untouched() -> None:
    """Headers alone commit to nothing: the call can be tried again."""
    for call in (call_of(), streaming(), call_of(operation="passthrough")):
        exchange = ScriptedExchange(200, SSE_HEADERS, [BROKE])
        assert await failing(call, exchange) is BROKE
        assert not sink_of(call).begun
        assert only_attempt(call).outcome == "failed"
        assert exchange.closed == (0, 1)


async def test_a_break_after_the_first_byte_is_a_cut() -> None:
    """What had arrived is kept for the estimate; what the client has stays with it."""
    call, events = streaming(), stream_events("Hi")
    exchange = ScriptedExchange(200, SSE_HEADERS, [events[0], events[1][:9], BROKE])
    assert await failing(call, exchange) is BROKE
    attempt = only_attempt(call)
    assert (attempt.outcome, attempt.status, attempt.usage) == ("cut", 200, None)
    assert attempt.partial == events[0] + events[1][:9]
    assert attempt.cost == UNKNOWN_COST
    assert sink_of(call).body == events[0]
    assert exchange.closed == (0, 1)


async def test_a_stream_without_its_end_marker_is_an_error() -> None:
    """A connection closed in good order can still be half an answer."""
    call = streaming()
    exchange = ScriptedExchange(200, SSE_HEADERS, stream_events("Hi", done=False))
    error = await failing(call, exchange)
    assert (error.status, str(error)) == (
        502,
        "the provider ended the stream before its end marker",
    )
    assert only_attempt(call).outcome == "cut"
    assert only_attempt(call).usage == USAGE
    assert exchange.closed == (1, 0)


async def test_a_break_after_the_end_marker_breaks_nothing() -> None:
    """The dialect says when an answer is whole, not the connection."""
    call, events = streaming(), stream_events("Hi")
    exchange = ScriptedExchange(200, SSE_HEADERS, [*events, BROKE])
    reply = await attempt_on(ScriptedUpstream(exchange))(call)
    assert reply.facts.complete
    assert only_attempt(call).outcome == "ok"
    assert exchange.closed == (0, 1)


async def test_an_error_inside_a_stream_reaches_the_client_as_it_came() -> None:
    """The reply carries the message, is not remembered, and counts as cut."""
    call = streaming()
    error = b'data: {"error":{"message":"overloaded"}}\n\n'
    exchange = ScriptedExchange(200, SSE_HEADERS, [stream_events("Hi")[0], error])
    reply = await attempt_on(ScriptedUpstream(exchange))(call)
    assert (reply.facts.error, reply.cacheable) == ("overloaded", False)
    assert sink_of(call).body.endswith(error)
    assert only_attempt(call).outcome == "cut"


async def test_an_error_inside_a_held_stream_is_an_error() -> None:
    """Nobody has seen any of it, so it must not look like an answer."""
    events = [stream_events("Hi")[0], b'data: {"error":{"message":"overloaded"}}\n\n']
    for call in (streaming(sink=HeldSink()), call_of()):
        error = await failing(call, ScriptedExchange(200, SSE_HEADERS, events))
        assert (error.status, str(error)) == (502, "overloaded")


async def test_a_stream_that_nobody_asked_for_is_kept_back() -> None:
    """A client that asked for a document must not get events, whatever the provider sends."""
    call, events = call_of(), stream_events("Hi")
    reply = await attempt_on(ScriptedUpstream(ScriptedExchange(200, SSE_HEADERS, events)))(call)
    assert (reply.framing, reply.body) == ("sse", b"".join(events))
    assert not sink_of(call).begun


async def test_a_document_that_is_too_large_streams_on() -> None:
    """The client gets all of it, in order, with the provider's length; it is not kept."""
    body = answer_fields("x" * 5000)
    pieces = [body[at : at + 1000] for at in range(0, len(body), 1000)]
    headers = (*JSON_HEADERS, ("content-length", str(len(body))))
    call, exchange = call_of(), ScriptedExchange(200, headers, pieces)
    reply = await attempt_on(ScriptedUpstream(exchange), max_kept_bytes=2500)(call)
    assert sink_of(call).body == body
    assert ("content-length", str(len(body))) in sink_of(call).headers
    assert (reply.body, reply.cacheable) == (None, False)
    assert exchange.closed == (1, 0)
    assert only_attempt(call).outcome == "ok"


async def test_a_stream_that_is_too_large_streams_on() -> None:
    """Usage is read to the end although the body is not kept."""
    call, events = streaming(), stream_events("x" * 400, "y" * 400)
    exchange = ScriptedExchange(200, SSE_HEADERS, events)
    reply = await attempt_on(ScriptedUpstream(exchange), max_kept_bytes=500)(call)
    assert sink_of(call).body == b"".join([*events[:-2], events[-1]])
    assert (reply.body, reply.cacheable, reply.facts.usage) == (None, False, USAGE)


async def test_what_is_too_large_cannot_be_held_back() -> None:
    """A draft or a converted reply needs the whole; half of one is an error."""
    big = answer_fields("x" * 900)
    for call, exchange in (
        (call_of(sink=HeldSink()), json_exchange(big)),
        (streaming(sink=HeldSink()), ScriptedExchange(200, SSE_HEADERS, stream_events("x" * 900))),
        (call_of(), ScriptedExchange(200, SSE_HEADERS, stream_events("x" * 900))),
    ):
        error = await failing(call, exchange, max_kept_bytes=500)
        assert "500 bytes cannot be held back" in str(error)
        assert only_attempt(call).outcome == "cut"


async def test_a_held_sink_hears_nothing() -> None:
    """A draft is returned whole."""
    call, events = streaming(sink=HeldSink()), stream_events("Hi")
    reply = await attempt_on(ScriptedUpstream(ScriptedExchange(200, SSE_HEADERS, events)))(call)
    assert reply.body == b"".join(events)
    assert not call.sink.begun


async def test_passthrough_pipes_what_scrimp_does_not_read() -> None:
    """Any bytes, the provider's own headers; cost unknown, nothing kept."""
    call = call_of(operation="passthrough", path="/v1/embeddings")
    headers = (("content-type", "audio/mpeg"), ("content-length", "6"))
    exchange = ScriptedExchange(200, headers, [b"abc", b"\xff\x00z"])
    reply = await attempt_on(ScriptedUpstream(exchange))(call)
    sink = sink_of(call)
    assert (sink.status, sink.headers, sink.body) == (200, headers, b"abc\xff\x00z")
    assert (reply.body, reply.cacheable) == (None, False)
    assert only_attempt(call).cost == UNKNOWN_COST
    assert exchange.closed == (1, 0)


async def test_passthrough_of_nothing_still_answers() -> None:
    """A 204 has no first byte, yet it is an answer."""
    call = call_of(operation="passthrough")
    await attempt_on(ScriptedUpstream(ScriptedExchange(204, (), [])))(call)
    assert (sink_of(call).status, sink_of(call).body) == (204, b"")


async def test_a_reply_without_usage_is_kept_for_the_estimate() -> None:
    """A whole answer whose cost is not told: its text bounds the cost; it is not remembered."""
    body, events = answer_fields(usage=False), stream_events("Hi", usage=False)
    for call, exchange, partial in (
        (call_of(), json_exchange(body), body),
        (streaming(), ScriptedExchange(200, SSE_HEADERS, events), b"".join(events)),
    ):
        reply = await attempt_on(ScriptedUpstream(exchange))(call)
        attempt = only_attempt(call)
        assert (attempt.outcome, attempt.usage, attempt.partial) == ("ok", None, partial)
        assert attempt.cost == UNKNOWN_COST
        assert not reply.cacheable


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (answer_fields(finish="length"), 200),
        (answer_fields(finish="content_filter"), 200),
        (answer_fields(), 202),
        (b"<html>hello</html>", 200),
        (b'{"error":{"message":"inside a 200"}}', 200),
        (b"", 200),
    ],
)
async def test_what_must_not_be_remembered(body: bytes, status: int) -> None:
    """Truncated, refused, odd and empty answers go to the client as they came, and no further."""
    reply = await attempt_on(ScriptedUpstream(json_exchange(body, status=status)))(call_of())
    assert (reply.status, reply.body, reply.cacheable) == (status, body, False)


async def test_a_model_without_a_price_is_unknown_not_free() -> None:
    """The trace says why."""
    call = call_of(chat_fields() | {"model": "unpriced"})
    body = answer_fields().replace(b"gpt-4o-mini-2024-07-18", b"unpriced")
    await attempt_on(ScriptedUpstream(json_exchange(body)))(call)
    assert only_attempt(call).cost == UNKNOWN_COST
    assert only_attempt(call).usage == USAGE
    assert verdicts(call, "price") == ["unknown"]


async def test_counting_tokens_is_free() -> None:
    """By the provider's price list."""
    call = call_of(
        {"model": "claude-3-5-haiku-latest", "messages": [{"role": "user", "content": "Hi"}]},
        dialect="anthropic.count_tokens",
        operation="count_tokens",
    )
    await attempt_on(ScriptedUpstream(json_exchange(b'{"input_tokens":8}')))(call)
    assert (only_attempt(call).cost, only_attempt(call).usage) == (FREE_COST, None)
