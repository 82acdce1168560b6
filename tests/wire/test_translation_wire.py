"""Bodies and streams in the shapes of real providers, translated for the other SDK."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from anthropic.types import Message, RawMessageStreamEvent
from msgspec.structs import replace
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import TypeAdapter

from scrimp.calls import ReplyFacts, Usage
from scrimp.conformance.corpus import Case, load_cases
from scrimp.dialects import DIALECTS
from scrimp.dialects.usage_readers import read_reply, read_stream
from scrimp.translation import replies
from scrimp.translation.stream_to_chat import ToChat
from scrimp.translation.stream_to_messages import ToMessages
from tests.support.translating import CHAT, MESSAGES, Stream, events, streamed

BODIES = Path(__file__).parent / "bodies"
STREAMS = sorted(path.name for path in BODIES.glob("*.sse"))
ERRORS = {"router_error_midway.sse": "Upstream hung up", "anthropic_overloaded_midway.sse": "Over"}
CASES = [case for case in load_cases() if case.shape in (CHAT, MESSAGES)]
EVENT: TypeAdapter[RawMessageStreamEvent] = TypeAdapter(RawMessageStreamEvent)


def spoken(name: str) -> str:
    """The dialect that a recorded body is written in."""
    return MESSAGES if name.startswith("anthropic") else CHAT


def other(dialect: str) -> str:
    """Its counterpart."""
    return CHAT if dialect == MESSAGES else MESSAGES


def translator(dialect: str) -> Stream:
    """From this dialect to the other."""
    return ToMessages() if dialect == CHAT else ToChat(created_s=1, include_usage=True)


def translated(name: str) -> bytes:
    """A whole recorded stream in the other dialect."""
    return streamed(translator(spoken(name)), [(BODIES / name).read_bytes()])[0]


def facts(dialect: str, stream: bytes) -> ReplyFacts:
    """What a reader of this dialect learns of a stream."""
    reader = DIALECTS[dialect].stream_reader(hide_usage=False)
    reader.feed(stream)
    return reader.facts


def in_both(usage: Usage | None) -> Usage | None:
    """Usage as far as the other dialect has words for it."""
    if usage is None:
        return None
    return Usage(
        input_tokens=usage.input_tokens + usage.input_audio_tokens + usage.input_image_tokens,
        cache_read_tokens=usage.cache_read_tokens + usage.cache_read_audio_tokens,
        cache_write_5m_tokens=usage.cache_write_5m_tokens + usage.cache_write_1h_tokens,
        output_tokens=usage.output_tokens + usage.output_audio_tokens + usage.output_image_tokens,
        reasoning_tokens=usage.reasoning_tokens,
    )


@pytest.mark.parametrize("name", [name for name in STREAMS if name not in ERRORS])
def test_a_recorded_stream_tells_the_other_reader_the_same(name: str) -> None:
    """Model, end and usage; a message of Anthropic's always has a usage, of 0 where none came."""
    dialect = spoken(name)
    theirs = facts(dialect, (BODIES / name).read_bytes())
    ours = facts(other(dialect), translated(name))
    assert (ours.model, ours.complete, ours.error) == (theirs.model, theirs.complete, "")
    if name != "openai_two_choices_logprobs.sse":  # only the first choice is heard
        assert ours.finish == theirs.finish
    usage = in_both(theirs.usage) or (Usage() if dialect == CHAT else None)
    assert ours.usage == usage


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_a_recorded_error_midway_is_one_in_the_other_dialect(name: str) -> None:
    """With the provider's own words; the stream never looks whole."""
    ours = facts(other(spoken(name)), translated(name))
    assert ours.error.startswith(ERRORS[name])
    assert not ours.complete


@pytest.mark.parametrize("name", STREAMS)
def test_the_other_sdks_types_hold_every_event(name: str) -> None:
    """Strictly: nothing that they need is missing."""
    for _, data in events(translated(name)):
        if not data or data == "[DONE]" or '"error":' in data:
            continue
        if spoken(name) == MESSAGES:
            ChatCompletionChunk.model_validate_json(data)
        else:
            EVENT.validate_json(data)


def test_recorded_replies() -> None:
    """Whole ones, by the other SDK's types and the other dialect's reader."""
    gpt = (BODIES / "openai_reply.json").read_bytes()
    message = Message.model_validate_json(replies.to_messages(gpt))
    assert message.stop_reason == "end_turn"
    assert message.usage.cache_read_input_tokens == 1920
    claude = (BODIES / "anthropic_reply.json").read_bytes()
    completion = ChatCompletion.model_validate_json(replies.to_chat(claude, created_s=1))
    choice = completion.choices[0]
    assert choice.finish_reason == "tool_calls"
    calls = [block for block in json.loads(claude)["content"] if block["type"] == "tool_use"]
    assert [call.id for call in choice.message.tool_calls or ()] == [call["id"] for call in calls]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_every_case_of_the_corpus_keeps_its_usage(case: Case) -> None:
    """What a client of the other SDK adds up is what is booked."""
    dialect: str = case.shape
    body = case.body()
    if case.framing == "json":
        theirs = read_reply(case.shape, body)
        made = (
            replies.to_chat(body, created_s=1) if dialect == MESSAGES else replies.to_messages(body)
        )
        ours = DIALECTS[other(dialect)].read_reply(made)
    else:
        theirs = read_stream(case.shape, body)
        ours = facts(other(dialect), streamed(translator(dialect), [body])[0])
    if not theirs.complete:
        assert not ours.complete
        return
    usage = in_both(theirs.usage) or (Usage() if dialect == CHAT else None)
    assert (ours.usage and replace(ours.usage, suspect="", terms=None)) == usage
