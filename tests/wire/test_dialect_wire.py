"""Bodies and event streams in the shapes of real providers: the right facts, nothing lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import RawMessageStreamEvent
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk
from pydantic import TypeAdapter

from scrimp.calls import ReplyFacts, Usage
from scrimp.dialects import DIALECTS
from scrimp.dialects.base import Dialect
from scrimp.dialects.sse import event_fields, split

BODIES = Path(__file__).parent / "bodies"
STREAMS = sorted(path.name for path in BODIES.glob("*.sse"))
BROKEN = {"router_error_midway.sse", "anthropic_overloaded_midway.sse"}


def dialect_of(name: str) -> Dialect:
    """The dialect that a recorded body is written in."""
    return DIALECTS["anthropic.messages" if name.startswith("anthropic") else "openai.chat"]


def stream_facts(name: str) -> ReplyFacts:
    """Facts of a whole recorded stream."""
    reader = dialect_of(name).stream_reader(hide_usage=False)
    body = (BODIES / name).read_bytes()
    assert reader.feed(body) == body
    assert reader.close() == b""
    return reader.facts


MINI = "gpt-4o-mini-2024-07-18"
FACTS = {
    "openai_text_with_usage.sse": ReplyFacts(
        Usage(input_tokens=176, cache_read_tokens=1024, output_tokens=18),
        MINI, "complete", complete=True, service_tier="default",
    ),
    "openai_tool_calls.sse": ReplyFacts(
        None, MINI, "tool_calls", complete=True, service_tier="default"
    ),
    "openai_two_choices_logprobs.sse": ReplyFacts(
        Usage(input_tokens=9, output_tokens=3),
        MINI, "truncated", complete=True, service_tier="default",
    ),
    "openai_refusal.sse": ReplyFacts(None, MINI, "refused", complete=True, service_tier="default"),
    "azure_filters.sse": ReplyFacts(
        Usage(input_tokens=11, output_tokens=2), "gpt-4o-2024-11-20", "refused", complete=True
    ),
    "xai_usage_beside_choices.sse": ReplyFacts(
        Usage(input_tokens=26, cache_read_tokens=6, output_tokens=9, reasoning_tokens=94),
        "grok-3-mini", "complete", complete=True,
    ),
    "deepseek_keep_alive.sse": ReplyFacts(
        Usage(input_tokens=36, cache_read_tokens=64, output_tokens=10, reasoning_tokens=30),
        "deepseek-reasoner", "truncated", complete=True,
    ),
    "router_error_midway.sse": ReplyFacts(
        None, "some/model", "unknown", complete=False, error="Upstream hung up"
    ),
    "anthropic_text.sse": ReplyFacts(
        Usage(
            input_tokens=25, cache_read_tokens=2000, cache_write_5m_tokens=100,
            cache_write_1h_tokens=200, output_tokens=12,
        ),
        "claude-haiku-4-5-20251001", "complete", complete=True, service_tier="standard",
    ),
    "anthropic_thinking_tools.sse": ReplyFacts(
        Usage(input_tokens=400, output_tokens=49, reasoning_tokens=40),
        "claude-sonnet-4-5-20250929", "tool_calls", complete=True, service_tier="priority",
    ),
    "anthropic_web_search.sse": ReplyFacts(
        Usage(input_tokens=7000, output_tokens=120, web_search_requests=1),
        "claude-sonnet-4-5-20250929", "complete", complete=True, service_tier="standard",
    ),
    "anthropic_overloaded_midway.sse": ReplyFacts(
        None, "claude-haiku-4-5-20251001", "unknown", complete=False, error="Overloaded"
    ),
}  # fmt: skip


def test_every_recorded_stream_has_its_facts() -> None:
    """A new recording needs its expectation."""
    assert sorted(FACTS) == STREAMS


@pytest.mark.parametrize("name", STREAMS)
def test_facts_of_a_stream(name: str) -> None:
    """Usage in its buckets, model, end, tier and error."""
    assert stream_facts(name) == FACTS[name]


@pytest.mark.parametrize("name", STREAMS)
def test_line_ends_make_no_difference(name: str) -> None:
    """The same streams with the other line ends that the standard allows."""
    body = (BODIES / name).read_bytes()
    for end in (b"\r\n", b"\r"):
        reader = dialect_of(name).stream_reader(hide_usage=False)
        other = body.replace(b"\n", end)
        assert reader.feed(other) + reader.close() == other
        assert reader.facts == FACTS[name]


def test_facts_of_whole_replies() -> None:
    """The same for replies that were not streamed."""
    openai = dialect_of("openai").read_reply((BODIES / "openai_reply.json").read_bytes())
    assert openai == ReplyFacts(
        Usage(input_tokens=86, cache_read_tokens=1920, output_tokens=44, reasoning_tokens=256),
        "gpt-5-mini-2025-08-07",
        "complete",
        complete=True,
        service_tier="flex",
    )
    anthropic = dialect_of("anthropic").read_reply((BODIES / "anthropic_reply.json").read_bytes())
    assert anthropic == ReplyFacts(
        Usage(input_tokens=12, cache_write_1h_tokens=700, output_tokens=40, reasoning_tokens=50),
        "claude-opus-4-5-20251101",
        "tool_calls",
        complete=True,
        service_tier="batch",
    )


@pytest.mark.parametrize("name", [name for name in STREAMS if not name.startswith("anthropic")])
def test_only_the_chunk_that_exists_for_usage_is_hidden(name: str) -> None:
    """Chunks with choices stay, whatever else they carry, and so do comments."""
    body = (BODIES / name).read_bytes()
    events = split(body)
    reader = dialect_of(name).stream_reader(hide_usage=True)
    expected = [raw for raw in events if not (b'"choices":[]' in raw and b'"usage":{' in raw)]
    assert reader.feed(body) == b"".join(expected)
    assert reader.facts == FACTS[name]


def test_an_anthropic_start_is_no_usage() -> None:
    """Its one token of output is a placeholder; a cut stream must not be billed by it."""
    events = split((BODIES / "anthropic_text.sse").read_bytes())
    reader = dialect_of("anthropic").stream_reader(hide_usage=False)
    for raw in events[:-2]:
        reader.feed(raw)
        assert reader.facts.usage is None
    reader.feed(events[-2])
    assert reader.facts.usage == FACTS["anthropic_text.sse"].usage
    assert not reader.facts.complete


@pytest.mark.parametrize("name", [name for name in STREAMS if name not in BROKEN])
def test_a_stream_as_a_reply_has_the_same_facts(name: str) -> None:
    """Also after one more turn through both forms, and the words are the same."""
    dialect = dialect_of(name)
    stream = (BODIES / name).read_bytes()
    reply = dialect.from_stream(stream)
    assert dialect.read_reply(reply) == FACTS[name]
    again = dialect.to_stream(reply, include_usage=True)
    assert json.loads(dialect.from_stream(again)) == json.loads(reply)
    spaceless = [
        sorted(text.replace(" ", "") for text in dialect.reply_texts(form))
        for form in (stream, reply)
    ]
    assert spaceless[0] == spaceless[1]


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_a_broken_stream_as_a_reply_is_its_error(name: str) -> None:
    """Half an answer is never made into a whole one."""
    facts = dialect_of(name).read_reply(dialect_of(name).from_stream((BODIES / name).read_bytes()))
    assert (facts.complete, facts.error) == (False, FACTS[name].error)


@pytest.mark.parametrize("name", ["openai_reply.json", "anthropic_reply.json"])
def test_a_reply_survives_both_forms(name: str) -> None:
    """Nothing is lost or added on the way through a stream."""
    body = (BODIES / name).read_bytes()
    dialect = dialect_of(name)
    stream = dialect.to_stream(body, include_usage=True)
    assert json.loads(dialect.from_stream(stream)) == json.loads(body)
    reader = dialect.stream_reader(hide_usage=False)
    reader.feed(stream)
    assert reader.facts == dialect.read_reply(body)


OPENAI_STREAMS = [name for name in STREAMS if name.startswith(("openai", "xai"))]


def sdk_openai(stream: bytes) -> dict[str, Any]:
    """What OpenAI's own SDK makes of a stream."""
    state = ChatCompletionStreamState()
    for raw in split(stream):
        data = event_fields(raw)[1]
        if data and data != b"[DONE]":
            state.handle_chunk(ChatCompletionChunk.model_validate_json(data))
    found: dict[str, Any] = without_nulls(state.current_completion_snapshot.to_dict())
    return found


