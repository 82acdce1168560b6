"""The OpenAI SDK, answered by a model of Anthropic's: nothing of it knows the difference."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pydantic
import pytest
from openai.types.chat import ChatCompletionMessageParam

from scrimp.money import decimal_usd
from scrimp.simulator import Simulator
from tests.support.gateway import RunningGateway, gateway
from tests.support.stage import until
from tests.support.translating import PIXEL

MODEL = "claude-haiku-4-5"
ASK: list[ChatCompletionMessageParam] = [
    {"role": "system", "content": "You are the support of a shop."},
    {"role": "user", "content": "How do I return a parcel?"},
]
TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": what,
            "parameters": {"type": "object", "properties": {"order_id": {"type": "string"}}},
        },
    }
    for name, what in (("order_status", "Status of an order"), ("parcel_place", "Where it is"))
]
TOOL_BODY: dict[str, Any] = {
    "model": MODEL,
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
def client(sim: Simulator, scrimp: RunningGateway) -> Iterator[openai.OpenAI]:
    """A client that does not retry by itself, at a provider that has seen nothing yet."""
    sim.reset()
    with openai.OpenAI(base_url=scrimp.openai_url, api_key="sk-x", max_retries=0) as made:
        yield made


def sent(sim: Simulator, number: int = -1) -> dict[str, Any]:
    """The body that the provider got."""
    found: dict[str, Any] = json.loads(sim.requests[number].body)
    return found


def test_a_reply_has_everything_that_the_sdk_reads(
    sim: Simulator, scrimp: RunningGateway, client: openai.OpenAI
) -> None:
    """The provider's words and id, the bill's usage; cost and ledger to the nano-dollar."""
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=ASK)
    reply, row = raw.parse(), sim.bill.rows[0]
    assert reply.object == "chat.completion"
    assert reply.model.startswith(MODEL)
    assert reply.choices[0].message.content
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage is not None
    assert reply.usage.prompt_tokens == row.usage.total_input_tokens
    assert reply.usage.completion_tokens == row.usage.total_output_tokens
    assert raw.headers["x-request-id"] == row.request_id
    assert raw.headers["x-scrimp-cost-usd"] == decimal_usd(row.billed_nanousd)
    assert "translate=anthropic.messages" in raw.headers["x-scrimp-trace"]
    assert sim.requests[0].path == "/v1/messages"
    assert sim.requests[0].header("anthropic-version") == "2023-06-01"
    assert sim.requests[0].header("x-stainless-lang") is None
    assert sent(sim)["system"] == ASK[0]["content"]
    entry = scrimp.entries()[-1]
    assert (entry.dialect, entry.provider) == ("openai.chat", "anthropic")
    assert entry.cost_nanousd == row.billed_nanousd
    assert entry.cost_basis == "usage"
    assert entry.attempts[0].request_id == row.request_id
    assert entry.attempts[0].target.dialect == "anthropic.messages"


def test_a_stream_says_word_for_word_what_the_reply_says(
    sim: Simulator, scrimp: RunningGateway, client: openai.OpenAI
) -> None:
    """In many chunks, by the SDK's own collector too; usage where it was asked for."""
    whole = client.chat.completions.create(model=MODEL, messages=ASK)
    chunks = list(client.chat.completions.create(model=MODEL, messages=ASK, stream=True))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == whole.choices[0].message.content
    assert len(chunks) > 8
    assert all(chunk.usage is None for chunk in chunks)
    options: Any = {"include_usage": True}
    with client.chat.completions.stream(
        model=MODEL, messages=ASK, stream_options=options
    ) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].message.content == text
    assert final.usage is not None
    assert final.usage.total_tokens == whole.usage.total_tokens if whole.usage else False
    entry = scrimp.entries()[-1]
    assert entry.cost_nanousd == sim.bill.rows[-1].billed_nanousd
    assert entry.ttft_ms is not None


