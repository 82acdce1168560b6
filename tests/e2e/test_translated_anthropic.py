"""Anthropic's SDK, answered by a model of OpenAI's: nothing of it knows the difference."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from anthropic.types import MessageParam, TextBlock, ToolUseBlock

from scrimp.money import decimal_usd
from scrimp.simulator import Simulator
from tests.support.gateway import RunningGateway, gateway
from tests.support.translating import PIXEL, SCHEMA

MODEL = "gpt-4o-mini"
ASK: list[MessageParam] = [{"role": "user", "content": "How do I return a parcel?"}]
TOOLS: Any = [
    {
        "name": name,
        "description": what,
        "input_schema": {"type": "object", "properties": {"order_id": {"type": "string"}}},
    }
    for name, what in (("order_status", "Status of an order"), ("parcel_place", "Where it is"))
]
TOOL_BODY: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 500,
    "messages": [
        {"role": "user", "content": "What is the status of order A-1042, and its parcel's place?"}
    ],
    "tools": TOOLS,
}
SETTINGS = "[exact_cache]\nenabled = false\n[retry]\nattempts = 1\n"


@pytest.fixture(scope="module")
def sim() -> Iterator[Simulator]:
    """A running simulator."""
    with Simulator() as running:
        yield running


@pytest.fixture(scope="module")
def scrimp(sim: Simulator) -> Iterator[RunningGateway]:
    """A gateway that remembers and repeats nothing, so that each call reaches the provider."""
    with gateway(sim.url, more=SETTINGS) as running:
        yield running


@pytest.fixture
def client(sim: Simulator, scrimp: RunningGateway) -> Iterator[anthropic.Anthropic]:
    """A client that does not retry by itself, at a provider that has seen nothing yet."""
    sim.reset()
    with anthropic.Anthropic(base_url=scrimp.url, api_key="sk-x", max_retries=0) as made:
        yield made


def sent(sim: Simulator, number: int = -1) -> dict[str, Any]:
    """The body that the provider got."""
    found: dict[str, Any] = json.loads(sim.requests[number].body)
    return found


def text_of(message: anthropic.types.Message) -> str:
    """What was said."""
    return "".join(block.text for block in message.content if isinstance(block, TextBlock))


def test_a_reply_has_everything_that_the_sdk_reads(
    sim: Simulator, scrimp: RunningGateway, client: anthropic.Anthropic
) -> None:
    """The provider's words and id, the bill's usage; cost and ledger to the nano-dollar."""
    raw = client.messages.with_raw_response.create(
        model=MODEL, max_tokens=400, system="You are the support of a shop.", messages=ASK
    )
    reply, row = raw.parse(), sim.bill.rows[0]
    assert (reply.type, reply.role, reply.stop_reason) == ("message", "assistant", "end_turn")
    assert reply.model.startswith(MODEL)
    assert text_of(reply)
    assert reply.usage.input_tokens == row.usage.total_input_tokens
    assert reply.usage.output_tokens == row.usage.total_output_tokens
    assert raw.headers["request-id"] == row.request_id
    assert raw.headers["x-scrimp-cost-usd"] == decimal_usd(row.billed_nanousd)
    assert sim.requests[0].path == "/v1/chat/completions"
    assert sim.requests[0].header("anthropic-version") is None
    assert sent(sim)["messages"][0]["role"] == "system"
    assert sent(sim)["max_completion_tokens"] == 400
    entry = scrimp.entries()[-1]
    assert (entry.dialect, entry.provider) == ("anthropic.messages", "openai")
    assert entry.cost_nanousd == row.billed_nanousd
    assert entry.attempts[0].target.dialect == "openai.chat"


def test_a_stream_says_word_for_word_what_the_reply_says(
    sim: Simulator, scrimp: RunningGateway, client: anthropic.Anthropic
) -> None:
    """Event by event, by the SDK's own collector, with the bill's usage at its end."""
    whole = client.messages.create(model=MODEL, max_tokens=400, messages=ASK)
    with client.messages.stream(model=MODEL, max_tokens=400, messages=ASK) as stream:
        pieces = list(stream.text_stream)
        final = stream.get_final_message()
    assert len(pieces) > 8
    assert "".join(pieces) == text_of(final) == text_of(whole)
    assert final.usage.input_tokens == whole.usage.input_tokens
    assert final.usage.output_tokens == whole.usage.output_tokens
    assert scrimp.entries()[-1].cost_nanousd == sim.bill.rows[-1].billed_nanousd
    kinds = [
        event.type
        for event in client.messages.create(model=MODEL, max_tokens=400, messages=ASK, stream=True)
    ]
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]


def test_parallel_tools_over_several_turns(sim: Simulator, client: anthropic.Anthropic) -> None:
    """By JSON and by stream; the SDK's own blocks go back with both results."""
    create: Any = client.messages.create
    reply = create(**TOOL_BODY)
    calls = [block for block in reply.content if isinstance(block, ToolUseBlock)]
    assert reply.stop_reason == "tool_use"
    assert [call.name for call in calls] == ["order_status", "parcel_place"]
    assert calls[0].input == {"order_id": "A-1042"}
    with client.messages.stream(**TOOL_BODY) as stream:
        streamed = stream.get_final_message()
    found = [block.input for block in streamed.content if isinstance(block, ToolUseBlock)]
    assert found == [call.input for call in calls]
    results = [
        {"type": "tool_result", "tool_use_id": calls[0].id, "content": "left Lyon"},
        {"type": "tool_result", "tool_use_id": calls[1].id, "content": "x", "is_error": True},
    ]
    turns = [
        *TOOL_BODY["messages"],
        {"role": "assistant", "content": reply.content},
        {"role": "user", "content": results},
    ]
    spoken = create(**{**TOOL_BODY, "messages": turns})
    assert spoken.stop_reason == "end_turn"
    told = sent(sim)["messages"][-2:]
    assert [one["tool_call_id"] for one in told] == [call.id for call in calls]
    assert [one["content"] for one in told] == ["left Lyon", "Error: x"]
    choice = {"type": "tool", "name": "order_status", "disable_parallel_tool_use": True}
    one = create(**TOOL_BODY, tool_choice=choice)
    assert one.stop_reason == "tool_use"
    assert sent(sim)["parallel_tool_calls"] is False


