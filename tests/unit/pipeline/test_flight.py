"""A flight's chunks: from the start for everybody, at everybody's own pace, within bounds."""

from __future__ import annotations

import asyncio

import pytest

from scrimp.calls import Call, Reply
from scrimp.errors import UpstreamError
from scrimp.pipeline.backlog import Backlog
from scrimp.pipeline.flight import AHEAD_BYTES
from tests.support.core import call_of, chat_fields, numbers, reply_of, verdicts
from tests.support.flights import Play, SlowSink, failure, tower, turns

KIB = 1024


def _stream() -> Call:
    return call_of(chat_fields(stream=True))


def _chunks(number: int, size: int) -> list[bytes]:
    """Chunks that are told apart."""
    return [bytes([65 + n % 26]) * size for n in range(number)]


async def test_a_late_joiner_gets_the_stream_from_its_start() -> None:
    """Whoever boards while chunks are in the air misses none of them."""
    play = Play(chunks=_chunks(9, 7))
    async with tower(play) as air:
        calls = [air.send(_stream())]
        await turns()
        assert air.sink(0).body == b"".join(play.chunks)
        calls += [air.send(_stream()), air.send(_stream())]
        await turns()
        assert air.sink(2).body == b"".join(play.chunks)
        play.cue()
        await asyncio.gather(*calls)
    for number in range(3):
        assert (air.sink(number).status, air.sink(number).body) == (200, b"".join(play.chunks))
    assert air.attempts == 1


async def test_a_late_joiners_answer_says_who_serves_it() -> None:
    """While it streams, the header can name the lever already."""
    play = Play(chunks=_chunks(2, 5))
    async with tower(play) as air:
        calls = [air.send(_stream()), air.send(_stream())]
        await turns()
        assert [call.trace.served_by for call in air.sent] == ["upstream", "coalesce"]
        play.cue()
        await asyncio.gather(*calls)


async def test_nobody_waits_for_the_slowest() -> None:
    """One client takes nothing: the others have it all, and the flight has ended."""
    play = Play(chunks=_chunks(40, 8 * KIB))
    play.cue()
    slow = SlowSink()
    async with tower(play) as air:
        calls = [air.send(_stream(), sink=slow), air.send(_stream()), air.send(_stream())]
        await turns(400)
        assert [call.done() for call in calls] == [False, True, True]
        slow.let.set()
        await asyncio.gather(*calls)
    assert slow.body == air.sink(1).body == b"".join(play.chunks)
    assert air.entry(0).cost_nanousd == air.entry(1).baseline_nanousd


async def test_one_client_alone_is_the_back_pressure() -> None:
    """The provider is read hardly further than the client reads, however much there is."""
    play = Play(chunks=_chunks(100, 8 * KIB))
    play.cue()
    slow = SlowSink()
    async with tower(play) as air:
        call = air.send(_stream(), sink=slow)
        await turns(400)
        assert play.written * 8 * KIB <= AHEAD_BYTES
        slow.let.set()
        await call
    assert slow.body == b"".join(play.chunks)


async def test_a_full_backlog_closes_the_flight_and_forgets_what_all_have_read() -> None:
    """A call that comes then begins a flight of its own; memory stays bounded."""
    play = Play(chunks=_chunks(100, 8 * KIB))
    async with tower(play, max_bytes=256 * KIB) as air:
        calls = [air.send(_stream()), air.send(_stream())]
        await turns(400)
        assert air.sink(0).body == air.sink(1).body == b"".join(play.chunks)
        assert air.coalesce.in_the_air == 0
        calls.append(air.send(_stream()))
        await turns()
        assert play.runs == 2
        play.cue()
        await asyncio.gather(*calls)
    assert air.sink(2).body == b"".join(play.chunks)


