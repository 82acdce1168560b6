"""The exact cache: what is answered from memory, what never is, and how long."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from scrimp.calls import Call, Caller, Reply, ReplyFacts, Task
from scrimp.dialects import DIALECTS
from scrimp.errors import InvalidRequest, StoreError
from scrimp.fingerprint import time_to_live_s, why_not
from scrimp.levers.exact_cache import ExactCache, ExactCacheSettings
from scrimp.pipeline.chain import chain
from scrimp.pipeline.turns import Turns
from scrimp.ports import CacheScope, Claims, Next, ReplyStore, StoredReply
from scrimp.remembered import CacheControl
from scrimp.stores.memory_replies import MemoryReplies
from scrimp.tasks import TTL_S
from tests.support.core import FakeClock, call_of, chat_fields, numbers, reply_of, verdicts


class End:
    """The attempt: counts, answers."""

    def __init__(self, reply: Reply | None = None) -> None:
        self.calls = 0
        self.reply = reply or reply_of()

    async def __call__(self, call: Call) -> Reply:
        """Answer."""
        assert call.id
        self.calls += 1
        return self.reply


class DeadStore(MemoryReplies):
    """A store that fails at one of its ends, or both."""

    def __init__(self, clock: FakeClock, *, at: str) -> None:
        super().__init__(clock, max_bytes=1 << 20)
        self._at = at

    async def get(
        self, key: bytes, scope: CacheScope | None = None, *, max_age_s: int | None = None
    ) -> StoredReply | None:
        """Fail if asked to."""
        if "get" in self._at:
            raise StoreError("the store is down")
        return await super().get(key, scope, max_age_s=max_age_s)

    async def put(self, key: bytes, stored: StoredReply) -> bool:
        """Fail if asked to."""
        if "put" in self._at:
            raise StoreError("the store is down")
        return await super().put(key, stored)


class Kitchen:
    """A cache over a store and an end, behind the guard."""

    def __init__(
        self,
        reply: Reply | None = None,
        store: ReplyStore | None = None,
        claims: Claims | None = None,
        **settings: Any,
    ) -> None:
        clock = FakeClock()
        self.store = store or MemoryReplies(clock, max_bytes=1 << 20)
        self.end = End(reply)
        self._claims = claims
        self._settings = ExactCacheSettings(**settings)
        self.use_clock(clock)

    def use_clock(self, clock: FakeClock) -> None:
        """The lever's time."""
        self.clock = clock
        claims = self._claims
        turns = Turns(claims, clock, wait_s=10, lease_s=30) if claims is not None else None
        self.lever = ExactCache(self.store, clock, DIALECTS, self._settings, turns)
        self.way: Next = chain([self.lever], self.end)

    async def ask(self, call: Call | None = None) -> tuple[Reply, list[str]]:
        """The reply, and what the cache said."""
        call = call or call_of()
        return await self.way(call), verdicts(call, "exact_cache")


async def test_the_same_words_are_answered_once() -> None:
    """The second answer is the first one, costs nothing, and is not remembered again."""
    kitchen = Kitchen()
    first, said_first = await kitchen.ask()
    kitchen.clock.pass_by(30)
    call = call_of()
    second, said = await kitchen.ask(call)
    assert (said_first, said, kitchen.end.calls) == (["miss"], ["hit"], 1)
    assert (second.body, second.facts) == (first.body, first.facts)
    assert (second.served_by, second.cacheable) == ("exact_cache", False)
    assert second.headers == (("content-type", "application/json"),)
    assert numbers(call, "exact_cache")["age_s"] == 30


async def test_delivery_does_not_matter() -> None:
    """Who asks for a stream gets what was remembered of a document, and the other way round."""
    kitchen = Kitchen()
    await kitchen.ask(call_of(chat_fields()))
    streamed = chat_fields(stream=True, stream_options={"include_usage": True})
    assert (await kitchen.ask(call_of(streamed)))[1] == ["hit"]


