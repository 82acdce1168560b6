"""Replies and errors in the form that was asked for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scrimp.calls import Call, Headers, ReplyFacts
from scrimp.dialects import DIALECTS
from scrimp.errors import (
    Breach,
    BudgetExceeded,
    InvalidRequest,
    NotThere,
    RateLimited,
    Rejected,
    Unauthenticated,
    Unavailable,
    UnknownModel,
    UpstreamError,
)
from scrimp.gateway.sink import HttpSink, Message
from scrimp.shell.deliver import break_off, deliver, pass_on, present, refuse
from scrimp.shell.refusal import Refusal, refusal_of, wrong_method
from tests.support.core import (
    JSON_HEADERS,
    NOON,
    SSE_HEADERS,
    answer_fields,
    attempt_of,
    call_of,
    chat_fields,
    reply_of,
    stream_events,
)

DIALECT = DIALECTS["openai.chat"]
EVENTS = b"".join(stream_events("Hi", " there"))
WITH_USAGE: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}


class Client:
    """What a client got."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self.body = b""
        self.ended = False
        self.sink = HttpSink(self._take, lambda: (), write_timeout_s=1.0)

    async def _take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = [(n.decode(), v.decode()) for n, v in message["headers"]]
        else:
            self.body += message["body"]
            self.ended = not message["more_body"]

    def all_of(self, name: str) -> list[str]:
        """All values of one header."""
        return [value for header, value in self.headers if header == name]


def shown(call: Call, **changes: Any) -> tuple[str, bytes]:
    """Content type and body."""
    headers, body = present(DIALECT, reply_of(**changes), call)
    return dict(headers)["content-type"], body


def test_a_document_for_who_asked_for_one() -> None:
    """As it came, with the provider's own content type."""
    headers: Headers = (("content-type", "application/json; charset=utf-8"),)
    assert shown(call_of(), headers=headers) == (headers[0][1], answer_fields())
    assert shown(call_of(), headers=()) == ("application/json", answer_fields())


def test_a_remembered_document_for_who_asked_for_a_stream() -> None:
    """A whole event stream: text, end, marker; usage only where it was asked for."""
    kind, body = shown(call_of(chat_fields(stream=True)))
    assert kind.startswith("text/event-stream")
    assert body.endswith(b"data: [DONE]\n\n")
    assert b"Hi there" in body
    assert b'"prompt_tokens"' not in body
    assert b'"prompt_tokens":9' in shown(call_of(chat_fields(**WITH_USAGE)))[1]


def test_a_remembered_stream_for_who_asked_for_a_document() -> None:
    """One message with all of the text and the usage."""
    kind, body = shown(call_of(), body=EVENTS, framing="sse", headers=SSE_HEADERS)
    found = json.loads(body)
    assert kind == "application/json"
    assert found["choices"][0]["message"]["content"] == "Hi there"
    assert found["usage"]["prompt_tokens"] == 9


def test_a_remembered_stream_for_who_asked_for_one() -> None:
    """Byte for byte; the usage event only for who asked for it."""
    asked = shown(call_of(chat_fields(**WITH_USAGE)), body=EVENTS, framing="sse")
    assert asked[1] == EVENTS
    plain = shown(call_of(chat_fields(stream=True)), body=EVENTS, framing="sse")
    assert plain[1] == b"".join([*stream_events("Hi", " there", usage=False)])


def test_what_is_no_answer_is_not_made_into_a_stream() -> None:
    """An odd body of a provider goes on as it came."""
    html: Headers = (("content-type", "text/html"),)
    odd = reply_of(body=b"<html>", headers=html, facts=ReplyFacts())
    assert present(DIALECT, odd, call_of(chat_fields(stream=True))) == (html, b"<html>")


async def test_a_whole_reply_is_delivered_with_one_length() -> None:
    """The provider's request id stays, its framing does not, ours comes on top."""
    client, call = Client(), call_of()
    headers = (*JSON_HEADERS, ("content-length", "9999"), ("date", "x"))
    await deliver(client.sink, DIALECT, reply_of(headers=headers), call)
    assert (client.status, client.body, client.ended) == (200, answer_fields(), True)
    assert client.all_of("content-length") == [str(len(answer_fields()))]
    assert client.all_of("content-type") == ["application/json"]
    assert client.all_of("x-request-id") == ["req_1"]
    assert client.all_of("x-scrimp-id") == [call.id]
    assert client.all_of("date") == []


async def test_a_stream_that_has_begun_is_only_ended() -> None:
    """Its body has left already."""
    client = Client()
    await client.sink.start(200, ())
    await client.sink.write(b"abc")
    await deliver(client.sink, DIALECT, reply_of(), call_of())
    assert (client.body, client.ended) == (b"abc", True)


