"""Straight to the socket, past the server's `send`, wherever nothing has to be waited for.

`send` takes a whole answer in two messages and looks at each header by itself, and takes each piece
of a stream as a message: some fifteen microseconds for an answer and two for a piece. Names of
headers recur, and one look at all values says as much. What is written and the state that is left
are those of uvicorn's `RequestResponseCycle.send`; whatever is unusual takes that way.
"""

from __future__ import annotations

import re
from functools import lru_cache

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from scrimp.calls import Headers

_JOINED_BYTES = 64 * 1024
"""A larger body is not worth a copy."""

# RFC 9110, 5.5 and 5.6.2; line breaks in a value are counted apart
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9a-z]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_FRAMING = frozenset({"connection", "content-length", "transfer-encoding"})


def cycle_of(send: object) -> RequestResponseCycle | None:
    """The server's own request and answer behind `send`; None behind any other."""
    cycle = getattr(send, "__self__", None)
    return cycle if type(cycle) is RequestResponseCycle else None


def write_whole(cycle: RequestResponseCycle, status: int, headers: Headers, body: bytes) -> bool:
    """Write status, headers, `content-length` and body.

    False, with nothing written, where the server's own way has to be taken: the socket is full,
    the connection is to end, a header is odd.
    """
    if (
        cycle.response_started
        or cycle.disconnected
        or cycle.flow.write_paused
        or not cycle.keep_alive
        or cycle.access_log
        or cycle.scope["method"] == "HEAD"
        or (head := _head(headers)) is None
    ):
        return False
    ours = b"".join([b"%b: %b\r\n" % pair for pair in cycle.default_headers])
    length = b"content-length: %d\r\n\r\n" % len(body)
    cycle.response_started = True
    cycle.waiting_for_100_continue = False
    if len(body) <= _JOINED_BYTES:
        cycle.transport.write(b"".join((STATUS_LINE[status], ours, head, length, body)))
    else:
        cycle.transport.write(b"".join((STATUS_LINE[status], ours, head, length)))
        cycle.transport.write(body)
    cycle.response_complete = True
    cycle.message_event.set()
    cycle.on_response()
    return True


def write_piece(cycle: RequestResponseCycle, piece: bytes) -> bool:
    """Write a piece of a body of unknown length. False, with nothing written, as above."""
    if (
        not piece
        or not cycle.chunked_encoding
        or cycle.response_complete
        or cycle.disconnected
        or cycle.flow.write_paused
        or cycle.scope["method"] == "HEAD"
    ):
        return False
    cycle.transport.write(b"%x\r\n%b\r\n" % (len(piece), piece))
    return True


def _head(headers: Headers) -> bytes | None:
    """Header lines as bytes; None when one of them is not to be sent like this."""
    lines = []
    for name, value in headers:
        if not (begun := _begun(name)):
            return None
        lines.append(f"{begun}{value}\r\n")
    head = "".join(lines)
    if head.count("\n") != len(lines) or head.count("\r") != len(lines) or _CONTROL.search(head):
        return None
    return head.encode("latin-1")


@lru_cache(maxsize=512)
def _begun(name: str) -> str:
    """How the line of a header with this name begins; empty for one that frames the answer."""
    name = name.lower()
    return f"{name}: " if _TOKEN.fullmatch(name) and name not in _FRAMING else ""
