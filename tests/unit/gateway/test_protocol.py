"""The protocol's limits, on a transport that only remembers: what is slow, twofold or no HTTP."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

import pytest
import uvicorn

from scrimp.gateway.metrics import Metrics
from scrimp.gateway.protocol import MAX_HEAD_BYTES, GatewayProtocol
from scrimp.gateway.sink import Receive, Send
from scrimp.gateway.standing import Standing

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n"
CLAUDE = HEAD.replace(b"/v1/chat/completions", b"/v1/messages")


class Wire(asyncio.Transport):
    """A transport without a network."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Remember."""
        self.sent += bytes(data)

    def close(self) -> None:
        """Remember."""
        self.closed = True

    def is_closing(self) -> bool:
        """True once closed."""
        return self.closed

    def pause_reading(self) -> None:
        """Nothing is read here."""

    def resume_reading(self) -> None:
        """The same."""


class Connection:
    """One connection to an application that answers when it has the whole body."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        config = uvicorn.Config(
            cast("Any", self.application),
            lifespan="off",
            interface="asgi3",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
        )
        config.load()
        self.standing = Standing(Metrics())
        self.protocol = GatewayProtocol(config, self.standing, {})
        self.wire = Wire()
        self.protocol.connection_made(self.wire)

    async def application(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer 200 with the size of the body; nothing at all at `/never`."""
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
        self.asked.append(scope["path"])
        body = b"%d" % size
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def sweep(self, now_s: float) -> None:
        """As the server does now and then: 10 s for a head, 20 s between pieces of a body."""
        self.protocol.sweep(now_s, head_s=10, body_s=20)

    async def send(self, data: bytes) -> None:
        """Bytes from the client, and whatever they lead to."""
        self.protocol.data_received(data)
        for _ in range(5):
            await asyncio.sleep(0)

    def lost(self) -> None:
        """The connection is gone, as the loop would tell after a close."""
        self.protocol.connection_lost(None)

    @property
    def refused(self) -> tuple[int, dict[str, Any]]:
        """Status and body of the one answer that was given."""
        head, _, body = self.wire.sent.partition(b"\r\n\r\n")
        assert b"content-type: application/json" in head
        assert b"connection: close" in head
        assert self.wire.closed
        return int(head.split()[1]), json.loads(body)


async def test_a_head_that_does_not_end_is_told_so_in_the_clients_words() -> None:
    """408 when it is not whole in time, however many bytes still come."""
    for start, shape in ((HEAD, "code"), (CLAUDE, "type")):
        connection = Connection()
        await connection.send(start)
        for now_s in range(0, 10, 2):
            connection.sweep(now_s)
            await connection.send(b"x-%d: y\r\n" % now_s)
        assert connection.wire.sent == b""
        connection.sweep(10.0)
        status, body = connection.refused
        assert status == 408
        assert "10 s" in body["error"]["message"]
        assert shape in body["error"]


async def test_a_connection_that_says_nothing_is_closed_without_a_word() -> None:
    """Nobody waits for an answer to a question that was not asked; blank lines are none."""
    connection = Connection()
    connection.sweep(0.0)
    await connection.send(b"\r\n")
    connection.sweep(9.9)
    assert not connection.wire.closed
    connection.sweep(10.0)
    assert (connection.wire.sent, connection.wire.closed) == (b"", True)


async def test_a_body_that_stops_coming_is_told_so() -> None:
    """Each piece starts the time anew; after silence 408, and the call is over."""
    connection = Connection()
    await connection.send(HEAD + b"\r\n" + b"12345")
    connection.sweep(0.0)
    connection.sweep(19.0)
    await connection.send(b"67")
    connection.sweep(20.0)
    connection.sweep(39.0)
    assert connection.wire.sent == b""
    connection.sweep(40.0)
    assert connection.refused[0] == 408
    connection.lost()
    await asyncio.sleep(0)
    assert connection.asked == []


