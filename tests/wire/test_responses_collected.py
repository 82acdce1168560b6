"""Streams made of whole responses, as OpenAI's own SDK collects them again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from openai.types.responses import Response

from scrimp.dialects import DIALECTS

BODIES = Path(__file__).parent / "responses"
RESPONSES = DIALECTS["openai.responses"]
NAMES = ["function_call.sse", "reasoning_text.sse", "refusal.sse", "web_search.sse", "reply.json"]


def whole(name: str) -> bytes:
    """A recorded response as one document."""
    body = (BODIES / name).read_bytes()
    return RESPONSES.from_stream(body) if name.endswith(".sse") else body


def collected(stream: bytes) -> tuple[dict[str, Any], list[Any]]:
    """What the SDK's collector has at the end of a stream, and the events that it told."""

    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=stream)

    with (
        httpx2.Client(transport=httpx2.MockTransport(answer)) as http,
        openai.OpenAI(api_key="k", http_client=http) as client,
        client.responses.stream(model="m", input="x") as events,
    ):
        told = list(events)
        return without_parsed(events.get_final_response().to_dict()), told


def without_parsed(value: Any) -> Any:
    """The SDK adds what it parsed; nobody sent that."""
    if isinstance(value, dict):
        return {k: without_parsed(v) for k, v in value.items() if not k.startswith("parsed")}
    return [without_parsed(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", NAMES)
def test_the_sdk_collects_the_same_response(name: str) -> None:
    """Every item, part and field, from a stream of ours."""
    body = whole(name)
    made, _ = collected(RESPONSES.to_stream(body, include_usage=True))
    assert made == Response.model_validate_json(body).to_dict()


@pytest.mark.parametrize("name", NAMES)
def test_the_deltas_grow_into_the_same_texts(name: str) -> None:
    """Who only listens to deltas hears all of it, each before the event that says it is done."""
    body = whole(name)
    _, told = collected(RESPONSES.to_stream(body, include_usage=True))
    heard: dict[tuple[str, str], str] = {}
    for event in told:
        kind, _, step = event.type.rpartition(".")
        if step == "delta" and isinstance(event.delta, str):
            heard[kind, event.item_id] = heard.get((kind, event.item_id), "") + event.delta
        elif step == "done" and (kind, getattr(event, "item_id", "")) in heard:
            fields = event.to_dict()
            said = fields.get("text", fields.get("arguments", fields.get("refusal")))
            assert heard[kind, event.item_id] == said
    assert sorted(heard.values()) == sorted(
        text for text in RESPONSES.reply_texts(body) if text != "get_weather"
    )


def test_the_sdk_raises_on_an_error_of_ours() -> None:
    """In the middle of a stream, with its message and code."""
    events = RESPONSES.to_stream(whole("reasoning_text.sse"), include_usage=True)
    begun = events[: events.index(b"event: response.output_text.done")]
    with pytest.raises(openai.APIError, match="broke off") as caught:
        collected(begun + RESPONSES.error_event("upstream", "the provider broke off"))
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["type"] == "server_error"


@pytest.mark.parametrize("name", NAMES)
def test_a_document_made_of_a_stream_of_ours_is_the_first_one(name: str) -> None:
    """There and back."""
    body = whole(name)
    again = RESPONSES.from_stream(RESPONSES.to_stream(body, include_usage=True))
    assert json.loads(again) == json.loads(body)
