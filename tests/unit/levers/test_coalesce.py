"""Coalesce: who shares a flight, what each caller gets, who pays, and what is left (nothing)."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any

import pytest
from msgspec.structs import replace

from scrimp.calls import Call, Caller, HeldSink, Reply, ReplyFacts, Task, Trace
from scrimp.dialects import DIALECTS
from scrimp.errors import BudgetExceeded, UpstreamError
from scrimp.levers.exact_cache import ExactCache, ExactCacheSettings
from scrimp.levers.retry import Retry, RetrySettings
from scrimp.pipeline.background import Background
from scrimp.ports import Next
from scrimp.remembered import CacheControl
from scrimp.stores.memory_replies import MemoryReplies
from tests.support.core import (
    FakeClock,
    HereSink,
    call_of,
    chat_fields,
    numbers,
    reply_of,
    verdicts,
)
from tests.support.flights import Play, failure, tower, turns

COST = 9 + 2 * 2  # of an attempt, at the flat price


def _refused() -> UpstreamError:
    return UpstreamError("no", status=429, headers=(("retry-after", "3"),), body=b"{}")


def _call(**changes: Any) -> Call:
    return call_of(chat_fields(), **changes)


async def test_equal_calls_share_one_attempt_and_the_first_pays() -> None:
    """All get the answer; one entry has the attempt, the others a saving of what it cost."""
    play = Play()
    async with tower(play) as air:
        calls = [air.send() for _ in range(5)]
        await turns()
        play.cue()
        replies = await asyncio.gather(*calls)
    assert play.runs == 1
    assert [reply.body for reply in replies] == [reply_of().body] * 5
    assert [reply.served_by for reply in replies] == ["upstream", *["coalesce"] * 4]
    first, *others = (air.entry(number) for number in range(5))
    assert (first.cost_nanousd, first.served_by, first.saved) == (COST, "upstream", ())
    assert numbers(air.sent[0], "coalesce") == {"callers": 5}
    for entry in others:
        assert (entry.cost_nanousd, entry.baseline_nanousd) == (0, COST)
        assert (entry.served_by, entry.saved) == ("coalesce", (("coalesce", COST),))
        assert (entry.attempts, entry.status, entry.outcome) == ((), 200, "ok")


@pytest.mark.parametrize(
    "other",
    [
        call_of(chat_fields("Say ho")),
        call_of(chat_fields(stream=True)),
        _call(target=replace(_call().target, dialect="anthropic.messages")),
        _call(caller=Caller("key:b")),
        _call(caller=Caller("local", key="b")),
        _call(caller=Caller("local", credential=("authorization", "Bearer b"))),
        _call(target=replace(_call().target, provider="azure")),
        _call(path="/v1/chat/completions?x=1"),
        _call(headers=(("openai-organization", "b"),)),
        _call(sink=HeldSink()),
    ],
    ids=[
        "words",
        "stream",
        "dialect",
        "tenant",
        "key",
        "credential",
        "provider",
        "path",
        "header",
        "drafts",
    ],
)
async def test_calls_that_differ_in_anything_do_not_share(other: Call) -> None:
    """Words, form, payer, target, headers that change answers: each has a flight of its own."""
    play = Play()
    async with tower(play) as air:
        calls = [air.send(_call()), air.send(other, sink=other.sink)]
        await turns()
        assert play.runs == 2
        assert air.coalesce.in_the_air == 2
        play.cue()
        await asyncio.gather(*calls)
    assert [air.entry(number).cost_nanousd for number in range(2)] == [COST, COST]


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (_call(cache=CacheControl("no-store")), "no_store"),
        (_call(cache=CacheControl("refresh")), "refresh"),
        (_call(cache=CacheControl(ttl_s=0)), "ttl_0"),
        (_call(task=Task("creative", "header")), "task_never_cached"),
        (_call(operation="count_tokens"), "not_a_chat"),
        (call_of(chat_fields(n=2)), "several_choices"),
        (call_of(chat_fields(temperature=1.5)), "temperature"),
        (call_of(chat_fields(store=True)), "stateful"),
    ],
)
async def test_what_may_not_be_remembered_is_not_shared(call: Call, reason: str) -> None:
    """Each such call asks for itself, and its trace says why."""
    play = Play()
    play.cue()
    async with tower(play) as air:
        await asyncio.gather(air.send(call), air.send(call))
    assert play.runs == 2
    assert verdicts(air.sent[0], "coalesce") == ["bypass"]
    assert numbers(air.sent[1], "coalesce") == {"reason": reason}


async def test_a_call_after_the_answer_asks_again() -> None:
    """A flight is for calls in the air; what stays is the exact cache's business."""
    play = Play()
    play.cue()
    async with tower(play) as air:
        for _ in range(2):
            assert (await air.send()).served_by == "upstream"
    assert play.runs == 2


