"""The server's HTTP protocol, which also limits headers and tells a call that its client left."""

from __future__ import annotations

from collections import deque

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from scrimp.gateway.leaving import EXTENSION, Leaving

MAX_HEAD_BYTES = 64 * 1024
"""Request line and headers together; SDKs send about one thousandth of it."""

_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: text/plain; charset=utf-8\r\n"
    b"content-length: 31\r\nconnection: close\r\n\r\nThe request's head is too large"
)


class GatewayProtocol(HttpToolsProtocol):
    """One connection.

    It ends when a request line and headers do not end in time, nor what follows a body (trailers,
    extensions of chunks): the parser joins every piece of a header to all before it, and without a
    limit anyone who can connect could fill the memory and keep the loop busy, without a key. When
    it is lost, every request on it hears of it.
    """

    _head_open = False
    _idle_bytes = 0  # since something of a request was whole, or a piece of its body came
    _open: deque[Leaving] | None = None

    def on_message_begin(self) -> None:
        """A request starts."""
        super().on_message_begin()
        self._head_open = True

    def on_headers_complete(self) -> None:
        """Its headers are here."""
        self._head_open = False
        self._idle_bytes = 0
        leaving = Leaving()
        self.scope["extensions"] = {EXTENSION: leaving}  # type: ignore[dict-item]  # an object of ours, not options
        if self._open is None:
            self._open = deque()
        self._open.append(leaving)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of its body is here."""
        self._idle_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """All of it is here."""
        self._idle_bytes = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The oldest request is answered; a pipelined one may follow."""
        if self._open:
            self._open.popleft()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        super().connection_lost(exc)
        for leaving in self._open or ():
            leaving.happened()

    def data_received(self, data: bytes) -> None:
        """Read on, unless the head, or what is neither head nor body, is too large already."""
        self._idle_bytes += len(data)
        super().data_received(data)
        if self._idle_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            if self._head_open:
                self.transport.write(_TOO_LARGE)
            self.transport.close()
