"""Memory in front of a shared store: quick, and never older than a few seconds."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from scrimp.errors import StoreError
from scrimp.ports import CacheScope, StoredReply
from scrimp.stores.memory_replies import MemoryReplies
from scrimp.stores.tiered_replies import FRESH_S, TieredReplies
from tests.support.core import FakeClock, reply_of

SCOPE = CacheScope("t", "x")


class Behind(MemoryReplies):
    """The shared store: counts what reaches it, fails when told to, and can be held up."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock, max_bytes=1 << 20)
        self.asked = 0
        self.told: list[bytes] = []
        self.down = False
        self.gate: asyncio.Event | None = None

    async def get(
        self, key: bytes, scope: CacheScope | None = None, *, max_age_s: int | None = None
    ) -> StoredReply | None:
        """Count, read, and wait at the gate with what was read."""
        self.asked += 1
        if self.down:
            raise StoreError("down")
        found = await super().get(key, scope, max_age_s=max_age_s)
        if self.gate is not None:
            await self.gate.wait()
        return found

    async def put(self, key: bytes, stored: StoredReply) -> bool:
        """Fail if told to."""
        if self.down:
            raise StoreError("down")
        return await super().put(key, stored)

    def used(self, key: bytes, scope: CacheScope | None) -> None:
        """Remember."""
        assert scope in (None, SCOPE)
        self.told.append(key)


class Scene:
    """Both tiers."""

    def __init__(self, *, max_bytes: int = 1 << 20) -> None:
        self.clock = FakeClock()
        self.behind = Behind(self.clock)
        self.replies = TieredReplies(self.behind, self.clock, max_bytes=max_bytes)

    def stored(self, body: bytes = b"{}", *, ttl_s: float = 60) -> StoredReply:
        """A reply."""
        now = self.clock.now()
        return StoredReply(reply_of(body=body), now, now + timedelta(seconds=ttl_s), SCOPE)


async def test_a_copy_answers_while_it_is_fresh() -> None:
    """The shared store hears of it, and is asked again when the copy is too old to trust."""
    scene = Scene()
    await scene.replies.put(b"a", scene.stored())
    for _ in range(3):
        assert await scene.replies.get(b"a", SCOPE) is not None
    assert (scene.behind.asked, scene.behind.told) == (0, [b"a"] * 3)
    scene.clock.pass_by(FRESH_S)
    assert await scene.replies.get(b"a", SCOPE) is not None
    assert scene.behind.asked == 1
    assert await scene.replies.get(b"a", SCOPE) is not None
    assert scene.behind.asked == 1


async def test_what_others_replaced_or_cleared_is_seen_in_time() -> None:
    """Not at once, but after the copy's few seconds."""
    scene = Scene()
    await scene.replies.put(b"a", scene.stored(b"old"))
    await scene.behind.put(b"a", scene.stored(b"new"))
    scene.clock.pass_by(FRESH_S)
    found = await scene.replies.get(b"a")
    assert found is not None
    assert found.reply.body == b"new"
    await scene.behind.clear()
    scene.clock.pass_by(FRESH_S)
    assert await scene.replies.get(b"a") is None


async def test_an_old_look_up_does_not_undo_a_new_answer() -> None:
    """A reader that was under way while a newer reply was put keeps the old one to itself."""
    scene = Scene()
    await scene.behind.put(b"a", scene.stored(b"old"))
    scene.behind.gate = asyncio.Event()
    reading = asyncio.get_running_loop().create_task(scene.replies.get(b"a"))
    await asyncio.sleep(0)
    await scene.replies.put(b"a", scene.stored(b"new"))
    scene.behind.gate.set()
    await reading
    found = await scene.replies.get(b"a")
    assert found is not None
    assert found.reply.body == b"new"


async def test_a_copy_lives_no_longer_than_its_reply() -> None:
    """Its own time and the caller's wish for a young one hold in front, too."""
    scene = Scene()
    await scene.replies.put(b"a", scene.stored(ttl_s=2))
    scene.clock.pass_by(1)
    assert await scene.replies.get(b"a", max_age_s=1) is None
    assert await scene.replies.get(b"a", max_age_s=2) is not None
    scene.clock.pass_by(1)
    assert await scene.replies.get(b"a") is None


async def test_what_could_not_be_put_behind_is_not_in_front() -> None:
    """Or this process would know what no other does, and an older copy would come back."""
    scene = Scene()
    await scene.replies.put(b"a", scene.stored(b"old"))
    scene.behind.down = True
    with pytest.raises(StoreError):
        await scene.replies.put(b"a", scene.stored(b"new"))
    with pytest.raises(StoreError):
        await scene.replies.get(b"a")


async def test_memory_in_front_is_bounded() -> None:
    """What does not fit is read from behind each time; the rest makes room by last use."""
    scene = Scene(max_bytes=5000)
    await scene.replies.put(b"large", scene.stored(b"x" * 10_000))
    assert await scene.replies.get(b"large") is not None
    assert scene.behind.asked == 1
    for number in range(10):
        await scene.replies.put(b"%d" % number, scene.stored(b"x" * 500))
    await scene.replies.get(b"9")
    assert scene.behind.asked == 1
    await scene.replies.get(b"0")
    assert scene.behind.asked == 2
