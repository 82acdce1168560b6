"""OpenAI's own SDK through the gateway: nothing that it reads is missing or changed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam

from scrimp.money import decimal_usd
from scrimp.simulator import Simulator
from tests.support.gateway import RunningGateway, gateway

MODEL = "gpt-4o-mini"
ASK: list[ChatCompletionMessageParam] = [
    {"role": "system", "content": "You are a support assistant."},
    {"role": "user", "content": "How do I reset my password?"},
]
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"
    "AAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SETTINGS = """
[exact_cache]
enabled = false
[retry]
attempts = 1
[server]
max_body_bytes = 20000
[models."their-secret-model"]
provider = "openai"
model = "gpt-none"
"""


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


def _text(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


def test_a_reply_has_everything_that_the_sdk_reads(
    sim: Simulator, scrimp: RunningGateway, client: openai.OpenAI
) -> None:
    """The provider's words, ids and rate limits, and beside them Scrimp's own headers."""
    sim.reset()
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=ASK)
    reply = raw.parse()
    row = sim.bill.rows[0]
    assert reply.choices[0].message.content
    assert reply.model == "gpt-4o-mini-2024-07-18"
    assert reply.usage is not None
    assert reply.usage.prompt_tokens == row.usage.input_tokens
    assert raw.headers["x-request-id"] == row.request_id
    assert raw.headers["openai-organization"] == "simulated"
    assert int(raw.headers["x-ratelimit-remaining-requests"]) > 0
    entry = scrimp.entries()[-1]
    assert raw.headers["x-scrimp-id"] == entry.id
    assert raw.headers["x-scrimp-served-by"] == "upstream"
    assert raw.headers["x-scrimp-cost-usd"] == decimal_usd(row.billed_nanousd)
    assert raw.headers["x-scrimp-saved-usd"] == "0"
    assert entry.attempts[0].request_id == row.request_id


def test_a_stream_says_word_for_word_what_the_reply_says(client: openai.OpenAI) -> None:
    """In many chunks, with the finish in the last one; by the SDK's own collector too."""
    whole = client.chat.completions.create(model=MODEL, messages=ASK)
    chunks = list(client.chat.completions.create(model=MODEL, messages=ASK, stream=True))
    assert _text(chunks) == whole.choices[0].message.content
    assert len(chunks) > 8
    assert chunks[-1].choices[0].finish_reason == "stop"
    with client.chat.completions.stream(model=MODEL, messages=ASK) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].message.content == whole.choices[0].message.content


def test_a_client_that_did_not_ask_for_usage_never_sees_it(
    sim: Simulator, scrimp: RunningGateway, client: openai.OpenAI
) -> None:
    """Scrimp asks the provider, books it, and takes the extra chunk out again."""
    sim.reset()
    chunks = list(client.chat.completions.create(model=MODEL, messages=ASK, stream=True))
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)
    assert json.loads(sim.requests[0].body)["stream_options"] == {"include_usage": True}
    entry = scrimp.entries()[-1]
    assert (entry.cost_basis, entry.cost_nanousd) == ("usage", sim.bill.total_nanousd)


def test_a_client_that_asked_for_usage_sees_it_once(sim: Simulator, client: openai.OpenAI) -> None:
    """In the chunk without choices, with the numbers of the bill."""
    sim.reset()
    chunks = list(
        client.chat.completions.create(
            model=MODEL, messages=ASK, stream=True, stream_options={"include_usage": True}
        )
    )
    assert [chunk for chunk in chunks if chunk.usage] == chunks[-1:]
    usage = chunks[-1].usage
    assert usage is not None
    assert chunks[-1].choices == []
    assert usage.completion_tokens == sim.bill.rows[0].usage.output_tokens