def without_nulls(value: Any) -> Any:
    """JSON without nulls and without what only the SDK adds."""
    if isinstance(value, dict):
        return {
            key: without_nulls(one)
            for key, one in value.items()
            if one is not None and key not in {"parsed", "parsed_arguments", "index"}
        }
    return [without_nulls(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", OPENAI_STREAMS)
def test_openais_sdk_reads_our_streams_as_it_reads_the_providers(name: str) -> None:
    """Our reply is the SDK's reply, and so is the SDK's reading of our own stream."""
    dialect = dialect_of(name)
    stream = (BODIES / name).read_bytes()
    ours = dialect.from_stream(stream)
    expected = without_nulls(json.loads(ours))
    if name.startswith("xai"):  # the role in every chunk, which the SDK would append
        stream = stream.replace(b',"role":"assistant"}}]', b"}}]").replace(
            b'{"role":"assistant"}', b"{}"
        )
        assert sdk_openai(stream)["choices"][0]["message"]["content"] == "Seven"
    else:
        assert sdk_openai(stream) == expected
    assert sdk_openai(dialect.to_stream(ours, include_usage=True)) == expected


@pytest.mark.parametrize(
    "name", ["anthropic_text.sse", "anthropic_thinking_tools.sse", "anthropic_web_search.sse"]
)
def test_anthropics_sdk_reads_our_streams_as_it_reads_the_providers(name: str) -> None:
    """The same for Anthropic's accumulation."""
    dialect = dialect_of(name)
    stream = (BODIES / name).read_bytes()
    ours = dialect.from_stream(stream)
    for one in (stream, dialect.to_stream(ours, include_usage=True)):
        assert sdk_anthropic(one) == without_nulls(json.loads(ours))


def sdk_anthropic(stream: bytes) -> dict[str, Any]:
    """What Anthropic's own SDK makes of a stream."""
    adapter: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
    snapshot: Any = None
    buffers: dict[int, bytes] = {}
    for raw in split(stream):
        name, data = event_fields(raw)
        if name != b"ping":
            snapshot = accumulate_event(
                event=adapter.validate_json(data), current_snapshot=snapshot, json_bufs=buffers
            )
    found: dict[str, Any] = without_nulls(snapshot.to_dict())
    return found
