"""OpenAI's own SDK speaks responses through the gateway: nothing is missing or unpriced."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import openai
import pytest
from openai.types.responses import Response
from pydantic import BaseModel

from scrimp.money import decimal_usd
from scrimp.simulator import Simulator
from tests.support.gateway import RunningGateway, gateway
from tests.support.stage import until

MODEL = "gpt-5-mini"
ASK = "How do I reset my password?"
ORDER: Any = {
    "type": "function",
    "name": "order_status",
    "description": "Where an order is.",
    "parameters": {
        "type": "object",
        "properties": {"order_id": {"type": "string"}},
        "required": ["order_id"],
        "additionalProperties": False,
    },
    "strict": True,
}
PNG = base64.b64encode(
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (64).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
).decode()
SETTINGS = """
[exact_cache]
enabled = false
[retry]
attempts = 1
[models."house-mini"]
provider = "openai"
model = "gpt-5-mini"
"""


class Verdict(BaseModel):
    """A structured answer."""

    label: str
    sure: bool


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """A running simulator."""
    with Simulator() as running:
        yield running


@pytest.fixture
def sim(simulator: Simulator) -> Simulator:
    """The same, with nothing in its memory."""
    simulator.reset()
    return simulator


@pytest.fixture(scope="module")
def scrimp(simulator: Simulator) -> Iterator[RunningGateway]:
    """A gateway that remembers and repeats nothing, so that each call reaches the provider."""
    with gateway(simulator.url, more=SETTINGS) as running:
        yield running


@pytest.fixture
def client(scrimp: RunningGateway) -> Iterator[openai.OpenAI]:
    """A client that does not retry by itself."""
    with openai.OpenAI(base_url=scrimp.openai_url, api_key="sk-x", max_retries=0) as made:
        yield made


@pytest.fixture
async def aclient(scrimp: RunningGateway) -> AsyncIterator[openai.AsyncOpenAI]:
    """The same, asynchronous."""
    url = scrimp.openai_url
    async with openai.AsyncOpenAI(base_url=url, api_key="sk-x", max_retries=0) as made:
        yield made


def check_account(scrimp: RunningGateway, sim: Simulator, calls: int = 1) -> None:
    """The ledger has the provider's bill to the nano-dollar, in these many calls."""
    entries = scrimp.entries()[-calls:]
    assert {(entry.operation, entry.dialect) for entry in entries} == {("chat", "openai.responses")}
    assert [entry.cost_basis for entry in entries] == ["usage"] * calls
    assert sum(entry.cost_nanousd or 0 for entry in entries) == sim.bill.total_nanousd


def test_a_response_has_everything_that_the_sdk_reads(
    sim: Simulator, scrimp: RunningGateway, client: openai.OpenAI
) -> None:
    """The provider's words and ids, beside them Scrimp's own headers; usage in its buckets."""
    raw = client.responses.with_raw_response.create(
        model=MODEL, input=ASK, instructions="Be brief.", metadata={"task": "analysis"}
    )
    reply = raw.parse()
    row = sim.bill.rows[0]
    assert reply.output_text
    assert reply.usage is not None
    assert raw.headers["x-request-id"] == row.request_id
    assert raw.headers["x-scrimp-cost-usd"] == decimal_usd(row.billed_nanousd)
    entry = scrimp.entries()[-1]
    assert raw.headers["x-scrimp-id"] == entry.id
    assert (entry.model, entry.stream, entry.task) == (MODEL, False, "analysis")
    assert entry.usage.total_input_tokens == reply.usage.input_tokens
    assert entry.usage.total_output_tokens == reply.usage.output_tokens
    assert entry.usage.reasoning_tokens == reply.usage.output_tokens_details.reasoning_tokens > 0
    assert not entry.usage.suspect
    check_account(scrimp, sim)


def test_a_response_arrives_byte_for_byte(sim: Simulator, client: openai.OpenAI) -> None:
    """What the client sent is what the provider gets, under the model's own name too."""
    for stream in (False, True):
        sim.reset()
        body = json.dumps({"model": MODEL, "stream": stream, "input": ASK, "x_new": 1e3}).encode()
        client.post(
            "/responses",
            cast_to=object,
            content=body,
            options={"headers": {"content-type": "application/json"}},
        )
        assert sim.requests[0].body == body
    sim.reset()
    client.responses.create(model="house-mini", input=ASK)
    assert json.loads(sim.requests[0].body) == {"model": MODEL, "input": ASK}


