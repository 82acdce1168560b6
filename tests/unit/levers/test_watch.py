"""The watch lever: repeats are noted, and refused only where they may be; dear tiers are noted."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from scrimp.alerts.entries import WATCH
from scrimp.calls import Call, Caller, Reply
from scrimp.errors import RateLimited
from scrimp.levers.watch import Watch
from tests.support.core import (
    FakeClock,
    attempt_of,
    call_of,
    chat_fields,
    numbers,
    reply_of,
    verdicts,
)

ALICE = Caller("local", key="alice")


def again(caller: Caller = ALICE, text: str = "Say hi", **changes: Any) -> Call:
    """The same call once more: an id and a trace of its own."""
    return call_of(chat_fields(text), caller=caller, **changes)


async def answered(call: Call) -> Reply:  # noqa: ARG001 (the shape of what is below)
    """What is below always answers."""
    return reply_of()


async def passed(watch: Watch, *calls: Call) -> int:
    """How many calls were let through."""
    done = 0
    for call in calls:
        try:
            await watch(call, answered)
        except RateLimited:
            continue
        done += 1
    return done


def watching(clock: FakeClock, *, block: bool = False, times: int = 3) -> Watch:
    """Three equal calls within a minute are no loop."""
    return Watch(clock, times=times, within_s=60, block=block)


def test_alerts_know_it_by_its_name() -> None:
    """What reads the trace and what writes it agree."""
    assert Watch.name == WATCH


async def test_a_loop_is_noted_once_in_its_time_and_goes_on() -> None:
    """The call after the last allowed one has the line; what comes then needs none."""
    clock, calls = FakeClock(), [again() for _ in range(6)]
    assert await passed(watching(clock), *calls) == 6
    assert [verdicts(call, "watch") for call in calls] == [[], [], [], ["loop"], [], []]
    assert numbers(calls[3], "watch") == {"times": 4, "within_s": 60}


async def test_where_it_may_be_a_loop_is_refused_until_its_time_is_over() -> None:
    """With who, how often, how long, and the way out; afterwards the call is answered again."""
    clock = FakeClock()
    watch = watching(clock, block=True)
    assert await passed(watch, *(again() for _ in range(3))) == 3
    clock.pass_by(20)
    refused = again()
    with pytest.raises(RateLimited, match="the same call came 4 times within 60 s") as caught:
        await watch(refused, answered)
    assert "key 'alice'" in str(caught.value)
    assert "[alerts.loop] times" in str(caught.value)
    assert caught.value.retry_after_s == 40
    assert verdicts(refused, "watch") == ["refused"]
    clock.pass_by(40)
    assert await passed(watch, again()) == 1


async def test_other_calls_keys_and_sessions_are_no_part_of_a_loop() -> None:
    """What is equal is counted for one session, or else for one key."""
    watch = watching(FakeClock(), block=True, times=2)
    callers = [
        ALICE,
        Caller("local", key="bob"),
        Caller("local", key="alice", session="one"),
        Caller("local", key="alice", session="two"),
        Caller("other", key="alice"),
    ]
    calls = [again(caller) for caller in callers for _ in range(2)]
    calls += [again(text=f"Say {number}") for number in range(5)]
    assert await passed(watch, *calls) == len(calls)
    assert await passed(watch, *(again(caller) for caller in callers)) == 0


async def test_only_calls_of_clients_that_can_be_read_are_counted() -> None:
    """What Scrimp itself repeats, or passes on unread, is no agent's loop."""
    watch = watching(FakeClock(), block=True, times=2)
    own = [again(purpose="warm") for _ in range(5)]
    unread = [again(operation="passthrough") for _ in range(5)]
    assert await passed(watch, *own, *unread) == 10


@pytest.mark.parametrize(
    ("asked", "billed", "noted"),
    [
        ({}, "default", []),
        ({}, "", []),
        ({}, "priority", ["upgraded"]),
        ({"service_tier": "priority"}, "priority", []),
        ({"service_tier": "flex"}, "flex", []),
        ({"service_tier": "flex"}, "default", ["upgraded"]),
        ({"service_tier": ["odd"]}, "priority", ["upgraded"]),
    ],
)
async def test_a_dearer_tier_than_asked_is_noted(
    asked: dict[str, Any], billed: str, noted: list[str]
) -> None:
    """With both tiers; also when the call has failed in the end."""
    call = call_of(chat_fields(**asked), caller=ALICE)

    async def tried(one: Call) -> Reply:
        one.trace.attempts.append(attempt_of(service_tier=billed))
        return reply_of()

    async def failed(one: Call) -> Reply:
        await tried(one)
        raise RateLimited("no", retry_after_s=1)

    await watching(FakeClock())(call, tried)
    assert verdicts(call, "watch") == noted
    if noted:
        assert numbers(call, "watch")["billed"] == billed
    other = replace(call, trace=type(call.trace)())
    with pytest.raises(RateLimited):
        await watching(FakeClock())(other, failed)
    assert verdicts(other, "watch") == noted
