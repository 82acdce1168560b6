"""Live chunks straight to the client's socket.

The server's `send` waits while the socket is full, so back-pressure reaches the provider. A client
that does not read for too long is treated as gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any

from scrimp.calls import Headers
from scrimp.gateway.direct import cycle_of, write_piece, write_whole
from scrimp.gateway.eager import Started
from scrimp.shell.wire import beside

Message = MutableMapping[str, Any]
Send = Callable[[Message], Coroutine[Any, Any, None]]
Receive = Callable[[], Awaitable[Message]]
RawHeaders = list[tuple[bytes, bytes]]


class HttpSink:
    """Implements `calls.Sink` for one request. `extra` headers go with a live reply.

    When nobody reads, a write cancels the call (CancelledError) and `stuck` says why.
    """

    live = True

    def __init__(self, send: Send, extra: Callable[[], Headers], *, write_timeout_s: float) -> None:
        self._send = send
        self._cycle = cycle_of(send)
        self._extra = extra
        self._write_timeout_s = write_timeout_s
        self.begun = False
        self.stuck = False

    async def start(self, status: int, headers: Headers) -> None:
        """Send status and headers of a live reply, with what is known of the call so far."""
        await self._start(status, beside(headers, self._extra()))

    async def write(self, chunk: bytes) -> None:
        """Send a piece of the body."""
        if self._cycle is not None and write_piece(self._cycle, chunk):
            return
        await self._push({"type": "http.response.body", "body": chunk, "more_body": True})

    async def finish(self) -> None:
        """Send the end of the body."""
        await self._push({"type": "http.response.body", "body": b"", "more_body": False})

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a whole answer at once."""
        if self._cycle is not None and write_whole(self._cycle, status, headers, body):
            self.begun = True
            return
        await self._start(status, (*headers, ("content-length", str(len(body)))))
        await self._push({"type": "http.response.body", "body": body, "more_body": False})

    async def _start(self, status: int, headers: Headers) -> None:
        self.begun = True
        await self._push({"type": "http.response.start", "status": status, "headers": raw(headers)})

    async def _push(self, message: Message) -> None:
        sent = Started(self._send(message))
        if sent.done:
            return
        try:
            async with asyncio.timeout(self._write_timeout_s):
                await sent
        except TimeoutError:
            self.stuck = True
            raise asyncio.CancelledError from None


def raw(headers: Headers) -> RawHeaders:
    """Headers as ASGI wants them; a provider's odd bytes leave as they came."""
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
