"""Facts of whole replies and of odd streams; texts; errors in the vendors' own words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scrimp.calls import Finish, ReplyFacts
from scrimp.dialects import DIALECTS
from scrimp.dialects.base import ErrorKind

OPENAI = DIALECTS["openai.chat"]
ANTHROPIC = DIALECTS["anthropic.messages"]
COUNT = DIALECTS["anthropic.count_tokens"]


def choice(reason: object = "stop", **message: Any) -> dict[str, Any]:
    """One choice of an OpenAI reply."""
    return {"message": {"role": "assistant", "content": "x", **message}, "finish_reason": reason}


def dump(value: object) -> bytes:
    """JSON as a provider might write it."""
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    ("choices", "finish"),
    [
        ([choice("stop")], "complete"),
        ([choice("tool_calls")], "tool_calls"),
        ([choice("function_call")], "tool_calls"),
        ([choice("length")], "truncated"),
        ([choice("content_filter")], "refused"),
        ([choice("stop", refusal="I cannot")], "refused"),
        ([choice("eos")], "unknown"),
        ([choice(None)], "unknown"),
        ([choice(["stop"])], "unknown"),
        ([choice("stop"), choice("length"), choice("tool_calls")], "truncated"),
    ],
)
def test_openai_finish(choices: list[object], finish: Finish) -> None:
    """The worst end of several choices; a refusal by its text, since it ends with stop."""
    facts = OPENAI.read_reply(dump({"choices": choices, "model": "m-1", "service_tier": "flex"}))
    assert facts == ReplyFacts(None, "m-1", finish, complete=True, service_tier="flex")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        dump({"choices": []}),
        dump({"choices": "x"}),
        dump({"choices": [{}]}),
        dump({"choices": [choice(), {"message": "x"}]}),
        dump({"choices": [choice()], "error": {"message": "late"}}),
        b"[" * 10_000,
    ],
)
def test_openai_replies_that_are_not_complete(body: bytes) -> None:
    """A 200 is not an answer by itself."""
    assert not OPENAI.read_reply(body).complete


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "complete"),
        ("stop_sequence", "complete"),
        ("tool_use", "tool_calls"),
        ("max_tokens", "truncated"),
        ("model_context_window_exceeded", "truncated"),
        ("refusal", "refused"),
        ("pause_turn", "unknown"),
        (None, "unknown"),
        ({}, "unknown"),
    ],
)
def test_anthropic_finish(reason: object, finish: Finish) -> None:
    """A paused turn is not an answer that could be served again."""
    facts = ANTHROPIC.read_reply(
        dump({"type": "message", "content": [], "stop_reason": reason, "model": "m-1"})
    )
    assert facts == ReplyFacts(None, "m-1", finish, complete=True)


@pytest.mark.parametrize("body", [b"", b"x", b"[]", b"{}", dump({"type": "message"})])
def test_anthropic_replies_that_are_not_complete(body: bytes) -> None:
    """A message needs its content."""
    assert not ANTHROPIC.read_reply(body).complete


def test_counting_is_free() -> None:
    """The count is the answer, not a usage."""
    assert COUNT.read_reply(b'{"input_tokens":14}') == ReplyFacts(finish="complete", complete=True)
    assert not COUNT.read_reply(b'{"input_tokens":"14"}').complete
    assert not COUNT.read_reply(b"[]").complete


def test_errors_in_a_200() -> None:
    """The provider's message is kept."""
    assert OPENAI.read_reply(b'{"error":{"message":"no"}}').error == "no"
    assert OPENAI.read_reply(b'{"error":{"code":1}}').error == "the provider gave no message"
    assert ANTHROPIC.read_reply(b'{"type":"error","error":{"message":"no"}}').error == "no"


KINDS: dict[ErrorKind, tuple[str, str | None, str]] = {
    "invalid_request": ("invalid_request_error", None, "invalid_request_error"),
    "unauthenticated": ("invalid_request_error", "invalid_api_key", "authentication_error"),
    "forbidden": ("invalid_request_error", "permission_denied", "permission_error"),
    "unknown_model": ("invalid_request_error", "model_not_found", "not_found_error"),
    "not_found": ("invalid_request_error", "not_found", "not_found_error"),
    "rate_limited": ("requests", "rate_limit_exceeded", "rate_limit_error"),
    "budget_exceeded": ("insufficient_quota", "insufficient_quota", "rate_limit_error"),
    "too_large": ("invalid_request_error", "request_too_large", "request_too_large"),
    "upstream": ("server_error", None, "api_error"),
    "timeout": ("server_error", "timeout", "timeout_error"),
    "internal": ("server_error", None, "api_error"),
}


