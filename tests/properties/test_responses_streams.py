"""Response streams in any pieces, cut anywhere, and responses through both of their forms."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from scrimp.dialects import DIALECTS
from scrimp.dialects.sse import split

RESPONSES = DIALECTS["openai.responses"]
EMBEDDINGS = DIALECTS["openai.embeddings"]

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAME = TEXT.filter(bool)
COUNT = st.integers(0, 5000)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
PART = st.one_of(
    st.fixed_dictionaries(
        {
            "type": st.just("output_text"),
            "text": TEXT,
            "annotations": st.lists(st.fixed_dictionaries({"type": TEXT, "url": TEXT}), max_size=2),
        },
        optional={"logprobs": st.lists(st.fixed_dictionaries({"token": TEXT}), max_size=2)},
    ),
    st.fixed_dictionaries({"type": st.just("refusal"), "refusal": TEXT}),
    st.fixed_dictionaries({"type": st.just("x_unknown"), "x": JSON}),
)
SPOKEN_PART = st.fixed_dictionaries({"type": st.just("reasoning_text"), "text": TEXT})
SUMMARY = st.fixed_dictionaries({"type": st.just("summary_text"), "text": TEXT})
STATUS = st.sampled_from(["completed", "incomplete"])
ITEM = st.one_of(
    st.fixed_dictionaries(
        {
            "type": st.just("message"),
            "id": NAME,
            "role": st.just("assistant"),
            "status": STATUS,
            "content": st.lists(PART, max_size=3),
        }
    ),
    st.fixed_dictionaries(
        {"type": st.just("reasoning"), "id": NAME, "summary": st.lists(SUMMARY, max_size=2)},
        optional={
            "content": st.none() | st.lists(SPOKEN_PART, max_size=2),
            "encrypted_content": st.none() | TEXT,
        },
    ),
    st.fixed_dictionaries(
        {"type": st.just("function_call"), "call_id": NAME, "name": NAME, "arguments": TEXT},
        optional={"id": NAME, "status": STATUS},
    ),
    st.fixed_dictionaries(
        {"type": st.just("custom_tool_call"), "call_id": NAME, "name": NAME, "input": TEXT}
    ),
    st.fixed_dictionaries(
        {"type": st.just("code_interpreter_call"), "id": NAME, "code": st.none() | TEXT}
    ),
    st.fixed_dictionaries({"type": st.just("x_unknown"), "content": JSON, "summary": JSON}),
)
BODY = st.fixed_dictionaries(
    {
        "id": NAME,
        "object": st.just("response"),
        "model": TEXT,
        "status": STATUS,
        "output": st.lists(ITEM, max_size=4),
        "error": st.none(),
        "incomplete_details": st.none() | st.just({"reason": "max_output_tokens"}),
        "usage": st.none()
        | st.fixed_dictionaries(
            {"input_tokens": COUNT, "output_tokens": COUNT},
            optional={
                "total_tokens": COUNT,
                "input_tokens_details": st.fixed_dictionaries({"cached_tokens": COUNT}),
                "output_tokens_details": st.fixed_dictionaries({"reasoning_tokens": COUNT}),
            },
        ),
    },
    optional={"service_tier": st.none() | TEXT, "completed_at": COUNT, "x_unknown": JSON},
).map(lambda fields: json.dumps(fields).encode())
END = st.sampled_from([b"\n", b"\r\n", b"\r"])


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """The data, cut at these places."""
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(places)]


def unnamed(stream: bytes) -> bytes:
    """The same events without their names, as some servers send them."""
    return b"".join(raw[raw.index(b"data: ") :] for raw in split(stream))


@given(BODY, END, st.booleans(), st.lists(COUNT, max_size=9))
def test_any_pieces_of_a_response_give_the_same_bytes_and_facts(
    body: bytes,
    end: bytes,
    named: bool,  # noqa: FBT001 - drawn
    cuts: list[int],
) -> None:
    """How the network cuts a stream changes neither what the client gets nor what is booked."""
    stream = RESPONSES.to_stream(body, include_usage=True)
    stream = (stream if named else unnamed(stream)).replace(b"\n", end)
    reader = RESPONSES.stream_reader(hide_usage=True)
    got = b"".join(reader.feed(piece) for piece in pieces(stream, cuts)) + reader.close()
    assert got == stream
    assert reader.facts == RESPONSES.read_reply(body)
    assert reader.complete


@given(BODY)
def test_a_response_survives_both_forms(body: bytes) -> None:
    """Every field, item and part, known or not."""
    stream = RESPONSES.to_stream(body, include_usage=True)
    assert json.loads(RESPONSES.from_stream(stream)) == json.loads(body)


@given(BODY)
def test_the_items_of_a_stream_are_those_of_its_response(body: bytes) -> None:
    """Without the last word, the events before it make the same output."""
    events = split(RESPONSES.to_stream(body, include_usage=True))
    made = json.loads(RESPONSES.from_stream(b"".join(events[:-1])))
    assert made["output"] == json.loads(body)["output"]


@given(BODY, COUNT)
def test_deltas_alone_make_the_texts(body: bytes, cut: int) -> None:
    """What is put together of deltas is never more than what was said, and all of it at the end."""
    stream = RESPONSES.to_stream(body, include_usage=True)
    whole = sorted("".join(RESPONSES.reply_texts(body)))
    assert sorted("".join(RESPONSES.reply_texts(stream))) == whole
    part = stream[: cut % len(stream)]
    assert len("".join(RESPONSES.reply_texts(part))) <= len(whole)
    json.loads(RESPONSES.from_stream(part))


@given(BODY)
def test_a_response_stream_cut_anywhere_is_never_complete(body: bytes) -> None:
    """Nothing raises at any byte, and only the last event makes it complete."""
    stream = RESPONSES.to_stream(body, include_usage=True)
    for cut in range(0, len(stream), 41):
        reader = RESPONSES.stream_reader(hide_usage=True)
        reader.feed(stream[:cut])
        reader.close()
        assert not reader.facts.complete


@given(st.binary(max_size=200))
def test_garbage_in_a_response_never_raises(data: bytes) -> None:
    """Whatever a provider sends, it is passed on and read as far as it can be."""
    for dialect in (RESPONSES, EMBEDDINGS):
        for stream in (data, b"data: " + data + b"\n\n", b"event: error\ndata: " + data + b"\n\n"):
            reader = dialect.stream_reader(hide_usage=True)
            assert reader.feed(stream) + reader.close() == stream
            assert reader.facts.usage is None
            dialect.reply_texts(stream)
            dialect.from_stream(stream)
        dialect.read_reply(data)
        dialect.to_stream(data, include_usage=True)


EVENT = st.sampled_from(
    [
        "response.created",
        "response.output_item.added",
        "response.output_item.done",
        "response.content_part.added",
        "response.output_text.delta",
        "response.reasoning_summary_text.delta",
        "response.completed",
        "response.failed",
        "error",
    ]
)
ODD = st.fixed_dictionaries(
    {"type": EVENT},
    optional={
        "response": JSON | BODY.map(json.loads),
        "item": JSON | ITEM,
        "part": JSON | PART,
        "output_index": st.integers(0, 2) | JSON,
        "content_index": st.integers(0, 2) | JSON,
        "summary_index": st.integers(0, 2) | JSON,
        "delta": JSON,
        "error": JSON,
        "message": JSON,
    },
)


@given(st.lists(ODD, max_size=6))
def test_odd_events_never_raise(events: list[dict[str, Any]]) -> None:
    """Valid JSON in any order and of any shape."""
    stream = b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in events)
    reader = RESPONSES.stream_reader(hide_usage=True)
    assert reader.feed(stream) == stream
    assert isinstance(reader.facts.error, str)
    RESPONSES.reply_texts(stream)
    json.loads(RESPONSES.from_stream(stream))


@given(JSON.map(lambda value: json.dumps(value).encode()), st.sampled_from(["output", "usage"]))
def test_odd_responses_never_raise(value: bytes, name: str) -> None:
    """Valid JSON of the wrong shape, whole or made a stream of."""
    body = b'{"status":"completed","object":"response","%s":%s}' % (name.encode(), value)
    for dialect in (RESPONSES, EMBEDDINGS):
        dialect.read_reply(body)
        dialect.reply_texts(body)
        json.loads(dialect.from_stream(dialect.to_stream(body, include_usage=True)))