async def test_the_first_that_leaves_takes_nobody_along() -> None:
    """The flight goes on, the next caller pays, the one that left pays nothing: once in all."""
    play = Play()
    async with tower(play) as air:
        calls = [air.send() for _ in range(3)]
        await turns()
        calls[0].cancel()
        await turns()
        assert calls[0].cancelled()
        play.cue()
        replies = await asyncio.gather(*calls[1:])
    assert play.runs == 1
    assert [reply.served_by for reply in replies] == ["upstream", "coalesce"]
    assert [air.entry(number).cost_nanousd for number in range(3)] == [0, COST, 0]
    assert (air.entry(0).status, air.entry(0).outcome) == (499, "cancelled")
    assert verdicts(air.sent[0], "coalesce") == ["left"]
    assert verdicts(air.sent[1], "coalesce") == ["joined", "took_over"]
    assert air.attempts == 1


async def test_the_last_that_leaves_ends_the_flight_and_pays() -> None:
    """Nobody waits for the answer any more: the attempt is cancelled, and booked once."""
    play = Play()
    async with tower(play) as air:
        calls = [air.send() for _ in range(3)]
        await turns()
        for call in (calls[1], calls[0]):
            call.cancel()
        await turns()
        assert play.cancelled == 0
        calls[2].cancel()
        await turns()
        assert play.cancelled == 1
        assert all(call.cancelled() for call in calls)
    assert [len(air.entry(number).attempts) for number in range(3)] == [0, 0, 1]
    assert air.entry(2).attempts[0].outcome == "cancelled"
    assert {air.entry(number).outcome for number in range(3)} == {"cancelled"}


