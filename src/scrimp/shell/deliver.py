"""Replies and errors in the form that the client asked for and the dialect it speaks."""

from __future__ import annotations

from typing import Protocol

from scrimp.calls import Call, Headers, Reply
from scrimp.dialects.base import Dialect, ErrorKind
from scrimp.errors import UpstreamError
from scrimp.shell import wire
from scrimp.shell.refusal import Refusal

JSON = (("content-type", "application/json"),)
SSE = (("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache"))


class Way(Protocol):
    """The way to one client: its socket, or its mailbox in the same process."""

    @property
    def begun(self) -> bool:
        """True once something has left for the client."""
        ...

    async def write(self, chunk: bytes) -> None:
        """Send a piece of the body."""
        ...

    async def finish(self) -> None:
        """Send the end of the body."""
        ...

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a whole answer at once."""
        ...


def present(dialect: Dialect, reply: Reply, call: Call) -> tuple[Headers, bytes]:
    """Content headers and body of a whole reply: an event stream if asked for, else JSON."""
    body, request = reply.body or b"", call.request
    match reply.framing, request.stream:
        case "sse", True:
            reader = dialect.stream_reader(hide_usage=not request.include_usage)
            return SSE, reader.feed(body) + reader.close()
        case "sse", False:
            return JSON, dialect.from_stream(body)
        case "json", True if reply.facts.complete:
            return SSE, dialect.to_stream(body, include_usage=request.include_usage)
        case _:
            kept = tuple(pair for pair in reply.headers if pair[0] == "content-type")
            return kept or JSON, body


async def deliver(sink: Way, dialect: Dialect, reply: Reply, call: Call) -> None:
    """Finish the stream that has begun, or send the whole reply now."""
    if sink.begun:
        await sink.finish()
        return
    content, body = present(dialect, reply, call)
    extra = wire.trace_headers(call.id, call.trace, reply)
    ours = (*content, *extra)
    await sink.whole(reply.status, wire.beside(wire.returned(reply.headers), ours), body)


async def refuse(sink: Way, dialect: Dialect, refusal: Refusal, headers: Headers) -> None:
    """Our own error, so that the client's SDK raises its own exception class."""
    body = dialect.error_body(refusal.kind, refusal.message)
    await sink.whole(refusal.status, (*JSON, *refusal.headers, *headers), body)


async def pass_on(sink: Way, dialect: Dialect, error: UpstreamError, call: Call) -> None:
    """The provider's error as it came, or in our words when it gave none."""
    extra = wire.trace_headers(call.id, call.trace)
    limits = call.trace.headers
    theirs = tuple(pair for pair in wire.returned(error.headers) if pair[0] not in limits)
    if len(call.trace.attempts) > 1:
        # the retry lever has tried: an SDK that repeats on top would multiply paid attempts
        theirs = tuple(pair for pair in theirs if pair[0] != "x-should-retry")
        extra = (*extra, ("x-should-retry", "false"))
    if error.body:
        kept = tuple(pair for pair in error.headers if pair[0] == "content-type")
        await sink.whole(error.status, (*theirs, *(kept or JSON), *extra), error.body)
        return
    body = dialect.error_body(_kind(error), str(error))
    await sink.whole(error.status, (*theirs, *JSON, *extra), body)


async def break_off(sink: Way, dialect: Dialect, error: UpstreamError, call: Call) -> bool:
    """An error after the first byte: in-stream where the form allows it. False when it does not."""
    if call.operation == "passthrough" or not call.request.stream:
        return False
    await sink.write(dialect.error_event(_kind(error), str(error)))
    await sink.finish()
    return True


def _kind(error: UpstreamError) -> ErrorKind:
    match error.status:
        case 401:
            return "unauthenticated"
        case 403:
            return "forbidden"
        case 404:
            return "not_found"
        case 429:
            return "rate_limited"
        case 408 | 504:
            return "timeout"
        case _:
            return "upstream"