def test_parallel_tools_over_several_turns(sim: Simulator, client: openai.OpenAI) -> None:
    """By JSON and by stream; the SDK's own message goes back with both results."""
    create: Any = client.chat.completions.create
    reply = create(**TOOL_BODY)
    message = reply.choices[0].message
    assert reply.choices[0].finish_reason == "tool_calls"
    assert [call.function.name for call in message.tool_calls] == ["order_status", "parcel_place"]
    assert json.loads(message.tool_calls[0].function.arguments) == {"order_id": "A-1042"}
    with client.chat.completions.stream(**TOOL_BODY) as stream:
        streamed = stream.get_final_completion().choices[0].message
    said = [call.function.arguments for call in message.tool_calls]
    assert [call.function.arguments for call in streamed.tool_calls or ()] == said
    turns = [*TOOL_BODY["messages"], message]
    turns += [
        {"role": "tool", "tool_call_id": call.id, "content": f"left Lyon, {call.function.name}"}
        for call in message.tool_calls
    ]
    spoken = create(**{**TOOL_BODY, "messages": turns})
    assert "left Lyon" in spoken.choices[0].message.content
    results = sent(sim)["messages"][-1]["content"]
    assert [block["type"] for block in results] == ["tool_result", "tool_result"]
    one = create(**TOOL_BODY, parallel_tool_calls=False, tool_choice="required")
    assert len(one.choices[0].message.tool_calls) == 1


def test_images_and_documents_reach_the_model(
    sim: Simulator, scrimp: RunningGateway, client: openai.OpenAI
) -> None:
    """And are billed as Anthropic counts them."""
    content: Any = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "JVBERi0xLjc="}},
    ]
    client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": content}])
    blocks = sent(sim)["messages"][0]["content"]
    assert [block["type"] for block in blocks] == ["text", "image", "document"]
    assert scrimp.entries()[-1].cost_nanousd == sim.bill.total_nanousd


class Place(pydantic.BaseModel):
    """What the answer is to be."""

    city: str
    country: str


def test_a_parsed_answer(sim: Simulator, client: openai.OpenAI) -> None:
    """The SDK's own structured outputs."""
    ask: Any = [{"role": "user", "content": "Where is the Eiffel tower?"}]
    found = client.chat.completions.parse(model=MODEL, messages=ask, response_format=Place)
    assert isinstance(found.choices[0].message.parsed, Place)
    assert sent(sim)["output_config"]["format"]["type"] == "json_schema"


def test_thinking_is_counted_and_shown_where_others_look(
    sim: Simulator, client: openai.OpenAI
) -> None:
    """Reasoning tokens are part of the completion."""
    reply = client.chat.completions.create(
        model="claude-sonnet-4-5", messages=ASK, reasoning_effort="high"
    )
    assert sent(sim)["thinking"] == {"type": "adaptive"}
    assert sent(sim)["output_config"] == {"effort": "high"}
    assert reply.usage is not None
    details = reply.usage.completion_tokens_details
    assert details is not None
    assert details.reasoning_tokens
    extra = reply.choices[0].message.model_extra
    assert extra is not None
    assert extra["reasoning_content"]


@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [
        ("429:retry-after=7", openai.RateLimitError, "rate_limit_exceeded"),
        ("500", openai.InternalServerError, None),
        ("529", openai.InternalServerError, "overloaded"),
    ],
)
def test_errors_raise_the_sdks_own_exceptions(
    sim: Simulator, client: openai.OpenAI, fault: str, error: type[openai.APIStatusError], code: str
) -> None:
    """With the provider's status and words, and what it says of when to come back."""
    sim.fault(fault, count=1)
    with pytest.raises(error) as caught:
        client.chat.completions.create(model=MODEL, messages=ASK)
    assert caught.value.status_code == int(fault[:3])
    assert caught.value.code == code
    assert caught.value.request_id == sim.requests[0].request_id
    if "retry-after" in fault:
        assert caught.value.response.headers["retry-after"] == "7"


@pytest.mark.parametrize("fault", ["error-event=3", "cut=2000", "early-end=3"])
def test_a_stream_that_breaks_never_looks_whole_and_is_booked_with_bounds(
    sim: Simulator, scrimp: RunningGateway, client: openai.OpenAI, fault: str
) -> None:
    """What had been produced lies between the bounds of what is booked."""
    sim.fault(fault, count=1)
    finishes: list[str | None] = []
    stream = client.chat.completions.create(model=MODEL, messages=ASK, stream=True)
    with pytest.raises(openai.APIError):
        finishes.extend(choice.finish_reason for chunk in stream for choice in chunk.choices)
    assert finishes
    assert set(finishes) == {None}
    entry, row = scrimp.entries()[-1], sim.bill.rows[-1]
    assert entry.outcome == "cut"
    assert entry.cost_basis == "estimate"
    assert entry.cost_low_nanousd is not None
    assert entry.cost_high_nanousd is not None
    assert entry.cost_low_nanousd <= row.billed_nanousd <= entry.cost_high_nanousd