async def test_a_flight_that_never_takes_off_does_not_hold_its_last_caller() -> None:
    """A task that was cancelled before its first step tells nobody: the caller can leave."""

    class Shut(Background):
        def __call__(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
            task = super().__call__(work)
            task.cancel()
            return task

    play = Play()
    async with tower(play, background=Shut()) as air:
        call = air.send()
        await turns()
        call.cancel()
        await turns()
        assert call.cancelled()
    assert play.runs == 0
    assert air.entry(0).attempts == ()


async def test_an_impatient_canceller_does_not_lose_the_attempt() -> None:
    """Cancelled again while its flight comes down, the last caller still books it."""

    class Stubborn(Play):
        async def __call__(self, call: Call) -> Reply:
            try:
                return await super().__call__(call)
            finally:
                await turns(5)

    play = Stubborn()
    async with tower(play) as air:
        call = air.send()
        await turns()
        for _ in range(4):
            call.cancel()
            await asyncio.sleep(0)
        await turns()
        assert call.cancelled()
    assert [attempt.outcome for attempt in air.entry(0).attempts] == ["cancelled"]


async def test_a_refusal_reaches_all_who_joined_and_nobody_asks_again() -> None:
    """Each gets the provider's own status, headers and body; the first has the attempt."""
    play = Play(_refused)
    async with tower(play) as air:
        calls = [air.send() for _ in range(4)]
        await turns()
        play.cue()
        errors = [await failure(call) for call in calls]
    assert play.runs == 1
    assert len(set(map(id, errors))) == 4, "an error belongs to one call"
    for error in errors:
        assert (error.status, error.body) == (429, b"{}")
        assert error.headers == (("retry-after", "3"),)
    assert air.attempts == 1
    assert [air.entry(number).status for number in range(4)] == [429] * 4
    assert [air.entry(number).cost_nanousd for number in (1, 2, 3)] == [0] * 3
    assert [air.entry(number).outcome for number in (1, 2, 3)] == ["rejected"] * 3


async def test_after_repeated_attempts_nobody_is_told_to_repeat() -> None:
    """The retry lever has tried for all of them: their SDKs must not try on top of that."""
    play = Play(UpstreamError("gone", status=502, headers=(("x-should-retry", "true"),)))
    play.cue()
    retry = Retry(FakeClock(), lambda: 0.0, RetrySettings(attempts=2))
    async with tower(play, below=[retry]) as air:
        first, second = air.send(), air.send()
        assert len((await failure(first)).headers) == 1
        assert (await failure(second)).headers == (("x-should-retry", "false"),)
    assert play.runs == 2
    assert air.attempts == 2
    assert verdicts(air.sent[0], "retry") == ["again", "gave_up"]
    assert verdicts(air.sent[1], "retry") == []


async def test_our_own_refusal_reaches_all() -> None:
    """What a lever below refuses is refused to all of the same payer."""
    play = Play(BudgetExceeded("budget 'ci' has $0.00 left"))
    play.cue()
    async with tower(play) as air:
        calls = [air.send() for _ in range(3)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(answer) for answer in answers] == [BudgetExceeded] * 3
    assert play.runs == 1


async def test_a_lever_below_that_breaks_is_no_reason_for_a_stampede() -> None:
    """The first caller gets the error itself, the others a true one; the way is gone once."""
    play = Play(KeyError("secret"))
    async with tower(play) as air:
        calls = [air.send() for _ in range(3)]
        await turns()
        play.cue()
        first, *others = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(first, KeyError)
    for error in others:
        assert isinstance(error, UpstreamError)
        assert error.status == 502
        assert "secret" not in str(error)
    assert play.runs == 1


async def test_one_of_all_remembers_the_answer() -> None:
    """The exact cache above gets it from the first that lands; no equal call asks in between."""
    play = Play()
    store = MemoryReplies(FakeClock(), max_bytes=1 << 20)
    puts: list[bytes] = []
    put = store.put

    async def counted(key: bytes, stored: Any) -> bool:
        puts.append(key)
        return await put(key, stored)

    store.put = counted  # type: ignore[method-assign]  # counted, then done
    cache = ExactCache(store, FakeClock(), DIALECTS, ExactCacheSettings())
    async with tower(play, above=[cache]) as air:
        calls = [air.send() for _ in range(3)]
        await turns()
        play.cue()
        for _ in range(30):  # some of these come in the very turn in which the flight ends
            calls.append(air.send())
            await asyncio.sleep(0)
        await asyncio.gather(*calls)
    assert play.runs == 1
    assert len(puts) == 1
    served = [air.entry(number).served_by for number in range(33)]
    assert served[:3] == ["upstream", "coalesce", "coalesce"]
    assert served[-1] == "exact_cache"


@pytest.mark.parametrize("usage", [None])
async def test_a_saving_that_nobody_can_know_is_not_zero(usage: None) -> None:
    """A shared reply without usage has no known baseline."""
    play = Play(reply_of(facts=ReplyFacts(usage=usage, complete=True), cacheable=False))
    play.cue()
    async with tower(play) as air:
        await asyncio.gather(air.send(), air.send())
    assert (air.entry(1).cost_nanousd, air.entry(1).baseline_nanousd) == (0, None)


async def test_without_an_open_app_a_call_goes_alone() -> None:
    """A lever that cannot do its work is skipped, and says so."""

    class Closed(Background):
        def open(self, group: asyncio.TaskGroup) -> None:
            """There is no group."""

    play = Play()
    play.cue()
    async with tower(play, background=Closed()) as air:
        assert (await air.send()).served_by == "upstream"
    assert verdicts(air.sent[0], "coalesce") == ["skipped"]


async def test_a_shared_answer_leaves_no_garbage() -> None:
    """Nothing of a flight waits for the cyclic collector."""
    play = Play(chunks=[b"data: x\n\n"] * 3)
    play.cue()
    async with tower(play) as air:
        gc.collect()
        gc.disable()
        try:
            for _ in range(20):
                await _both(air.way)
            assert gc.collect() == 0
        finally:
            gc.enable()


async def _both(way: Next) -> None:
    base = call_of(chat_fields(stream=True))
    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(_through(way, replace(base, sink=HereSink(), trace=Trace())))


async def _through(way: Next, call: Call) -> None:
    await way(call)
