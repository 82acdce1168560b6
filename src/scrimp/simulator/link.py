"""One client connection: whether it is still there, and how to break it.

uvicorn gives an ASGI app no way to end a connection, so a small protocol class hands it one.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import struct
import time
from collections import deque
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

EXTENSION: Final = "scrimp.link"
_KEPT_CLOSED: Final = 1000
_LINGER_NOT: Final = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Connection:
    """One TCP connection as the server saw it. Times are `time.monotonic()` seconds.

    `in_flight` is true when it ended (or stands now) in the middle of a call.
    """

    number: int
    opened_s: float
    closed_s: float | None
    closed_by: Literal["client", "server", ""]
    calls: int
    in_flight: bool


class Link:
    """The server's side of one connection."""

    def __init__(self, number: int, transport: asyncio.Transport) -> None:
        self._number = number
        self._transport = transport
        self._opened_s = time.monotonic()
        self._client_ended = False
        self._ended_here = False
        self._calls = 0
        self._busy = False
        self._waiter: asyncio.Future[None] | None = None
        self.lost_s: float | None = None

    @property
    def gone(self) -> bool:
        """True once the connection has ended, whoever ended it."""
        return self.lost_s is not None

    def begin(self) -> None:
        """A call begins on this connection."""
        self._calls += 1
        self._busy = True

    def end(self) -> None:
        """The call is done; the connection may serve another."""
        if not self.gone:
            self._busy = False

    async def pause(self, seconds: float | None) -> bool:
        """Wait, at most until the connection ends. True when it is still there.

        None waits for the end itself; 0 lets other calls have their turn.
        """
        if not self.gone and seconds != 0:
            loop = asyncio.get_running_loop()
            self._waiter = waiter = loop.create_future()
            timer = None if seconds is None else loop.call_later(seconds, _wake, waiter)
            try:
                await waiter
            finally:
                self._waiter = None
                if timer is not None:
                    timer.cancel()
        elif not self.gone:
            await asyncio.sleep(0)
        return not self.gone

    async def close(self) -> None:
        """End the connection after what was written has been sent."""
        self._ended_here = True
        self._transport.close()
        await self.pause(None)

    async def reset(self) -> None:
        """End the connection by TCP reset, once what was written has left."""
        while self._transport.get_write_buffer_size() and await self.pause(0.001):
            pass
        self._ended_here = True
        raw = self._transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        self._transport.abort()
        await self.pause(None)

    def abort(self) -> None:
        """End the connection now; the server stops."""
        self._ended_here = True
        self._transport.abort()

    def client_ended(self) -> None:
        """The client closed its side."""
        self._client_ended = not self._ended_here

    def lost(self, *, failed: bool) -> None:
        """The connection has ended. `failed`: by an error, which is the client's doing."""
        self.lost_s = time.monotonic()
        self._client_ended |= failed and not self._ended_here
        if self._waiter is not None:
            _wake(self._waiter)

    def seen(self) -> Connection:
        """How it stands now."""
        by: Literal["client", "server", ""] = "client" if self._client_ended else "server"
        return Connection(
            number=self._number,
            opened_s=self._opened_s,
            closed_s=self.lost_s,
            closed_by=by if self.gone else "",
            calls=self._calls,
            in_flight=self._busy,
        )


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


class Links:
    """All connections: those open now, and the last thousand that have ended."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._open: dict[int, Link] = {}
        self._closed: deque[Connection] = deque(maxlen=_KEPT_CLOSED)

    def opened(self, transport: asyncio.Transport) -> Link:
        """A client has connected."""
        number = next(self._numbers)
        link = self._open[number] = Link(number, transport)
        return link

    def closed(self, link: Link, *, failed: bool) -> None:
        """A connection has ended."""
        link.lost(failed=failed)
        seen = link.seen()
        self._open.pop(seen.number, None)
        self._closed.append(seen)

    def abort_all(self) -> None:
        """End every connection, so that calls in flight end too."""
        for link in tuple(self._open.values()):
            link.abort()

    def seen(self) -> tuple[Connection, ...]:
        """Ended ones first, then the open ones."""
        return (*self._closed, *(link.seen() for link in tuple(self._open.values())))

    def forget(self) -> None:
        """Forget the ended ones."""
        self._closed.clear()


class HasLinks(Protocol):
    """What the protocol class needs of the application that it serves."""

    links: Links


class LinkProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, with the link of the connection in each scope."""

    _link: Link

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Begin to watch the connection."""
        super().connection_made(transport)
        self._link = cast("HasLinks", self.config.app).links.opened(transport)

    def eof_received(self) -> None:
        """The client closed its side; the transport closes after this."""
        self._link.client_ended()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits on the link."""
        super().connection_lost(exc)
        links = cast("HasLinks", self.config.app).links
        links.closed(self._link, failed=exc is not None)

    def on_message_begin(self) -> None:
        """Give the call its link."""
        super().on_message_begin()
        scope = cast("MutableMapping[str, Any]", self.scope)
        scope["extensions"] = {EXTENSION: self._link}