async def test_an_answer_lives_as_long_as_its_task_says() -> None:
    """Code for an hour: a second before it is a hit, at the hour it is not."""
    for seconds, verdict in ((3599, "hit"), (3600, "miss")):
        kitchen = Kitchen()
        call = call_of(task=Task("code_generation", "header"))
        await kitchen.ask(call)
        kitchen.clock.pass_by(seconds)
        again = call_of(task=Task("code_generation", "header"))
        assert (await kitchen.ask(again))[1] == [verdict]


@pytest.mark.parametrize(("task", "ttl_s"), TTL_S.items())
def test_every_task_has_its_time(task: str, ttl_s: int) -> None:
    """Unless the request or the settings say otherwise."""
    call = call_of(task=Task(task, "classifier"))
    assert time_to_live_s(call, TTL_S) == ttl_s
    assert time_to_live_s(replace(call, cache=CacheControl(ttl_s=7)), TTL_S) == 7
    assert time_to_live_s(call, {**TTL_S, task: 11}) == 11


def test_a_task_of_tomorrow_lives_like_the_general_one() -> None:
    """An older Scrimp may meet a newer key's task."""
    assert time_to_live_s(call_of(task=Task("dreaming", "key")), TTL_S) == TTL_S["general"]


TOOL = {"role": "tool", "tool_call_id": "x", "content": "42"}


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (call_of(), ""),
        (call_of(operation="count_tokens"), "not_a_chat"),
        (call_of(operation="passthrough"), "not_a_chat"),
        (call_of(cache=CacheControl("no-store")), "no_store"),
        (call_of(chat_fields(store=True)), "stateful"),
        (call_of(chat_fields(messages=[TOOL])), "side_effects"),
        (call_of(chat_fields(tools=[{"type": "web_search"}])), "side_effects"),
        (call_of(chat_fields(tools=[{"type": "function"}])), ""),
        (call_of(task=Task("creative", "classifier")), "task_never_cached"),
        (call_of(task=Task("creative", "header"), cache=CacheControl(ttl_s=5)), ""),
        (call_of(cache=CacheControl(ttl_s=0)), "ttl_0"),
        (call_of(chat_fields(n=2)), "several_choices"),
        (call_of(chat_fields(n=1)), ""),
        (call_of(chat_fields(temperature=1)), ""),
        (call_of(chat_fields(temperature=1.01)), "temperature"),
        (call_of(chat_fields(temperature=None)), ""),
        (call_of(chat_fields(temperature=True)), ""),
    ],
)
def test_when_memory_is_no_answer(call: Call, reason: str) -> None:
    """Each rule by its name; an ordinary call has none."""
    assert why_not(call, time_to_live_s(call, TTL_S), max_temperature=1.0) == reason


async def test_a_bypass_neither_reads_nor_writes() -> None:
    """A remembered answer is not served to `no-store`, and its own is not kept."""
    kitchen = Kitchen()
    assert (await kitchen.ask(call_of(cache=CacheControl("no-store"))))[1] == ["bypass"]
    assert (await kitchen.ask())[1] == ["miss"]
    assert (await kitchen.ask(call_of(cache=CacheControl("no-store"))))[1] == ["bypass"]
    assert kitchen.end.calls == 3


async def test_refresh_replaces_what_is_remembered() -> None:
    """It asks anew and the next reader gets the new answer."""
    kitchen = Kitchen()
    await kitchen.ask()
    kitchen.end.reply = reply_of(body=b'{"new":1}')
    reply, said = await kitchen.ask(call_of(cache=CacheControl("refresh")))
    assert (reply.body, said) == (b'{"new":1}', ["miss"])
    assert (await kitchen.ask())[0].body == b'{"new":1}'


