"""A way with record, coalesce and a scripted end, for tests of calls that share a flight."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from scrimp.calls import Call, Reply, Trace
from scrimp.dialects import DIALECTS
from scrimp.errors import UpstreamError
from scrimp.levers.coalesce import Coalesce, CoalesceSettings
from scrimp.levers.record import Record
from scrimp.pipeline.background import Background
from scrimp.pipeline.chain import chain
from scrimp.ports import Entry, Lever, Next
from tests.support.core import (
    SSE_HEADERS,
    FakeClock,
    HereSink,
    ListLedger,
    ListOutbox,
    attempt_of,
    call_of,
    chat_fields,
    flat_price,
    reply_of,
)


async def turns(number: int = 20) -> None:
    """Let everything that can go on go on."""
    for _ in range(number):
        await asyncio.sleep(0)


class Play:
    """The way below: each run waits for its cue, plays its chunks, and ends as it is told.

    `outcome` is a reply, or what is raised (or a maker of that, anew for each run). One attempt is
    logged per run, however it ends, as `pipeline.attempt` does.
    """

    def __init__(
        self,
        outcome: Reply | Exception | Callable[[], Exception] | None = None,
        chunks: Sequence[bytes] = (),
    ) -> None:
        self.outcome = outcome or reply_of()
        self.chunks = list(chunks)
        self.runs = 0
        self.cancelled = 0
        self.written = 0
        self._cue = asyncio.Event()

    def cue(self) -> None:
        """Go on to the end."""
        self._cue.set()

    async def __call__(self, call: Call) -> Reply:
        """Play."""
        self.runs += 1
        ended = "cancelled"
        try:
            if self.chunks:
                await call.sink.start(200, SSE_HEADERS)
            for chunk in self.chunks:
                await call.sink.write(chunk)
                self.written += 1
            await self._cue.wait()
            if isinstance(self.outcome, Reply):
                ended = "ok"
                return self.outcome
            ended = "failed"
            raise self.outcome if isinstance(self.outcome, Exception) else self.outcome()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            call.trace.attempts.append(attempt_of(outcome=ended))


class SlowSink(HereSink):
    """A client that takes a chunk only when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.let = asyncio.Event()

    async def write(self, chunk: bytes) -> None:
        """Wait, then take it."""
        await self.let.wait()
        await super().write(chunk)


@dataclass
class Tower:
    """One coalesce lever, the ledger above it, and the calls that were sent through both."""

    way: Next
    coalesce: Coalesce
    ledger: ListLedger
    outbox: ListOutbox
    group: asyncio.TaskGroup
    background: Background
    clock: FakeClock
    sent: list[Call] = field(default_factory=list)

    def send(self, call: Call | None = None, **changes: Any) -> asyncio.Task[Reply]:
        """Send a call in a task of its own; its sink and trace are new."""
        call = call or call_of(chat_fields())
        given = {"sink": HereSink(), "trace": Trace(), "id": f"call-{len(self.sent)}"}
        call = replace(call, **{**given, **changes})
        self.sent.append(call)
        return asyncio.get_running_loop().create_task(_awaited(self.way(call)))

    def entry(self, number: int) -> Entry:
        """The entry of the call that was sent as this one, settled or waiting to be."""
        settled = [one.entry for one in self.outbox.settlements]
        (entry,) = [e for e in (*self.ledger.entries, *settled) if e.id == f"call-{number}"]
        return entry

    def sink(self, number: int) -> HereSink:
        """The sink of a call that was sent."""
        sink = self.sent[number].sink
        assert isinstance(sink, HereSink)
        return sink

    @property
    def attempts(self) -> int:
        """Attempts over all entries: as many as were made, or something is booked twice or lost."""
        return sum(len(self.entry(number).attempts) for number in range(len(self.sent)))


async def _awaited(coroutine: Any) -> Reply:
    reply: Reply = await coroutine
    return reply


@asynccontextmanager
async def tower(
    end: Next,
    *,
    above: Sequence[Lever] = (),
    below: Sequence[Lever] = (),
    background: Background | None = None,
    **settings: Any,
) -> AsyncIterator[Tower]:
    """The way over `end`. When it is left nothing may be in the air any more."""
    ledger, outbox, clock = ListLedger(), ListOutbox(), FakeClock()
    background = background or Background()
    coalesce = Coalesce(background, clock, DIALECTS, CoalesceSettings(**settings))
    record = Record(ledger, outbox, clock, flat_price, keep_content=False)
    way = chain([record, *above, coalesce, *below], end)
    before = asyncio.all_tasks()
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        background.open(group)
        yield Tower(way, coalesce, ledger, outbox, group, background, clock)
    assert coalesce.in_the_air == 0
    assert asyncio.all_tasks() == before, "a task is left"


async def failure(task: asyncio.Task[Reply]) -> UpstreamError:
    """The error that a call ended with."""
    try:
        await task
    except UpstreamError as error:
        return error
    raise AssertionError("the call did not fail")