async def test_time_between_requests_is_the_keep_alive_timers() -> None:
    """An answered connection may rest as long as that allows; the next head has its full time."""
    connection = Connection()
    await connection.send(HEAD + b"\r\n" + b"1234567890")
    assert connection.wire.sent.endswith(b"\r\n\r\n10")
    connection.sweep(0.0)
    connection.sweep(50.0)
    assert not connection.wire.closed
    await connection.send(HEAD)
    connection.sweep(60.0)
    connection.sweep(69.0)
    assert not connection.wire.closed
    await connection.send(b"\r\n1234567890")
    assert connection.asked == ["/v1/chat/completions"] * 2
    connection.protocol._unset_keepalive_if_required()


async def test_two_hosts_are_refused_even_when_they_are_equal() -> None:
    """400: another server on the way may believe the other one."""
    for second in (b"host: evil.example\r\n", b"HOST: localhost\r\n"):
        connection = Connection()
        await connection.send(HEAD + second + b"\r\n1234567890")
        status, body = connection.refused
        assert status == 400
        assert "more than one Host" in body["error"]["message"]
        assert connection.asked == []


@pytest.mark.parametrize("start", [HEAD, CLAUDE], ids=["openai", "anthropic"])
async def test_what_is_no_http_is_refused_in_the_clients_words(start: bytes) -> None:
    """400 as JSON, and nothing after it is read."""
    connection = Connection()
    await connection.send(start + b"content-length: 5\r\n\r\n1234567890")
    status, body = connection.refused
    assert status == 400
    assert "HTTP" in body["error"]["message"]
    assert (body.get("type") == "error") == (start is CLAUDE)
    assert connection.asked == []


async def test_a_head_that_is_too_large_is_refused_in_the_clients_words() -> None:
    """431 with the limit."""
    connection = Connection()
    await connection.send(CLAUDE + b"x-odd: " + b"x" * MAX_HEAD_BYTES)
    status, body = connection.refused
    assert (status, body["type"]) == (431, "error")
    assert str(MAX_HEAD_BYTES) in body["error"]["message"]


async def test_no_refusal_is_taken_for_the_answer_of_an_earlier_request() -> None:
    """Garbage behind a request that waits for its answer: the connection ends without a word."""
    connection = Connection()
    connection.protocol.data_received(HEAD + b"\r\n1234567890" + b"GARBAGE\r\n\r\n")
    assert (connection.wire.sent, connection.wire.closed) == (b"", True)
    connection.lost()
    await asyncio.sleep(0)


async def test_a_draining_connection_may_ask_once_more() -> None:
    """What was on its way when the drain began is answered, with the word that it is the last."""
    connection = Connection()
    await connection.send(HEAD + b"\r\n1234567890")
    connection.standing.draining = True
    connection.protocol.shutdown()
    connection.protocol.close_idle(0.0, linger_s=5.0)
    connection.protocol.close_idle(4.9, linger_s=5.0)
    assert not connection.wire.closed
    connection.wire.sent = b""
    await connection.send(HEAD + b"\r\n1234567890")
    assert b"connection: close" in connection.wire.sent
    assert connection.wire.closed


async def test_a_draining_connection_that_stays_silent_is_closed() -> None:
    """After its time; one that waits for an answer is not silent."""
    connection = Connection()
    await connection.send(HEAD + b"\r\n12345")
    connection.protocol.shutdown()
    for now_s in (0.0, 100.0):
        connection.protocol.close_idle(now_s, linger_s=5.0)
    assert not connection.wire.closed
    await connection.send(b"67890")
    assert b"connection: close" in connection.wire.sent
    silent = Connection()
    silent.protocol.shutdown()
    silent.protocol.close_idle(0.0, linger_s=5.0)
    silent.protocol.close_idle(5.0, linger_s=5.0)
    assert (silent.wire.sent, silent.wire.closed) == (b"", True)
