"""Translation: what both dialects can say survives there and back; nothing hostile breaks it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from scrimp.dialects import DIALECTS
from scrimp.dialects.json_body import encode
from scrimp.errors import InvalidRequest
from scrimp.translation import chat_to_messages, errors, messages_to_chat, replies
from scrimp.translation.stream_to_chat import ToChat
from scrimp.translation.stream_to_messages import ToMessages
from tests.support.talks import TEXT, answers, chats
from tests.support.translating import CHAT, MESSAGES, Stream, chat_events, claude_events, streamed


@given(chats())
def test_what_both_can_say_survives_there_and_back(chat: dict[str, Any]) -> None:
    """To Anthropic's words and back to OpenAI's: the same request."""
    read = DIALECTS[CHAT].read_request(encode(chat))
    there = chat_to_messages.translated(read.fields, model="m", max_tokens=None)
    assert not there.left_out
    again = DIALECTS[MESSAGES].read_request(encode(there.fields))
    back = messages_to_chat.translated(again.fields, model="m", provider="openai", ask_usage=False)
    assert not back.left_out
    assert back.fields == read.fields


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | TEXT
    | st.sampled_from(["user", "assistant", "tool", "text", "function", "tool_use", "tool_result"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            [
                *("type", "role", "content", "text", "function", "name", "id", "input", "source"),
                *("tool_calls", "tool_call_id", "tool_use_id", "arguments", "image_url", "url"),
                *("format", "schema", "effort", "data", "media_type", "file", "file_data"),
            ]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip
NAMES = st.sampled_from(
    [
        *("tools", "tool_choice", "response_format", "reasoning_effort", "stop", "user", "seed"),
        *("temperature", "top_p", "n", "thinking", "output_config", "output_format", "system"),
        *("stop_sequences", "metadata", "service_tier", "stream_options", "parallel_tool_calls"),
        *("store", "logit_bias", "functions", "max_completion_tokens", "cache_control", "odd"),
    ]
)


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["role", "content", "tool_calls", "tool_call_id", "name"]),
            JSON,
            max_size=4,
        ),
        min_size=1,
        max_size=3,
    ),
    st.dictionaries(NAMES, JSON, max_size=4),
)
def test_hostile_requests_are_translated_or_refused(
    messages: list[dict[str, Any]], more: dict[str, Any]
) -> None:
    """Whatever a client sends that the dialect lets in, both ways: never another error."""
    for dialect, translate in _WAYS.items():
        body = encode({"model": "m", "max_tokens": 5, **more, "messages": messages})
        try:
            read = DIALECTS[dialect].read_request(body)
            made = translate(read.fields)
        except InvalidRequest:
            continue
        other = MESSAGES if dialect == CHAT else CHAT
        assert DIALECTS[other].read_request(encode(made)).model == "m"


_WAYS: dict[str, Callable[..., dict[str, Any]]] = {
    CHAT: lambda fields: chat_to_messages.translated(fields, model="m", max_tokens=None).fields,
    MESSAGES: lambda fields: (
        messages_to_chat.translated(fields, model="m", provider="openai", ask_usage=True).fields
    ),
}


@given(st.binary(max_size=40) | JSON.map(encode))
def test_hostile_replies_and_errors_never_raise(body: bytes) -> None:
    """A provider may answer anything."""
    replies.to_chat(body, created_s=1)
    replies.to_messages(body)
    for said in (CHAT, MESSAGES):
        errors.error_body(body, 500, (), said=said)
    errors.is_out_of_money(body)


EVENTS = st.lists(
    st.dictionaries(
        st.sampled_from(
            [
                *("type", "message", "index", "content_block", "delta", "usage", "choices"),
                *("error", "id", "model"),
            ]
        ),
        JSON
        | st.sampled_from(
            [
                *("message_start", "content_block_start", "content_block_delta", "message_delta"),
                *("content_block_stop", "message_stop", "ping", "error"),
            ]
        ),
        max_size=5,
    ),
    max_size=5,
)


@given(EVENTS, st.binary(max_size=20))
def test_hostile_streams_never_raise(listed: list[dict[str, Any]], noise: bytes) -> None:
    """What cannot be read says nothing."""
    pieces = [b"data: " + encode(fields) + b"\n\n" for fields in listed]
    for translator in _translators():
        streamed(translator, [*pieces, noise, b"\n\ndata: [DONE]\n\n"])


def _translators() -> tuple[Stream, ...]:
    return ToChat(created_s=1, include_usage=False), ToMessages()


@given(answers())
def test_answers_survive_there_and_back(answer: dict[str, Any]) -> None:
    """As a completion and back: the same message, to the token."""
    there = replies.to_chat(encode(answer), created_s=1)
    assert DIALECTS[CHAT].read_reply(there).complete
    assert json.loads(replies.to_messages(there)) == answer


@given(answers())
def test_usage_means_the_same_in_both(answer: dict[str, Any]) -> None:
    """Disjoint buckets: what a client adds up is what the ledger says."""
    there = replies.to_chat(encode(answer), created_s=1)
    told = DIALECTS[CHAT].read_reply(there).usage
    assert told == DIALECTS[MESSAGES].read_reply(encode(answer)).usage


@given(answer=answers(), asks=st.booleans())
def test_a_stream_says_what_the_whole_reply_says(answer: dict[str, Any], *, asks: bool) -> None:
    """Anthropic's events as chunks gather to the completion; those as events to the message."""
    events = DIALECTS[MESSAGES].to_stream(encode(answer), include_usage=True)
    translator = ToChat(created_s=1, include_usage=asks)
    shown, whole = translator.feed(events)
    chunks = DIALECTS[CHAT].from_stream(whole)
    completion = json.loads(replies.to_chat(encode(answer), created_s=1))
    gathered = json.loads(chunks)
    message = gathered["choices"][0]["message"]
    expected = completion["choices"][0]["message"]
    assert (message["content"] or None) == (expected["content"] or None)
    assert message.get("tool_calls") == expected.get("tool_calls")
    assert gathered["usage"] == completion["usage"]
    assert gathered["choices"][0]["finish_reason"] == completion["choices"][0]["finish_reason"]
    assert asks == (b'"prompt_tokens"' in shown)
    back = DIALECTS[MESSAGES].from_stream(ToMessages().feed(whole)[1])
    assert json.loads(back) == answer


