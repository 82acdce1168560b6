"""Response streams as OpenAI and others send them: facts, usage, texts and conversions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from scrimp.calls import ReplyFacts, Usage
from scrimp.dialects import DIALECTS
from scrimp.dialects.sse import event_fields, split

BODIES = Path(__file__).parent / "responses"
STREAMS = sorted(path.name for path in BODIES.glob("*.sse"))
RESPONSES = DIALECTS["openai.responses"]
MINI = "gpt-5-mini-2025-08-07"
FACTS = {
    "reasoning_text.sse": ReplyFacts(
        Usage(
            input_tokens=266, cache_read_tokens=1024, output_tokens=19, reasoning_tokens=128
        ),
        MINI, "complete", complete=True, service_tier="default",
    ),
    "function_call.sse": ReplyFacts(
        Usage(input_tokens=70, output_tokens=21),
        MINI, "tool_calls", complete=True, service_tier="priority",
    ),
    "refusal.sse": ReplyFacts(
        Usage(input_tokens=40, output_tokens=12),
        MINI, "refused", complete=True, service_tier="default",
    ),
    "incomplete.sse": ReplyFacts(
        Usage(
            input_tokens=10, cache_write_5m_tokens=20, output_tokens=3, reasoning_tokens=13
        ),
        MINI, "truncated", complete=True, service_tier="flex",
    ),
    "failed.sse": ReplyFacts(
        None, MINI, "unknown", complete=False, error="The server had an error"
    ),
    "flat_error.sse": ReplyFacts(
        None, MINI, "unknown", complete=False, error="Too many tokens"
    ),
    "web_search.sse": ReplyFacts(
        Usage(
            input_tokens=8400, output_tokens=20, reasoning_tokens=40, web_search_requests=1
        ),
        MINI, "complete", complete=True, service_tier="default",
    ),
    "unnamed_without_output.sse": ReplyFacts(
        Usage(input_tokens=9, output_tokens=4, reasoning_tokens=5),
        "some/model", "complete", complete=True,
    ),
}  # fmt: skip
TEXTS = {
    "reasoning_text.sse": ("**Recalling lamps**", 'Hold both buttons, five seconds: "pair".'),
    "function_call.sse": ('{"city":"Łódź"}', "get_weather"),
    "refusal.sse": ("I cannot help with that.",),
    "incomplete.sse": ("Once upon a",),
    "failed.sse": ("Half of it",),
    "flat_error.sse": (),
    "web_search.sse": ("Recalled.",),
    "unnamed_without_output.sse": ("Bonjour !",),
}
BROKEN = {"failed.sse", "flat_error.sse"}
WHOLE = sorted(set(STREAMS) - BROKEN - {"unnamed_without_output.sse"})


def test_every_recorded_stream_has_its_facts() -> None:
    """A new recording needs its expectation."""
    assert sorted(FACTS) == sorted(TEXTS) == STREAMS


@pytest.mark.parametrize("name", sorted(set(STREAMS) - {"unnamed_without_output.sse"}))
def test_recordings_are_what_the_sdk_expects(name: str) -> None:
    """Each event fits the SDK's own types; so the recordings can be believed."""
    events = TypeAdapter[ResponseStreamEvent](ResponseStreamEvent)
    for raw in split((BODIES / name).read_bytes()):
        fields = json.loads(event_fields(raw)[1])
        if fields["type"] == "response.output_item.added" and "action" not in fields["item"]:
            fields["item"].setdefault("action", {"type": "search"})  # missing while it begins
        if fields["type"] != "error":  # nested on the wire, flat in the types
            events.validate_python(fields)


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_facts_of_a_stream(name: str, end: bytes) -> None:
    """Usage in its buckets, model, end, tier and error, whatever ends the lines."""
    body = (BODIES / name).read_bytes().replace(b"\n", end)
    reader = RESPONSES.stream_reader(hide_usage=True)
    assert reader.feed(body) + reader.close() == body
    assert reader.facts == FACTS[name]
    assert reader.complete is FACTS[name].complete


@pytest.mark.parametrize("name", STREAMS)
def test_texts_of_a_stream(name: str) -> None:
    """What was said, once, without the padding; names of tools too."""
    assert RESPONSES.reply_texts((BODIES / name).read_bytes()) == TEXTS[name]


@pytest.mark.parametrize("name", WHOLE)
def test_a_stream_makes_its_last_word(name: str) -> None:
    """The document is the response of the last event, and has the same facts."""
    body = (BODIES / name).read_bytes()
    last = json.loads(event_fields(split(body)[-1])[1])["response"]
    made = RESPONSES.from_stream(body)
    assert json.loads(made) == last
    assert RESPONSES.read_reply(made) == FACTS[name]
    Response.model_validate_json(made)


def test_a_last_word_without_output_gets_the_items_that_were_done() -> None:
    """Some servers leave it out."""
    made = json.loads(RESPONSES.from_stream((BODIES / "unnamed_without_output.sse").read_bytes()))
    assert made["output"][0]["content"][0]["text"] == "Bonjour !"
    assert made["usage"]["total_tokens"] == 18


def test_errors_become_error_bodies() -> None:
    """Wherever the provider puts its fields."""
    nested = json.loads(RESPONSES.from_stream((BODIES / "failed.sse").read_bytes()))
    flat = json.loads(RESPONSES.from_stream((BODIES / "flat_error.sse").read_bytes()))
    assert nested["error"]["message"] == "The server had an error"
    assert flat["error"] == {
        "message": "Too many tokens",
        "type": "server_error",
        "code": "rate_limit_exceeded",
        "param": None,
    }


@pytest.mark.parametrize("cut", [0.3, 0.5, 0.7, 0.9])
def test_a_broken_stream_makes_what_had_arrived(cut: float) -> None:
    """A prefix of every text, in a response that has not ended."""
    body = (BODIES / "reasoning_text.sse").read_bytes()
    events = split(body)
    part = b"".join(events[: int(len(events) * cut)])
    made = json.loads(RESPONSES.from_stream(part))
    assert made["status"] == "in_progress"
    assert not RESPONSES.read_reply(json.dumps(made).encode()).complete
    said = "".join(RESPONSES.reply_texts(json.dumps(made).encode()))
    assert said == "".join(RESPONSES.reply_texts(part))
    assert "".join(TEXTS["reasoning_text.sse"]).startswith(said)


def test_facts_of_a_whole_reply() -> None:
    """Writes to the prefix cache by their time to live; no token in two buckets."""
    body = (BODIES / "reply.json").read_bytes()
    facts = RESPONSES.read_reply(body)
    assert facts == ReplyFacts(
        Usage(
            input_tokens=500,
            cache_read_tokens=1000,
            cache_write_5m_tokens=500,
            cache_write_1h_tokens=1000,
            output_tokens=44,
            reasoning_tokens=256,
        ),
        MINI,
        "tool_calls",
        complete=True,
        service_tier="default",
    )
    assert facts.usage is not None
    assert (facts.usage.total_input_tokens, facts.usage.total_output_tokens) == (3000, 300)
    assert RESPONSES.reply_texts(body) == (
        "**Recalling lamps**",
        "Hold both buttons.",
        "get_weather",
        '{"city":"Łódź"}',
    )


def test_facts_of_embeddings() -> None:
    """Vectors as numbers or Base64; only what went in is counted."""
    body = (BODIES / "embeddings.json").read_bytes()
    assert DIALECTS["openai.embeddings"].read_reply(body) == ReplyFacts(
        Usage(input_tokens=8), "text-embedding-3-small", "complete", complete=True
    )
