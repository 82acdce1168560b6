"""Turns among processes: one asks, the others wait within bounds, nobody is held for ever."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from scrimp.errors import StoreError
from scrimp.pipeline.turns import Turn, Turns
from scrimp.ports import StoredReply
from tests.support.core import NOON, FakeClock, reply_of

KEY = b"k" * 32
ANSWER = StoredReply(reply_of(), NOON, NOON + timedelta(hours=1))


class SharedClaims:
    """Claims of several processes in one set; `held_until` is a claim of somebody unknown."""

    def __init__(self, clock: FakeClock, taken: dict[bytes, object] | None = None) -> None:
        self.taken: dict[bytes, object] = {} if taken is None else taken
        self.asked = 0
        self.broken = False
        self.held_until_s = 0.0
        self._clock = clock

    async def claim(self, key: bytes, *, lease_s: float) -> bool:
        """The first one has it."""
        assert lease_s > 0
        self.asked += 1
        if self.broken:
            raise StoreError("the claims are gone")
        if self._clock.monotonic() < self.held_until_s:
            return False
        return self.taken.setdefault(key, self) is self

    def release(self, key: bytes) -> None:
        """Only its own."""
        if self.taken.get(key) is self:
            del self.taken[key]


class Scene:
    """Processes that share claims and a place for the answer."""

    def __init__(self, *, wait_s: float = 10.0) -> None:
        self.clock = FakeClock()
        self.answer: StoredReply | None = None
        self.claims = SharedClaims(self.clock)
        self.wait_s = wait_s
        self.turns = self.process()

    def process(self) -> Turns:
        """One more process."""
        claims = self.claims if not hasattr(self, "turns") else self.other_claims()
        return Turns(claims, self.clock, wait_s=self.wait_s, lease_s=30)

    def other_claims(self) -> SharedClaims:
        """Claims of another process."""
        return SharedClaims(self.clock, self.claims.taken)

    async def read(self) -> StoredReply | None:
        """Look the answer up."""
        return self.answer


async def entered(turns: Turns, scene: Scene) -> Turn:
    """A turn: nobody else had an answer."""
    turn = await turns.enter(KEY, scene.read)
    assert isinstance(turn, Turn)
    return turn


async def test_the_first_one_asks_at_once() -> None:
    """Without waiting, and its claim is free again when it has left."""
    scene = Scene()
    turn = await entered(scene.turns, scene)
    assert scene.claims.taken
    scene.turns.leave(turn, kept=True)
    assert scene.claims.taken == {}
    assert scene.clock.slept == []


async def test_another_process_waits_and_reads() -> None:
    """It gets the answer of the first, and asks nobody."""
    scene = Scene()
    first, other = scene.turns, scene.process()
    turn = await entered(first, scene)
    waiting = asyncio.get_running_loop().create_task(other.enter(KEY, scene.read))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiting.done()
    scene.answer = ANSWER
    first.leave(turn, kept=True)
    assert await waiting is ANSWER
    assert scene.claims.taken == {}


async def test_equal_calls_of_one_process_pass_together() -> None:
    """They meet in a flight further down; the claim is free when the last one has left."""
    scene = Scene()
    turns = [await entered(scene.turns, scene) for _ in range(3)]
    assert scene.claims.asked == 1
    for turn in turns:
        assert scene.claims.taken
        scene.turns.leave(turn, kept=True)
    assert scene.claims.taken == {}


async def test_waiting_is_bounded() -> None:
    """Where another process never comes to an end, this one asks after `wait_s`, not before."""
    scene = Scene(wait_s=7)
    scene.claims.held_until_s = 1e9
    turn = await entered(scene.turns, scene)
    assert sum(scene.clock.slept) == pytest.approx(7)
    scene.turns.leave(turn, kept=True)


async def test_one_who_died_is_followed_by_one() -> None:
    """A claim that ended with its lease is taken over by one of those who wait; others wait on."""
    scene = Scene()
    other = scene.process()
    scene.claims.held_until_s = 2.0
    turn = await entered(scene.turns, scene)
    assert 2 <= sum(scene.clock.slept) < 2.2
    waiting = asyncio.get_running_loop().create_task(other.enter(KEY, scene.read))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiting.done()
    scene.answer = ANSWER
    scene.turns.leave(turn, kept=True)
    assert await waiting is ANSWER


async def test_a_crowd_of_one_process_waits_as_one() -> None:
    """Many equal calls look for the answer as often as one would."""
    scene = Scene()
    scene.claims.held_until_s = 3.0
    loop = asyncio.get_running_loop()
    crowd = [loop.create_task(scene.turns.enter(KEY, scene.read)) for _ in range(50)]
    for _ in range(5):
        await asyncio.sleep(0)
    asked = scene.claims.asked
    assert asked <= 6
    scene.answer = ANSWER
    assert await asyncio.gather(*crowd) == [ANSWER] * 50


async def test_one_of_a_crowd_that_leaves_is_replaced() -> None:
    """The call that looked for all is cancelled: the others look for themselves."""
    scene = Scene()
    scene.claims.held_until_s = 3.0
    loop = asyncio.get_running_loop()
    crowd = [loop.create_task(scene.turns.enter(KEY, scene.read)) for _ in range(10)]
    await asyncio.sleep(0)
    crowd[0].cancel()
    crowd[5].cancel()
    await asyncio.sleep(0)
    scene.answer = ANSWER
    ended = await asyncio.gather(*crowd, return_exceptions=True)
    assert sum(one is ANSWER for one in ended) == 8
    assert scene.claims.taken == {}


async def test_nobody_waits_for_what_cannot_be_kept() -> None:
    """After an answer that was not kept, equal calls ask at once; after one that was, in turn."""
    scene = Scene()
    scene.turns.leave(await entered(scene.turns, scene), kept=False)
    asked = scene.claims.asked
    again = await entered(scene.turns, scene)
    assert scene.claims.asked == asked
    scene.turns.leave(again, kept=True)
    scene.turns.leave(await entered(scene.turns, scene), kept=True)
    assert scene.claims.asked == asked + 1


@pytest.mark.parametrize("ends", [(True, False), (False, True), (None, True), (None, None)])
async def test_one_kept_answer_is_enough(ends: tuple[bool | None, bool | None]) -> None:
    """Of a shared flight one call keeps the answer; a client that left says nothing."""
    scene = Scene()
    turns = [await entered(scene.turns, scene) for _ in ends]
    for turn, kept in zip(turns, ends, strict=True):
        scene.turns.leave(turn, kept=kept)
    asked = scene.claims.asked
    await entered(scene.turns, scene)
    assert scene.claims.asked == asked + 1


async def test_broken_claims_are_the_guard_s_to_skip() -> None:
    """The error is raised, to those who wait along too, and nothing is left behind."""
    scene = Scene()
    scene.claims.broken = True
    loop = asyncio.get_running_loop()
    crowd = [loop.create_task(scene.turns.enter(KEY, scene.read)) for _ in range(3)]
    ended = await asyncio.gather(*crowd, return_exceptions=True)
    assert [type(one) for one in ended] == [StoreError] * 3
    scene.claims.broken = False
    await entered(scene.turns, scene)


async def test_keys_without_end_are_not_remembered_without_end() -> None:
    """Those that could not be kept are bounded in number; the oldest is forgotten first."""
    scene = Scene()
    for number in range(2000):
        key = number.to_bytes(32, "big")
        turn = await scene.turns.enter(key, scene.read)
        assert isinstance(turn, Turn)
        scene.turns.leave(turn, kept=False)
    asked = scene.claims.asked
    await scene.turns.enter((1999).to_bytes(32, "big"), scene.read)
    assert scene.claims.asked == asked
    await scene.turns.enter((0).to_bytes(32, "big"), scene.read)
    assert scene.claims.asked == asked + 1