WAY: dict[str, tuple[Callable[[], Stream], bytes]] = {
    "to chat": (
        lambda: ToChat(created_s=1, include_usage=False),
        b"".join(
            claude_events(
                {"type": "message_start", "message": {"id": "a", "usage": {"input_tokens": 1}}},
                {"type": "content_block_start", "index": 0, "content_block": {"type": "text"}},
                {
                    "type": "content_block_delta",
                    "index": 0,
                    "delta": {"type": "text_delta", "text": "Grüezi 👋"},
                },
                {
                    "type": "message_delta",
                    "delta": {"stop_reason": "end_turn"},
                    "usage": {"output_tokens": 2},
                },
                {"type": "message_stop"},
            )
        ),
    ),
    "to messages": (
        ToMessages,
        b"".join(
            chat_events(
                {"id": "a", "choices": [{"index": 0, "delta": {"content": "Grüezi 👋"}}]},
                {"id": "a", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
                {"id": "a", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}},
            )
        ),
    ),
}


def test_streams_cut_at_every_byte_give_the_same() -> None:
    """Pieces are whatever the network makes of a stream."""
    for made, stream in WAY.values():
        whole = streamed(made(), [stream])
        assert whole[0]
        for cut in range(1, len(stream)):
            assert streamed(made(), [stream[:cut], stream[cut:]]) == whole
        assert streamed(made(), [bytes([byte]) for byte in stream]) == whole
