"""Event streams in any pieces, cut anywhere, and replies through both of their forms."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from scrimp.dialects import DIALECTS
from scrimp.dialects.base import Dialect
from scrimp.dialects.sse import EventSplitter, event_fields, split

OPENAI = DIALECTS["openai.chat"]
ANTHROPIC = DIALECTS["anthropic.messages"]

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
COUNT = st.integers(0, 5000)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
CALLS = st.lists(
    st.fixed_dictionaries(
        {
            "id": TEXT.filter(bool),
            "type": st.just("function"),
            "function": st.fixed_dictionaries({"name": TEXT.filter(bool), "arguments": TEXT}),
        }
    ),
    max_size=3,
)
LOGPROB = st.fixed_dictionaries(
    {"token": TEXT, "logprob": st.integers(-9, 0), "bytes": st.none(), "top_logprobs": st.just([])}
)
CHOICE = st.fixed_dictionaries(
    {
        "message": st.fixed_dictionaries(
            {"role": st.just("assistant"), "content": st.none() | TEXT},
            optional={
                "refusal": st.none() | TEXT,
                "tool_calls": CALLS,
                "reasoning_content": st.none() | TEXT,
                "annotations": st.lists(st.fixed_dictionaries({"url": TEXT}), max_size=2),
                "x_unknown": JSON,
            },
        ),
        "finish_reason": st.sampled_from(["stop", "length", "tool_calls", "content_filter"]),
    },
    optional={
        "logprobs": st.none()
        | st.fixed_dictionaries(
            {"content": st.lists(LOGPROB, max_size=2), "refusal": st.none()},
        ),
        "content_filter_results": st.dictionaries(TEXT, JSON, max_size=2),
    },
)


def openai_body(choices: list[dict[str, Any]], more: dict[str, Any]) -> bytes:
    """A whole OpenAI reply of these choices."""
    numbered = [{"index": index, **choice} for index, choice in enumerate(choices)]
    return json.dumps({**more, "object": "chat.completion", "choices": numbered}).encode()


OPENAI_BODY = st.builds(
    openai_body,
    st.lists(CHOICE, min_size=1, max_size=3),
    st.fixed_dictionaries(
        {"id": TEXT, "created": COUNT, "model": TEXT},
        optional={
            "usage": st.none()
            | st.fixed_dictionaries(
                {"prompt_tokens": COUNT, "completion_tokens": COUNT},
                optional={
                    "total_tokens": COUNT,
                    "completion_tokens_details": st.fixed_dictionaries({"reasoning_tokens": COUNT}),
                },
            ),
            "service_tier": st.none() | TEXT,
            "system_fingerprint": st.none() | TEXT,
            "citations": st.lists(TEXT, max_size=2),
        },
    ),
)
BLOCK = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("text"), "text": TEXT},
        optional={
            "citations": st.none()
            | st.lists(st.fixed_dictionaries({"cited_text": TEXT, "type": TEXT}), max_size=2)
        },
    ),
    st.fixed_dictionaries({"type": st.just("thinking"), "thinking": TEXT, "signature": TEXT}),
    st.fixed_dictionaries({"type": st.just("redacted_thinking"), "data": TEXT}),
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["tool_use", "server_tool_use"]),
            "id": TEXT,
            "name": TEXT,
            "input": st.dictionaries(TEXT, JSON, max_size=3),
        },
        optional={"caller": JSON},
    ),
    st.fixed_dictionaries({"type": st.just("x_unknown"), "content": JSON}),
)
ANTHROPIC_BODY = st.fixed_dictionaries(
    {
        "id": TEXT,
        "type": st.just("message"),
        "role": st.just("assistant"),
        "model": TEXT,
        "content": st.lists(BLOCK, max_size=4),
        "stop_reason": st.sampled_from(["end_turn", "max_tokens", "tool_use", "refusal"]),
        "stop_sequence": st.none() | TEXT,
        "usage": st.fixed_dictionaries(
            {"input_tokens": COUNT, "output_tokens": COUNT},
            optional={
                "cache_read_input_tokens": st.none() | COUNT,
                "cache_creation_input_tokens": st.none() | COUNT,
                "cache_creation": st.fixed_dictionaries(
                    {"ephemeral_5m_input_tokens": COUNT, "ephemeral_1h_input_tokens": COUNT}
                ),
                "output_tokens_details": st.none()
                | st.fixed_dictionaries({"thinking_tokens": COUNT}),
                "service_tier": st.just("standard"),
                "x_unknown": JSON,
            },
        ),
    },
    optional={"container": st.none() | JSON, "x_unknown": JSON},
).map(lambda body: json.dumps(body).encode())

REPLY = st.one_of(
    OPENAI_BODY.map(lambda body: (OPENAI, body)), ANTHROPIC_BODY.map(lambda body: (ANTHROPIC, body))
)
END = st.sampled_from([b"\n", b"\r\n", b"\r"])


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """The data, cut at these places."""
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(places)]


@given(
    st.lists(st.sampled_from([b"\n", b"\r", b"\r\n", b"data: x", b":", b"\xef\xbb\xbf"])),
    st.lists(COUNT, max_size=9),
)
def test_any_pieces_give_the_same_events(parts: list[bytes], cuts: list[int]) -> None:
    """Whatever mixture of line ends; and the events joined are the stream."""
    stream = b"".join(parts)
    splitter = EventSplitter()
    events = [event for piece in pieces(stream, cuts) for event in splitter.feed(piece)]
    rest = splitter.close()
    assert b"".join(events) + rest == stream
    assert [*events, *([rest] if rest else [])] == split(stream)


@given(REPLY, END, st.booleans(), st.lists(COUNT, max_size=9))
def test_any_pieces_give_the_same_bytes_and_facts(
    reply: tuple[Dialect, bytes],
    end: bytes,
    hide: bool,  # noqa: FBT001 - drawn
    cuts: list[int],
) -> None:
    """How the network cuts a stream changes neither what the client gets nor what is booked."""
    dialect, body = reply
    stream = dialect.to_stream(body, include_usage=True).replace(b"\n", end)
    whole = dialect.stream_reader(hide_usage=hide)
    expected = whole.feed(stream) + whole.close()
    reader = dialect.stream_reader(hide_usage=hide)
    got = b"".join(reader.feed(piece) for piece in pieces(stream, cuts)) + reader.close()
    assert got == expected
    assert reader.facts == whole.facts
    if not hide or dialect is ANTHROPIC:
        assert got == stream


@given(REPLY)
def test_a_stream_cut_anywhere_is_never_complete(reply: tuple[Dialect, bytes]) -> None:
    """Nothing raises at any byte, and only the end marker makes it complete."""
    dialect, body = reply
    stream = dialect.to_stream(body, include_usage=True)
    last = split(stream)[-1]
    for cut in range(0, len(stream), 7):
        reader = dialect.stream_reader(hide_usage=True)
        reader.feed(stream[:cut])
        reader.close()
        assert not reader.facts.complete
    reader = dialect.stream_reader(hide_usage=True)
    reader.feed(stream)
    assert reader.facts.complete
    assert event_fields(last)[1] in {b"[DONE]", b'{"type":"message_stop"}'}


@given(REPLY, COUNT)
def test_texts_and_conversion_never_raise_on_a_cut_stream(
    reply: tuple[Dialect, bytes], cut: int
) -> None:
    """What had arrived of a broken reply can always be looked at."""
    dialect, body = reply
    stream = dialect.to_stream(body, include_usage=True)
    part = stream[: cut % len(stream)]
    whole = "".join(dialect.reply_texts(stream))
    assert len("".join(dialect.reply_texts(part))) <= len(whole)
    json.loads(dialect.from_stream(part))
    dialect.reply_texts(body[: cut % len(body)])


@given(REPLY)
def test_a_reply_survives_both_forms(reply: tuple[Dialect, bytes]) -> None:
    """Words, tool calls, thinking, citations, log probabilities, usage and unknown fields."""
    dialect, body = reply
    stream = dialect.to_stream(body, include_usage=True)
    back = dialect.from_stream(stream)
    assert json.loads(back) == json.loads(body)
    facts = dialect.read_reply(body)
    assert dialect.read_reply(back) == facts
    reader = dialect.stream_reader(hide_usage=False)
    reader.feed(stream)
    assert reader.facts == facts


@given(st.binary(max_size=200), st.booleans())
def test_garbage_never_raises(data: bytes, hide: bool) -> None:  # noqa: FBT001 - drawn
    """Whatever a provider sends, it is passed on and read as far as it can be."""
    for dialect in (OPENAI, ANTHROPIC):
        for stream in (data, b"data: " + data + b"\n\n", b"event: error\ndata: " + data + b"\n\n"):
            reader = dialect.stream_reader(hide_usage=hide)
            assert reader.feed(stream) + reader.close() == stream
            assert reader.facts.usage is None
            dialect.reply_texts(stream)
            dialect.from_stream(stream)
        dialect.read_reply(data)
        dialect.to_stream(data, include_usage=True)


@given(JSON.map(lambda value: json.dumps(value).encode()), st.sampled_from(["usage", "choices"]))
def test_odd_replies_never_raise(value: bytes, name: str) -> None:
    """Valid JSON of the wrong shape, whole or streamed."""
    body = b'{"type":"message","content":[],"object":"x","%s":%s}' % (name.encode(), value)
    for dialect in (OPENAI, ANTHROPIC):
        dialect.read_reply(body)
        dialect.reply_texts(body)
        stream = b"data: " + body + b"\n\n"
        dialect.to_stream(body, include_usage=True)
        json.loads(dialect.from_stream(stream))
        reader = dialect.stream_reader(hide_usage=True)
        reader.feed(stream)
        assert not reader.facts.complete
