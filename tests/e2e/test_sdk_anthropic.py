"""Anthropic's own SDK through the gateway: nothing that it reads is missing or changed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import anthropic
import pytest
from anthropic.types import MessageParam, TextBlock, ToolParam, ToolUseBlock

from scrimp.money import decimal_usd
from scrimp.simulator import Simulator
from tests.support.gateway import RunningGateway, gateway

MODEL = "claude-haiku-4-5"
ASK: list[MessageParam] = [{"role": "user", "content": "How do I return a parcel?"}]
LOOKUP: ToolParam = {
    "name": "track_parcel",
    "description": "Where a parcel is",
    "input_schema": {"type": "object", "properties": {"tracking_number": {"type": "string"}}},
}
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"
    "AAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SETTINGS = """
[exact_cache]
enabled = false
[retry]
attempts = 1
[server]
max_body_bytes = 20000
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
def client(scrimp: RunningGateway) -> Iterator[anthropic.Anthropic]:
    """A client that does not retry by itself."""
    with anthropic.Anthropic(base_url=scrimp.url, api_key="sk-x", max_retries=0) as made:
        yield made


@pytest.fixture
async def aclient(scrimp: RunningGateway) -> AsyncIterator[anthropic.AsyncAnthropic]:
    """The same, asynchronous."""
    url = scrimp.url
    async with anthropic.AsyncAnthropic(base_url=url, api_key="sk-x", max_retries=0) as made:
        yield made


def test_a_reply_has_everything_that_the_sdk_reads(
    sim: Simulator, scrimp: RunningGateway, client: anthropic.Anthropic
) -> None:
    """The provider's words, ids and rate limits, and beside them Scrimp's own headers."""
    sim.reset()
    raw = client.messages.with_raw_response.create(
        model=MODEL, max_tokens=400, system="Be brief.", messages=ASK
    )
    reply = raw.parse()
    row = sim.bill.rows[0]
    assert isinstance(reply.content[0], TextBlock)
    assert reply.stop_reason == "end_turn"
    assert reply.model == "claude-haiku-4-5-20251001"
    assert reply.usage.input_tokens == row.usage.input_tokens
    assert raw.headers["request-id"] == row.request_id
    assert raw.headers["anthropic-ratelimit-requests-limit"]
    entry = scrimp.entries()[-1]
    assert raw.headers["x-scrimp-id"] == entry.id
    assert raw.headers["x-scrimp-served-by"] == "upstream"
    assert raw.headers["x-scrimp-cost-usd"] == decimal_usd(row.billed_nanousd)
    assert raw.headers["x-scrimp-saved-usd"] == "0"
    assert entry.attempts[0].request_id == row.request_id


def test_a_stream_ends_with_the_reply(
    sim: Simulator, scrimp: RunningGateway, client: anthropic.Anthropic
) -> None:
    """What the SDK puts together is the JSON reply; the ledger has its usage from the stream."""
    sim.reset()
    before = len(scrimp.entries())
    whole = client.messages.create(model=MODEL, max_tokens=400, messages=ASK)
    with client.messages.stream(model=MODEL, max_tokens=400, messages=ASK) as stream:
        streamed = stream.get_final_message()
    assert [block.to_dict() for block in streamed.content] == [
        block.to_dict() for block in whole.content
    ]
    assert streamed.stop_reason == whole.stop_reason
    assert streamed.usage.output_tokens == whole.usage.output_tokens
    entries = scrimp.entries()[before:]
    assert [entry.cost_nanousd for entry in entries] == [
        row.billed_nanousd for row in sim.bill.rows
    ]
    assert entries[0].cost_nanousd == entries[1].cost_nanousd


def test_events_come_in_the_vendors_order(client: anthropic.Anthropic) -> None:
    """All of them, live, with the call's id in the headers and its cost in the ledger."""
    events = list(client.messages.create(model=MODEL, max_tokens=9, messages=ASK, stream=True))
    kinds = [event.type for event in events]
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]


