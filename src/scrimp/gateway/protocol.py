"""The server's HTTP protocol with a limit on headers, which its parser does not know."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 64 * 1024
"""Request line and headers together; SDKs send about one thousandth of it."""

_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: text/plain; charset=utf-8\r\n"
    b"content-length: 31\r\nconnection: close\r\n\r\nThe request's head is too large"
)


class LimitedProtocol(HttpToolsProtocol):
    """Ends a connection whose request line and headers do not end in time.

    The parser joins every piece of a header to all before it: without a limit anyone who can
    connect could fill the memory and keep the loop busy, without a key.
    """

    _head_open = False
    _head_bytes = 0

    def on_message_begin(self) -> None:
        """A request starts."""
        super().on_message_begin()
        self._head_open = True
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        """Its headers are here."""
        self._head_open = False
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Read on, unless the head is too large already."""
        super().data_received(data)
        if not self._head_open:
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()
