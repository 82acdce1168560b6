"""A stream that is held back: the line is kept open by comments, the answer delivered whole.

Server-sent events ignore a line that begins with a colon (WHATWG HTML, "Server-sent events",
section 9.2.6), and so do the readers of OpenAI's and Anthropic's SDKs. The first comment sends
status 200: from then on an error can only be told in the stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from scrimp.calls import Call, Reply, Sink
from scrimp.dialects.base import Dialect
from scrimp.errors import UpstreamError
from scrimp.ports import Clock

COMMENT = b": scrimp\n\n"
_EVENTS = (
    ("content-type", "text/event-stream; charset=utf-8"),
    ("cache-control", "no-cache"),
)
T = TypeVar("T")


async def kept_alive(sink: Sink, clock: Clock, every_s: float, work: Awaitable[T]) -> T:
    """What the work returns or raises; a comment goes to the client each time it takes so long.

    Ends the work when the client has gone, as a write that nobody reads does.
    """
    outcome: T | None = None
    failure: Exception | None = None
    try:
        async with asyncio.TaskGroup() as group:
            mine = asyncio.current_task()
            beat = group.create_task(_beat(sink, clock, every_s, mine))
            try:
                outcome = await work
            except Exception as error:  # noqa: BLE001 (raised again below, out of the group)
                failure = error
            finally:
                beat.cancel()
        if failure is not None:
            raise failure
        return outcome  # type: ignore[return-value]  # set where nothing was raised
    finally:
        failure = None  # its traceback leads back here: a ring that only the collector frees


async def _beat(
    sink: Sink, clock: Clock, every_s: float, waiting: asyncio.Task[None] | None
) -> None:
    while True:
        await clock.sleep(every_s)
        try:
            if not sink.begun:
                await sink.start(200, _EVENTS)
            await sink.write(COMMENT)
        except (asyncio.CancelledError, Exception):
            own = asyncio.current_task()
            if waiting is not None and own is not None and not own.cancelling():
                waiting.cancel()  # a client that does not read: nobody waits for the answer
            raise


async def deliver_whole(call: Call, reply: Reply, dialect: Dialect) -> None:
    """The answer to a stream that comments have begun, as the events that the vendor sends.

    Raises UpstreamError for one that cannot be told as events.
    """
    include = call.request.include_usage
    body = reply.body or b""
    if reply.framing == "sse":
        reader = dialect.stream_reader(hide_usage=not include)
        body = reader.feed(body) + reader.close()
    elif reply.facts.complete:
        body = dialect.to_stream(body, include_usage=include)
    else:
        raise UpstreamError("the provider's answer is no whole answer", status=502)
    await call.sink.write(body)
