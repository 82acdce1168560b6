"""Engines that share a store prove together: one sequence of bets, each verdict counted once."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from scrimp.choosing import Change, RouteStore
from scrimp.errors import StoreError
from scrimp.pipeline.proofs import FIRST, noticed, revived
from scrimp.routing.bets import GONE_S
from scrimp.routing.standing import Standing
from scrimp.stores.memory_routes import MemoryRoutes
from scrimp.stores.sqlite_routes import SqliteRoutes
from tests.support.desks import SUBJECTS, Engine

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> RouteStore:
    """Every engine's."""
    if request.param == "memory":
        return MemoryRoutes()
    return SqliteRoutes(tmp_path / "state" / "routes.sqlite")


async def known(store: RouteStore) -> Standing:
    """How it stands for all."""
    state = await store.load(SUBJECTS.name)
    proof = None if state is None else revived(state)
    standing = None if proof is None else proof.standing()
    assert standing is not None
    return standing


async def gathered(store: RouteStore, owners: str) -> list[Engine]:
    """Engines of these names, past the first scores."""
    engines = [Engine(store, owner, seed=number) for number, owner in enumerate(owners)]
    for number in range(FIRST):
        engines[number % len(engines)].call()
    for one in (*engines, *engines):
        await one.share()
    return engines


async def labels_to_proof(store: RouteStore, owners: str) -> int:
    """How many labels all of them need; every eighth call they share."""
    engines = await gathered(store, owners)
    for number in range(2000):
        engines[number % len(engines)].call()
        if number % 8 == 7:
            for one in (*engines, *engines):
                await one.share()
        if all(one.proof.serves for one in engines):
            return sum(one.labels for one in engines)
    raise AssertionError("nothing was proven")


@pytest.mark.parametrize("owners", ["ab", "abcdefgh"])
async def test_many_need_no_more_labels_than_one(owners: str) -> None:
    """To the label: the same bets, in the same order."""
    one = await labels_to_proof(MemoryRoutes(), "a")
    assert await labels_to_proof(MemoryRoutes(), owners) == one
    assert one < 150


async def test_all_decide_by_what_is_proven_for_all(store: RouteStore) -> None:
    """Who made no verdict itself serves, too; a new one takes up what is there."""
    one, other = await gathered(store, "ab")
    while not one.proof.serves:
        one.call()
        await one.share()
    assert not other.proof.serves
    await other.share()
    assert other.labels == 0
    verdict = other.call()
    assert verdict is not None
    assert verdict.serve_cheap
    late = Engine(store, "c")
    await late.memory.begin()
    assert late.proof.serves


def test_processes_of_their_own_lose_no_verdict_and_count_none_twice(tmp_path: Path) -> None:
    """Two that write the same file at the same time."""
    path = tmp_path / "routes.sqlite"
    work = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.support.desks", str(path), owner, "160"],
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        for owner in ("first", "second")
    ]
    labels = [int(one.communicate(timeout=120)[0]) for one in work]
    standing = asyncio.run(known(SqliteRoutes(path)))
    assert standing.pending == 0
    assert standing.rungs[-1].labels == sum(labels) > 40
    assert (standing.live, standing.restarts, standing.lost) == (0, 0, 0)


class Unsure(MemoryRoutes):
    """Does what it is asked, and then fails."""

    fails = False

    async def exchange(
        self, changes: Mapping[str, Change], since: int
    ) -> tuple[int, Mapping[str, bytes]]:
        """Nobody knows whether it was done."""
        done = await super().exchange(changes, since)
        if self.fails:
            raise StoreError("the disk went away")
        return done


async def test_who_does_not_know_whether_it_was_heard_tells_again_and_it_counts_once() -> None:
    """Labels, bets and traffic."""
    store = Unsure()
    (engine,) = await gathered(store, "a")
    for _ in range(5):
        engine.call()
    store.fails = True
    await engine.share()
    await engine.share()
    engine.call()
    store.fails = False
    await engine.share()
    standing = await known(store)
    assert (standing.rungs[-1].labels, standing.requests) == (engine.labels, 6)
    assert engine.labels == 6


async def test_a_label_that_is_awaited_holds_back_what_came_after_it_of_whatever_engine(
    store: RouteStore,
) -> None:
    """A slow one may be a bad one: the proof is of a beginning of the traffic, in one order."""
    one, other = await gathered(store, "ab")
    slow = one.ask()
    await one.share()
    assert slow is not None
    for _ in range(30):
        other.call()
    await other.share()
    standing = await known(store)
    assert (standing.rungs[-1].labels, standing.pending) == (0, 31)
    one.label(slow, 1.0)
    await one.share()
    standing = await known(store)
    assert (standing.rungs[-1].labels, standing.pending) == (31, 0)


async def test_what_an_engine_that_is_gone_has_left_open_holds_up_nobody(store: RouteStore) -> None:
    """At once when it says so, after a while when it was killed; one that waits is not gone."""
    one, two, three = await gathered(store, "abc")
    for engine in (one, two, three):
        assert engine.ask() is not None
        await engine.share()
    await one.memory.leave()
    assert (await known(store)).pending == 2
    for clock in (two.clock, three.clock):
        clock.pass_by(GONE_S / 2)
    await two.share()
    three.clock.pass_by(GONE_S / 2 + 1)
    three.call()
    await three.share()
    standing = await known(store)
    assert (standing.pending, standing.lost) == (3, 0)
    three.clock.pass_by(GONE_S / 2)
    three.call()
    await three.share()
    assert (await known(store)).pending == 3


async def test_a_new_version_begins_anew_once_however_many_see_it(store: RouteStore) -> None:
    """Who heard of it does not do it again; bets that were placed before count no more."""
    engines = await gathered(store, "ab")
    while not all(one.proof.serves for one in engines):
        for one in (*engines, *engines):
            one.call()
            await one.share()
    for one in engines:
        one.memory.versions["small"] = "v1"
        await one.share()
    open_bet = engines[1].ask()
    for one in engines:
        noticed(one.memory.versions, one.memory.proofs, "small", "v2")
        assert not one.proof.serves
        verdict = one.call()
        assert verdict is not None
        assert (verdict.serve_cheap, verdict.shadow) == (False, False)
        await one.share()
    for one in engines:
        noticed(one.memory.versions, one.memory.proofs, "small", "v2")
        await one.share()
    if open_bet is not None and open_bet.shadow:
        engines[1].label(open_bet, 0.0)
        await engines[1].share()
    standing = await known(store)
    assert (standing.restarts, standing.live, standing.rungs[-1].labels) == (1, None, 0)
    assert not any(one.proof.serves for one in engines)


async def test_a_store_that_is_gone_for_long_ends_serving_until_it_is_back() -> None:
    """Harm could not be seen; before, and afterwards, what is proven serves."""
    store = Unsure()
    (engine,) = await gathered(store, "a")
    while not engine.proof.serves:
        engine.call()
        await engine.share()
    store.fails = True
    await engine.share()
    verdict = engine.ask()
    assert verdict is not None
    assert verdict.serve_cheap
    engine.clock.pass_by(301)
    await engine.share()
    verdict = engine.ask()
    assert verdict is not None
    assert not verdict.serve_cheap
    store.fails = False
    await engine.share()
    verdict = engine.ask()
    assert verdict is not None
    assert verdict.serve_cheap