def test_the_ledger_has_what_a_streams_headers_could_not_say(
    sim: Simulator, client: anthropic.Anthropic
) -> None:
    """Live headers name the call; its cost and trace are at /v1/scrimp/calls/{id} afterwards."""
    sim.reset()
    with client.messages.with_streaming_response.create(
        model=MODEL, max_tokens=40, messages=ASK, stream=True
    ) as raw:
        call_id = raw.headers["x-scrimp-id"]
        assert "x-scrimp-cost-usd" not in raw.headers
        raw.read()
    told: Any = client.get(f"/v1/scrimp/calls/{call_id}", cast_to=object)
    assert told["cost_nanousd"] == sim.bill.total_nanousd > 0
    assert (told["cost_basis"], told["outcome"], told["stream"]) == ("usage", "ok", True)
    assert isinstance(told["trace"], list)


def test_a_tool_is_used_and_its_result_spoken_of(client: anthropic.Anthropic) -> None:
    """Call by stream, answer after the result."""
    asked: MessageParam = {"role": "user", "content": "Please track my parcel 778812"}
    with client.messages.stream(
        model=MODEL, max_tokens=400, messages=[asked], tools=[LOOKUP]
    ) as stream:
        reply = stream.get_final_message()
    call = reply.content[0]
    assert isinstance(call, ToolUseBlock)
    assert (reply.stop_reason, call.input) == ("tool_use", {"tracking_number": "778812"})
    used: MessageParam = {
        "role": "assistant",
        "content": [
            {"type": "tool_use", "id": call.id, "name": "track_parcel", "input": call.input}
        ],
    }
    result: MessageParam = {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "in Lyon"}],
    }
    spoken = client.messages.create(
        model=MODEL, max_tokens=400, messages=[asked, used, result], tools=[LOOKUP]
    )
    assert isinstance(spoken.content[0], TextBlock)
    assert "in Lyon" in spoken.content[0].text


async def test_thinking_and_images_are_passed_on(
    sim: Simulator, scrimp: RunningGateway, aclient: anthropic.AsyncAnthropic
) -> None:
    """By the asynchronous client, stream and JSON; priced as the provider bills them."""
    sim.reset()
    before = len(scrimp.entries())
    async with aclient.messages.stream(
        model=MODEL,
        max_tokens=2000,
        messages=ASK,
        thinking={"type": "enabled", "budget_tokens": 1024},
    ) as stream:
        reply = await stream.get_final_message()
    assert [block.type for block in reply.content] == ["thinking", "text"]
    assert reply.content[0].type == "thinking"
    assert reply.content[0].signature
    content: Any = [
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": PIXEL},
        },
        {"type": "text", "text": "What is this?"},
    ]
    seen = await aclient.messages.create(
        model=MODEL, max_tokens=50, messages=[{"role": "user", "content": content}]
    )
    assert isinstance(seen.content[0], TextBlock)
    assert [entry.cost_nanousd for entry in scrimp.entries()[before:]] == [
        row.billed_nanousd for row in sim.bill.rows
    ]


def test_counting_is_passed_on_and_free(
    sim: Simulator, scrimp: RunningGateway, client: anthropic.Anthropic
) -> None:
    """The provider's own count, booked as a call that costs nothing."""
    sim.reset()
    counted = client.messages.count_tokens(model=MODEL, messages=ASK, system="Be brief.")
    reply = client.messages.create(model=MODEL, max_tokens=50, messages=ASK, system="Be brief.")
    assert counted.input_tokens == reply.usage.input_tokens
    entry = scrimp.entries()[-2]
    assert (entry.operation, entry.cost_basis, entry.cost_nanousd) == ("count_tokens", "free", 0)
    assert len(sim.bill.rows) == 1


def test_the_clients_headers_reach_the_provider(
    sim: Simulator, client: anthropic.Anthropic
) -> None:
    """Beta and version go on; credentials are replaced; Scrimp's own stay here."""
    sim.reset()
    client.beta.messages.create(
        model=MODEL,
        max_tokens=20,
        messages=[{"role": "user", "content": "Hello"}],
        betas=["context-1m-2025-08-07"],
        extra_headers={"x-scrimp-tags": "a,b", "x-custom": "kept"},
        extra_query={"trial": "1"},
    )
    sent = sim.requests[0]
    assert sent.path.endswith("trial=1")
    assert sent.header("anthropic-beta") == "context-1m-2025-08-07"
    assert sent.header("anthropic-version") == client.default_headers["anthropic-version"]
    assert sent.header("x-custom") == "kept"
    assert sent.header("x-api-key") == "sk-provider-anthropic"
    assert (sent.header("user-agent") or "").startswith("Anthropic/Python")
    assert [name for name, _ in sent.headers if name.startswith("x-scrimp")] == []


