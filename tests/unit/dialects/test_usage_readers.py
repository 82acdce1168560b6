"""Streams of every shape tell their usage at the end, once, and AWS frames only when undamaged."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import msgspec
import pytest

from scrimp.calls import Usage
from scrimp.dialects.usage_frames import FrameSplitter, frame, read_frame
from scrimp.dialects.usage_readers import read_reply, read_stream, usage_reader
from scrimp.dialects.usage_running import take_over


def sse(*events: Any) -> bytes:
    """An event stream of these objects."""
    return b"".join(b"data: %s\n\n" % msgspec.json.encode(one) for one in events)


def chat(counts: tuple[int, int] | None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """A chunk with a choice, and perhaps usage beside it."""
    told = (
        None
        if counts is None
        else dict(zip(("prompt_tokens", "completion_tokens"), counts, strict=True))
    )
    choice = {"index": 0, "delta": {"content": "a"}, "finish_reason": finish}
    return {"model": "m", "choices": [choice], "usage": told, **more}


def started(tokens: int) -> dict[str, Any]:
    """The beginning of an Anthropic stream."""
    return {"type": "message_start", "message": {"model": "m", "usage": {"input_tokens": tokens}}}


def ended(tokens: int, reason: str | None = "end_turn") -> dict[str, Any]:
    """Its last counts."""
    usage = {"output_tokens": tokens}
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}


def test_a_later_null_says_nothing() -> None:
    """Of each field, and of each part of a breakdown, the last value that is not null counts."""
    known: dict[str, Any] = {}
    for told in ({"a": 1, "d": {"x": 1, "y": 2}}, {"a": None, "b": 3, "d": {"x": None, "y": 5}}, 7):
        take_over(known, told)
    assert known == {"a": 1, "b": 3, "d": {"x": 1, "y": 5}}


def test_counts_on_the_way_are_not_the_bill() -> None:
    """A stream that tells usage in every chunk has none before it has ended."""
    reader = usage_reader("openai.chat")
    reader.feed(sse(chat((9, 1)), chat((9, 5))))
    assert reader.facts.usage is None
    reader.feed(sse(chat((9, 6), "stop")))
    assert reader.facts.usage == Usage(input_tokens=9, output_tokens=6)


def test_fields_of_several_usages_make_one() -> None:
    """A last usage that leaves out what an earlier one told does not take it back."""
    first = chat((9, 1)) | {
        "usage": {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 4}}
    }
    last = chat((9, 6), "stop") | {"usage": {"prompt_tokens": None, "completion_tokens": 6}}
    usage = read_stream("openai.chat", sse(first, last)).usage
    assert usage == Usage(input_tokens=5, cache_read_tokens=4, output_tokens=6)


def test_two_choices_end_before_the_usage_counts() -> None:
    """While one of two is still being written, a running count is too little."""
    two = chat((9, 5))
    two["choices"].append({"index": 1, "delta": {"content": "b"}, "finish_reason": None})
    one_ended = sse(two, chat((9, 6), "stop"))
    assert read_stream("openai.chat", one_ended).usage is None
    end = {
        "choices": [{"index": 1, "delta": {}, "finish_reason": "stop"}],
        "usage": {"completion_tokens": 8},
    }
    usage = read_stream("openai.chat", one_ended + sse(end)).usage
    assert usage == Usage(input_tokens=9, output_tokens=8)


def test_a_message_that_begins_again_is_marked() -> None:
    """Who sent it tried again inside one stream: the last message counts, the rest is unknown."""
    body = sse(started(9), ended(3), started(7), ended(5), {"type": "message_stop"})
    usage = read_stream("anthropic.messages", body).usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (7, 5)
    assert "2 messages begun" in usage.suspect
    assert read_stream("anthropic.messages", sse(started(9), ended(3), started(7))).usage is None


def test_anthropic_counts_before_the_end_are_not_the_bill() -> None:
    """Usage without a reason to stop may still grow."""
    body = sse(started(9), ended(3, None))
    assert read_stream("anthropic.messages", body).usage is None
    usage = read_stream("anthropic.messages", body + sse(ended(5))).usage
    assert usage == Usage(input_tokens=9, output_tokens=5)


def test_gemini_in_both_forms() -> None:
    """An array, an event stream, and one object alone are the same answer."""
    one = {
        "candidates": [{"index": 0, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 2, "totalTokenCount": 11},
        "modelVersion": "gemini-2.5-flash",
    }
    array = msgspec.json.encode([one])
    found = [
        read_stream("google.gemini", sse(one)),
        read_stream("google.gemini", b"\xef\xbb\xbf \r\n" + array),
        read_stream("google.gemini", msgspec.json.encode(one)),
        read_reply("google.gemini", array),
        read_reply("google.gemini", msgspec.json.encode(one)),
    ]
    assert {facts.usage for facts in found} == {Usage(input_tokens=9, output_tokens=2)}
    assert {(facts.complete, facts.model) for facts in found} == {(True, "gemini-2.5-flash")}


def test_gemini_candidates_of_odd_types() -> None:
    """What has the right type is read, whatever stands beside it."""
    body = sse(
        {"candidates": [{"index": "x", "finishReason": "STOP"}, 7], "modelVersion": 1},
        {"usageMetadata": {"promptTokenCount": 9}, "candidates": "none"},
    )
    facts = read_stream("google.gemini", body)
    assert (facts.usage, facts.finish) == (Usage(input_tokens=9), "complete")


def metadata(payload: bytes = b'{"usage":{"inputTokens":9,"outputTokens":2}}') -> bytes:
    """The end of a Converse stream."""
    stop = frame({":event-type": "messageStop"}, b'{"stopReason":"end_turn"}')
    return stop + frame({":event-type": "metadata", ":message-type": "event"}, payload)


def test_bedrock_passes_every_byte_on() -> None:
    """Whole frames, and after a damaged one whatever comes."""
    body = bytearray(metadata())
    reader = usage_reader("bedrock.converse")
    assert reader.feed(bytes(body[:50])) + reader.feed(bytes(body[50:])) == bytes(body)
    assert reader.facts.usage == Usage(input_tokens=9, output_tokens=2)
    body[-6] ^= 1
    reader = usage_reader("bedrock.converse")
    assert reader.feed(bytes(body)) + reader.feed(b"more") + reader.close() == bytes(body) + b"more"
    assert (reader.facts.usage, reader.complete) == (None, False)


@pytest.mark.parametrize("place", range(len(frame({"a": "b"}, b"payload"))))
def test_any_damaged_byte_of_a_frame_is_found(place: int) -> None:
    """Length, headers, payload or checksum: it is not read, and the error has both numbers."""
    raw = bytearray(frame({"a": "b"}, b"payload"))
    raw[place] ^= 0x10
    splitter = FrameSplitter()
    assert splitter.feed(bytes(raw)) == []
    assert "it says" in splitter.error
    assert splitter.feed(frame({}, b"")) == []


def test_a_length_that_cannot_be_is_refused() -> None:
    """Its checksum may be right: a frame smaller than its parts, or greater than any."""
    for length, headers in ((12, 0), (20, 10), (2**31, 0)):
        sizes = struct.pack(">II", length, headers)
        splitter = FrameSplitter()
        splitter.feed(sizes + struct.pack(">I", zlib.crc32(sizes)))
        assert f"a frame of {length} bytes with {headers} of headers" in splitter.error


def raw_frame(headers: bytes) -> bytes:
    """A frame whose headers are these bytes."""
    sizes = struct.pack(">II", 16 + len(headers), len(headers))
    whole = sizes + struct.pack(">I", zlib.crc32(sizes)) + headers
    return whole + struct.pack(">I", zlib.crc32(whole))


def test_headers_of_other_types_are_passed_over() -> None:
    """Truths, numbers, bytes, times and ids stand between texts."""
    named = b"\x01n"
    kinds = [b"\x00", b"\x01", b"\x02" + bytes(1), b"\x03" + bytes(2), b"\x04" + bytes(4)]
    kinds += [b"\x05" + bytes(8), b"\x06\x00\x02ab", b"\x08" + bytes(8), b"\x09" + bytes(16)]
    for kind in kinds:
        found = read_frame(raw_frame(named + kind + b"\x01t\x07\x00\x01v"))
        assert found is not None
        assert found.headers == {"t": "v"}


@pytest.mark.parametrize(
    "headers", [b"\x05ab", b"\x01n\x0b", b"\x01n\x07\x00\x09v", b"\x01\xff\x00"]
)
def test_headers_that_are_none_make_no_frame(headers: bytes) -> None:
    """Names that run out, unknown types, texts that run out, what is not UTF-8."""
    assert read_frame(raw_frame(headers)) is None


@pytest.mark.parametrize(
    ("headers", "payload", "error"),
    [
        (
            {":exception-type": "throttlingException"},
            b'{"message":"Slow"}',
            "throttlingException: Slow",
        ),
        ({":message-type": "error", ":error-code": "E", ":error-message": "no"}, b"", "E: no"),
        ({}, b"x", "the provider gave no message"),
    ],
)
def test_bedrock_errors(headers: dict[str, str], payload: bytes, error: str) -> None:
    """Exceptions that are modelled, errors that are not, and neither."""
    body = frame({":message-type": "exception"} | headers, payload)
    facts = read_stream("bedrock.converse", body + metadata())
    assert (facts.error, facts.complete) == (error, False)


def test_bedrock_documents() -> None:
    """Whole replies with tier, errors with their message, and what is neither."""
    usage = {"inputTokens": 1, "outputTokens": 1}
    whole = {"stopReason": "end_turn", "usage": usage, "serviceTier": {"type": "flex"}}
    facts = read_reply("bedrock.converse", msgspec.json.encode(whole))
    assert (facts.usage, facts.service_tier) == (Usage(input_tokens=1, output_tokens=1), "flex")
    assert read_reply("bedrock.converse", b'{"message":"no"}').error == "no"
    assert not read_reply("bedrock.converse", b"[]").complete
