"""What every store of remembered replies promises."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from scrimp.ports import ReplyStore, StoredReply
from scrimp.stores.memory_replies import MemoryReplies
from tests.support.core import FakeClock, reply_of

MAX_BYTES = 20_000


@pytest.fixture
def clock() -> FakeClock:
    """The store's time."""
    return FakeClock()


@pytest.fixture(params=["memory"])
async def store(request: pytest.FixtureRequest, clock: FakeClock) -> AsyncIterator[ReplyStore]:
    """One store per engine; others join by a name here."""
    assert request.param == "memory"
    opened = MemoryReplies(clock, max_bytes=MAX_BYTES)
    yield opened
    await opened.close()


def stored(clock: FakeClock, *, ttl_s: float = 60, size: int = 100) -> StoredReply:
    """A reply of this size that lives so long."""
    now = clock.now()
    return StoredReply(reply_of(body=b"x" * size), now, now + timedelta(seconds=ttl_s))


async def test_what_is_put_is_got(store: ReplyStore, clock: FakeClock) -> None:
    """Every field of it; a key that was never put is None."""
    given = stored(clock)
    assert await store.put(b"a", given)
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
    assert (await store.stats()).entries == 0


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


async def test_what_can_never_fit_is_declined(store: ReplyStore, clock: FakeClock) -> None:
    """Without driving anything else out."""
    await store.put(b"a", stored(clock))
    assert not await store.put(b"b", stored(clock, size=MAX_BYTES))
    assert await store.get(b"a") is not None
    assert await store.get(b"b") is None


async def test_the_limit_holds_and_the_least_used_goes(store: ReplyStore, clock: FakeClock) -> None:
    """What was read lately stays; evictions are counted."""
    keys = [bytes([number]) for number in range(30)]
    for key in keys:
        await store.put(key, stored(clock, size=1000))
        await store.get(keys[0])
        assert (await store.stats()).size_bytes <= MAX_BYTES
    stats = await store.stats()
    assert stats.max_bytes == MAX_BYTES
    assert stats.evicted == 30 - stats.entries > 0
    assert await store.get(keys[0]) is not None
    assert await store.get(keys[1]) is None
    assert await store.get(keys[-1]) is not None


async def test_expired_replies_make_room_first(store: ReplyStore, clock: FakeClock) -> None:
    """Nothing that is alive is driven out by the dead."""
    await store.put(b"live", stored(clock, ttl_s=1000, size=8000))
    await store.put(b"dead", stored(clock, ttl_s=1, size=8000))
    clock.pass_by(2)
    await store.put(b"new", stored(clock, size=8000))
    assert await store.get(b"live") is not None
    assert (await store.stats()).evicted == 0


async def test_delete_and_clear(store: ReplyStore, clock: FakeClock) -> None:
    """They say what was there."""
    for key in (b"a", b"b", b"c"):
        await store.put(key, stored(clock))
    assert await store.delete(b"a")
    assert not await store.delete(b"a")
    assert await store.clear() == 2
    assert await store.clear() == 0
    stats = await store.stats()
    assert (stats.entries, stats.size_bytes, stats.evicted) == (0, 0, 0)


async def test_a_reply_whose_body_is_empty(store: ReplyStore, clock: FakeClock) -> None:
    """Counts for its own weight: no number of them is free."""
    await store.put(b"a", stored(clock, size=0))
    assert (await store.stats()).size_bytes > 0
