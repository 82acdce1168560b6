"""Calls that go to a provider of the other dialect: what is sent, recorded, streamed, estimated."""

from __future__ import annotations

import gc
import json
from contextlib import suppress
from typing import Any

import pytest
from msgspec.structs import replace

from scrimp.calls import FREE_COST, Call, Caller, HeldSink, Reply, Target
from scrimp.dialects import DIALECTS
from scrimp.dialects.json_body import encode
from scrimp.errors import InvalidRequest, UpstreamError
from scrimp.ledger.booking import Ending, booked, entry_of, needs_estimate
from scrimp.pipeline.settle import Settler
from scrimp.pipeline.translating import Translating
from scrimp.ports import Settlement
from tests.support.budgets import book
from tests.support.core import (
    SSE_HEADERS,
    HereSink,
    LetterEncoder,
    ListLedger,
    ScriptedExchange,
    ScriptedUpstream,
    Step,
    answer_fields,
    attempt_on,
    call_of,
    json_exchange,
    numbers,
    only_attempt,
    sink_of,
    stream_events,
    verdicts,
)
from tests.support.translating import (
    CHAT,
    CLAUDE,
    MESSAGES,
    PIXEL,
    chat,
    claude_events,
    message,
    translator,
)

MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku-4-5-20251001",
    "content": [{"type": "text", "text": "Hi there"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 9, "cache_read_input_tokens": 1, "output_tokens": 2},
}
START = {"type": "message_start", "message": MESSAGE | {"content": [], "stop_reason": None}}
EVENTS = claude_events(
    START,
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
    {"type": "content_block_stop", "index": 0},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": 2},
    },
    {"type": "message_stop"},
)


def way(exchange: ScriptedExchange | BaseException) -> tuple[Translating, ScriptedUpstream]:
    """The end of the way over a script."""
    upstream = ScriptedUpstream(exchange)
    return Translating(attempt_on(upstream), translator()), upstream


def sse(*steps: Step) -> ScriptedExchange:
    """An event stream by script."""
    return ScriptedExchange(200, SSE_HEADERS, steps)


async def answered(call: Call, exchange: ScriptedExchange) -> Reply:
    """The reply to a call."""
    return await way(exchange)[0](call)


async def test_a_chat_goes_out_as_a_message() -> None:
    """Its own path, the vendor's header, no header of the other; the limit is the model's own."""
    headers = (("content-type", "application/json"), ("openai-project", "p"))
    end, upstream = way(json_exchange(encode(MESSAGE)))
    call = chat(headers=headers, fields={"seed": 1})
    reply = await end(call)
    (sent,) = upstream.requests
    assert (sent.provider, sent.path) == ("anthropic", "/messages")
    assert sent.headers == (headers[0], ("anthropic-version", "2023-06-01"))
    body = json.loads(sent.body)
    assert (body["model"], body["max_tokens"]) == (CLAUDE, 64_000)
    assert reply.body is not None
    assert json.loads(reply.body)["choices"][0]["message"]["content"] == "Hi there"
    assert json.loads(reply.body)["created"] == int(call.started_at.timestamp())
    assert DIALECTS[CHAT].read_reply(reply.body).complete
    assert verdicts(call, "translate") == [MESSAGES]
    assert numbers(call, "translate") == {"seed": "left out"}


async def test_a_message_goes_out_as_a_chat() -> None:
    """The same the other way."""
    end, upstream = way(json_exchange(answer_fields()))
    call = message(headers=(("anthropic-version", "2023-06-01"), ("anthropic-beta", "x")))
    reply = await end(call)
    (sent,) = upstream.requests
    assert (sent.provider, sent.path, sent.headers) == ("openai", "/chat/completions", ())
    assert json.loads(sent.body)["max_completion_tokens"] == 50
    assert reply.body is not None
    assert json.loads(reply.body)["content"] == [{"type": "text", "text": "Hi there"}]
    assert ("request-id", "req_1") in reply.headers


async def test_an_attempt_is_recorded_in_the_providers_dialect() -> None:
    """With its usage to the token; the call keeps the client's own."""
    call = chat()
    reply = await answered(call, json_exchange(encode(MESSAGE)))
    attempt = only_attempt(call)
    assert attempt.target == Target("anthropic", CLAUDE, MESSAGES)
    assert attempt.usage == reply.facts.usage
    assert attempt.usage is not None
    assert (attempt.usage.input_tokens, attempt.usage.cache_read_tokens) == (9, 1)
    assert attempt.cost.nanousd == 14
    assert reply.cacheable
    entry = entry_of(call, Ending(reply, None, 1.0), keep_content=False)
    assert (entry.dialect, entry.provider, entry.model) == (CHAT, "anthropic", CLAUDE)