@pytest.mark.parametrize("kind", list(KINDS))
def test_errors_in_the_vendors_own_words(kind: ErrorKind) -> None:
    """Bodies and events, which the dialect's own readers understand again."""
    openai_type, code, anthropic_type = KINDS[kind]
    assert json.loads(OPENAI.error_body(kind, 'say "no"\n')) == {
        "error": {"message": 'say "no"\n', "type": openai_type, "param": None, "code": code}
    }
    assert json.loads(ANTHROPIC.error_body(kind, "no")) == {
        "type": "error",
        "error": {"type": anthropic_type, "message": "no"},
    }
    for dialect in (OPENAI, ANTHROPIC):
        reader = dialect.stream_reader(hide_usage=True)
        event = dialect.error_event(kind, 'say "no"\n')
        assert reader.feed(event) == event
        assert (reader.facts.error, reader.facts.complete) == ('say "no"\n', False)


def test_an_error_after_words_makes_a_stream_incomplete() -> None:
    """Even when the end marker follows it."""
    reader = OPENAI.stream_reader(hide_usage=False)
    reader.feed(b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n')
    reader.feed(OPENAI.error_event("upstream", "broke") + b"data: [DONE]\n\n")
    assert (reader.facts.error, reader.facts.complete) == ("broke", False)


def test_an_end_marker_alone_is_no_answer() -> None:
    """A stream that says nothing but its end is not complete."""
    reader = OPENAI.stream_reader(hide_usage=False)
    reader.feed(b"data: [DONE]\n\n")
    assert not reader.facts.complete
    other = ANTHROPIC.stream_reader(hide_usage=False)
    other.feed(b'event: message_stop\ndata: {"type":"message_stop"}\n\n')
    assert not other.facts.complete


def test_nothing_counts_after_the_end() -> None:
    """Whatever follows the end marker is passed on and not read."""
    reader = OPENAI.stream_reader(hide_usage=True)
    reader.feed(b'data: {"choices":[{"delta":{}}]}\n\ndata: [DONE]\n\n')
    late = b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}\n\n'
    assert reader.feed(late) == late
    assert (reader.facts.usage, reader.facts.complete) == (None, True)


def test_the_last_usage_counts_and_is_never_added() -> None:
    """Providers repeat a growing usage in every chunk; it is the bill once the answer has ended."""
    reader = OPENAI.stream_reader(hide_usage=False)
    for spoken in (1, 5, 9):
        usage = {"prompt_tokens": 3, "completion_tokens": spoken}
        chunk = {"choices": [{"index": 0, "delta": {}}], "usage": usage}
        reader.feed(b"data: " + dump(chunk) + b"\n\n")
    running = reader.facts
    assert running.usage is None
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": None}
    reader.feed(b"data: " + dump(end) + b"\n\n")
    reader.feed(b'data: {"choices":[],"usage":null}\n\n')
    assert reader.facts.usage is not None
    assert reader.facts.usage.total_output_tokens == 9


def test_words_that_look_like_markers_are_only_words() -> None:
    """A model may write [DONE], usage or error into its text."""
    text = 'data: [DONE] "usage" "error" "finish_reason":"stop" event: error'
    reader = OPENAI.stream_reader(hide_usage=True)
    event = b"data: " + dump({"choices": [{"index": 0, "delta": {"content": text}}]}) + b"\n\n"
    assert reader.feed(event) == event
    assert reader.facts == ReplyFacts()
    other = ANTHROPIC.stream_reader(hide_usage=True)
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta"}}
    other.feed(b"data: " + dump({**delta, "text": "message_stop"}) + b"\n\n")
    assert other.facts == ReplyFacts()


@pytest.mark.parametrize("odd", [5, "x", None, [1], {"a": 1}, True])
def test_odd_types_in_streams_are_passed_over(odd: object) -> None:
    """A field of a wrong type hides none of the others, and nothing raises."""
    good = {"prompt_tokens": 1, "completion_tokens": 2}
    chunk = {"choices": odd, "model": "m", "service_tier": odd, "usage": good}
    reader = OPENAI.stream_reader(hide_usage=True)
    assert reader.feed(b"data: " + dump(chunk) + b"\n\n") != b""
    assert reader.facts.model == "m"
    assert reader.facts.usage is not None
    other = ANTHROPIC.stream_reader(hide_usage=True)
    for kind in ("message_start", "message_delta", "error", "message_stop"):
        event = {"type": kind, "message": odd, "delta": odd, "usage": odd, "error": odd}
        other.feed(b"data: " + dump(event) + b"\n\n")
    assert other.facts.usage is None


