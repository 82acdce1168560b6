"""What the simulator tells about itself: requests, connections, bill, over HTTP and in Python."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from fractions import Fraction

import aiohttp
import pytest

from scrimp.simulator import Simulator, run_simulator

BODY = (
    b'{ "model":"gpt-4o",  "odd": [1.0, 1e3], "messages":[{"role":"user","content":"h\\u00e9"}] }'
)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A client with a key."""
    async with aiohttp.ClientSession(headers={"authorization": "Bearer sk-x"}) as session:
        yield session


async def test_requests_are_kept_byte_for_byte(sim: Simulator, http: aiohttp.ClientSession) -> None:
    """Path with query, headers, body: in Python and over HTTP."""
    path = "/v1/chat/completions?a=%20b"
    async with http.post(sim.url + path, data=BODY, headers={"x-sim-id": "call-7"}) as reply:
        assert reply.status == 200
    kept = sim.requests[0]
    assert (kept.method, kept.body) == ("POST", BODY)
    assert kept.path.startswith("/v1/chat/completions?a=")
    assert kept.header("x-sim-id") == "call-7"
    async with http.get(sim.url + "/_sim/requests") as reply:
        told = (await reply.json())["requests"][0]
    assert base64.b64decode(told["body"]) == BODY
    assert ["x-sim-id", "call-7"] in told["headers"]


async def test_the_bill_over_http_is_the_bill(sim: Simulator, http: aiohttp.ClientSession) -> None:
    """Total, rows with the client's id, exact fractions; reset empties it."""
    async with http.post(
        sim.openai_url + "/chat/completions", data=BODY, headers={"x-sim-id": "call-8"}
    ) as reply:
        usage = (await reply.json())["usage"]
    async with http.get(sim.url + "/_sim/bill") as reply:
        told = await reply.json()
    row = told["rows"][0]
    assert told["total_nanousd"] == sim.bill.total_nanousd == row["billed_nanousd"]
    assert Fraction(told["exact_usd"]) == sim.bill.exact
    assert row["client_id"] == "call-8"
    assert row["usage"]["input_tokens"] == usage["prompt_tokens"]
    assert row["delivered"] == "complete"
    await http.post(sim.url + "/_sim/reset")
    assert sim.bill.rows == ()


async def test_faults_are_planned_over_http(sim: Simulator, http: aiohttp.ClientSession) -> None:
    """A plan of one refusal, a wrong plan that is refused, a plan withdrawn."""
    url = sim.openai_url + "/models"
    await http.post(sim.url + "/_sim/faults", json={"fault": "503", "count": 1})
    statuses = [(await http.get(url)).status for _ in range(2)]
    assert statuses == [503, 200]
    wrong = await http.post(sim.url + "/_sim/faults", json={"fault": "503", "often": 1})
    assert wrong.status == 400
    await http.post(sim.url + "/_sim/faults", json={"fault": "500"})
    await http.delete(sim.url + "/_sim/faults")
    assert (await http.get(url)).status == 200


async def test_connections_tell_who_ended_them(sim: Simulator) -> None:
    """Two calls on one connection that its client closes when idle."""
    async with aiohttp.ClientSession(headers={"authorization": "Bearer sk-x"}) as session:
        for _ in range(2):
            async with session.get(sim.openai_url + "/models") as reply:
                await reply.read()
        assert [(one.calls, one.closed_s) for one in sim.connections] == [(2, None)]
    async with asyncio.timeout(60):
        while (seen := sim.connections[0]).closed_s is None:  # noqa: ASYNC110  # another loop's
            await asyncio.sleep(0.005)
    assert (seen.closed_by, seen.in_flight) == ("client", False)


async def test_a_call_without_a_key_is_refused_in_the_vendors_words(sim: Simulator) -> None:
    """401 in both shapes; any non-empty key will do, Bearer works for both vendors."""
    version = {"anthropic-version": "2023-06-01"}
    async with aiohttp.ClientSession() as session:
        url = sim.openai_url + "/models"
        for headers, kind in ((version, "authentication_error"), ({}, "invalid_request_error")):
            async with session.get(url, headers=headers) as reply:
                assert reply.status == 401
                assert (await reply.json())["error"]["type"] == kind
        for headers in (
            {**version, "x-api-key": "k"},
            {**version, "authorization": "Bearer k"},
            {"authorization": "Bearer k"},
        ):
            async with session.get(url, headers=headers) as reply:
                assert reply.status == 200


async def test_nonsense_is_refused_and_does_no_harm(
    sim: Simulator, http: aiohttp.ClientSession
) -> None:
    """Broken, deep, foreign-coded JSON and an unknown fault: 400 each, and it goes on."""
    url = sim.openai_url + "/chat/completions"
    for body in (b"{", b"[" * 5000, b'"\xff"', b"[]", b""):
        assert (await http.post(url, data=body)).status == 400
    fault = await http.post(url, data=BODY, headers={"x-sim-fault": "cutt=3"})
    assert fault.status == 400
    assert (await http.post(url, data=BODY)).status == 200


def test_it_serves_in_the_foreground_until_told_to_end() -> None:
    """`run_simulator` says where it is, answers, and ends on SIGTERM."""
    code = (
        "from scrimp.simulator import run_simulator\n"
        "run_simulator(on_ready=lambda url: print(url, flush=True))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        host, port = process.stdout.readline().strip().removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=5) as line:
            line.sendall(b"GET /_sim/bill HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            answer = line.makefile("rb").read()
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["total_nanousd"] == 0
        process.terminate()
        process.wait(10)
        assert process.stderr.read() == ""


def test_a_taken_port_is_an_error_of_the_caller() -> None:
    """OSError, not an exit of the process."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            run_simulator(port=taken.getsockname()[1])
