"""The server's HTTP protocol: limits of what a request may be, and of how long it may come.

It also tells a call that its client left (docs/dev/decisions/0004), and drains a connection without
losing what is sent on it meanwhile.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from scrimp.dialects import DIALECTS
from scrimp.gateway.leaving import EXTENSION, Leaving
from scrimp.gateway.standing import Standing
from scrimp.shell.refusal import Refusal

MAX_HEAD_BYTES = 64 * 1024
"""Request line and headers together; SDKs send about one thousandth of it."""

_TOO_LARGE = Refusal(
    431,
    "invalid_request",
    f"the request's head is too large (request line and headers: at most {MAX_HEAD_BYTES} bytes)",
)
_UNREADABLE = Refusal(400, "invalid_request", "this is not HTTP/1.1 as it can be read safely")
_TWO_HOSTS = Refusal(400, "invalid_request", "the request has more than one Host header")

Awaited = Literal["", "head", "body"]


class _TwoHostsError(Exception):
    """Ends the parser: who believes which of the two would decide what is allowed."""


class GatewayProtocol(HttpToolsProtocol):
    """One connection.

    It ends when a request line and headers do not end in time, nor what follows a body (trailers,
    extensions of chunks): the parser joins every piece of a header to all before it, and without a
    limit anyone who can connect could fill the memory and keep the loop busy, without a key. When
    it is lost, every request on it hears of it.

    There is no timer per request: the server calls `sweep` for all connections now and then.
    """

    server_state: Standing

    _head_open = False
    _host_seen = False
    _unfit = _UNREADABLE
    _idle_bytes = 0  # since something of a request was whole, or a piece of its body came
    _open: deque[Leaving] | None = None
    _slow_since: float | None = None  # the first sweep that found it waiting for the client
    _idle_since: float | None = None  # the first sweep of a drain that found it idle

    def on_message_begin(self) -> None:
        """A request starts."""
        super().on_message_begin()
        self._head_open = True
        self._host_seen = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header is here: as the library takes it, but only one Host (RFC 9112, 3.2)."""
        name = name.lower()
        if name == b"host":
            if self._host_seen:
                self._unfit = _TWO_HOSTS
                raise _TwoHostsError
            self._host_seen = True
        elif name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Its headers are here."""
        self._head_open = False
        self._idle_bytes = 0
        self._slow_since = None
        leaving = Leaving()
        self.scope["extensions"] = {EXTENSION: leaving}  # type: ignore[dict-item]  # an object of ours, not options
        if self._open is None:
            self._open = deque()
        self._open.append(leaving)
        super().on_headers_complete()
        if self.server_state.draining:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """A piece of its body is here."""
        self._idle_bytes = 0
        self._slow_since = None
        super().on_body(body)

    def on_message_complete(self) -> None:
        """All of it is here."""
        self._idle_bytes = 0
        self._slow_since = None
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
                self._refuse(_TOO_LARGE)
            self.transport.close()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 (the library's words; ours are the client's)
        """What came is not HTTP, or not safely so."""
        self._refuse(self._unfit)

    def sweep(self, now_s: float, *, head_s: float, body_s: float) -> None:
        """End it when a head has not come whole within `head_s`, or no body for `body_s`."""
        awaited = self._awaited()
        if not awaited or self.transport.is_closing():
            self._slow_since = None
            return
        if self._slow_since is None:
            self._slow_since = now_s
            return
        waited_s, limit_s = now_s - self._slow_since, head_s if awaited == "head" else body_s
        if waited_s < limit_s:
            return
        if awaited == "head" and not self._head_open:
            self.transport.close()  # not one byte: nobody waits for an answer
            return
        what = "its head was not whole" if awaited == "head" else "nothing more of its body came"
        text = f"the request came too slowly: {what} within {limit_s:g} s"
        self._refuse(Refusal(408, "timeout", text, ()))

    def shutdown(self) -> None:
        """Drain: what is in the air may end, and what is idle may ask once more.

        A client may be sending at this moment on a connection that looks idle here, and one that
        reads a stream does not know yet that it is the last. Their next answer says `close`;
        `close_idle` ends those that stay silent.
        """
        if (cycle := self._unanswered()) is not None and not cycle.response_started:
            cycle.keep_alive = False

    def close_idle(self, now_s: float, *, linger_s: float) -> None:
        """End it when it has been silent for `linger_s` of a drain."""
        if self._unanswered() is not None:
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = now_s
        if self._idle_since is not None and now_s - self._idle_since >= linger_s:
            self.transport.close()

    def _unanswered(self) -> RequestResponseCycle | None:
        """The newest request, while its answer is not complete."""
        newest: RequestResponseCycle | None = self.__dict__["cycle"]  # None before the first
        return None if newest is None or newest.response_complete else newest

    def _awaited(self) -> Awaited:
        """Which part of a request the client owes. Between two the keep-alive timer watches."""
        if (cycle := self._unanswered()) is None:
            return "head" if self.timeout_keep_alive_task is None else ""
        return "body" if cycle.more_body and not self.flow.read_paused else ""

    def _refuse(self, refusal: Refusal) -> None:
        """Answer in the client's words, unless another answer has its turn; then close."""
        if not self.transport.is_closing() and self._may_answer():
            self.transport.write(self._answer(refusal))
        self.transport.close()

    def _may_answer(self) -> bool:
        """No earlier request waits for its answer, and none has begun for this one."""
        unanswered = len(self._open or ())
        if self._head_open or not unanswered:
            return not unanswered
        return unanswered == 1 and self.cycle.more_body and not self.cycle.response_started

    def _answer(self, refusal: Refusal) -> bytes:
        headers: list[tuple[bytes, bytes]] | None = self.__dict__["headers"]
        anthropic = headers is not None and (  # None before the first request
            self.url.startswith(b"/v1/messages")
            or any(name == b"anthropic-version" for name, _ in headers)
        )
        dialect = DIALECTS["anthropic.messages" if anthropic else "openai.chat"]
        body = dialect.error_body(refusal.kind, refusal.message)
        lines = [STATUS_LINE[refusal.status], b"content-type: application/json\r\n"]
        lines += [f"{name}: {value}\r\n".encode() for name, value in refusal.headers]
        lines += [b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body), body]
        return b"".join(lines)