async def test_calls_of_the_providers_own_dialect_are_not_touched() -> None:
    """The very same call goes on."""
    seen: list[Call] = []

    async def end(call: Call) -> Reply:
        seen.append(call)
        return await attempt_on(ScriptedUpstream(json_exchange(answer_fields())))(call)

    call = call_of()
    await Translating(end, translator())(call)
    assert seen[0] is call
    elsewhere = replace(call, target=Target("nobody", "x", MESSAGES), operation="passthrough")
    assert translator().as_sent(elsewhere) is elsewhere
    unread = replace(chat(), operation="passthrough")
    assert translator().as_sent(unread) is unread


async def test_chunks_reach_the_client_as_they_come() -> None:
    """Each event by itself; the end marker last; what is kept is what was said."""
    sink = HereSink()
    chunks: list[int] = []

    async def count() -> None:
        chunks.append(len(sink.chunks))

    steps: list[Step] = []
    for event in EVENTS:
        steps += [event, count]
    call = chat(fields={"stream": True}, sink=sink)
    reply = await answered(call, sse(*steps))
    assert chunks[:3] == [1, 1, 2]
    assert sink.body.endswith(b"data: [DONE]\n\n")
    assert b"usage" not in sink.body
    assert reply.framing == "sse"
    assert reply.body is not None
    whole = json.loads(DIALECTS[CHAT].from_stream(reply.body))
    assert whole["usage"]["prompt_tokens"] == 10
    assert whole["choices"][0]["message"]["content"] == "Hi"
    assert reply.cacheable


async def test_a_stream_for_a_client_of_anthropics_tells_usage_at_its_end() -> None:
    """It is asked for, whether or not the client could have asked."""
    end, upstream = way(sse(*stream_events("Hi", " there")))
    call = message(fields={"stream": True})
    await end(call)
    assert json.loads(upstream.requests[0].body)["stream_options"] == {"include_usage": True}
    told = json.loads(DIALECTS[MESSAGES].from_stream(sink_of(call).body))
    assert told["usage"]["input_tokens"] == 9
    assert told["content"] == [{"type": "text", "text": "Hi there"}]


async def test_a_provider_that_cannot_tell_usage_is_not_asked() -> None:
    """As without translation; the client hears of none."""
    upstream = ScriptedUpstream(sse(*stream_events("Hi", usage=False)))
    call = message(fields={"stream": True})
    await Translating(attempt_on(upstream), translator(asked=()))(call)
    assert "stream_options" not in json.loads(upstream.requests[0].body)
    assert b'"output_tokens":0' in sink_of(call).body


async def test_a_stream_that_is_held_back_is_translated_whole() -> None:
    """Drafts are delivered later, in the client's dialect."""
    call = chat(fields={"stream": True}, sink=HeldSink())
    reply = await answered(call, sse(b"".join(EVENTS)))
    assert reply.body is not None
    whole = json.loads(DIALECTS[CHAT].from_stream(reply.body))
    assert whole["choices"][0]["message"]["content"] == "Hi"


async def test_events_for_a_client_that_wanted_a_document() -> None:
    """Some providers stream whatever is asked."""
    call = chat()
    reply = await answered(call, sse(*EVENTS))
    assert reply.body is not None
    assert json.loads(DIALECTS[CHAT].from_stream(reply.body))["model"].startswith("claude")
    assert not sink_of(call).begun


async def test_a_document_for_a_client_that_wanted_events() -> None:
    """It is made into events where it is delivered."""
    call = chat(fields={"stream": True})
    reply = await answered(call, json_exchange(encode(MESSAGE)))
    assert reply.framing == "json"
    assert reply.body is not None
    assert b'"choices"' in DIALECTS[CHAT].to_stream(reply.body, include_usage=False)


@pytest.mark.parametrize("made", [chat, message])
async def test_a_page_in_place_of_an_answer_stays_a_page(made: Any) -> None:
    """There is nothing to translate."""
    page = ScriptedExchange(200, (("content-type", "text/html"),), [b"<html>"])
    reply = await answered(made(), page)
    assert reply.body == b"<html>"
    assert not reply.cacheable


async def test_a_document_that_is_too_large_to_keep_is_refused() -> None:
    """Pieces of a document cannot be translated one by one."""
    upstream = ScriptedUpstream(json_exchange(b" " * 5000 + encode(MESSAGE)))
    end = Translating(attempt_on(upstream, max_kept_bytes=1000), translator())
    call = chat(fields={"stream": True})
    with pytest.raises(UpstreamError, match="cannot be translated"):
        await end(call)
    assert not sink_of(call).begun