def test_the_ledger_has_what_a_streams_headers_could_not_say(
    sim: Simulator, client: openai.OpenAI
) -> None:
    """Live headers name the call; its cost and trace are at /v1/scrimp/calls/{id} afterwards."""
    sim.reset()
    with client.chat.completions.with_streaming_response.create(
        model=MODEL, messages=ASK, stream=True
    ) as raw:
        call_id = raw.headers["x-scrimp-id"]
        assert raw.headers["x-request-id"] == sim.requests[0].request_id
        assert "x-scrimp-trace" in raw.headers
        assert "x-scrimp-cost-usd" not in raw.headers
        raw.read()
    told: Any = client.get(f"/scrimp/calls/{call_id}", cast_to=object)
    assert told["cost_nanousd"] == told["baseline_nanousd"] == sim.bill.total_nanousd > 0
    assert told["cost_basis"] == "usage"
    assert (told["status"], told["outcome"], told["served_by"]) == (200, "ok", "upstream")
    assert told["attempts"][0]["request_id"] == sim.bill.rows[0].request_id
    assert isinstance(told["trace"], list)
    with pytest.raises(openai.NotFoundError):
        client.get("/scrimp/calls/nobody", cast_to=object)


TOOL_BODY: dict[str, Any] = {
    "model": "gpt-4.1",
    "messages": [{"role": "user", "content": "What is the status of order A-1042?"}],
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "order_status",
                "parameters": {"type": "object", "properties": {"order_id": {"type": "string"}}},
            },
        }
    ],
}


def test_a_tool_is_called_and_its_result_spoken_of(client: openai.OpenAI) -> None:
    """By JSON and by stream; the turn with the result reaches the model."""
    create: Any = client.chat.completions.create
    reply = create(**TOOL_BODY)
    call = reply.choices[0].message.tool_calls[0]
    assert json.loads(call.function.arguments) == {"order_id": "A-1042"}
    parts = [
        part
        for chunk in create(**TOOL_BODY, stream=True)
        for part in chunk.choices[0].delta.tool_calls or []
    ]
    assert "".join(part.function.arguments for part in parts) == call.function.arguments
    result = {"role": "tool", "tool_call_id": call.id, "content": "left Lyon on Monday"}
    turns = [*TOOL_BODY["messages"], reply.choices[0].message.to_dict(), result]
    spoken = create(**{**TOOL_BODY, "messages": turns})
    assert "left Lyon on Monday" in spoken.choices[0].message.content


def test_images_choices_and_json_are_passed_on(
    sim: Simulator, scrimp: RunningGateway, client: openai.OpenAI
) -> None:
    """Each is priced by what the provider says that it used."""
    sim.reset()
    before = len(scrimp.entries())
    content: Any = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": PIXEL}},
    ]
    seen = client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": content}]
    )
    assert seen.usage is not None
    assert seen.usage.prompt_tokens > 255
    two = client.chat.completions.create(model="gpt-4o", messages=ASK, n=2, max_tokens=7)
    assert [choice.finish_reason for choice in two.choices] == ["length", "length"]
    streamed = client.chat.completions.create(model="gpt-4o", messages=ASK, n=2, stream=True)
    assert {choice.index for chunk in streamed for choice in chunk.choices} == {0, 1}
    wanted = client.chat.completions.create(
        model="gpt-4o", messages=ASK, response_format={"type": "json_object"}
    )
    assert isinstance(json.loads(wanted.choices[0].message.content or ""), dict)
    costs = [entry.cost_nanousd for entry in scrimp.entries()[before:]]
    assert costs == [row.billed_nanousd for row in sim.bill.rows]


async def test_the_async_client_has_the_same(aclient: openai.AsyncOpenAI) -> None:
    """JSON and stream."""
    whole = await aclient.chat.completions.create(model=MODEL, messages=ASK)
    stream = await aclient.chat.completions.create(model=MODEL, messages=ASK, stream=True)
    assert _text([chunk async for chunk in stream]) == whole.choices[0].message.content


def test_models_are_listed_and_found(client: openai.OpenAI) -> None:
    """What the price book sells and the settings name; an unknown one is a 404."""
    names = [model.id for model in client.models.list()]
    assert MODEL in names
    assert "their-secret-model" in names
    assert client.models.retrieve(MODEL).owned_by == "openai"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nothing-of-the-kind")