def test_images_and_documents_reach_the_model(
    sim: Simulator, scrimp: RunningGateway, client: anthropic.Anthropic
) -> None:
    """And are billed as OpenAI counts them."""
    content: Any = [
        {"type": "text", "text": "What is this?"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjc="},
        },
    ]
    ask: list[MessageParam] = [{"role": "user", "content": content}]
    client.messages.create(model=MODEL, max_tokens=100, messages=ask)
    parts = sent(sim)["messages"][0]["content"]
    assert [part["type"] for part in parts] == ["text", "image_url", "file"]
    assert scrimp.entries()[-1].cost_nanousd == sim.bill.total_nanousd


def test_an_answer_by_a_schema(sim: Simulator, client: anthropic.Anthropic) -> None:
    """Strict there, as Anthropic's own is."""
    reply = client.messages.create(
        model=MODEL,
        max_tokens=300,
        messages=ASK,
        output_config={"format": {"type": "json_schema", "schema": SCHEMA}},
    )
    assert set(json.loads(text_of(reply))) == {"city"}
    assert sent(sim)["response_format"]["json_schema"]["strict"] is True


def test_a_limit_of_output_ends_the_message_as_anthropics_does(
    client: anthropic.Anthropic,
) -> None:
    """Streamed and whole."""
    reply = client.messages.create(model=MODEL, max_tokens=3, messages=ASK)
    assert reply.stop_reason == "max_tokens"
    with client.messages.stream(model=MODEL, max_tokens=3, messages=ASK) as stream:
        assert stream.get_final_message().stop_reason == "max_tokens"