async def failing(call: Call, exchange: ScriptedExchange) -> UpstreamError:
    """The error that comes up."""
    with pytest.raises(UpstreamError) as caught:
        await answered(call, exchange)
    return caught.value


async def test_errors_are_the_clients_own_with_the_providers_status() -> None:
    """And with what it says of when to come back; the cause is kept."""
    body = encode({"type": "error", "error": {"type": "rate_limit_error", "message": "Slow"}})
    headers = (("retry-after", "7"), ("request-id", "req_9"))
    error = await failing(chat(), ScriptedExchange(429, headers, [body]))
    assert error.status == 429
    assert ("retry-after", "7") in error.headers
    assert ("x-request-id", "req_9") in error.headers
    assert json.loads(error.body)["error"]["code"] == "rate_limit_exceeded"
    assert isinstance(error.__cause__, UpstreamError)


async def test_out_of_money_is_not_worth_another_try() -> None:
    """Retry knows OpenAI's code; translated, a header says it, to the client's SDK too."""
    body = encode({"error": {"message": "No money", "code": "insufficient_quota"}})
    error = await failing(message(), json_exchange(body, status=429))
    assert ("x-should-retry", "false") in error.headers
    assert json.loads(error.body)["error"]["type"] == "rate_limit_error"


async def test_an_error_without_words_is_worded_where_it_is_delivered() -> None:
    """A page of a proxy is no error of either vendor."""
    error = await failing(chat(), ScriptedExchange(502, (), [b"<html>"]))
    assert (error.status, error.body) == (502, b"")


async def test_a_stream_that_breaks_off_is_an_error_as_ever() -> None:
    """What was said is kept in the provider's dialect, until it is priced."""
    call = chat(fields={"stream": True})
    error = await failing(call, sse(*EVENTS[:3]))
    assert error.status == 502
    attempt = only_attempt(call)
    assert attempt.partial == b"".join(EVENTS[:3])
    assert attempt.usage is None
    assert b"[DONE]" not in sink_of(call).body


async def test_what_was_cut_off_is_estimated_as_it_was_asked() -> None:
    """Input counted by the provider's dialect, output up to what the model may write."""
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    text = {"type": "text", "text": "What is this?"}
    fields = {"stream": True, "messages": [{"role": "user", "content": [text, image]}]}
    call = chat(fields=fields)
    await failing(call, sse(*EVENTS[:3]))
    attempt = only_attempt(call)
    assert needs_estimate(attempt, call)
    counted: list[tuple[str, Any]] = []

    class Encoder(LetterEncoder):
        async def count_request(self, model: str, fields: Any, dialect: str) -> Any:
            counted.append((dialect, fields["messages"][0]["content"][1]["type"]))
            return await super().count_request(model, fields, dialect)

    call.trace.booked = booked(None, [attempt], FREE_COST)
    ledger = ListLedger()
    entry = entry_of(call, Ending(None, None, 1.0), keep_content=False)
    await Settler(ledger, Encoder(), DIALECTS, book(), {}).settle(Settlement(call, entry))
    assert counted == [(MESSAGES, "image")]
    found = ledger.entries[0]
    assert found.cost_basis == "estimate"
    assert found.cost_high_nanousd is not None
    assert found.cost_high_nanousd > 64_000 * 5_000  # $5 a million for all that it may write


async def test_what_has_no_counterpart_never_leaves() -> None:
    """No attempt, nothing sent."""
    end, upstream = way(json_exchange(b""))
    call = chat(fields={"n": 2})
    with pytest.raises(InvalidRequest, match="'n' has no counterpart"):
        await end(call)
    assert not upstream.requests
    assert not call.trace.attempts


async def test_a_clients_own_key_is_passed_on_where_the_provider_looks() -> None:
    """A gateway that passes keys on has none of its own."""
    end, upstream = way(json_exchange(encode(MESSAGE)))
    await end(chat(caller=Caller("t", credential=("authorization", "Bearer sk-ant"))))
    assert upstream.credentials == [("x-api-key", "sk-ant")]


@pytest.mark.parametrize("made", [chat, message])
async def test_a_translated_call_leaves_no_garbage(made: Any) -> None:
    """Streams, documents and errors: nothing that only the cyclic collector could free."""
    calls = 20
    gc.collect()
    gc.disable()
    try:
        for _ in range(calls):
            stream = EVENTS if made is chat else stream_events("Hi")
            whole = encode(MESSAGE) if made is chat else answer_fields()
            await answered(made(fields={"stream": True}), sse(*stream))
            await answered(made(), json_exchange(whole))
            with suppress(UpstreamError):
                await answered(made(), ScriptedExchange(500, (), [b"{}"]))
        assert gc.collect() < calls
    finally:
        gc.enable()
