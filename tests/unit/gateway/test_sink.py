"""The sink: bytes to the client in order, and a client that does not read is gone."""

from __future__ import annotations

import asyncio

import pytest

from scrimp.gateway.sink import HttpSink, Message, raw


class Server:
    """What the server is told; waits for ever at a body when the socket is full."""

    def __init__(self, *, full: bool = False, at: str = "http.response.body") -> None:
        self.messages: list[Message] = []
        self.cancelled = False
        self._full, self._at = full, at

    async def send(self, message: Message) -> None:
        """Remember, or wait."""
        if self._full and message["type"] == self._at:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled = True
                raise
        self.messages.append(message)


def sink_on(server: Server, *, write_timeout_s: float = 5.0) -> HttpSink:
    """A sink whose extra header says the id."""
    return HttpSink(server.send, lambda: (("x-scrimp-id", "1"),), write_timeout_s=write_timeout_s)


async def test_a_live_reply() -> None:
    """Status and headers once, pieces as they come, an end."""
    server = Server()
    sink = sink_on(server)
    assert (sink.live, sink.begun) == (True, False)
    await sink.start(200, (("content-type", "text/event-stream"), ("x-scrimp-id", "theirs")))
    assert sink.begun
    await sink.write(b"a")
    await sink.write(b"b")
    await sink.finish()
    assert server.messages == [
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"text/event-stream"), (b"x-scrimp-id", b"1")],
        },
        {"type": "http.response.body", "body": b"a", "more_body": True},
        {"type": "http.response.body", "body": b"b", "more_body": True},
        {"type": "http.response.body", "body": b"", "more_body": False},
    ]


async def test_a_whole_reply() -> None:
    """With its length, in one piece."""
    server = Server()
    await sink_on(server).whole(404, (("a", "b"),), b"xyz")
    assert server.messages[0]["headers"] == [(b"a", b"b"), (b"content-length", b"3")]
    assert server.messages[1:] == [
        {"type": "http.response.body", "body": b"xyz", "more_body": False}
    ]


async def test_a_client_that_does_not_read_cancels_the_call() -> None:
    """And the sink knows why; the server's own waiting ends too."""
    server = Server(full=True)
    sink = sink_on(server, write_timeout_s=0.0)
    await sink.start(200, ())
    with pytest.raises(asyncio.CancelledError):
        await sink.write(b"a")
    assert sink.stuck
    assert server.cancelled


async def test_a_start_that_nobody_takes_is_a_stuck_client_too() -> None:
    """The socket may still be full of the answer before, on the same connection."""
    server = Server(full=True, at="http.response.start")
    sink = sink_on(server, write_timeout_s=0.0)
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(5):
            await sink.start(200, ())
    assert sink.stuck


async def test_a_cancelled_write_is_no_stuck_client() -> None:
    """Whoever cancels from outside gets their cancellation, and no time limit is blamed."""
    server = Server(full=True)
    sink = sink_on(server)
    await sink.start(200, ())
    task = asyncio.get_running_loop().create_task(sink.write(b"a"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not sink.stuck
    assert server.cancelled


def test_odd_bytes_of_a_provider_leave_as_they_came() -> None:
    """Whatever they mean: a header is bytes."""
    for value in ("€ café".encode(), b"caf\xe9"):
        text = value.decode("latin-1")  # as the upstream reads them
        assert raw((("x-note", text),)) == [(b"x-note", value)]
