"""What every store of remembered replies promises, whatever lies behind it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from scrimp.errors import StoreError
from scrimp.ports import CacheScope, ReplyStore, ScopeStats, StoredReply
from tests.support.core import FakeClock, reply_of
from tests.support.redis_server import RedisServer
from tests.support.reply_stores import open_store

MAX_BYTES = 40_000
LIMITED = ("memory", "sqlite", "memory+sqlite")
SHARED = ("sqlite", "redis", "memory+sqlite", "memory+redis")
ENGINES = ("memory", *SHARED)
ANA = CacheScope("key:ana", "general")
BEN = CacheScope("key:ben", "general")
ANA_CODE = CacheScope("key:ana", "code_review")


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine in turn; a test that is for some of them parametrizes this."""
    name: str = request.param
    return name


@pytest.fixture
async def store(
    engine: str, clock: FakeClock, server: RedisServer, tmp_path: Path
) -> AsyncIterator[ReplyStore]:
    """An empty store."""
    async with AsyncExitStack() as stack:
        place = tmp_path / "cache.sqlite", server.url
        yield await open_store(stack, engine, clock, place, max_bytes=MAX_BYTES)


def stored(
    clock: FakeClock, *, ttl_s: float = 60, size: int = 100, scope: CacheScope = ANA
) -> StoredReply:
    """A reply of this size, which nothing makes smaller, that lives so long."""
    now = clock.now()
    body = random.Random(size).randbytes(size)  # noqa: S311 - not a secret
    return StoredReply(reply_of(body=body), now, now + timedelta(seconds=ttl_s), scope)


async def test_what_is_put_is_got(store: ReplyStore, clock: FakeClock) -> None:
    """Every field of it, at once and once it is settled; a key that was never put is None."""
    given = stored(clock)
    assert await store.put(b"a", given)
    assert await store.get(b"a") == given
    await store.stats()
    clock.pass_by(10)  # memory in front asks again what lies behind
    assert await store.get(b"a") == given
    assert await store.get(b"b") is None


async def test_a_reply_past_its_time_is_never_returned(store: ReplyStore, clock: FakeClock) -> None:
    """A moment before it is, at the moment it is not, nor ever after."""
    await store.put(b"a", stored(clock, ttl_s=60))
    clock.pass_by(59.999)
    assert await store.get(b"a") is not None
    clock.pass_by(0.001)
    assert await store.get(b"a") is None
    assert not await store.delete(b"a")


async def test_a_reply_may_be_too_old_for_one_who_asks(store: ReplyStore, clock: FakeClock) -> None:
    """At `max_age_s` it is not returned, though it lives on for others."""
    await store.put(b"a", stored(clock, ttl_s=60))
    clock.pass_by(30)
    assert await store.get(b"a", max_age_s=31) is not None
    assert await store.get(b"a", max_age_s=30) is None
    assert await store.get(b"a") is not None


async def test_a_newer_reply_replaces_the_older(store: ReplyStore, clock: FakeClock) -> None:
    """Its time too, and the old one's size is given back."""
    await store.put(b"a", stored(clock, ttl_s=10, size=5000))
    newer = stored(clock, ttl_s=100, size=50)
    await store.put(b"a", newer)
    clock.pass_by(11)
    assert await store.get(b"a") == newer
    stats = await store.stats()
    assert (stats.entries, stats.evicted) == (1, 0)
    assert 50 <= stats.size_bytes < 5000


async def test_a_reply_that_is_dead_on_arrival_is_not_kept(
    store: ReplyStore, clock: FakeClock
) -> None:
    """And takes an older one under its key with it."""
    await store.put(b"a", stored(clock))
    await store.put(b"a", stored(clock, ttl_s=0))
    assert await store.get(b"a") is None


@pytest.mark.parametrize("engine", LIMITED)
async def test_what_can_never_fit_is_declined(store: ReplyStore, clock: FakeClock) -> None:
    """Without driving anything else out."""
    await store.put(b"a", stored(clock))
    assert not await store.put(b"b", stored(clock, size=MAX_BYTES))
    assert await store.get(b"a") is not None
    assert await store.get(b"b") is None


