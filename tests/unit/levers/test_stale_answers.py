"""Answers a little past their time: served at once, and asked for anew by a call of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from msgspec.structs import replace

from scrimp.calls import Call, Caller, Reply
from scrimp.dialects import DIALECTS
from scrimp.errors import BudgetExceeded
from scrimp.levers.exact_cache import ExactCache, ExactCacheSettings
from scrimp.pipeline.again import Again
from scrimp.pipeline.chain import chain
from scrimp.pipeline.turns import Turns
from scrimp.ports import Claims, Next
from scrimp.remembered import CacheControl, Chosen
from scrimp.stores.memory_replies import MemoryReplies
from tests.support.core import (
    FakeClock,
    HereSink,
    answer_fields,
    call_of,
    numbers,
    reply_of,
    verdicts,
)

HOUR_S, TEN_MINUTES_S = 3600, 600


class NotingClock(FakeClock):
    """Tells when somebody sleeps."""

    def __init__(self) -> None:
        super().__init__()
        self.on_sleep: Callable[[], None] = lambda: None

    async def sleep(self, seconds: float) -> None:
        """Move on."""
        self.on_sleep()
        await super().sleep(seconds)


class House:
    """A cache with a way back to the provider; what is asked anew waits for `gate`."""

    def __init__(
        self,
        claims: Claims | None = None,
        neighbour: House | None = None,
        *,
        stale_s: int = TEN_MINUTES_S,
    ) -> None:
        self.clock: NotingClock = NotingClock() if neighbour is None else neighbour.clock
        memory = MemoryReplies(self.clock, max_bytes=1 << 20)
        self.store: MemoryReplies = memory if neighbour is None else neighbour.store
        self.asked: list[Call] = []
        self.anew: list[Call] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None
        self.cacheable = True
        self.tasks: list[asyncio.Task[None]] = []
        settings = ExactCacheSettings(older_s=TEN_MINUTES_S, stale_s=stale_s)
        turns = None if claims is None else Turns(claims, self.clock, wait_s=10, lease_s=30)
        self.again = Again(self._ask_anew, self.clock, lambda: "anew", self._spawn, most=3)
        lever = ExactCache(self.store, self.clock, DIALECTS, settings, turns, again=self.again)
        self.way: Next = chain([lever], self._end)

    async def ask(self, **words: Any) -> tuple[Reply, list[str]]:
        """A call now: the reply, and what the cache said."""
        call = replace(call_of(), started_at=self.clock.now(), **words)
        reply = await self.way(call)
        return reply, verdicts(call, "exact_cache")

    async def settled(self) -> None:
        """Wait for what runs in the background."""
        await asyncio.gather(*self.tasks)

    async def _end(self, call: Call) -> Reply:
        self.asked.append(call)
        return reply_of(body=answer_fields("old"))

    async def _ask_anew(self, call: Call) -> Reply:
        self.anew.append(call)
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return reply_of(body=answer_fields("new"), cacheable=self.cacheable)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        self.tasks.append(asyncio.get_running_loop().create_task(work))
        return self.tasks[-1]


async def past_its_time(house: House, *, by_s: float = 1, **words: Any) -> None:
    """An answer that was good for an hour, so many seconds ago."""
    await house.ask(**words)
    house.clock.pass_by(HOUR_S + by_s)


async def test_it_is_served_at_once_and_asked_for_once() -> None:
    """A crowd gets the old answer without waiting; one call asks anew, and its answer is served."""
    house = House()
    await past_its_time(house)
    house.gate.clear()
    for _ in range(20):
        reply, said = await house.ask()
        assert (said, reply.body) == (["stale"], answer_fields("old"))
    house.gate.set()
    await house.settled()
    reply, said = await house.ask()
    assert (said, reply.body) == (["hit"], answer_fields("new"))
    assert (len(house.asked), len(house.anew)) == (1, 1)


async def test_the_new_call_is_its_own() -> None:
    """Another id, trace and purpose; paid by the same caller, heard by nobody, named as before."""
    house = House()
    who = Caller("key:ana", key="ana")
    named = CacheControl(name="faq/hours", tags=("shop",))
    await past_its_time(house, caller=who, cache=named)
    sink = HereSink()
    await house.ask(caller=who, sink=sink)
    await house.settled()
    (anew,) = house.anew
    assert (anew.id, anew.purpose, anew.caller, anew.sink.live) == ("anew", "warm", who, False)
    assert (anew.cache.name, anew.cache.tags, anew.cache.mode) == (
        "faq/hours",
        ("shop",),
        "refresh",
    )
    assert (anew.started_at, anew.trace.lines) == (house.clock.now(), [])
    assert not sink.begun
    assert await house.store.invalidate(Chosen(tag="shop")) == 1


@pytest.mark.parametrize(
    ("by_s", "verdict"),
    [(-1, "hit"), (0, "stale"), (TEN_MINUTES_S - 1, "stale"), (TEN_MINUTES_S, "miss")],
)
async def test_how_long(by_s: float, verdict: str) -> None:
    """From its time on for ten minutes, and not a second longer."""
    house = House()
    await past_its_time(house, by_s=by_s)
    assert (await house.ask())[1] == [verdict]
    await house.settled()


@pytest.mark.parametrize(
    ("cache", "verdict"),
    [
        (CacheControl(ttl_s=HOUR_S), "miss"),
        (CacheControl("refresh"), "miss"),
        (CacheControl("no-store"), "bypass"),
    ],
)
async def test_who_asks_for_more_gets_no_old_answer(cache: CacheControl, verdict: str) -> None:
    """A time of its own, a fresh answer, or no cache at all."""
    house = House()
    await past_its_time(house)
    assert (await house.ask(cache=cache))[1] == [verdict]
    assert house.anew == []


async def test_after_a_failure_nobody_asks_anew_for_a_while() -> None:
    """The old answer is served on; ten seconds later another call tries."""
    house = House()
    await past_its_time(house)
    house.error = BudgetExceeded("no more")
    for wait_s, tries in ((0, 1), (9, 1), (2, 2)):
        house.clock.pass_by(wait_s)
        assert (await house.ask())[1] == ["stale"]
        await house.settled()
        assert len(house.anew) == tries


async def test_what_nobody_foresaw_ends_nothing_else() -> None:
    """A bug on the way: the task of the app ends well, and the old answer is served."""
    house = House()
    await past_its_time(house)
    house.error = RuntimeError("a bug")
    assert (await house.ask())[1] == ["stale"]
    await house.settled()


async def test_only_so_many_at_once() -> None:
    """Beyond it old answers are served without asking anew, and the trace says so."""
    house = House()
    callers = [Caller(f"key:{number}") for number in range(5)]
    for who in callers:
        await house.ask(caller=who)
    house.clock.pass_by(HOUR_S + 1)
    house.gate.clear()
    began = []
    for who in callers:
        call = replace(call_of(), caller=who, started_at=house.clock.now())
        await house.way(call)
        began.append(numbers(call, "exact_cache")["asks_anew"])
    assert began == [1, 1, 1, 0, 0]
    house.again.stop()
    with pytest.raises(asyncio.CancelledError):
        await house.settled()
    assert (await house.ask(caller=callers[0]))[1] == ["stale"]


async def test_what_was_forgotten_meanwhile_is_not_kept() -> None:
    """Asked anew before, answered after: the tag is gone, and stays so."""
    house = House()
    await past_its_time(house, cache=CacheControl(tags=("shop",)))
    house.gate.clear()
    await house.ask()
    await asyncio.sleep(0)
    house.clock.pass_by(1)
    assert await house.store.invalidate(Chosen(tag="shop")) == 1
    house.gate.set()
    await house.settled()
    house.clock.pass_by(1)
    assert (await house.ask())[1] == ["miss"]


class OneHolds:
    """Claims of several processes over one table."""

    def __init__(self, table: dict[bytes, object]) -> None:
        self._table = table

    async def claim(self, key: bytes, *, lease_s: float) -> bool:
        """The first has it."""
        assert lease_s > 0
        return self._table.setdefault(key, self) is self

    def release(self, key: bytes) -> None:
        """Give it back."""
        if self._table.get(key) is self:
            del self._table[key]


@pytest.mark.parametrize("slow", [False, True], ids=["quick", "slow"])
async def test_processes_ask_anew_once(*, slow: bool) -> None:
    """Two with one store: one asks; the other comes after it, or waits for it, and asks nothing."""
    table: dict[bytes, object] = {}
    one = House(OneHolds(table))
    other = House(OneHolds(table), one)
    await past_its_time(one)
    if slow:
        one.gate.clear()
        one.clock.on_sleep = one.gate.set
    assert (await one.ask())[1] == ["stale"]
    assert (await other.ask())[1] == ["stale"]
    await asyncio.gather(one.settled(), other.settled())
    assert (len(one.anew), len(other.anew), bool(one.clock.slept)) == (1, 0, slow)
    assert (await other.ask())[0].body == answer_fields("new")
    assert table == {}


async def test_an_answer_that_may_not_be_kept_is_not_asked_for_at_once_again() -> None:
    """A cut answer: the old one is served on, and the next to ask anew comes ten seconds later."""
    house = House()
    await past_its_time(house)
    house.cacheable = False
    for wait_s, tries in ((0, 1), (9, 1), (2, 2)):
        house.clock.pass_by(wait_s)
        assert (await house.ask())[1] == ["stale"]
        await house.settled()
        assert len(house.anew) == tries


async def test_the_time_that_a_call_asked_for_is_the_time_of_the_answer() -> None:
    """Kept for a minute, it is past its time after that minute, whatever its task type says."""
    house = House()
    await house.ask(cache=CacheControl(ttl_s=60))
    house.clock.pass_by(61)
    assert (await house.ask())[1] == ["stale"]
    await house.settled()
    assert (await house.ask())[0].body == answer_fields("new")


async def test_the_time_that_a_call_asked_for_ends_where_none_is_served_late() -> None:
    """Older answers are kept for a soft budget alone: to all others it is gone."""
    house = House(stale_s=0)
    await house.ask(cache=CacheControl(ttl_s=60))
    house.clock.pass_by(61)
    assert (await house.ask())[1] == ["miss"]
