"""Streams and bodies that arrive slowly, malformed, or under a wrong name, and what they cost."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import anthropic
import openai
import pytest

from scrimp.simulator import Simulator

CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": (
        "/v1/chat/completions",
        {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Reset my password?"}]},
    ),
    "responses": ("/v1/responses", {"model": "gpt-4o-mini", "input": "Reset my password?"}),
    "messages": (
        "/v1/messages",
        {
            "model": "claude-haiku-4-5",
            "max_tokens": 300,
            "messages": [{"role": "user", "content": "Reset my password?"}],
        },
    ),
}
DIALECTS = pytest.mark.parametrize("dialect", list(CALLS))
WAYS = pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])


@dataclass(frozen=True, slots=True)
class Arrived:
    """One reply as it came in. Times are seconds since the request."""

    status: int
    kind: str
    body: bytes
    headers_s: float
    first_s: float
    whole_s: float


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A client that hides nothing."""
    headers = {"authorization": "Bearer sk-x", "anthropic-version": "2023-06-01"}
    async with aiohttp.ClientSession(headers=headers) as session:
        yield session


async def post(
    http: aiohttp.ClientSession, sim: Simulator, dialect: str, fault: str, *, stream: bool
) -> Arrived:
    """One call with a fault."""
    path, body = CALLS[dialect]
    headers = {"x-sim-fault": fault}
    if dialect != "messages":
        headers["anthropic-version"] = ""
    began_s = time.monotonic()
    first_s = 0.0
    arrived = bytearray()
    async with http.post(
        sim.url + path,
        json={**body, "stream": stream},
        headers=headers,
        skip_auto_headers=("anthropic-version",),
    ) as reply:
        headers_s = time.monotonic() - began_s
        async for part in reply.content.iter_any():
            first_s = first_s or time.monotonic() - began_s
            arrived += part
        kind = reply.headers.get("content-type", "")
    whole_s = time.monotonic() - began_s
    return Arrived(reply.status, kind, bytes(arrived), headers_s, first_s, whole_s)


def datas(body: bytes) -> list[bytes]:
    """The data lines of a stream."""
    return [line[6:] for line in body.split(b"\n") if line.startswith(b"data: ")]


@WAYS
@DIALECTS
async def test_a_drip_brings_the_same_bytes_later(
    sim: Simulator, http: aiohttp.ClientSession, dialect: str, *, stream: bool
) -> None:
    """Portions with pauses between them, and the same bill."""
    quick = await post(http, sim, dialect, "slow-first-byte=0", stream=stream)
    slow = await post(http, sim, dialect, "drip=2", stream=stream)
    portions = len(quick.body.split(b"\n\n")) - 1 if stream else len(quick.body) // 64
    assert len(slow.body) == len(quick.body)
    assert slow.whole_s >= 0.002 * portions
    one, other = sim.quiet().rows
    assert (one.usage, one.delivered) == (other.usage, other.delivered)


@WAYS
async def test_the_first_token_can_be_late(
    sim: Simulator, http: aiohttp.ClientSession, *, stream: bool
) -> None:
    """The headers do not wait for it."""
    arrived = await post(http, sim, "chat", "slow-first-token=300", stream=stream)
    assert arrived.whole_s >= 0.3
    assert arrived.headers_s < 0.3


@DIALECTS
async def test_malformed_events_are_complete_and_billed(
    sim: Simulator, http: aiohttp.ClientSession, dialect: str
) -> None:
    """One event is hurt, the rest of the stream is there."""
    good = await post(http, sim, dialect, "slow-first-byte=0", stream=True)
    for kind in ("bad-json", "bad-event", "bad-utf8", "no-blank-line"):
        hurt = await post(http, sim, dialect, f"{kind}=2", stream=True)
        assert hurt.status == 200
        assert len(datas(hurt.body)) == len(datas(good.body))
        assert hurt.body.count(b"event: nonsense") == (kind == "bad-event")
        assert len(hurt.body.split(b"\n\n")) == len(good.body.split(b"\n\n")) - (
            kind == "no-blank-line"
        )
    rows = sim.quiet().rows
    assert {row.delivered for row in rows} == {"complete"}
    assert len({row.billed_nanousd for row in rows}) == 1


