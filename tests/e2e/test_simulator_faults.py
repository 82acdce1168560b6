"""Each fault of the simulator does what it says, and is billed for what was produced."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import anthropic
import openai
import pytest

from scrimp.simulator import Settings, Simulator

OPENAI: dict[str, Any] = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "user", "content": "Reset my password?"}],
}
CLAUDE: dict[str, Any] = {
    "model": "claude-haiku-4-5",
    "max_tokens": 300,
    "messages": [{"role": "user", "content": "Reset my password?"}],
}
KEYS = {
    "authorization": "Bearer sk-x",
    "anthropic-version": "2023-06-01",
    "content-type": "application/json",
}
RESPONSES: dict[str, Any] = {"model": "gpt-4o-mini", "input": "Reset my password?"}
PATHS = {
    "openai": "/v1/chat/completions",
    "responses": "/v1/responses",
    "anthropic": "/v1/messages",
}
BODIES = {"openai": OPENAI, "responses": RESPONSES, "anthropic": CLAUDE}
VENDORS = pytest.mark.parametrize("vendor", list(PATHS))
WAYS = pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A client that hides nothing."""
    async with aiohttp.ClientSession(headers={"authorization": KEYS["authorization"]}) as session:
        yield session


async def post(
    http: aiohttp.ClientSession, sim: Simulator, vendor: str, fault: str, *, stream: bool
) -> tuple[int, bytes, bool]:
    """Status, the bytes of the body that arrived, and whether it ended as it should.

    The status is 0 when the connection ended before any headers.
    """
    headers = {"x-sim-fault": fault}
    if vendor == "anthropic":
        headers["anthropic-version"] = "2023-06-01"
    arrived = bytearray()
    status = 0
    try:
        async with http.post(
            sim.url + PATHS[vendor], json={**BODIES[vendor], "stream": stream}, headers=headers
        ) as reply:
            status = reply.status
            async for part in reply.content.iter_any():
                arrived += part
    except (aiohttp.ClientPayloadError, aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
        return status, bytes(arrived), False
    return status, bytes(arrived), True


@WAYS
@VENDORS
@pytest.mark.parametrize("status", [429, 500, 502, 503, 529])
async def test_a_refusal_has_its_status_and_costs_nothing(
    sim: Simulator, http: aiohttp.ClientSession, vendor: str, status: int, *, stream: bool
) -> None:
    """In the vendor's shape, apart from 502, which is a gateway's page."""
    code, body, whole = await post(http, sim, vendor, str(status), stream=stream)
    assert (code, whole) == (status, True)
    if status == 502:
        assert body.startswith(b"<html>")
    else:
        assert json.loads(body)["error"]["message"]
    assert (await sim.aquiet()).rows == ()


@WAYS
@VENDORS
async def test_a_5xx_after_the_work_is_billed(
    sim: Simulator, http: aiohttp.ClientSession, vendor: str, *, stream: bool
) -> None:
    """`500:work`: the answer was produced and lost."""
    code, _, _ = await post(http, sim, vendor, "500:work", stream=stream)
    row = (await sim.aquiet()).rows[0]
    assert (code, row.delivered, row.fault) == (500, "broken", "500:work")
    assert row.usage.output_tokens > 0


async def test_retry_after_is_sent_only_when_asked_for(
    sim: Simulator, http: aiohttp.ClientSession
) -> None:
    """Both spellings of the header."""
    for fault, wanted in (
        ("429", {}),
        ("429:retry-after=2", {"retry-after": "2"}),
        ("429:retry-after-ms=150", {"retry-after-ms": "150"}),
    ):
        async with http.post(
            sim.url + PATHS["openai"], json=OPENAI, headers={"x-sim-fault": fault}
        ) as reply:
            sent = {name: reply.headers.get(name) for name in ("retry-after", "retry-after-ms")}
        assert sent == {"retry-after": None, "retry-after-ms": None, **wanted}


@WAYS
@VENDORS
async def test_a_cut_leaves_exactly_so_many_bytes(
    sim: Simulator, http: aiohttp.ClientSession, vendor: str, *, stream: bool
) -> None:
    """At any byte, of streams and of JSON: what arrives is the beginning, then the end of it."""
    _, full, _ = await post(http, sim, vendor, "slow-first-byte=0", stream=stream)
    for size in (0, 1, 50, len(full) // 2, len(full) - 1):
        sim.reset()
        status, body, whole = await post(http, sim, vendor, f"cut={size}", stream=stream)
        assert (status, len(body), whole) == (200, size, False)
        assert (await sim.aquiet()).rows[0].delivered == "broken"


@WAYS
@VENDORS
async def test_a_broken_call_is_billed_for_no_more_than_was_produced(
    sim: Simulator, http: aiohttp.ClientSession, vendor: str, *, stream: bool
) -> None:
    """JSON is produced whole before it breaks; a stream grows with each byte let through."""
    _, full, _ = await post(http, sim, vendor, "slow-first-byte=0", stream=stream)
    price_of_all = sim.bill.rows[0].billed_nanousd
    billed = []
    for size in range(0, len(full), max(1, len(full) // 9)):
        sim.reset()
        await post(http, sim, vendor, f"cut={size}", stream=stream)
        billed.append((await sim.aquiet()).total_nanousd)
    assert billed == sorted(billed)
    assert max(billed) <= price_of_all
    assert (min(billed) == price_of_all) is not stream


@WAYS
@VENDORS
async def test_a_reset_and_a_hang_up_end_the_connection(
    sim: Simulator, http: aiohttp.ClientSession, vendor: str, *, stream: bool
) -> None:
    """By TCP reset in the body, or before any header; the server is the one who ended it."""
    assert not (await post(http, sim, vendor, "reset=40", stream=stream))[2]
    status, body, whole = await post(http, sim, vendor, "hangup", stream=stream)
    assert (status, body, whole) == (0, b"", False)
    assert [row.delivered for row in (await sim.aquiet()).rows] == ["broken", "broken"]
    assert {one.closed_by for one in sim.connections if one.closed_s} == {"server"}


@WAYS
@VENDORS
async def test_no_usage_means_none_anywhere(
    sim: Simulator, http: aiohttp.ClientSession, vendor: str, *, stream: bool
) -> None:
    """The call is complete and billed, but nobody was told."""
    _, body, whole = await post(http, sim, vendor, "no-usage", stream=stream)
    assert whole
    assert b'"usage":{' not in body
    assert (await sim.aquiet()).rows[0].delivered == "complete"


def test_error_events_raise_in_the_middle_of_a_stream(sim: Simulator) -> None:
    """Both SDKs raise their own error after the first words."""
    sim.fault("error-event=2")
    with openai.OpenAI(base_url=sim.openai_url, api_key="k", max_retries=0) as client:
        chunks = client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "Hello"}], stream=True
        )
        assert [next(chunks).choices[0].finish_reason for _ in range(3)] == [None] * 3
        with pytest.raises(openai.APIError, match="overloaded"):
            next(chunks)
    with (
        anthropic.Anthropic(base_url=sim.url, api_key="k", max_retries=0) as claude,
        pytest.raises(anthropic.APIStatusError, match="overloaded"),
        claude.messages.stream(
            model="claude-haiku-4-5",
            max_tokens=99,
            messages=[{"role": "user", "content": "Hello"}],
        ) as stream,
    ):
        stream.until_done()
    assert [row.delivered for row in sim.quiet().rows] == ["broken", "broken"]


def test_usage_may_come_with_the_last_choices(sim: Simulator) -> None:
    """Some compatible providers send it so, whether asked or not."""
    sim.fault("usage-in-choices")
    with openai.OpenAI(base_url=sim.openai_url, api_key="k", max_retries=0) as client:
        chunks = list(
            client.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": "Hello"}], stream=True
            )
        )
    assert chunks[-1].choices[0].finish_reason == "stop"
    usage = chunks[-1].usage
    assert usage is not None
    assert usage.completion_tokens == sim.bill.rows[0].usage.output_tokens