@pytest.mark.parametrize("engine", LIMITED)
async def test_the_limit_holds_and_the_least_used_goes(store: ReplyStore, clock: FakeClock) -> None:
    """What was read lately stays; evictions are counted."""
    keys = [bytes([number]) for number in range(60)]
    for key in keys:
        await store.put(key, stored(clock, size=1000))
        await store.get(keys[0])
        assert (await store.stats()).size_bytes <= MAX_BYTES
    stats = await store.stats()
    assert stats.max_bytes == MAX_BYTES
    assert stats.evicted == 60 - stats.entries > 0
    clock.pass_by(10)
    assert await store.get(keys[0]) is not None
    assert await store.get(keys[1]) is None
    assert await store.get(keys[-1]) is not None


@pytest.mark.parametrize("engine", LIMITED)
async def test_expired_replies_make_room_first(store: ReplyStore, clock: FakeClock) -> None:
    """Nothing that is alive is driven out by the dead."""
    await store.put(b"live", stored(clock, ttl_s=1000, size=15_000))
    await store.put(b"dead", stored(clock, ttl_s=1, size=15_000))
    clock.pass_by(2)
    await store.put(b"new", stored(clock, size=15_000))
    stats = await store.stats()
    assert (stats.entries, stats.evicted) == (2, 0)
    assert await store.get(b"live") is not None


async def test_delete_and_clear(store: ReplyStore, clock: FakeClock) -> None:
    """They say what was there, and nothing comes back."""
    for key in (b"a", b"b", b"c"):
        await store.put(key, stored(clock))
    assert await store.delete(b"a")
    assert not await store.delete(b"a")
    assert await store.clear() == 2
    assert await store.clear() == 0
    assert await store.get(b"b") is None
    stats = await store.stats()
    assert (stats.entries, stats.size_bytes, stats.evicted) == (0, 0, 0)


@pytest.mark.parametrize(
    ("tenant", "task", "left"),
    [
        (None, None, set[str]()),
        ("key:ana", None, {"ben"}),
        ("key:ben", None, {"ana", "ana code"}),
        (None, "general", {"ana code"}),
        ("key:ana", "general", {"ana code", "ben"}),
        ("key:nobody", None, {"ana", "ana code", "ben"}),
    ],
)
async def test_a_part_is_cleared(
    store: ReplyStore, clock: FakeClock, tenant: str | None, task: str | None, left: set[str]
) -> None:
    """Of one tenant, of one task type, of both; the others' stays."""
    scopes = {"ana": ANA, "ana code": ANA_CODE, "ben": BEN}
    for name, scope in scopes.items():
        await store.put(name.encode(), stored(clock, scope=scope))
    assert await store.clear(tenant, task) == 3 - len(left)
    assert {name for name in scopes if await store.get(name.encode()) is not None} == left


async def test_look_ups_are_counted_by_scope(store: ReplyStore, clock: FakeClock) -> None:
    """Hits and misses, entries and bytes; a look-up without a scope is nobody's."""
    await store.put(b"a", stored(clock, scope=ANA))
    await store.put(b"b", stored(clock, scope=BEN))
    for key, scope in ((b"a", ANA), (b"a", ANA), (b"x", ANA), (b"x", BEN), (b"a", ANA_CODE)):
        await store.get(key, scope)
    await store.get(b"a")
    await store.get(b"a", ANA, max_age_s=0)
    stats = await store.stats()
    assert [(one.scope, one.hits, one.misses, one.entries) for one in stats.scopes] == [
        (ANA_CODE, 1, 0, 0),
        (ANA, 2, 2, 1),
        (BEN, 0, 1, 1),
    ]
    assert (stats.hits, stats.misses, stats.entries) == (3, 3, 2)
    assert stats.size_bytes == sum(one.size_bytes for one in stats.scopes) > 200
    only: ScopeStats
    (only,) = (await store.stats("key:ben")).scopes
    assert (only.scope, only.misses, only.entries) == (BEN, 1, 1)


