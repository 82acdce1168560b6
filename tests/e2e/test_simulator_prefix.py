"""Prompt caching as SDKs see it: in usage, in streams, and on the bill."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from scrimp.simulator import Simulator

LONG = "The shop sends parcels on weekdays only. " * 200


@pytest.fixture
def sim() -> Iterator[Simulator]:
    """A running simulator that discounts."""
    with Simulator(prefix_cache=True) as running:
        yield running


def test_openai_tells_what_was_read(sim: Simulator) -> None:
    """In chat completions and responses, and it is over after five minutes."""
    with openai.OpenAI(base_url=sim.openai_url, api_key="k", max_retries=0) as client:

        def chat() -> int:
            reply = client.chat.completions.create(
                model="gpt-4o",
                messages=[{"role": "system", "content": LONG}, {"role": "user", "content": "Hi"}],
            )
            assert reply.usage is not None
            assert reply.usage.prompt_tokens_details is not None
            return reply.usage.prompt_tokens_details.cached_tokens or 0

        def respond(text: str, earlier: str | None = None) -> tuple[str, int]:
            reply = client.responses.create(
                model="gpt-4o", input=text, previous_response_id=earlier, stream=True
            )
            *_, last = reply
            assert last.type == "response.completed"
            assert last.response.usage is not None
            return last.response.id, last.response.usage.input_tokens_details.cached_tokens

        assert (chat(), chat() >= 1024) == (0, True)
        sim.advance(301)
        assert chat() == 0
        first, read = respond(LONG)
        assert read == 0
        assert respond("And then?", first)[1] >= 1024
    assert [row.usage.cache_read_tokens > 0 for row in sim.bill.rows] == [
        False,
        True,
        False,
        False,
        True,
    ]


def test_anthropic_tells_what_was_written_and_read(sim: Simulator) -> None:
    """Also at the start of a stream; both lives apart."""
    body: dict[str, Any] = {
        "model": "claude-sonnet-4-6",
        "max_tokens": 50,
        "system": [
            {
                "type": "text",
                "text": LONG,
                "cache_control": {"type": "ephemeral", "ttl": "1h"},
            }
        ],
        "messages": [{"role": "user", "content": "Hello"}],
    }
    with anthropic.Anthropic(base_url=sim.url, api_key="k", max_retries=0) as client:
        wrote = client.messages.create(**body).usage
        assert wrote.cache_creation is not None
        written = wrote.cache_creation.ephemeral_1h_input_tokens
        assert written == wrote.cache_creation_input_tokens
        assert written is not None
        assert written > 1024
        events = list(client.messages.create(**body, stream=True))
        assert events[0].type == "message_start"
        assert events[0].message.usage.cache_read_input_tokens == written
        delta = next(event for event in events if event.type == "message_delta")
        assert delta.usage.cache_read_input_tokens == written
        with pytest.raises(anthropic.BadRequestError, match="maximum of 4"):
            client.messages.create(**(body | {"system": body["system"] * 5}))
    one, two = sim.bill.rows
    assert one.usage.cache_write_1h_tokens == two.usage.cache_read_tokens == written
    assert one.billed_nanousd > 5 * two.billed_nanousd
