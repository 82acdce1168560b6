"""What holds for the simulator whatever is asked of it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from scrimp.simulator import anthropic_requests, blocks, openai_requests, responses_requests
from scrimp.simulator.bill import Usage
from scrimp.simulator.clock import Clock
from scrimp.simulator.faults import Fault, parse
from scrimp.simulator.limits import Bucket
from scrimp.simulator.mangle import portions
from scrimp.simulator.prefix import PrefixCache
from scrimp.simulator.production import produce
from scrimp.simulator.responses_replies import Asked, ResponsesReply

PARAGRAPHS = [f"Paragraph {name} says the same each time. " * 60 for name in "abcd"]
TALKS = st.lists(st.sampled_from(PARAGRAPHS), min_size=1, max_size=8)
MARKS = st.sampled_from([None, None, {"type": "ephemeral"}])


def claude_body(texts: list[str], marks: list[Any]) -> dict[str, Any]:
    """One user message of several blocks, at most four of them marked."""
    parts = []
    left = 4
    for text, mark in zip(texts, marks, strict=False):
        part: dict[str, Any] = {"type": "text", "text": text}
        if mark is not None and left:
            part["cache_control"] = mark
            left -= 1
        parts.append(part)
    message = {"role": "user", "content": parts}
    return {"model": "claude-opus-5", "max_tokens": 9, "messages": [message]}


@settings(max_examples=40)
@given(st.lists(st.tuples(TALKS, st.lists(MARKS, min_size=8, max_size=8)), max_size=5))
def test_claude_splits_the_input_and_loses_none_of_it(talks: list[Any]) -> None:
    """Read, written and fresh are the whole input, and no bucket is negative."""
    cache = PrefixCache(Clock())
    for texts, marks in talks:
        body = claude_body(texts, marks)
        plain = anthropic_requests.read(body)
        usage = cache.claude(plain, body, blocks.of_claude(body), "a").usage
        assert usage.total_input_tokens == plain.usage.input_tokens
        assert min(usage.input_tokens, usage.cache_read_tokens, usage.cache_write_5m_tokens) >= 0


@settings(max_examples=40)
@given(st.lists(TALKS, max_size=5))
def test_openai_reads_whole_steps_of_what_was_there(talks: list[list[str]]) -> None:
    """0, or 1,024 and a multiple of 128 more; asking again reads as much as there is."""
    cache = PrefixCache(Clock())

    def asked(texts: list[str]) -> Usage:
        messages = [{"role": "user", "content": text} for text in texts]
        body = {"model": "gpt-4o", "messages": messages}
        question = openai_requests.read(body)
        return cache.openai(question, body, blocks.of_chat(body), "a").usage

    for texts in talks:
        first, again = asked(texts), asked(texts)
        for usage in (first, again):
            read = usage.cache_read_tokens
            assert read == 0 or (read >= 1024 and read % 128 == 0)
            assert usage.total_input_tokens == first.total_input_tokens
        assert again.cache_read_tokens >= first.cache_read_tokens
        assert again.input_tokens < 1024 + 3 or again.cache_read_tokens > 0


@given(
    st.integers(1, 10_000),
    st.lists(st.tuples(st.floats(0, 100), st.integers(0, 10_000)), max_size=20),
)
def test_a_bucket_never_holds_more_than_its_size_and_keeps_its_word(
    size: int, events: list[tuple[float, int]]
) -> None:
    """After the wait that it names, what was asked for is there."""
    now_s, bucket = 0.0, Bucket(size, float(size), 0.0)
    for gap_s, amount in events:
        now_s += gap_s
        bucket = bucket.at(now_s)
        assert bucket.left <= size
        if amount > size:
            continue
        wait_s = bucket.wait_s(amount)
        assert bucket.at(now_s + wait_s).left >= amount - 1e-6
        if not wait_s:
            bucket = bucket.without(amount)


FRAMES = st.sampled_from(["drip=1", "drip=1:bytes=1", "drip=1:bytes=7"]).map(parse)


@given(FRAMES, st.lists(st.binary(min_size=1).filter(lambda data: b"\n" not in data)))
def test_a_drip_loses_no_byte(fault: Fault, lines: list[bytes]) -> None:
    """Portions joined are the events."""
    data = b"".join(b"data: " + line + b"\n\n" for line in lines)
    assert b"".join(portions(fault, data)) == data


@settings(max_examples=60)
@given(
    model=st.sampled_from(["gpt-4.1", "gpt-5", "o4-mini"]),
    text=st.text(max_size=200),
    limit=st.none() | st.integers(16, 400),
    reasoning=st.sampled_from(
        [None, {"summary": "auto"}, {"effort": "minimal"}, {"effort": "high"}]
    ),
    tool=st.booleans(),
)
def test_a_stream_of_responses_ends_in_what_the_whole_reply_is(
    model: str, text: str, limit: int | None, reasoning: Any, *, tool: bool
) -> None:
    """Numbered without gaps; each item that begins ends; the last event has the same output."""
    body: dict[str, Any] = {"model": model, "input": text, "max_output_tokens": limit}
    if reasoning is not None:
        body["reasoning"] = reasoning
    if tool:
        body |= {"tools": [{"type": "function", "name": "look"}], "tool_choice": "required"}
    production = produce(responses_requests.read(body))
    asked = Asked(body, "0a", 1)
    reply = ResponsesReply(production, asked)
    stream = reply.head() + b"".join(map(reply.piece, production.pieces)) + reply.tail()
    events = [json.loads(line[6:]) for line in stream.split(b"\n") if line.startswith(b"data: ")]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    begun = [one["item"]["id"] for one in events if one["type"] == "response.output_item.added"]
    ended = [one["item"]["id"] for one in events if one["type"] == "response.output_item.done"]
    assert begun == ended
    assert len(set(begun)) == len(begun)
    whole = ResponsesReply(production, asked).finished()
    assert events[-1]["response"] == whole
    assert events[-1]["type"] == f"response.{whole['status']}"
