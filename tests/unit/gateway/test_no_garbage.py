"""A call is freed when it is over, without waiting for the cyclic garbage collector.

Cycles per call would be collected in pauses that grow with the load, and would keep prompts in
memory for as long.
"""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from scrimp.app import App, Parts
from scrimp.dialects.json_body import encode
from scrimp.errors import UpstreamError
from scrimp.gateway.asgi import Gateway
from scrimp.gateway.sink import Message
from scrimp.ports import Exchange
from scrimp.prices import load_book
from scrimp.settings import parse
from scrimp.stores.memory_replies import MemoryReplies
from scrimp.stores.settings_keys import SettingsKeys
from tests.support.core import (
    SSE_HEADERS,
    FakeClock,
    LetterEncoder,
    ListLedger,
    ScriptedExchange,
    ScriptedUpstream,
    answer_fields,
    chat_fields,
    json_exchange,
    stream_events,
)

SETTINGS = b"""
[providers.openai]
base_url = "https://o.example/v1"
dialects = ["openai.chat"]
"""


def gateway_over(opening: Any) -> Gateway:
    """A whole gateway over this upstream."""
    clock = FakeClock()
    parts = Parts(
        clock=clock,
        upstream=ScriptedUpstream(opening),
        ledger=ListLedger(),
        replies=MemoryReplies(clock, max_bytes=1_000_000),
        keys=SettingsKeys([]),
        encoder=LetterEncoder(),
    )
    return Gateway(App(parse(SETTINGS, source="the test"), parts, load_book()), tenant_secret=b"s")


async def served(gateway: Gateway, body: bytes) -> int:
    """The status of one call."""
    path = "/v1/chat/completions"
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
    }
    statuses: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await gateway(scope, receive, send)
    return statuses[0]


async def _whole() -> Exchange:
    return json_exchange(answer_fields())


async def _streamed() -> Exchange:
    return ScriptedExchange(200, SSE_HEADERS, stream_events("Hi"))


async def _refused() -> Exchange:
    return json_exchange(b'{"error": {"message": "no"}}', status=400)


async def _cut() -> Exchange:
    return ScriptedExchange(200, SSE_HEADERS, [*stream_events("Hi")[:1], _break])


async def _break() -> None:
    raise UpstreamError("cut", status=502)


@pytest.mark.parametrize(("opening", "status"), [(_refused, 400), (_cut, 200)])
async def test_a_call_that_fails_leaves_no_cycles(opening: Any, status: int) -> None:
    """An error leads to the frames it came through; nobody in them may lead back to it."""
    gateway = gateway_over(opening)
    bodies = [encode(chat_fields(f"question {n}", stream=status == 200)) for n in range(24)]
    assert await garbage_of(gateway, bodies, status) < 20, "cycles: at least one per call"


async def garbage_of(gateway: Gateway, bodies: list[bytes], status: int = 200) -> int:
    """What the calls leave for the collector, the first four apart."""
    for body in bodies[:4]:
        assert await served(gateway, body) == status
    await asyncio.sleep(0)
    gc.collect()
    gc.disable()
    try:
        for body in bodies[4:]:
            assert await served(gateway, body) == status
        return gc.collect()
    finally:
        gc.enable()


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("repeated", [False, True], ids=["miss", "hit"])
async def test_a_call_leaves_no_cycles(*, stream: bool, repeated: bool) -> None:
    """Misses and hits, whole and streamed: nothing is left for the collector."""
    gateway = gateway_over(_streamed if stream else _whole)
    bodies = [
        encode(chat_fields("same" if repeated else f"question {number}", stream=stream))
        for number in range(24)
    ]
    assert await garbage_of(gateway, bodies) < 20, "cycles: at least one per call"