@DIALECTS
async def test_a_body_can_be_cut_within_its_length(
    sim: Simulator, http: aiohttp.ClientSession, dialect: str
) -> None:
    """HTTP says that it is whole; the JSON says no. The work is billed."""
    arrived = await post(http, sim, dialect, "bad-json", stream=False)
    with pytest.raises(json.JSONDecodeError):
        json.loads(arrived.body)
    assert sim.bill.rows[0].usage.output_tokens > 0


@DIALECTS
async def test_a_stream_can_end_early_as_if_it_were_whole(
    sim: Simulator, http: aiohttp.ClientSession, dialect: str
) -> None:
    """No last event, no error; what was produced is billed."""
    arrived = await post(http, sim, dialect, "early-end=2", stream=True)
    for mark in (b"[DONE]", b"message_stop", b"response.completed"):
        assert mark not in arrived.body
    row = sim.quiet().rows[0]
    assert row.delivered == "broken"
    assert 0 < row.usage.output_tokens <= 9


@WAYS
@DIALECTS
@pytest.mark.parametrize("fault", ["html-200", "error-200"])
async def test_a_200_that_is_no_answer_costs_nothing(
    sim: Simulator, http: aiohttp.ClientSession, dialect: str, fault: str, *, stream: bool
) -> None:
    """A page from the edge, or an error with the wrong status."""
    arrived = await post(http, sim, dialect, fault, stream=stream)
    assert arrived.status == 200
    if fault == "html-200":
        assert arrived.kind.startswith("text/html")
        assert arrived.body.startswith(b"<!doctype html>")
    else:
        assert arrived.kind == "application/json"
        assert json.loads(arrived.body)["error"]["message"]
    assert sim.quiet().rows == ()


@WAYS
@DIALECTS
async def test_an_answer_can_have_a_wrong_type(
    sim: Simulator, http: aiohttp.ClientSession, dialect: str, *, stream: bool
) -> None:
    """The bytes are good, the header is not; it is billed as what it is."""
    arrived = await post(http, sim, dialect, "wrong-type", stream=stream)
    assert arrived.kind.split(";")[0] == ("application/json" if stream else "text/plain")
    assert arrived.body.startswith((b"data:", b"event:") if stream else b"{")
    other = await post(http, sim, dialect, "wrong-type:type=text/xml", stream=stream)
    assert other.kind == "text/xml"
    assert {row.delivered for row in sim.quiet().rows} == {"complete"}


@pytest.mark.parametrize("fault", ["keep-alive=2", "crlf", "drip=0:bytes=7"])
def test_sdks_take_what_is_allowed(sim: Simulator, fault: str) -> None:
    """Comments, pings, CRLF and odd portions change nothing for them."""
    said = []
    headers: dict[str, str]
    for headers in ({}, {"x-sim-fault": fault}):
        with openai.OpenAI(
            base_url=sim.openai_url, api_key="k", max_retries=0, default_headers=headers
        ) as client:
            chunks = client.chat.completions.create(
                **CALLS["chat"][1],
                stream=True,
            )
            said.append("".join(c.choices[0].delta.content or "" for c in chunks if c.choices))
            events = client.responses.create(**CALLS["responses"][1], stream=True)
            *_, last = events
            said.append(last.response.output_text)
        with (
            anthropic.Anthropic(
                base_url=sim.url, api_key="k", max_retries=0, default_headers=headers
            ) as claude,
            claude.messages.stream(**CALLS["messages"][1]) as stream,
        ):
            said.append(stream.get_final_text())
    assert said[:3] == said[3:]


def test_a_failed_response_is_one_event(sim: Simulator) -> None:
    """`failed` leaves out the `error` event that `error-event` has before it."""
    sim.fault("failed=2", count=1)
    with openai.OpenAI(base_url=sim.openai_url, api_key="k", max_retries=0) as client:
        events = list(client.responses.create(**CALLS["responses"][1], stream=True))
    assert [event.type for event in events[-1:]] == ["response.failed"]
    assert "error" not in {event.type for event in events}


def test_a_burst_is_over_after_so_many_calls(sim: Simulator) -> None:
    """Two good ones, three bad ones, then good again; only the good ones are billed."""
    sim.fault("503:after=2:count=3")
    seen = []
    with openai.OpenAI(base_url=sim.openai_url, api_key="k", max_retries=0) as client:
        for _ in range(7):
            try:
                client.chat.completions.create(**CALLS["chat"][1])
                seen.append("ok")
            except openai.InternalServerError:
                seen.append("503")
    assert seen == ["ok", "ok", "503", "503", "503", "ok", "ok"]
    assert len(sim.bill.rows) == 4
