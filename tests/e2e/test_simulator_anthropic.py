"""The simulator seen through Anthropic's own SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import anthropic
import pytest
from anthropic.types import MessageParam, TextBlock, ToolParam, ToolUseBlock

from scrimp.simulator import Simulator
from scrimp.simulator.bill import MODELS, Usage, billed_nanousd

MODEL = "claude-haiku-4-5"
ASK: list[MessageParam] = [{"role": "user", "content": "How do I return a parcel?"}]
LOOKUP: ToolParam = {
    "name": "track_parcel",
    "description": "Where a parcel is",
    "input_schema": {"type": "object", "properties": {"tracking_number": {"type": "string"}}},
}


@pytest.fixture
def client(sim: Simulator) -> Iterator[anthropic.Anthropic]:
    """A client that does not retry by itself."""
    with anthropic.Anthropic(base_url=sim.url, api_key="sk-x", max_retries=0) as made:
        yield made


@pytest.fixture
async def aclient(sim: Simulator) -> AsyncIterator[anthropic.AsyncAnthropic]:
    """The same, asynchronous."""
    async with anthropic.AsyncAnthropic(base_url=sim.url, api_key="sk-x", max_retries=0) as made:
        yield made


def test_a_reply_has_everything_that_the_sdk_reads(
    sim: Simulator, client: anthropic.Anthropic
) -> None:
    """Text, dated model id, usage, request id."""
    raw = client.messages.with_raw_response.create(model=MODEL, max_tokens=500, messages=ASK)
    reply = raw.parse()
    assert isinstance(reply.content[0], TextBlock)
    assert reply.content[0].text
    assert reply.stop_reason == "end_turn"
    assert reply.model == "claude-haiku-4-5-20251001"
    assert raw.headers["request-id"] == sim.bill.rows[0].request_id
    assert raw.headers["anthropic-ratelimit-requests-limit"]


def test_a_stream_ends_with_the_reply(client: anthropic.Anthropic) -> None:
    """What the SDK puts together from the events is the JSON reply, its usage included."""
    whole = client.messages.create(model=MODEL, max_tokens=500, messages=ASK)
    with client.messages.stream(model=MODEL, max_tokens=500, messages=ASK) as stream:
        streamed = stream.get_final_message()
    assert [block.to_dict() for block in streamed.content] == [
        block.to_dict() for block in whole.content
    ]
    assert streamed.stop_reason == whole.stop_reason
    assert streamed.usage.input_tokens == whole.usage.input_tokens
    assert streamed.usage.output_tokens == whole.usage.output_tokens


def test_events_come_in_the_vendors_order(client: anthropic.Anthropic) -> None:
    """message_start, blocks, message_delta, message_stop; message_start knows the input only."""
    events = list(client.messages.create(model=MODEL, max_tokens=9, messages=ASK, stream=True))
    kinds = [event.type for event in events]
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    start, delta = events[0], events[-2]
    assert start.type == "message_start"
    assert delta.type == "message_delta"
    assert start.message.usage.output_tokens == 1 < delta.usage.output_tokens <= 9
    assert delta.delta.stop_reason == "max_tokens"


def test_a_tool_is_used_and_its_result_spoken_of(client: anthropic.Anthropic) -> None:
    """Call by stream, answer after the result."""
    asked: MessageParam = {"role": "user", "content": "Please track my parcel 778812"}
    with client.messages.stream(
        model=MODEL, max_tokens=500, messages=[asked], tools=[LOOKUP]
    ) as stream:
        reply = stream.get_final_message()
    assert reply.stop_reason == "tool_use"
    call = reply.content[0]
    assert isinstance(call, ToolUseBlock)
    assert call.input == {"tracking_number": "778812"}
    result: MessageParam = {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "in Lyon"}],
    }
    used: MessageParam = {
        "role": "assistant",
        "content": [
            {"type": "tool_use", "id": call.id, "name": "track_parcel", "input": call.input}
        ],
    }
    spoken = client.messages.create(
        model=MODEL, max_tokens=500, messages=[asked, used, result], tools=[LOOKUP]
    )
    assert isinstance(spoken.content[0], TextBlock)
    assert "in Lyon" in spoken.content[0].text


async def test_thinking_comes_first_and_is_paid_as_output(
    aclient: anthropic.AsyncAnthropic,
) -> None:
    """A signed thinking block, then text; both count as output."""
    plain = await aclient.messages.create(model=MODEL, max_tokens=2000, messages=ASK)
    async with aclient.messages.stream(
        model=MODEL,
        max_tokens=2000,
        messages=ASK,
        thinking={"type": "enabled", "budget_tokens": 1024},
    ) as stream:
        reply = await stream.get_final_message()
    assert [block.type for block in reply.content] == ["thinking", "text"]
    first = reply.content[0]
    assert first.type == "thinking"
    assert first.signature
    details = reply.usage.output_tokens_details
    assert details is not None
    assert 0 < details.thinking_tokens < reply.usage.output_tokens
    assert reply.usage.output_tokens > plain.usage.output_tokens


def test_counting_is_free_and_agrees_with_the_bill(
    sim: Simulator, client: anthropic.Anthropic
) -> None:
    """count_tokens says what the call will be billed for."""
    counted = client.messages.count_tokens(model=MODEL, messages=ASK, system="Be brief.")
    assert sim.bill.rows == ()
    reply = client.messages.create(model=MODEL, max_tokens=50, messages=ASK, system="Be brief.")
    assert counted.input_tokens == reply.usage.input_tokens


def test_errors_raise_the_sdks_own_classes(sim: Simulator, client: anthropic.Anthropic) -> None:
    """404 and 400 with the vendor's types; nothing is billed."""
    with pytest.raises(anthropic.NotFoundError):
        client.messages.create(model="claude-none", max_tokens=5, messages=ASK)
    with pytest.raises(anthropic.BadRequestError) as bad:
        client.messages.create(model=MODEL, max_tokens=0, messages=ASK)
    assert bad.value.body == {
        "type": "error",
        "error": {
            "type": "invalid_request_error",
            "message": "max_tokens: a whole number of at least 1 is required",
        },
        "request_id": bad.value.request_id,
    }
    assert sim.bill.rows == ()


