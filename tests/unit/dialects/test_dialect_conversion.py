"""Putting streams together: habits of providers that differ from the vendors' own."""

from __future__ import annotations

import json
from typing import Any

from scrimp.dialects import DIALECTS
from scrimp.dialects.sse import event

OPENAI = DIALECTS["openai.chat"]
ANTHROPIC = DIALECTS["anthropic.messages"]


def stream(*events: dict[str, Any]) -> bytes:
    """These events, each as one line of data."""
    return b"".join(event(json.dumps(one).encode()) for one in events)


def start(**usage: Any) -> dict[str, Any]:
    """An Anthropic stream's first event."""
    return {"type": "message_start", "message": {"type": "message", "content": [], "usage": usage}}


def test_a_null_in_a_later_usage_erases_nothing() -> None:
    """Of every field the last value that is not null counts."""
    events = stream(
        start(input_tokens=7, cache_read_input_tokens=5, output_tokens=1),
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn"},
            "usage": {"output_tokens": 9, "input_tokens": None, "cache_read_input_tokens": None},
        },
        {"type": "message_stop"},
    )
    reader = ANTHROPIC.stream_reader(hide_usage=False)
    reader.feed(events)
    usage = reader.facts.usage
    assert usage is not None
    assert (usage.input_tokens, usage.cache_read_tokens, usage.output_tokens) == (7, 5, 9)
    assert ANTHROPIC.read_reply(ANTHROPIC.from_stream(events)).usage == usage


def test_names_and_ids_that_are_repeated_are_not_appended() -> None:
    """Some providers send them with every fragment, some send them empty later on."""
    calls = [
        {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": "{"}},
        {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": "}"}},
        {"index": 0, "id": "", "function": {"name": "", "arguments": " "}},
    ]
    deltas: list[dict[str, Any]] = [{"role": "assistant", "tool_calls": [call]} for call in calls]
    reply = OPENAI.from_stream(
        stream(*({"choices": [{"index": 0, "delta": delta}]} for delta in deltas))
    )
    message = json.loads(reply)["choices"][0]["message"]
    assert message == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{} "}}
        ],
    }


def test_whole_tool_calls_without_an_index_are_kept_apart() -> None:
    """Some providers send each call at once and number none of them."""
    calls = [{"id": name, "function": {"name": name, "arguments": "{}"}} for name in ("a", "b")]
    reply = OPENAI.from_stream(
        stream(*({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]} for call in calls))
    )
    assert json.loads(reply)["choices"][0]["message"]["tool_calls"] == calls


def test_broken_arguments_of_a_tool_are_kept_as_text() -> None:
    """A call that was cut by the limit has no valid JSON; its text is not lost."""
    block = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    delta = {"type": "input_json_delta", "partial_json": '{"a": [1, '}
    reply = ANTHROPIC.from_stream(
        stream(
            start(input_tokens=1, output_tokens=1),
            {"type": "content_block_start", "index": 0, "content_block": block},
            {"type": "content_block_delta", "index": 0, "delta": delta},
        )
    )
    assert json.loads(reply)["content"][0]["input"] == {"INVALID_JSON": '{"a": [1, '}


def test_unknown_deltas_fill_their_block() -> None:
    """A kind of delta that came after us is put together by the same rules."""
    deltas = [{"type": "new_delta", "summary": text} for text in ("one ", "two")]
    reply = ANTHROPIC.from_stream(
        stream(
            start(input_tokens=1, output_tokens=1),
            {"type": "content_block_start", "index": 0, "content_block": {"type": "new"}},
            *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas),
        )
    )
    assert json.loads(reply)["content"] == [{"type": "new", "summary": "one two"}]


def test_a_reply_that_cannot_be_read_becomes_an_error_event() -> None:
    """A client that waits for a stream gets something that its SDK raises on."""
    for dialect in (OPENAI, ANTHROPIC):
        for body in (b"", b"<html>", b"{}", b'{"choices":[{}],"content":1}'):
            reader = dialect.stream_reader(hide_usage=False)
            reader.feed(dialect.to_stream(body, include_usage=True))
            assert reader.facts.error == "the provider's reply cannot be read"
            assert not reader.facts.complete