def test_the_sdk_recovers_by_itself_from_a_planned_refusal(sim: Simulator) -> None:
    """`count=1`: one failure, then one answer, billed once; the plan can be dropped."""
    sim.fault("429:retry-after-ms=1", count=1)
    sim.fault("500", every=2)
    sim.no_faults()
    sim.fault("429:retry-after-ms=1", count=1)
    with openai.OpenAI(base_url=sim.openai_url, api_key="k", max_retries=2) as client:
        client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "Hello"}]
        )
    assert len(sim.requests) == 2
    assert len(sim.bill.rows) == 1


@WAYS
@pytest.mark.parametrize("fault", ["timeout", "stall"])
async def test_a_silent_provider_sees_the_client_leave_at_once(
    sim: Simulator, http: aiohttp.ClientSession, fault: str, *, stream: bool
) -> None:
    """Nothing comes; when the client gives up, the connection is seen to end within 100 ms."""
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(post(http, sim, "openai", fault, stream=stream), 0.3)
    gave_up_s = time.monotonic()
    row = (await sim.aquiet()).rows[0]
    ended = [one for one in sim.connections if one.closed_by == "client"][-1]
    assert ended.in_flight
    assert ended.closed_s is not None
    assert ended.closed_s - gave_up_s < 0.1
    assert row.usage.input_tokens > 0
    assert (row.usage.output_tokens == 0) is (fault == "timeout")


async def test_a_client_that_hangs_up_stops_the_production(http: aiohttp.ClientSession) -> None:
    """At 20 ms a token, a client that is gone after half a second pays for 25 tokens at most."""
    with Simulator(settings=Settings(per_token_ms=20.0)) as sim:
        for stream in (True, False):
            sim.reset()
            call = post(http, sim, "openai", "slow-first-byte=0", stream=stream)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(call, 0.5)
            row = (await sim.aquiet()).rows[0]
            assert row.delivered == "left"
            assert 0 < row.usage.output_tokens <= 25 + 4  # and the piece that was on its way


async def test_times_are_kept(http: aiohttp.ClientSession) -> None:
    """First token and slow first byte are waited for."""
    with Simulator(first_token_ms=60.0) as sim:
        began_s = time.monotonic()
        await post(http, sim, "openai", "slow-first-byte=60", stream=True)
        assert time.monotonic() - began_s >= 0.12


def test_the_simulator_ends_cleanly_with_calls_in_flight() -> None:
    """No thread stays, and leaving takes well under a second."""
    before = threading.active_count()
    with Simulator() as sim:
        sim.fault("timeout")

        def call() -> None:
            with (
                openai.OpenAI(base_url=sim.openai_url, api_key="k", max_retries=0) as client,
                pytest.raises(openai.APIConnectionError),
            ):
                client.models.list()

        caller = threading.Thread(target=call)
        caller.start()
        while not sim.in_flight:
            time.sleep(0.001)
        began_s = time.monotonic()
    caller.join()
    assert time.monotonic() - began_s < 1
    assert threading.active_count() == before
