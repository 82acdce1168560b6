"""Whatever callers and provider do: whole answers or true errors, and every attempt booked once.

A crowd of equal calls comes and goes at random turns of the event loop, reads at random paces,
and shares a provider that plays random chunks and may break. The rules hold for every such day.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from scrimp.calls import Call, Reply
from scrimp.errors import UpstreamError
from scrimp.levers.retry import Retry, RetrySettings
from tests.support.core import (
    SSE_HEADERS,
    FakeClock,
    HereSink,
    attempt_of,
    call_of,
    chat_fields,
    reply_of,
)
from tests.support.flights import Tower, tower, turns

COST = 13
STREAM = call_of(chat_fields(stream=True))
WHOLE = call_of(chat_fields())


@dataclass(frozen=True, slots=True)
class Guest:
    """A caller: when it comes, how many turns it takes for a chunk, when it leaves (or never)."""

    comes: int
    pace: int
    leaves: int | None


@dataclass(frozen=True, slots=True)
class Run:
    """What the provider plays: sizes of chunks, the turns between them, where it breaks."""

    sizes: tuple[int, ...]
    gap: int
    breaks_at: int | None

    def body(self) -> bytes:
        """All that is said before the end, or before it breaks."""
        return b"".join(_chunk(number, size) for number, size in enumerate(self.said))

    @property
    def said(self) -> tuple[int, ...]:
        """Sizes of the chunks that come."""
        return self.sizes if self.breaks_at is None else self.sizes[: self.breaks_at]


GUESTS = st.lists(
    st.builds(
        Guest,
        comes=st.integers(0, 25),
        pace=st.integers(0, 4),
        leaves=st.none() | st.integers(1, 30),
    ),
    min_size=1,
    max_size=6,
)
RUNS = st.builds(
    Run,
    sizes=st.lists(st.integers(1, 5000), max_size=8).map(tuple),
    gap=st.integers(0, 4),
    breaks_at=st.none() | st.integers(0, 8),
)


def _chunk(number: int, size: int) -> bytes:
    return bytes([65 + number]) * size


class PacedSink(HereSink):
    """A client that needs some turns for each chunk."""

    def __init__(self, pace: int) -> None:
        super().__init__()
        self._pace = pace

    async def write(self, chunk: bytes) -> None:
        """Take it after a while."""
        await turns(self._pace)
        await super().write(chunk)


class Provider:
    """The way below. Logs one attempt per run, however it ends, and what it costs."""

    def __init__(self, run: Run, *, stream: bool) -> None:
        self._run = run
        self._stream = stream
        self.in_the_air = 0
        self.most = 0
        self.attempts = 0

    async def __call__(self, call: Call) -> Reply:
        """Play the run once."""
        self.attempts += 1
        self.in_the_air += 1
        self.most = max(self.most, self.in_the_air)
        ended = "cancelled"
        try:
            await self._play(call)
            ended = "ok" if self._run.breaks_at is None else "failed"
            if self._run.breaks_at is not None:
                raise UpstreamError("broke", status=502)
            return reply_of(body=self._run.body())
        finally:
            self.in_the_air -= 1
            call.trace.attempts.append(attempt_of(outcome=ended))

    async def _play(self, call: Call) -> None:
        for number, size in enumerate(self._run.said):
            await turns(self._run.gap)
            if not self._stream:
                continue
            if not call.sink.begun:
                await call.sink.start(200, SSE_HEADERS)
            await call.sink.write(_chunk(number, size))


async def _visit(air: Tower, guest: Guest, call: Call) -> tuple[BaseException | Reply, bytes]:
    """One caller from its coming to its end, and what it was sent live."""
    await turns(guest.comes)
    sink = PacedSink(guest.pace)
    task = air.send(call, sink=sink)
    if guest.leaves is not None:
        await turns(guest.leaves)
        task.cancel()
    (ended,) = await asyncio.gather(task, return_exceptions=True)
    return ended, sink.body


async def _day(guests: list[Guest], run: Run, *, stream: bool, max_bytes: int, tries: int) -> None:
    provider = Provider(run, stream=stream)
    retry = Retry(FakeClock(), lambda: 0.0, RetrySettings(attempts=tries))
    async with tower(provider, below=[retry], max_bytes=max_bytes) as air:
        visits = [_visit(air, guest, STREAM if stream else WHOLE) for guest in guests]
        ends = await asyncio.gather(*visits)
    # the tower has seen that no flight and no task is left
    assert provider.in_the_air == 0
    entries = [air.entry(number) for number in range(len(guests))]
    assert sum(len(entry.attempts) for entry in entries) == provider.attempts
    cost_nanousd = sum(entry.cost_nanousd or 0 for entry in entries)
    assert cost_nanousd == provider.attempts * COST
    for entry in entries:
        assert entry.baseline_nanousd is not None
        assert entry.cost_nanousd is not None
        saved = sum(nanousd for _, nanousd in entry.saved)
        assert entry.baseline_nanousd - entry.cost_nanousd == saved
    served = [entry for entry in entries if entry.outcome == "ok"]
    assert sum(isinstance(end, Reply) for end, _ in ends) <= len(served)
    for end, live in ends:
        _check_end(end, live, run, stream=stream)


def _check_end(end: BaseException | Reply, live: bytes, run: Run, *, stream: bool) -> None:
    """An answer is whole; an error is the provider's, or says that this client was too slow."""
    assert run.body().startswith(live)
    match end:
        case Reply():
            assert run.breaks_at is None
            assert end.body == run.body()
            assert live == (run.body() if stream else b"")
        case UpstreamError():
            assert end.status == 504 or run.breaks_at is not None
        case _:
            assert isinstance(end, asyncio.CancelledError)


@given(
    guests=GUESTS,
    run=RUNS,
    stream=st.booleans(),
    max_bytes=st.sampled_from((4000, 1 << 20)),
    tries=st.integers(1, 3),
)
@settings(max_examples=300)
def test_a_crowd_of_equal_calls(
    guests: list[Guest],
    run: Run,
    stream: bool,  # noqa: FBT001 - drawn
    max_bytes: int,
    tries: int,
) -> None:
    """Everyone gets all of it or a true error, every attempt is paid once, nothing is left."""
    asyncio.run(_day(guests, run, stream=stream, max_bytes=max_bytes, tries=tries))


@given(number=st.integers(2, 40), run=RUNS, stream=st.booleans())
@settings(max_examples=60)
def test_calls_that_come_together_make_one_attempt(
    number: int,
    run: Run,
    stream: bool,  # noqa: FBT001 - drawn
) -> None:
    """However many, and also when it fails: none of them asks again."""

    async def together() -> None:
        provider = Provider(run, stream=stream)
        async with tower(provider) as air:
            calls = [air.send(STREAM if stream else WHOLE) for _ in range(number)]
            ends = await asyncio.gather(*calls, return_exceptions=True)
        assert provider.attempts == 1
        assert {type(end) for end in ends} == {Reply if run.breaks_at is None else UpstreamError}

    asyncio.run(together())
