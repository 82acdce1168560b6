"""What is written past the server's `send` is, byte for byte, what `send` would have written."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from scrimp.calls import Headers
from scrimp.gateway.direct import cycle_of, write_piece, write_whole
from scrimp.gateway.sink import raw

NAMES = st.sampled_from(
    ["content-type", "X-Scrimp-Id", "x-odd name", "x:y", "", "connection", "content-length"]
) | st.text("abcXYZ-09_\n ", max_size=8)
VALUES = st.text(st.characters(max_codepoint=255), max_size=20) | st.sampled_from(
    ["close", "chunked", "a\r\nx-evil: 1", "a\nb", "a\rb", "\t tab", "caf\xe9", "\x00", ""]
)
HEADERS = st.lists(st.tuples(NAMES, VALUES), max_size=5).map(tuple)
BODIES = st.binary(max_size=40) | st.just(b"x" * 70_000)


class Socket:
    """What was written, and whether it is full or closed."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False
        self.write_paused = False
        self.answered = 0

    def write(self, data: bytes) -> None:
        """Keep it."""
        self.written.append(data)

    def close(self) -> None:
        """The connection ends."""
        self.closed = True

    def told(self) -> None:
        """An answer is complete."""
        self.answered += 1


def cycle_on(socket: Socket, *, method: str = "POST", keep: bool = True) -> RequestResponseCycle:
    """The server's own request and answer, over a socket of ours."""
    scope: Any = {"method": method}
    over: Any = socket
    log = logging.getLogger("unused")
    return RequestResponseCycle(
        scope=scope,
        transport=over,
        flow=over,
        logger=log,
        access_logger=log,
        access_log=False,
        default_headers=[(b"x-always", b"1")],
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=keep,
        on_response=socket.told,
    )


async def _sent(cycle: RequestResponseCycle, status: int, headers: Headers, body: bytes) -> None:
    length = ("content-length", str(len(body)))
    start: Any = {
        "type": "http.response.start",
        "status": status,
        "headers": raw((*headers, length)),
    }
    await cycle.send(start)
    await cycle.send({"type": "http.response.body", "body": body, "more_body": False})


def _state(cycle: RequestResponseCycle) -> tuple[bool, ...]:
    event = cycle.message_event.is_set()
    return cycle.response_started, cycle.response_complete, cycle.keep_alive, event


@given(status=st.sampled_from([200, 404, 429, 503]), headers=HEADERS, body=BODIES)
async def test_a_whole_answer_is_the_servers_own(
    status: int, headers: Headers, body: bytes
) -> None:
    """The same bytes and state; where it declines, nothing has happened."""
    ours, theirs = Socket(), Socket()
    cycle, other = cycle_on(ours), cycle_on(theirs)
    before = _state(cycle)
    if not write_whole(cycle, status, headers, body):
        assert (ours.written, ours.answered, _state(cycle)) == ([], 0, before)
        return
    await _sent(other, status, headers, body)
    assert b"".join(ours.written) == b"".join(theirs.written)
    assert (ours.answered, ours.closed, _state(cycle)) == (1, theirs.closed, _state(other))


@pytest.mark.parametrize(
    "headers",
    [
        (("x-a", "1\r\nx-evil: 2"),),
        (("x-a", "1\n"),),
        (("x-a", "1\r"), ("x-b", "\n2")),
        (("x-a\r\nx-b", "1"),),
        (("x a", "1"),),
        (("x-a", "\x00"),),
        (("Connection", "close"),),
        (("Transfer-Encoding", "chunked"),),
        (("Content-Length", "3"),),
    ],
)
def test_headers_that_could_break_the_framing_are_declined(headers: Headers) -> None:
    """The server's own way refuses them, or knows what they mean."""
    socket = Socket()
    assert not write_whole(cycle_on(socket), 200, headers, b"body")
    assert socket.written == []


def test_fit_headers_are_not_declined() -> None:
    """Else all of the above would hold for nothing."""
    socket = Socket()
    headers = (("content-type", "application/json"), ("X-Name", "caf\xe9 \t1"), ("x-empty", ""))
    assert write_whole(cycle_on(socket), 200, headers, b"{}")
    (written,) = socket.written
    assert written.split(b"\r\n") == [
        b"HTTP/1.1 200 OK",
        b"x-always: 1",
        b"content-type: application/json",
        b"x-name: caf\xe9 \t1",
        b"x-empty: ",
        b"content-length: 2",
        b"",
        b"{}",
    ]


@pytest.mark.parametrize("how", ["full", "head", "ends", "started", "gone"])
def test_what_is_unusual_takes_the_servers_own_way(how: str) -> None:
    """A full socket waits there, `connection: close` is said there, a body is left out there."""
    socket = Socket()
    cycle = cycle_on(socket, method="HEAD" if how == "head" else "GET", keep=how != "ends")
    socket.write_paused = how == "full"
    cycle.response_started = how == "started"
    cycle.disconnected = how == "gone"
    assert not write_whole(cycle, 200, (), b"body")
    assert socket.written == []


@given(pieces=st.lists(st.binary(max_size=30), max_size=6))
async def test_pieces_of_a_stream_are_the_servers_own(pieces: list[bytes]) -> None:
    """Chunks as `send` frames them; a piece that is declined goes there."""
    ours, theirs = Socket(), Socket()
    cycle, other = cycle_on(ours), cycle_on(theirs)
    start: Any = {"type": "http.response.start", "status": 200, "headers": []}
    await cycle.send(start)
    await other.send(start)
    for piece in pieces:
        message: Any = {"type": "http.response.body", "body": piece, "more_body": True}
        if not write_piece(cycle, piece):
            assert not piece
            await cycle.send(message)
        await other.send(message)
    assert b"".join(ours.written) == b"".join(theirs.written)


@pytest.mark.parametrize("how", ["not begun", "full", "gone", "over"])
async def test_a_piece_is_declined_where_it_may_not_go(how: str) -> None:
    """Before the head, into a full socket, to nobody, behind the end."""
    socket = Socket()
    cycle = cycle_on(socket)
    if how != "not begun":
        start: Any = {"type": "http.response.start", "status": 200, "headers": []}
        await cycle.send(start)
    socket.written.clear()
    socket.write_paused = how == "full"
    cycle.disconnected = how == "gone"
    cycle.response_complete = how == "over"
    assert not write_piece(cycle, b"x")
    assert socket.written == []


async def test_only_the_servers_own_send_leads_to_a_cycle() -> None:
    """Another server, or something of ours in between, is spoken to by messages."""
    cycle = cycle_on(Socket())
    assert cycle_of(cycle.send) is cycle

    async def between(message: Any) -> None:
        await cycle.send(message)

    assert cycle_of(between) is None
    assert cycle_of(Socket().write) is None