async def test_a_providers_error_is_passed_on_as_it_came() -> None:
    """Status, headers and body, so that the SDK raises what it knows."""
    client, call = Client(), call_of()
    call.trace.attempts.append(attempt_of())
    theirs = (("content-type", "text/plain"), ("retry-after", "7"), ("x-should-retry", "true"))
    error = UpstreamError("", status=429, headers=theirs, body=b"slow down")
    await pass_on(client.sink, DIALECT, error, call)
    assert (client.status, client.body) == (429, b"slow down")
    assert client.all_of("content-type") == ["text/plain"]
    assert client.all_of("retry-after") == ["7"]
    assert client.all_of("x-should-retry") == ["true"]


async def test_after_retries_sdks_are_told_to_stop() -> None:
    """One word, not two that contradict each other."""
    client, call = Client(), call_of()
    call.trace.attempts.extend([attempt_of(), attempt_of()])
    error = UpstreamError("", status=429, headers=(("x-should-retry", "true"),), body=b"{}")
    await pass_on(client.sink, DIALECT, error, call)
    assert client.all_of("x-should-retry") == ["false"]


@pytest.mark.parametrize("status", [401, 403, 404, 429, 408, 504, 502, 529, 418])
async def test_an_error_without_a_body_is_worded(status: int) -> None:
    """In the dialect's own shape, under the provider's status."""
    client = Client()
    await pass_on(client.sink, DIALECT, UpstreamError("it broke", status=status), call_of())
    assert client.status == status
    assert json.loads(client.body)["error"]["message"] == "it broke"
    assert client.all_of("content-type") == ["application/json"]


async def test_an_error_after_the_first_byte_goes_into_the_stream() -> None:
    """As an event, then the stream ends; what is no stream is only cut."""
    client = Client()
    await client.sink.start(200, ())
    error = UpstreamError("it broke", status=502)
    assert await break_off(client.sink, DIALECT, error, call_of(chat_fields(stream=True)))
    assert client.body == DIALECT.error_event("upstream", "it broke")
    assert client.ended
    for call in (call_of(), call_of(chat_fields(stream=True), operation="passthrough")):
        cut = Client()
        assert not await break_off(cut.sink, DIALECT, error, call)
        assert not cut.ended


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (InvalidRequest("why"), 400, "invalid_request"),
        (Unauthenticated("why"), 401, "unauthenticated"),
        (UnknownModel("why"), 404, "unknown_model"),
        (NotThere("why"), 404, "not_found"),
        (BudgetExceeded("why"), 429, "budget_exceeded"),
        (RateLimited("why", retry_after_s=61.0), 429, "rate_limited"),
    ],
)
def test_our_own_refusals(error: Rejected, status: int, kind: str) -> None:
    """Status and kind of each; SDKs are told not to repeat it."""
    refused = refusal_of(error)
    assert (refused.status, refused.kind, refused.message) == (status, kind, "why")
    assert ("x-should-retry", "false") in refused.headers


def test_who_is_only_too_fast_may_come_again() -> None:
    """After a wait that an SDK is ready to make, the call may be repeated; a budget's may not."""
    for error in (RateLimited("why", retry_after_s=2.0), Unavailable("why")):
        assert ("x-should-retry", "true") in refusal_of(error).headers


def test_a_refusal_has_its_numbers_in_headers() -> None:
    """For programs: limit, rest and need as decimals, when it resets, and whose budget it is."""
    breach = Breach("ci", "usd", 5 * 10**9, 4 * 10**9, 880_000_000, 400_000_000, resets_at=NOON)
    headers = dict(refusal_of(BudgetExceeded("why", breach=breach)).headers)
    assert headers == {
        "x-should-retry": "false",
        "x-scrimp-budget": "ci",
        "x-scrimp-budget-limit-usd": "5",
        "x-scrimp-budget-remaining-usd": "0.12",
        "x-scrimp-budget-needed-usd": "0.4",
        "x-scrimp-budget-resets-at": "2026-05-06T12:00:00Z",
    }


@pytest.mark.parametrize(("wait_s", "said"), [(0.2, "1"), (1.4, "2"), (30.0, "30")])
def test_a_wait_is_never_rounded_down(wait_s: float, said: str) -> None:
    """Who comes back too early is refused again."""
    headers = dict(refusal_of(RateLimited("", retry_after_s=wait_s)).headers)
    assert headers["retry-after"] == said


async def test_a_refusal_speaks_the_dialect() -> None:
    """With its headers and the call's id."""
    client = Client()
    refused = wrong_method("GET", "/v1/messages", "POST")
    dialect = DIALECTS["anthropic.messages"]
    await refuse(client.sink, dialect, refused, (("x-scrimp-id", "1"),))
    assert (client.status, json.loads(client.body)["type"]) == (405, "error")
    assert client.all_of("allow") == ["POST"]
    assert client.all_of("x-scrimp-id") == ["1"]
    assert isinstance(refused, Refusal)