async def test_only_never_pays() -> None:
    """A hit is served; anything else is refused, a call that memory may not answer too."""
    kitchen, only = Kitchen(), CacheControl("only")
    for call in (call_of(cache=only), call_of(chat_fields(n=2), cache=only)):
        with pytest.raises(InvalidRequest, match="x-scrimp-cache: only"):
            await kitchen.ask(call)
    assert kitchen.end.calls == 0
    await kitchen.ask()
    assert (await kitchen.ask(call_of(cache=only)))[1] == ["hit"]


async def test_only_never_pays_for_a_dead_store_either() -> None:
    """The guard would go round the lever and buy an answer that the client forbade."""
    kitchen = Kitchen(store=DeadStore(FakeClock(), at="get"))
    with pytest.raises(InvalidRequest, match="cannot be read"):
        await kitchen.ask(call_of(cache=CacheControl("only")))
    assert kitchen.end.calls == 0


@pytest.mark.parametrize("at", ["get", "put", "get put"])
async def test_a_dead_store_costs_only_its_savings(at: str) -> None:
    """Every call is answered, paid once, and the trace says that the cache was skipped."""
    kitchen = Kitchen(store=DeadStore(FakeClock(), at=at))
    for paid in (1, 2):
        reply, said = await kitchen.ask()
        assert (reply, kitchen.end.calls) == (reply_of(), paid)
        assert said[-1] == "skipped"


@pytest.mark.parametrize(
    "reply", [reply_of(cacheable=False), reply_of(body=None), reply_of(body=b"x" * 101)]
)
async def test_what_may_not_or_cannot_be_kept(reply: Reply) -> None:
    """It is answered anew each time; the limit of size says its two numbers."""
    kitchen = Kitchen(reply, max_reply_bytes=100)
    await kitchen.ask()
    call = call_of()
    _, said = await kitchen.ask(call)
    assert (said[0], kitchen.end.calls) == ("miss", 2)
    if reply.body and reply.cacheable:
        assert numbers(call, "exact_cache") == {"bytes": 101, "limit_bytes": 100}


async def test_a_reply_larger_than_the_whole_store_says_so() -> None:
    """The store declines; the trace does not claim that it was kept."""
    clock = FakeClock()
    kitchen = Kitchen(store=MemoryReplies(clock, max_bytes=500))
    assert (await kitchen.ask())[1] == ["miss", "declined"]


async def test_two_calls_at_once_both_ask() -> None:
    """No answer is shared before it is whole (coalescing is another lever's work)."""
    kitchen = Kitchen()
    both = await asyncio.gather(kitchen.ask(), kitchen.ask())
    assert kitchen.end.calls in {1, 2}
    assert both[0][0].body == both[1][0].body


async def test_facts_come_back_with_the_answer() -> None:
    """The usage of the first answer prices what a hit has saved."""
    facts = ReplyFacts(usage=reply_of().facts.usage, finish="tool_calls", complete=True)
    kitchen = Kitchen(reply_of(facts=facts))
    await kitchen.ask()
    assert (await kitchen.ask())[0].facts == facts


async def test_a_hit_is_no_older_than_the_call_allows() -> None:
    """`x-scrimp-ttl` bounds the age of what is served, too, as max-age does for a web cache."""
    kitchen = Kitchen()
    await kitchen.ask()
    kitchen.clock.pass_by(30)
    assert (await kitchen.ask(call_of(cache=CacheControl(ttl_s=31))))[1] == ["hit"]
    assert (await kitchen.ask(call_of(cache=CacheControl(ttl_s=30))))[1] == ["miss"]
    assert kitchen.end.calls == 2
    assert (await kitchen.ask(call_of(cache=CacheControl(ttl_s=1))))[1] == ["hit"]


async def test_only_is_bound_by_age_as_well() -> None:
    """An answer that is too old for the call is none, and a new one is forbidden."""
    kitchen = Kitchen()
    await kitchen.ask()
    kitchen.clock.pass_by(30)
    with pytest.raises(InvalidRequest, match="no remembered answer"):
        await kitchen.ask(call_of(cache=CacheControl("only", ttl_s=30)))
    assert (await kitchen.ask(call_of(cache=CacheControl("only", ttl_s=60))))[1] == ["hit"]


