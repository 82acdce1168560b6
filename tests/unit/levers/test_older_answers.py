"""Answers kept beyond their time, for those whom a soft budget denies: nobody else sees them."""

from __future__ import annotations

from scrimp.calls import Call, Reply
from scrimp.dialects import DIALECTS
from scrimp.fingerprint import fingerprint
from scrimp.levers.exact_cache import ExactCache, ExactCacheSettings
from scrimp.stores.memory_replies import MemoryReplies
from tests.support.core import FakeClock, call_of, reply_of, verdicts


async def test_beyond_its_time_an_answer_is_a_miss_that_is_still_there() -> None:
    """The exact cache asks again; the store has the old one until its longer time is over."""
    clock, asked = FakeClock(), []
    store = MemoryReplies(clock, max_bytes=10_000_000)
    settings = ExactCacheSettings(ttl_s={"general": 60}, older_s=600)
    lever = ExactCache(store, clock, DIALECTS, settings)

    async def below(call: Call) -> Reply:
        asked.append(call)
        return reply_of(cacheable=len(asked) == 1)

    key = fingerprint(call_of(), DIALECTS["openai.chat"])
    await lever(call_of(), below)
    clock.pass_by(59)
    hit = call_of()
    await lever(hit, below)
    assert verdicts(hit, "exact_cache") == ["hit"]
    clock.pass_by(2)
    late = call_of()
    await lever(late, below)
    assert verdicts(late, "exact_cache") == ["miss"]
    assert len(asked) == 2
    assert await store.get(key) is not None
    clock.pass_by(600)
    assert await store.get(key) is None
