"""Properties of every stream reader: pieces make no difference, and nothing breaks it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from scrimp.calls import COUNTERS, ReplyFacts, Usage
from scrimp.conformance.corpus import Case, load_cases
from scrimp.conformance.readers import facts_of
from scrimp.dialects.usage_frames import FrameSplitter, frame, read_frame
from scrimp.dialects.usage_json_array import ObjectSplitter
from scrimp.dialects.usage_readers import SHAPES, Shape, read_reply, read_stream, usage_reader

STREAMS = [case for case in load_cases() if case.framing != "json"]
COUNT = st.integers(0, 5000)
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
    st.lists(st.integers(0, 9), max_size=2),
    st.dictionaries(st.sampled_from(["type", "index", "x"]), st.integers(-1, 9), max_size=2),
)
MODAL = st.lists(
    st.fixed_dictionaries(
        {"modality": st.sampled_from(["TEXT", "AUDIO", "IMAGE"]), "tokenCount": COUNT | JUNK}
    ),
    max_size=2,
)
NAMES = (
    *("prompt_tokens", "completion_tokens", "total_tokens", "cost", "cost_in_usd_ticks"),
    *("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"),
    *("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "totalTokenCount"),
    *("cachedContentTokenCount", "toolUsePromptTokenCount", "inputTokens", "outputTokens"),
    *("totalTokens", "cacheReadInputTokens", "cacheWriteInputTokens", "prompt_cache_hit_tokens"),
)
PARTS = ("cached_tokens", "cache_write_tokens", "audio_tokens", "reasoning_tokens")
NESTED = (
    *("prompt_tokens_details", "completion_tokens_details", "input_tokens_details"),
    *("output_tokens_details", "cache_creation", "server_tool_use", "serverToolUsage"),
)
LISTS = ("promptTokensDetails", "candidatesTokensDetails", "cacheTokensDetails", "cacheDetails")
BREAKDOWN = JUNK | st.dictionaries(st.sampled_from(PARTS), COUNT | JUNK, max_size=3)
USAGE = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(NAMES, COUNT | COUNT | JUNK)
    | dict.fromkeys(NESTED, BREAKDOWN)
    | dict.fromkeys(LISTS, JUNK | MODAL),
)
FINISH = st.sampled_from(["stop", "STOP", "end_turn", None, 7])
CHOICE = st.fixed_dictionaries(
    {"index": st.integers(0, 2) | JUNK, "finish_reason": FINISH, "delta": JUNK}
)
KIND = st.sampled_from(
    ["message_start", "message_delta", "message_stop", "error", "response.completed", "x"]
)
EVENT = st.fixed_dictionaries(
    {},
    optional={
        "type": KIND,
        "usage": USAGE | JUNK,
        "usageMetadata": USAGE | JUNK,
        "choices": JUNK | st.lists(CHOICE | JUNK, max_size=2),
        "candidates": JUNK
        | st.lists(
            JUNK | st.fixed_dictionaries({"index": COUNT | JUNK, "finishReason": FINISH}),
            max_size=2,
        ),
        "message": JUNK | st.fixed_dictionaries({"usage": USAGE | JUNK, "model": JUNK}),
        "delta": JUNK | st.fixed_dictionaries({"stop_reason": FINISH}),
        "response": JUNK
        | st.fixed_dictionaries({"usage": USAGE | JUNK, "status": JUNK, "output": JUNK}),
        "promptFeedback": JUNK | st.fixed_dictionaries({"blockReason": FINISH}),
        "stopReason": FINISH,
        "error": st.none() | JUNK,
        "model": JUNK,
    },
)
FRAME_KINDS = st.sampled_from(["messageStop", "metadata", "contentBlockDelta", "x"])


def sound(facts: ReplyFacts) -> None:
    """What every reader promises of whatever it was fed."""
    usage = facts.usage
    assert isinstance(facts.error, str)
    if usage is not None:
        assert all(0 <= getattr(usage, name) <= 10**12 for name in COUNTERS)


def fed(shape: Shape, body: bytes, cuts: list[int]) -> ReplyFacts:
    """Facts of a body that came in pieces which end at these places."""
    reader, start = usage_reader(shape), 0
    for cut in sorted(cut % (len(body) + 1) for cut in cuts):
        reader.feed(body[start:cut])
        start = cut
    reader.feed(body[start:])
    reader.close()
    return reader.facts


@given(st.sampled_from(STREAMS), st.lists(st.integers(0, 10**6), max_size=12))
@settings(max_examples=300)
def test_pieces_make_no_difference(case: Case, cuts: list[int]) -> None:
    """A recorded stream of any provider, cut anywhere any number of times."""
    assert fed(case.shape, case.body(), cuts) == facts_of(case)


def in_form(shape: Shape, events: list[Any], *, array: bool) -> bytes:
    """Events as a provider of this shape would send them."""
    if shape == "bedrock.converse":
        return b"".join(
            frame({":event-type": kind, ":message-type": "event"}, json.dumps(one).encode())
            for kind, one in events
        )
    plain = [one for _, one in events]
    if array and shape == "google.gemini":
        return json.dumps(plain).encode()
    return b"".join(b"data: %s\n\n" % json.dumps(one).encode() for one in plain)


@given(
    st.sampled_from(SHAPES),
    st.lists(st.tuples(FRAME_KINDS, EVENT | JUNK), max_size=5),
    st.booleans(),
    st.lists(st.integers(0, 10**6), max_size=5),
)
@settings(max_examples=400)
def test_no_stream_breaks_a_reader(
    shape: Shape,
    events: list[Any],
    array: bool,  # noqa: FBT001 - drawn
    cuts: list[int],
) -> None:
    """Odd values in every field, huge and negative numbers: no error, no negative bucket."""
    body = in_form(shape, events, array=array)
    facts = read_stream(shape, body)
    sound(facts)
    assert fed(shape, body, cuts) == facts
    for _, one in events:
        sound(read_reply(shape, json.dumps(one).encode()))


@given(st.sampled_from(SHAPES), st.binary(max_size=200), st.lists(st.integers(0, 199), max_size=4))
def test_no_bytes_break_a_reader(shape: Shape, body: bytes, cuts: list[int]) -> None:
    """Whatever the bytes are, whole, in pieces, or as a document."""
    sound(read_reply(shape, body))
    facts = fed(shape, body, cuts)
    sound(facts)
    assert facts == read_stream(shape, body)


@given(st.sampled_from(STREAMS), st.integers(0, 10**6), st.integers(1, 255))
@settings(max_examples=300)
def test_a_damaged_byte_breaks_no_reader(case: Case, place: int, change: int) -> None:
    """One byte of a recorded stream is another; AWS frames then tell nothing wrong at all."""
    body = bytearray(case.body())
    body[place % len(body)] ^= change
    facts = read_stream(case.shape, bytes(body))
    sound(facts)
    if case.framing == "frames":
        assert facts.usage in (None, facts_of(case).usage)


@given(st.lists(st.tuples(COUNT, COUNT, COUNT, COUNT), min_size=1, max_size=6))
def test_the_last_of_growing_counts_is_the_usage(steps: list[tuple[int, ...]]) -> None:
    """However often a stream tells what it used so far, nothing of it is added up."""
    grown = [
        tuple(sum(step[i] for step in steps[: n + 1]) for i in range(4)) for n in range(len(steps))
    ]
    fresh, cached, said, thought = grown[-1]
    chat, gemini = [], []
    for number, (one, two, three, four) in enumerate(grown, 1):
        last = number == len(grown)
        told = {
            "prompt_tokens": one + two,
            "completion_tokens": three + four,
            "total_tokens": one + two + three + four,
            "prompt_tokens_details": {"cached_tokens": two},
            "completion_tokens_details": {"reasoning_tokens": four},
        }
        choice = {"index": 0, "delta": {"content": "a"}, "finish_reason": "stop" if last else None}
        chat.append(("", {"choices": [choice], "usage": told}))
        counts = {
            "promptTokenCount": one + two,
            "cachedContentTokenCount": two,
            "candidatesTokenCount": three,
            "thoughtsTokenCount": four,
            "totalTokenCount": one + two + three + four,
        }
        candidate = {"index": 0, "finishReason": "STOP"} if last else {"index": 0}
        gemini.append(("", {"candidates": [candidate], "usageMetadata": counts}))
    right = Usage(
        input_tokens=fresh, cache_read_tokens=cached, output_tokens=said, reasoning_tokens=thought
    )
    assert read_stream("openai.chat", in_form("openai.chat", chat, array=False)).usage == right
    for array in (False, True):
        body = in_form("google.gemini", gemini, array=array)
        assert read_stream("google.gemini", body).usage == right
    assert read_stream("openai.chat", in_form("openai.chat", chat[:-1], array=False)).usage is None
    cut = in_form("google.gemini", gemini[:-1], array=False)
    assert read_stream("google.gemini", cut).usage is None


@given(
    st.lists(
        st.tuples(st.dictionaries(st.text(max_size=5), st.text(max_size=5)), st.binary(max_size=30))
    ),
    st.lists(st.integers(0, 10**6), max_size=6),
)
def test_frames_come_back_as_they_were_made(made: list[Any], cuts: list[int]) -> None:
    """Any headers of text and any payload, in any pieces."""
    body = b"".join(frame(headers, payload) for headers, payload in made)
    splitter, start, found = FrameSplitter(), 0, []
    for cut in (*sorted(cut % (len(body) + 1) for cut in cuts), len(body)):
        found += splitter.feed(body[start:cut])
        start = cut
    read = [read_frame(raw) for raw in found]
    assert [(one.headers, one.payload) for one in read if one is not None] == made
    assert (splitter.error, splitter.close(), b"".join(found)) == ("", b"", body)


OBJECTS = st.lists(
    st.dictionaries(
        st.text(max_size=4),
        st.recursive(
            JUNK | st.sampled_from(['"', "\\", "}", "]", '\\"}']),
            lambda inner: (
                st.lists(inner, max_size=2)
                | st.dictionaries(st.text(max_size=3), inner, max_size=2)
            ),
            max_leaves=5,
        ),
        max_size=3,
    ),
    max_size=4,
)


@given(OBJECTS, st.lists(st.integers(0, 10**6), max_size=6), st.integers(0, 2))
def test_an_array_in_pieces_is_its_objects(
    objects: list[Any], cuts: list[int], indent: int
) -> None:
    """Quotes, escapes and brackets in texts, other white space: each object comes out whole."""
    body = json.dumps(objects, indent=indent or None, ensure_ascii=indent == 1).encode()
    splitter, start, found = ObjectSplitter(), 0, []
    for cut in (*sorted(cut % (len(body) + 1) for cut in cuts), len(body)):
        found += splitter.feed(body[start:cut])
        start = cut
    assert [json.loads(one) for one in found] == objects
    assert splitter.closed