async def test_look_ups_are_booked_on_tenant_and_task() -> None:
    """And so is what is kept, so that it can be cleared by them."""
    kitchen = Kitchen()
    call = call_of(caller=Caller("key:ana"), task=Task("code_review", "header"))
    await kitchen.ask(call)
    await kitchen.ask(call)
    (only,) = (await kitchen.store.stats()).scopes
    assert (only.scope, only.hits, only.misses, only.entries) == (
        CacheScope("key:ana", "code_review"),
        1,
        1,
        1,
    )
    assert await kitchen.store.clear("key:ana") == 1


class Elsewhere:
    """Claims: another process has them until it is done."""

    def __init__(self) -> None:
        self.free = False
        self.released = 0

    async def claim(self, key: bytes, *, lease_s: float) -> bool:
        """Only when the other is done."""
        assert key
        assert lease_s > 0
        return self.free

    def release(self, key: bytes) -> None:
        """Count."""
        assert key
        self.released += 1


async def test_what_another_process_asks_is_waited_for() -> None:
    """Its answer is a hit that says how long it took; nothing is asked twice."""
    kitchen = Kitchen(claims=(claims := Elsewhere()))
    elsewhere = Kitchen(store=kitchen.store)

    class Slow(FakeClock):
        async def sleep(self, seconds: float) -> None:
            await super().sleep(seconds)
            if sum(self.slept) > 0.5 and not claims.free:
                await elsewhere.ask()
                claims.free = True

    kitchen.use_clock(Slow())
    call = call_of()
    reply, said = await kitchen.ask(call)
    assert (said, kitchen.end.calls, elsewhere.end.calls) == (["hit"], 0, 1)
    assert reply.served_by == "exact_cache"
    waited_ms = numbers(call, "exact_cache")["waited_ms"]
    assert isinstance(waited_ms, int)
    assert 500 < waited_ms < 800


@pytest.mark.parametrize("broken", [StoreError("down"), asyncio.CancelledError()])
async def test_a_turn_is_given_back_however_a_call_ends(broken: BaseException) -> None:
    """An error below, or a client that leaves, holds nobody up."""
    claims = Elsewhere()
    claims.free = True
    kitchen = Kitchen(claims=claims)

    async def fails(_: Call) -> Reply:
        raise broken

    lever = kitchen.lever
    with pytest.raises(type(broken)):
        await lever(call_of(), fails)
    assert claims.released == 1
    await kitchen.ask()


STAMPED = "At 2026-11-23T03:11:{}Z, request 550e8400-e29b-41d4-a716-4466554400{}: what is new?"


async def test_prompts_that_differ_by_what_is_ignored_share_an_answer() -> None:
    """Only where the settings say so; the trace says that the key is one of many."""
    for ignored, said in (
        ((), "miss"),
        (("timestamps",), "miss"),
        (("timestamps", "uuids"), "hit"),
    ):
        kitchen = Kitchen(ignored=frozenset(ignored))
        await kitchen.ask(call_of(chat_fields(STAMPED.format(10, 10))))
        call = call_of(chat_fields(STAMPED.format(11, 11)))
        assert (await kitchen.ask(call))[1] == ["alike", said] if ignored else ["miss"]
        other = call_of(chat_fields(STAMPED.format(11, 11) + "?"))
        assert (await kitchen.ask(other))[1][-1] == "miss"


async def test_a_prompt_without_anything_ignored_has_its_usual_key() -> None:
    """What was remembered before the setting came is still found."""
    kitchen = Kitchen()
    await kitchen.ask(call_of(chat_fields("plain")))
    ignoring = Kitchen(store=kitchen.store, ignored=frozenset({"timestamps"}))
    ignoring.use_clock(kitchen.clock)
    assert (await ignoring.ask(call_of(chat_fields("plain"))))[1] == ["hit"]