def test_texts_that_go_in() -> None:
    """Words of every part, tool calls and definitions; never the base64 of pictures."""
    request = OPENAI.read_request(
        dump(
            {
                "model": "m",
                "messages": [
                    {"role": "system", "content": "be kind"},
                    {
                        "role": "user",
                        "name": "ann",
                        "content": [
                            {"type": "text", "text": "look"},
                            {"type": "image_url", "image_url": {"url": "data:AAAA"}},
                            {"type": "file", "file": {"file_data": "AAAA"}},
                        ],
                    },
                    {
                        "role": "assistant",
                        "content": None,
                        "tool_calls": [
                            {
                                "id": "1",
                                "type": "function",
                                "function": {"name": "find", "arguments": '{"q":1}'},
                            }
                        ],
                    },
                    {"role": "tool", "tool_call_id": "1", "content": "found"},
                ],
                "tools": [{"type": "function", "function": {"name": "find"}}],
                "response_format": {"type": "json_schema", "json_schema": {"name": "s"}},
            }
        )
    )
    assert OPENAI.prompt_texts(request) == (
        "be kind", "ann", "look", "find", '{"q":1}', "found",
        '{"type":"function","function":{"name":"find"}}', '{"name":"s"}',
    )  # fmt: skip
    assert OPENAI.last_user_text(request) == "look"


def test_texts_that_go_into_anthropic() -> None:
    """System blocks, tool use and results, text documents; never the base64 of pictures."""
    picture = {"type": "image", "source": {"type": "base64", "data": "AAAA"}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [
        {"type": "text", "text": "found"}, picture]}  # fmt: skip
    request = ANTHROPIC.read_request(
        dump(
            {
                "model": "m",
                "max_tokens": 5,
                "system": [{"type": "text", "text": "be kind"}],
                "messages": [
                    {"role": "user", "content": [picture, {"type": "text", "text": "look"}]},
                    {"role": "user", "content": [{"type": "document", "title": "d", "source": {
                        "type": "text", "data": "plain words"}}]},
                    {"role": "assistant", "content": [
                        {"type": "tool_use", "id": "t", "name": "find", "input": {"q": 1}}]},
                    {"role": "user", "content": [result]},
                ],
                "tools": [{"name": "find", "input_schema": {}}],
            }
        )
    )  # fmt: skip
    assert ANTHROPIC.prompt_texts(request) == (
        "be kind", "look", "d", "plain words", "find", '{"q":1}', "found",
        '{"name":"find","input_schema":{}}',
    )  # fmt: skip
    assert ANTHROPIC.last_user_text(request) == "d\nplain words"


def test_nobody_asked() -> None:
    """A conversation without a user's words has no last question."""
    only_tools = {"role": "user", "content": [{"type": "tool_result", "content": "x"}]}
    body = dump({"model": "m", "max_tokens": 1, "messages": [only_tools]})
    assert ANTHROPIC.last_user_text(ANTHROPIC.read_request(body)) == ""
    body = dump({"model": "m", "messages": [{"role": "system", "content": "x"}]})
    assert OPENAI.last_user_text(OPENAI.read_request(body)) == ""


@pytest.mark.parametrize("levels", [300, *range(880, 1000, 3), 100_000])
def test_deep_nesting_from_a_provider_never_raises(levels: int) -> None:
    """Neither whole nor streamed, neither as content nor as a field that nobody knows."""
    deep = b'{"a":' * levels + b"1" + b"}" * levels
    for name in (b"content", b"x"):
        message = b'{"%s":%s}' % (name, deep)
        whole = b'{"choices":[{"index":0,"message":%s,"delta":%s}]}' % (message, message)
        block = b'{"type":"content_block_start","index":0,"content_block":%s}' % message
        more = b'{"type":"content_block_delta","index":0,"delta":%s}' % message
        start = b'{"type":"message_start","message":{"type":"message","content":[%s]}}' % deep
        events = b"".join(b"data: %s\n\n" % one for one in (whole, whole, start, block, more, more))
        for dialect in (OPENAI, ANTHROPIC):
            for body in (whole, events, b'{"type":"message","content":[%s]}' % message):
                dialect.read_reply(body)
                dialect.reply_texts(body)
                dialect.to_stream(body, include_usage=True)
                assert dialect.from_stream(body).startswith(b"{")
            reader = dialect.stream_reader(hide_usage=True)
            assert reader.feed(events) == events
            assert reader.facts.usage is None