def test_a_streamed_response_is_the_same_in_events(
    sim: Simulator, scrimp: RunningGateway, client: openai.OpenAI
) -> None:
    """In order, without a gap, live; the SDK's own collector makes the same of them."""
    whole = client.responses.create(model=MODEL, input=ASK)
    events = list(client.responses.create(model=MODEL, input=ASK, stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert len(deltas) > 5
    assert "".join(deltas) == whole.output_text
    with client.responses.stream(model=MODEL, input=ASK) as stream:
        assert stream.get_final_response().output_text == whole.output_text
    check_account(scrimp, sim, calls=3)
    assert [entry.stream for entry in scrimp.entries()[-3:]] == [False, True, True]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_tool_of_the_client_is_called_and_answered(
    sim: Simulator, scrimp: RunningGateway, client: openai.OpenAI, *, stream: bool
) -> None:
    """The round trip that every agent makes, without anything kept at the provider."""
    items: list[Any] = [{"role": "user", "content": "What is the status of order A-1042?"}]
    first = _ask(client, stream=stream, input=items, tools=[ORDER], store=False)
    calls = [item for item in first.output if item.type == "function_call"]
    assert calls
    assert json.loads(calls[0].arguments)["order_id"] == "A-1042"
    items += [item.to_dict() for item in first.output]
    items += [
        {"type": "function_call_output", "call_id": call.call_id, "output": '{"is":"shipped"}'}
        for call in calls
    ]
    second = _ask(client, stream=stream, input=items, tools=[ORDER], store=False)
    assert second.output_text
    check_account(scrimp, sim, calls=2)


def _ask(client: openai.OpenAI, *, stream: bool, **body: Any) -> Response:
    if stream:
        with client.responses.stream(model=MODEL, **body) as events:
            return events.get_final_response()
    made = client.responses.create(model=MODEL, **body)
    assert isinstance(made, Response)
    return made


def test_images_and_structured_answers(
    sim: Simulator, scrimp: RunningGateway, client: openai.OpenAI
) -> None:
    """Both go through as they are; the SDK parses the answer, whole and streamed."""
    picture: Any = {
        "type": "input_image",
        "detail": "auto",
        "image_url": f"data:image/png;base64,{PNG}",
    }
    given: Any = [
        {"role": "user", "content": [{"type": "input_text", "text": "Is it a lamp?"}, picture]}
    ]
    parsed = client.responses.parse(model=MODEL, input=given, text_format=Verdict)
    assert isinstance(parsed.output_parsed, Verdict)
    with client.responses.stream(model=MODEL, input=given, text_format=Verdict) as stream:
        assert stream.get_final_response().output_parsed == parsed.output_parsed
    assert PNG in sim.requests[0].body.decode()
    check_account(scrimp, sim, calls=2)


async def test_the_async_client_has_responses_too(
    sim: Simulator, scrimp: RunningGateway, aclient: openai.AsyncOpenAI
) -> None:
    """Whole and streamed."""
    whole = await aclient.responses.create(model=MODEL, input=ASK)
    async with aclient.responses.stream(model=MODEL, input=ASK) as stream:
        final = await stream.get_final_response()
    assert final.output_text == whole.output_text
    check_account(scrimp, sim, calls=2)


def test_a_response_that_was_cut_short_says_so(
    sim: Simulator, scrimp: RunningGateway, client: openai.OpenAI
) -> None:
    """`response.incomplete` ends the stream, and is priced like any other."""
    whole = client.responses.create(model="gpt-4.1-mini", input=ASK, max_output_tokens=16)
    events = list(
        client.responses.create(model="gpt-4.1-mini", input=ASK, max_output_tokens=16, stream=True)
    )
    assert whole.status == "incomplete"
    assert whole.incomplete_details is not None
    assert whole.incomplete_details.reason == "max_output_tokens"
    assert events[-1].type == "response.incomplete"
    check_account(scrimp, sim, calls=2)


def test_the_providers_errors_of_responses_arrive_as_they_are(
    sim: Simulator, scrimp: RunningGateway, client: openai.OpenAI
) -> None:
    """Status, code and the SDK's own class; nothing is billed."""
    for fault, error in (("429", openai.RateLimitError), ("503", openai.InternalServerError)):
        sim.fault(fault, count=1)
        with pytest.raises(error):
            client.responses.create(model=MODEL, input=ASK)
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=MODEL, input=[])
    assert caught.value.response.headers["x-request-id"] == sim.requests[-1].request_id
    assert [entry.outcome for entry in scrimp.entries()[-3:]] == ["rejected"] * 3
    assert all(entry.cost_nanousd == 0 for entry in scrimp.entries()[-3:])


def test_refusals_of_ours_are_openais_in_shape(sim: Simulator, client: openai.OpenAI) -> None:
    """An unknown model, a field of the wrong type: the SDK's class, nothing sent."""
    with pytest.raises(openai.NotFoundError):
        client.responses.create(model="gpt-nonsense", input=ASK)
    bad: Any = {"not": "a list"}
    with pytest.raises(openai.BadRequestError, match="'input' must be a string or a list"):
        client.responses.create(model=MODEL, input=bad)
    with pytest.raises(openai.BadRequestError, match="which speaks anthropic"):
        client.responses.create(model="claude-haiku-4-5", input=ASK)
    assert not sim.requests


@pytest.mark.parametrize("fault", ["error-event=3", "failed=3", "cut=3000"])
def test_a_stream_that_breaks_never_looks_whole_and_is_booked_with_bounds(
    sim: Simulator, scrimp: RunningGateway, client: openai.OpenAI, fault: str
) -> None:
    """The provider's error, or ours; what had been produced lies between the bounds."""
    sim.fault(fault, count=1)
    heard: list[str] = []
    error: openai.APIError | None = None
    try:
        heard += [
            event.type for event in client.responses.create(model=MODEL, input=ASK, stream=True)
        ]
    except openai.APIError as raised:  # SDKs do so on errors inside `error`, as OpenAI sends them
        error = raised
    assert error is not None or heard[-1] == "response.failed"
    assert "response.completed" not in heard
    entry = scrimp.entries()[-1]
    assert (entry.outcome, entry.cost_basis) == ("cut", "estimate")
    assert entry.cost_low_nanousd is not None
    assert entry.cost_high_nanousd is not None
    assert entry.cost_low_nanousd <= sim.bill.total_nanousd <= entry.cost_high_nanousd


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-5-mini"])
def test_what_the_providers_own_cache_gave_is_priced_as_such(model: str) -> None:
    """In a talk of three turns that the provider remembers; no token stands in two buckets."""
    with (
        Simulator(prefix_cache=True) as sim,
        gateway(sim.url, more=SETTINGS) as scrimp,
        openai.OpenAI(base_url=scrimp.openai_url, api_key="k", max_retries=0) as client,
    ):
        first = client.responses.create(model=model, input="The shop sends on weekdays. " * 300)
        second = client.responses.create(model=model, input="And?", previous_response_id=first.id)
        list(
            client.responses.create(
                model=model, input="So?", previous_response_id=second.id, stream=True
            )
        )
        entries = scrimp.entries()
        for entry, row in zip(entries, sim.bill.rows, strict=True):
            assert entry.usage.cache_read_tokens == row.usage.cache_read_tokens
            assert entry.usage.total_input_tokens == row.usage.total_input_tokens
            assert not entry.usage.suspect
        assert entries[-1].usage.cache_read_tokens >= 1024
        check_account(scrimp, sim, calls=3)


def test_a_client_that_leaves_in_the_middle_ends_the_work(simulator: Simulator) -> None:
    """The provider sees it go; the entry's bounds hold what was produced."""
    with Simulator(per_token_ms=20) as slow, gateway(slow.url, more=SETTINGS) as scrimp:
        url = scrimp.openai_url
        with openai.OpenAI(base_url=url, api_key="k", max_retries=0) as client:
            stream = client.responses.create(model=MODEL, input=ASK, stream=True)
            for event in stream:
                if event.type == "response.output_text.delta":
                    break
            stream.close()
        until(lambda: len(scrimp.entries()) == 1)
        bill = slow.quiet()
        entry = scrimp.entries()[0]
        assert (entry.outcome, entry.cost_basis) == ("cancelled", "estimate")
        assert entry.cost_low_nanousd is not None
        assert entry.cost_high_nanousd is not None
        assert entry.cost_low_nanousd <= bill.total_nanousd <= entry.cost_high_nanousd
    assert simulator.url


def test_responses_need_a_provider_that_speaks_them(simulator: Simulator) -> None:
    """Who names chat only has embeddings too; responses are asked to be named."""
    providers = (
        f'[providers.own]\nbase_url = "{simulator.url}/v1"\ndialects = ["openai.chat"]\n'
        'prices_as = "openai"\nkey_env = "K"\n'
    )
    with (
        gateway(simulator.url, providers=providers) as scrimp,
        openai.OpenAI(base_url=scrimp.openai_url, api_key="k", max_retries=0) as client,
    ):
        with pytest.raises(openai.BadRequestError, match=r"providers\.own\.dialects"):
            client.responses.create(model=MODEL, input=ASK)
        assert client.embeddings.create(model="text-embedding-3-small", input=ASK).data
        chat = client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": ASK}]
        )
        assert chat.choices