async def test_who_falls_too_far_behind_is_told_so() -> None:
    """Both numbers and the way out; what it had is a true beginning, and the rest go on."""
    play = Play(chunks=_chunks(100, 8 * KIB))
    play.cue()
    slow = SlowSink()
    async with tower(play, max_bytes=256 * KIB) as air:
        calls = [air.send(_stream(), sink=slow), air.send(_stream())]
        await asyncio.wait_for(calls[1], 5)
        slow.let.set()
        error = await failure(calls[0])
    assert air.sink(1).body.startswith(slow.body)
    assert 0 < len(slow.body) < len(air.sink(1).body)
    assert f"{256 * KIB} are kept" in str(error)
    assert f"{800 * KIB - len(slow.body)} bytes behind" in str(error)
    assert "coalesce.max_bytes" in str(error)
    assert verdicts(air.sent[0], "coalesce") == ["lost"]
    assert (air.entry(0).status, air.entry(0).outcome, air.entry(0).cost_nanousd) == (200, "cut", 0)
    assert (air.entry(1).served_by, air.attempts) == ("upstream", 1)


async def test_when_the_fastest_leaves_the_others_go_on() -> None:
    """The pace is then the next one's: nothing stands still, nothing is lost."""
    play = Play(chunks=_chunks(60, 8 * KIB))
    play.cue()
    slow = [SlowSink(), SlowSink()]
    async with tower(play) as air:
        fast = SlowSink()
        calls = [air.send(_stream(), sink=sink) for sink in (fast, *slow)]
        await turns(50)
        fast.let.set()
        await turns(4)
        calls[0].cancel()
        await turns(50)
        for sink in slow:
            sink.let.set()
        await asyncio.gather(*calls[1:])
    assert [sink.body for sink in slow] == [b"".join(play.chunks)] * 2
    assert air.attempts == 1


async def test_an_error_in_the_middle_comes_after_what_was_said() -> None:
    """Every caller has the same beginning, then the provider's error as its own."""
    play = Play(lambda: UpstreamError("broke off", status=502), _chunks(3, 10))
    async with tower(play) as air:
        calls = [air.send(_stream()) for _ in range(2)]
        await turns()
        calls.append(air.send(_stream()))
        play.cue()
        errors = [await failure(call) for call in calls]
    assert [error.status for error in errors] == [502] * 3
    for number in range(3):
        assert air.sink(number).body == b"".join(play.chunks)
        assert (air.entry(number).status, air.entry(number).outcome) == (200, "cut")
    assert (play.runs, air.attempts) == (1, 1)


async def test_the_last_to_leave_a_stream_ends_it_whoever_came_first() -> None:
    """Two leave in the middle: the attempt ends with the second, and is booked there."""
    play = Play(chunks=_chunks(3, 10))
    async with tower(play) as air:
        calls = [air.send(_stream()) for _ in range(2)]
        await turns()
        for call in calls:
            call.cancel()
            await turns()
    assert play.cancelled == 1
    assert [len(air.entry(number).attempts) for number in range(2)] == [0, 1]
    assert {air.entry(number).outcome for number in range(2)} == {"cancelled"}


@pytest.mark.parametrize("joined", [False, True])
async def test_who_leaves_on_the_last_chunk_has_had_the_answer(*, joined: bool) -> None:
    """SDKs leave on the end marker: a client that was given it is served, not cancelled."""
    play = Play(chunks=_chunks(2, 10))
    play.cue()
    sinks = [SlowSink(), SlowSink()]
    async with tower(play) as air:
        calls = [air.send(_stream(), sink=sink) for sink in sinks]
        await turns()
        leaver = calls[int(joined)]
        leaver.cancel()
        await turns()
        assert leaver.cancelled()
        for sink in sinks:
            sink.let.set()
        await calls[int(not joined)]
    entry = air.entry(int(joined))
    assert (entry.status, entry.outcome) == (200, "ok")
    assert entry.served_by == ("coalesce" if joined else "upstream")
    assert air.attempts == 1