async def test_counts_outlive_what_was_counted(store: ReplyStore, clock: FakeClock) -> None:
    """Clearing takes replies, not figures."""
    await store.put(b"a", stored(clock))
    await store.get(b"a", ANA)
    await store.clear()
    stats = await store.stats()
    assert (stats.hits, stats.entries) == (1, 0)


async def test_a_reply_whose_body_is_empty(store: ReplyStore, clock: FakeClock) -> None:
    """Counts for its own weight: no number of them is free."""
    given = stored(clock, size=0)
    await store.put(b"a", given)
    assert (await store.stats()).size_bytes > 0
    assert await store.get(b"a") == given


async def test_a_large_reply_comes_back_whole(store: ReplyStore, clock: FakeClock) -> None:
    """Larger than what is packed and unpacked in passing, and well to compress."""
    now = clock.now()
    words = b"The same words again and again. " * 1000
    given = StoredReply(reply_of(body=words), now, now + timedelta(seconds=60), ANA)
    assert await store.put(b"a", given)
    await store.stats()
    clock.pass_by(10)
    assert await store.get(b"a") == given


async def test_many_at_once(store: ReplyStore, clock: FakeClock) -> None:
    """Writers and readers of the same keys in one crowd: each sees nothing or a whole reply."""
    replies = {number: stored(clock, size=200 + number) for number in range(20)}

    async def write(number: int) -> None:
        for _ in range(5):
            await store.put(b"%d" % number, replies[number])

    async def read(number: int) -> None:
        for _ in range(10):
            assert await store.get(b"%d" % number, ANA) in (None, replies[number])

    async with asyncio.TaskGroup() as group:
        for number in replies:
            group.create_task(write(number))
            group.create_task(read(number))
            group.create_task(read(number))
    for number, given in replies.items():
        assert await store.get(b"%d" % number) == given
    stats = await store.stats()
    assert (stats.entries, stats.hits + stats.misses) == (20, 400)


async def test_one_who_leaves_takes_nobody_along(store: ReplyStore, clock: FakeClock) -> None:
    """A cancelled look-up in a crowd: the others get their answers, and the store goes on."""
    given = stored(clock)
    await store.put(b"a", given)
    clock.pass_by(10)
    loop = asyncio.get_running_loop()
    asked = [loop.create_task(store.get(b"a")) for _ in range(20)]
    await asyncio.sleep(0)
    for one in asked[::2]:
        one.cancel()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert all(answer == given for answer in answers[1::2])
    assert await store.get(b"a") == given


@pytest.mark.parametrize("engine", SHARED)
async def test_two_stores_share_what_is_kept(
    engine: str, clock: FakeClock, server: RedisServer, tmp_path: Path
) -> None:
    """Replies, figures and clearings of one are the other's; memory in front may lag 5 s."""
    async with AsyncExitStack() as stack:
        place = tmp_path / "cache.sqlite", server.url
        one, other = [
            await open_store(
                stack, engine, clock, place, max_bytes=MAX_BYTES, name=f"both-{engine}"
            )
            for _ in range(2)
        ]
        given = stored(clock)
        await one.put(b"a", given)
        await one.stats()
        assert await other.get(b"a", BEN) == given
        assert await other.get(b"b", BEN) is None
        await other.stats()
        stats = await one.stats()
        assert (stats.entries, stats.hits, stats.misses) == (1, 1, 1)
        assert await one.clear("key:ana") == 1
        clock.pass_by(5)
        assert await other.get(b"a") is None


async def test_a_closed_store_says_so(store: ReplyStore, clock: FakeClock) -> None:
    """Nothing hangs, and closing twice is no error."""
    await store.put(b"a", stored(clock))
    await store.close()
    await store.close()
    try:
        assert await store.get(b"b") is None
    except StoreError as error:
        assert "closed" in str(error)  # noqa: PT017 - memory has nothing to close