def test_who_leaves_stops_the_provider(sim: Simulator, scrimp: RunningGateway) -> None:
    """In the middle of a stream, as without translation."""
    sim.reset()
    sim.fault("drip=200", count=1)
    with (
        openai.OpenAI(base_url=scrimp.openai_url, api_key="sk-x", max_retries=0) as client,
        client.chat.completions.create(model=MODEL, messages=ASK, stream=True) as stream,
    ):
        next(iter(stream))
    until(lambda: bool(sim.bill.rows) and sim.bill.rows[0].delivered == "left")
    until(lambda: scrimp.entries()[-1].outcome == "cancelled")


def test_what_has_no_counterpart_is_refused_before_anything_is_sent(
    sim: Simulator, scrimp: RunningGateway, client: openai.OpenAI
) -> None:
    """By name, as the SDK's own exception."""
    with pytest.raises(openai.BadRequestError, match="'n' has no counterpart in anthropic"):
        client.chat.completions.create(model=MODEL, messages=ASK, n=2)
    assert not sim.requests
    assert scrimp.entries()[-1].outcome == "refused"
    assert scrimp.entries()[-1].cost_nanousd == 0


def test_responses_and_embeddings_are_not_translated(client: openai.OpenAI) -> None:
    """They are refused clearly, as ever."""
    with pytest.raises(openai.BadRequestError, match=r"which speaks anthropic\.messages"):
        client.responses.create(model=MODEL, input="Hi")
    with pytest.raises(openai.BadRequestError, match=r"this call speaks openai\.embeddings"):
        client.embeddings.create(model=MODEL, input="Hi")


def test_a_remembered_answer_is_in_the_clients_dialect() -> None:
    """Streamed first, then asked for whole, and the other way: one answer, one bill."""
    with Simulator() as sim, gateway(sim.url) as scrimp:
        with openai.OpenAI(base_url=scrimp.openai_url, api_key="sk-x", max_retries=0) as client:
            create: Any = client.chat.completions.create
            body: dict[str, Any] = {"model": MODEL, "messages": ASK, "temperature": 0}
            chunks = list(create(**body, stream=True))
            first = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
            whole = create(**body)
            again = list(create(**body, stream=True, stream_options={"include_usage": True}))
        assert whole.choices[0].message.content == first
        assert "".join(c.choices[0].delta.content or "" for c in again if c.choices) == first
        assert again[-1].usage == whole.usage
        assert len(sim.bill.rows) == 1
        assert [entry.served_by for entry in scrimp.entries()] == [
            "upstream",
            "exact_cache",
            "exact_cache",
        ]


def test_a_clients_own_key_reaches_a_provider_of_the_other_dialect() -> None:
    """In the header that it reads; the gateway adds none of its own."""
    with Simulator() as sim:
        provider = f'[providers.anthropic]\nbase_url = "{sim.url}/v1"\n'
        provider += 'dialects = ["anthropic.messages"]\n'
        more = '[auth]\nmode = "passthrough"\n'
        with (
            gateway(sim.url, more=more, providers=provider) as scrimp,
            openai.OpenAI(base_url=scrimp.openai_url, api_key="sk-ant-own") as client,
        ):
            client.chat.completions.create(model=MODEL, messages=ASK)
        assert sim.requests[0].header("x-api-key") == "sk-ant-own"
        assert sim.requests[0].header("authorization") is None


def test_a_clients_own_key_never_reaches_another_vendor_unasked() -> None:
    """A model's name alone sends nobody's key elsewhere; `provider/model` does."""
    with (
        Simulator() as sim,
        gateway(sim.url, more='[auth]\nmode = "passthrough"\n') as scrimp,
        openai.OpenAI(base_url=scrimp.openai_url, api_key="sk-mine", max_retries=0) as client,
    ):
        with pytest.raises(openai.BadRequestError, match="a key that is passed on goes to"):
            client.chat.completions.create(model=MODEL, messages=ASK)
        assert not sim.requests
        client.chat.completions.create(model=f"anthropic/{MODEL}", messages=ASK)
        assert sim.requests[0].header("x-api-key") == "sk-mine"


def test_an_estimate_is_of_what_the_provider_gets(client: openai.OpenAI) -> None:
    """An image counts by the rules of who looks at it; what would be refused is refused."""
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    call: Any = {"model": MODEL, "messages": [{"role": "user", "content": [image]}]}
    told: Any = client.post("/scrimp/estimate", body={"call": call}, cast_to=object)
    assert (told["dialect"], told["provider"]) == ("anthropic.messages", "anthropic")
    assert told["upper_nanousd"] >= 64_000 * 5_000
    with pytest.raises(openai.BadRequestError, match="'n' has no counterpart"):
        client.post("/scrimp/estimate", body={"call": {**call, "n": 2}}, cast_to=object)