async def test_who_leaves_before_the_last_chunk_is_cancelled_though_the_flight_has_ended() -> None:
    """The flight reads ahead of its clients: its end is not theirs."""

    class Paced(Play):
        async def __call__(self, call: Call) -> Reply:
            await call.sink.start(200, ())
            await call.sink.write(b"begin")
            await turns(5)
            return await super().__call__(call)

    play = Paced(chunks=_chunks(2, 10))
    play.cue()
    async with tower(play) as air:
        call = air.send(_stream(), sink=SlowSink())
        await turns()
        assert air.sink(0).begun
        call.cancel()
        await turns()
    entry = air.entry(0)
    assert (entry.status, entry.outcome, len(entry.attempts)) == (499, "cancelled", 1)


async def test_an_answer_without_a_body_begins_at_its_end() -> None:
    """Status and headers of a stream that says nothing reach every caller."""

    class Mute(Play):
        async def __call__(self, call: Call) -> Reply:
            await call.sink.start(200, ())
            return await super().__call__(call)

    play = Mute(reply_of(body=None, cacheable=False))
    play.cue()
    async with tower(play) as air:
        await asyncio.gather(air.send(_stream()), air.send(_stream()))
    assert [air.sink(number).status for number in range(2)] == [200, 200]


async def test_the_first_ones_header_tells_what_the_levers_below_did() -> None:
    """Lines of retries stand in the trace before the stream begins, and once."""

    class Noted(Play):
        async def __call__(self, call: Call) -> Reply:
            call.trace.note("retry", "again", {"status": 503})
            return await super().__call__(call)

    play = Noted(chunks=_chunks(2, 4))
    async with tower(play) as air:
        call = air.send(_stream())
        await turns()
        assert verdicts(air.sent[0], "retry") == ["again"]
        play.cue()
        await call
    assert verdicts(air.sent[0], "retry") == ["again"]
    assert numbers(air.sent[0], "coalesce") == {"callers": 1}


@pytest.mark.parametrize("outcome", [reply_of(cacheable=False), UpstreamError("no", status=502)])
async def test_what_must_not_be_remembered_is_not_joined_after_its_end(
    outcome: Reply | Exception,
) -> None:
    """A truncated or broken answer is for those who were aboard, however long they still read."""
    play = Play(outcome, chunks=_chunks(2, 10))
    play.cue()
    slow = SlowSink()
    async with tower(play) as air:
        calls = [air.send(_stream(), sink=slow)]
        await turns()
        calls.append(air.send(_stream()))
        await turns()
        slow.let.set()
        await asyncio.gather(*calls, return_exceptions=True)
    assert play.runs == 2


async def test_waiting_for_anothers_attempt_is_time_upstream() -> None:
    """What Scrimp adds to the latency of a call that joined is next to nothing."""
    play = Play()
    async with tower(play) as air:
        calls = [air.send(), air.send()]
        await turns()
        air.clock.pass_by(1.5)
        play.cue()
        await asyncio.gather(*calls)
    assert (air.entry(1).latency_ms, air.entry(1).upstream_ms) == (1500.0, 1500.0)


def test_a_backlog_joins_small_chunks_and_keeps_their_numbers() -> None:
    """Pieces stay below 64 KiB, a larger chunk is a piece by itself; forgetting renumbers none."""
    backlog = Backlog()
    for chunk in (b"a" * 10, b"b" * 20, b"c" * 100_000, b"d" * 60_000, b"e" * 6_000):
        backlog.add(chunk)
    assert backlog.piece(0) == (b"a" * 10 + b"b" * 20, 2)
    assert backlog.piece(1) == (b"b" * 20, 2)
    backlog.forget(2)
    backlog.forget(1)
    assert backlog.piece(2) == (b"c" * 100_000, 3)
    assert backlog.piece(3) == (b"d" * 60_000, 4)
    assert (backlog.end, backlog.written_bytes) == (5, 166_030)