@pytest.mark.parametrize(
    ("fault", "error", "kind"),
    [
        ("429:retry-after=7", anthropic.RateLimitError, "rate_limit_error"),
        ("500", anthropic.InternalServerError, "api_error"),
        ("503", anthropic.InternalServerError, "overloaded_error"),
    ],
)
def test_errors_raise_the_sdks_own_exceptions(
    sim: Simulator,
    client: anthropic.Anthropic,
    fault: str,
    error: type[anthropic.APIStatusError],
    kind: str,
) -> None:
    """With the provider's status and words, and what it says of when to come back."""
    sim.fault(fault, count=1)
    with pytest.raises(error) as caught:
        client.messages.create(model=MODEL, max_tokens=100, messages=ASK)
    assert caught.value.status_code == int(fault[:3])
    body: Any = caught.value.body
    assert (body["type"], body["error"]["type"]) == ("error", kind)
    assert caught.value.request_id == sim.requests[0].request_id
    if "retry-after" in fault:
        assert caught.value.response.headers["retry-after"] == "7"


@pytest.mark.parametrize("fault", ["error-event=3", "cut=2000", "early-end=3"])
def test_a_stream_that_breaks_never_looks_whole_and_is_booked_with_bounds(
    sim: Simulator, scrimp: RunningGateway, client: anthropic.Anthropic, fault: str
) -> None:
    """What had been produced lies between the bounds of what is booked."""
    sim.fault(fault, count=1)
    heard: list[str] = []
    stream = client.messages.create(model=MODEL, max_tokens=400, messages=ASK, stream=True)
    with pytest.raises(anthropic.APIError):
        heard.extend(event.type for event in stream)
    assert heard[0] == "message_start"
    assert "message_stop" not in heard
    entry, row = scrimp.entries()[-1], sim.bill.rows[-1]
    assert (entry.outcome, entry.cost_basis) == ("cut", "estimate")
    assert entry.cost_low_nanousd is not None
    assert entry.cost_high_nanousd is not None
    assert entry.cost_low_nanousd <= row.billed_nanousd <= entry.cost_high_nanousd


def test_what_has_no_counterpart_is_refused_before_anything_is_sent(
    sim: Simulator, client: anthropic.Anthropic
) -> None:
    """By name, as the SDK's own exception, with the way out."""
    with pytest.raises(anthropic.BadRequestError, match=r"thinking\.budget_tokens.*adaptive"):
        client.messages.create(
            model=MODEL,
            max_tokens=2000,
            messages=ASK,
            thinking={"type": "enabled", "budget_tokens": 1024},
        )
    with pytest.raises(anthropic.BadRequestError, match=r"this call speaks anthropic\.count_tok"):
        client.messages.count_tokens(model=MODEL, messages=ASK)
    assert not sim.requests


def test_a_budget_is_never_overspent_by_a_translated_call() -> None:
    """What is held is what the provider may bill; what is settled is its bill."""
    more = '[budgets.day]\nusd = 0.01\nper = "day"\nhard = true\n[exact_cache]\nenabled = false\n'
    with (
        Simulator() as sim,
        gateway(sim.url, more=more) as scrimp,
        anthropic.Anthropic(base_url=scrimp.url, api_key="sk-x", max_retries=0) as client,
    ):

        def spend() -> None:
            while True:
                client.messages.create(model="gpt-4.1", max_tokens=200, messages=ASK)

        with pytest.raises(anthropic.RateLimitError):
            spend()
        spent = sum(entry.cost_nanousd or 0 for entry in scrimp.entries())
        assert 0 < spent == sim.bill.total_nanousd <= 10_000_000


def test_a_remembered_answer_is_in_the_clients_dialect() -> None:
    """Whole first, then streamed: one answer, one bill."""
    with (
        Simulator() as sim,
        gateway(sim.url) as scrimp,
        anthropic.Anthropic(base_url=scrimp.url, api_key="sk-x", max_retries=0) as client,
    ):
        with client.messages.stream(model=MODEL, max_tokens=400, messages=ASK) as first:
            said = first.get_final_message()
        whole = client.messages.create(model=MODEL, max_tokens=400, messages=ASK)
        with client.messages.stream(model=MODEL, max_tokens=400, messages=ASK) as again:
            once_more = again.get_final_message()
        assert text_of(said) == text_of(whole) == text_of(once_more)
        assert said.usage.output_tokens == whole.usage.output_tokens
        assert len(sim.bill.rows) == 1
        assert [entry.served_by for entry in scrimp.entries()][1:] == ["exact_cache"] * 2