def test_models_are_listed_and_found(client: anthropic.Anthropic) -> None:
    """In Anthropic's own shape; an unknown one is a 404."""
    models = list(client.models.list())
    assert MODEL in [model.id for model in models]
    assert client.models.retrieve(MODEL).id == MODEL
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("nothing-of-the-kind")


@pytest.mark.parametrize(
    ("fault", "kind", "status"),
    [
        ("429:retry-after=9", anthropic.RateLimitError, 429),
        ("500", anthropic.InternalServerError, 500),
        ("502", anthropic.InternalServerError, 502),
        ("503", anthropic.ServiceUnavailableError, 503),
        ("529", anthropic.OverloadedError, 529),
    ],
)
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_the_providers_errors_arrive_as_they_are(
    client: anthropic.Anthropic,
    fault: str,
    kind: type[anthropic.APIStatusError],
    status: int,
    *,
    stream: bool,
) -> None:
    """The SDK's own class, the provider's own body and headers, and the id of the call."""
    with pytest.raises(kind) as caught:
        client.messages.create(
            model=MODEL,
            max_tokens=20,
            messages=ASK,
            stream=stream,
            extra_headers={"x-sim-fault": fault},
        )
    error = caught.value
    assert error.status_code == status
    assert error.request_id
    assert error.response.headers["x-scrimp-id"]
    assert error.response.headers.get("retry-after") == ("9" if status == 429 else None)
    if status != 502:
        assert isinstance(error.body, dict)
        assert error.body["request_id"] == error.request_id


def test_refusals_raise_the_sdks_own_classes(sim: Simulator, client: anthropic.Anthropic) -> None:
    """Ours and the provider's; nothing is billed."""
    sim.reset()
    create: Any = client.messages.create
    with pytest.raises(anthropic.BadRequestError, match="messages"):
        create(model=MODEL, max_tokens=5, messages="no list")
    with pytest.raises(anthropic.BadRequestError, match="at least 1") as theirs:
        create(model=MODEL, max_tokens=0, messages=ASK)
    assert theirs.value.request_id
    with pytest.raises(anthropic.NotFoundError) as ours:
        create(model="claude-unheard-of-9", max_tokens=5, messages=ASK)
    assert isinstance(ours.value.body, dict)
    assert ours.value.body["error"]["type"] == "not_found_error"
    with pytest.raises(anthropic.BadRequestError, match=r"top_k.* no counterpart in openai\.chat"):
        create(model="gpt-4o", max_tokens=5, messages=ASK, extra_body={"top_k": 3})
    headers = {"sec-fetch-site": "cross-site"}
    with pytest.raises(anthropic.PermissionDeniedError):
        create(model=MODEL, max_tokens=5, messages=ASK, extra_headers=headers)
    with pytest.raises(anthropic.APIStatusError) as large:
        create(model=MODEL, max_tokens=5, messages=[{"role": "user", "content": "x" * 30_000}])
    assert large.value.status_code == 413
    assert sim.bill.rows == ()


def test_a_key_is_asked_for_where_keys_are_in_use(sim: Simulator) -> None:
    """AuthenticationError for a wrong one; the right one is never sent on."""
    digest = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"  # of "secret"
    with gateway(sim.url, more=f'[[keys]]\nname = "ci"\nsha256 = "{digest}"\n') as scrimp:
        sim.reset()
        with (
            anthropic.Anthropic(base_url=scrimp.url, api_key="wrong", max_retries=0) as wrong,
            pytest.raises(anthropic.AuthenticationError),
        ):
            wrong.messages.create(model=MODEL, max_tokens=5, messages=ASK)
        with anthropic.Anthropic(base_url=scrimp.url, api_key="secret", max_retries=0) as right:
            right.messages.create(model=MODEL, max_tokens=5, messages=ASK)
        assert scrimp.entries()[-1].key == "ci"
    assert [one.header("x-api-key") for one in sim.requests] == ["sk-provider-anthropic"]