@pytest.mark.parametrize(
    ("fault", "kind", "status"),
    [
        ("429:retry-after=9", openai.RateLimitError, 429),
        ("500", openai.InternalServerError, 500),
        ("502", openai.InternalServerError, 502),
        ("503", openai.InternalServerError, 503),
    ],
)
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_the_providers_errors_arrive_as_they_are(
    client: openai.OpenAI,
    fault: str,
    kind: type[openai.APIStatusError],
    status: int,
    *,
    stream: bool,
) -> None:
    """The SDK's own class, the provider's own body and headers, and the id of the call."""
    with pytest.raises(kind) as caught:
        client.chat.completions.create(
            model=MODEL, messages=ASK, stream=stream, extra_headers={"x-sim-fault": fault}
        )
    error = caught.value
    assert error.status_code == status
    assert error.request_id
    assert error.response.headers["x-scrimp-id"]
    assert error.response.headers.get("retry-after") == ("9" if status == 429 else None)
    if status != 502:
        assert isinstance(error.body, dict)
        assert error.body["message"]


def test_refusals_raise_the_sdks_own_classes(sim: Simulator, client: openai.OpenAI) -> None:
    """Ours and the provider's; nothing is billed."""
    sim.reset()
    create: Any = client.chat.completions.create
    with pytest.raises(openai.BadRequestError, match="messages"):
        create(model=MODEL, messages="no list")
    with pytest.raises(openai.BadRequestError) as theirs:
        create(model=MODEL, messages=ASK, n=1000)
    assert theirs.value.request_id
    with pytest.raises(openai.NotFoundError) as ours:
        create(model="gpt-unheard-of", messages=ASK)
    assert ours.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError, match="not known here"):
        create(model="their-secret-model", messages=ASK)
    with pytest.raises(openai.PermissionDeniedError):
        create(model=MODEL, messages=ASK, extra_headers={"sec-fetch-site": "cross-site"})
    with pytest.raises(openai.APIStatusError) as large:
        create(model=MODEL, messages=[{"role": "user", "content": "x" * 30_000}])
    assert large.value.status_code == 413
    with pytest.raises(openai.BadRequestError, match="x-scrimp-task"):
        create(model=MODEL, messages=ASK, extra_headers={"x-scrimp-task": "cooking"})
    assert sim.bill.rows == ()


def test_a_client_that_gives_up_is_booked_as_gone(
    sim: Simulator, scrimp: RunningGateway, client: openai.OpenAI
) -> None:
    """APITimeoutError with the client; the provider sees the end, the ledger says cancelled."""
    sim.reset()
    for fault, stream in (("timeout", False), ("timeout", True), ("stall", False)):
        with pytest.raises(openai.APITimeoutError):
            client.chat.completions.create(
                model=MODEL,
                messages=ASK,
                stream=stream,
                timeout=0.3,
                extra_headers={"x-sim-fault": fault},
            )
        owed = sim.quiet().rows[-1].billed_nanousd
        entry = scrimp.entries()[-1]
        assert (entry.status, entry.outcome) == (499, "cancelled")
        assert entry.cost_low_nanousd is not None
        assert entry.cost_high_nanousd is not None
        assert entry.cost_low_nanousd <= owed <= entry.cost_high_nanousd


def test_a_key_is_asked_for_where_keys_are_in_use(sim: Simulator) -> None:
    """AuthenticationError for a wrong one; the right one is never sent on."""
    digest = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"  # of "secret"
    with gateway(sim.url, more=f'[[keys]]\nname = "ci"\nsha256 = "{digest}"\n') as scrimp:
        sim.reset()
        url = scrimp.openai_url
        with (
            openai.OpenAI(base_url=url, api_key="wrong", max_retries=0) as wrong,
            pytest.raises(openai.AuthenticationError),
        ):
            wrong.chat.completions.create(model=MODEL, messages=ASK)
        with openai.OpenAI(base_url=url, api_key="secret", max_retries=0) as right:
            right.chat.completions.create(model=MODEL, messages=ASK)
        assert scrimp.entries()[-1].key == "ci"
    assert [one.header("authorization") for one in sim.requests] == ["Bearer sk-provider-openai"]