def test_models_are_anthropics_own(client: anthropic.Anthropic) -> None:
    """The same path as OpenAI's answers in the shape of whoever asks."""
    names = [model.id for model in client.models.list()]
    assert "claude-haiku-4-5-20251001" in names
    assert not any(name.startswith("gpt") for name in names)
    assert client.models.retrieve(MODEL).display_name == "Claude Haiku 4.5"


def test_the_bill_is_the_usage_of_the_replies_times_the_table(
    sim: Simulator, client: anthropic.Anthropic
) -> None:
    """Summed over models and both ways of delivery, to the nano-dollar."""
    owed = 0
    for name in ("claude-haiku-4-5", "claude-opus-4-5", "claude-sonnet-5"):
        reply = client.messages.create(model=name, max_tokens=300, messages=ASK)
        with client.messages.stream(model=name, max_tokens=300, messages=ASK) as stream:
            streamed = stream.get_final_message()
        for usage in (reply.usage, streamed.usage):
            bought = Usage(usage.input_tokens, output_tokens=usage.output_tokens)
            owed += billed_nanousd(bought, MODELS[name].price)
    assert sim.quiet().total_nanousd == owed > 0


def test_marked_prompts_are_written_and_read_where_the_cache_is_on() -> None:
    """The SDK sees both buckets by both ways, and the bill has them at their own rates."""
    body = {
        "model": MODEL,
        "max_tokens": 50,
        "system": [
            {
                "type": "text",
                "text": "Parcels leave on weekdays. " * 900,
                "cache_control": {"type": "ephemeral"},
            }
        ],
        "messages": ASK,
    }
    with (
        Simulator(prefix_cache=True) as sim,
        anthropic.Anthropic(base_url=sim.url, api_key="k", max_retries=0) as client,
    ):
        first = client.messages.create(**body).usage  # type: ignore[call-overload]  # plain JSON
        with client.messages.stream(**body) as stream:  # type: ignore[arg-type]  # plain JSON
            second = stream.get_final_message().usage
        rows = sim.bill.rows
    assert first.cache_creation_input_tokens > 4096
    assert second.cache_read_input_tokens == first.cache_creation_input_tokens
    assert rows[0].usage.cache_write_5m_tokens == first.cache_creation_input_tokens
    assert rows[1].usage.cache_read_tokens == second.cache_read_input_tokens
    assert rows[1].billed_nanousd < rows[0].billed_nanousd
