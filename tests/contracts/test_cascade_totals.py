"""What cascades cost is counted by all workers together, and outlives them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from scrimp.choosing import Place
from scrimp.errors import StoreError
from scrimp.pipeline.cascade_totals import EVERY_S, Add, SharedTotals
from scrimp.routing.stop_loss import NOTHING, StopLoss, StopLossRules, Totals, added
from scrimp.stores import sqlite_cascades
from scrimp.stores.sqlite_cascades import SqliteCascades
from scrimp.stores.sqlite_routes import SqliteRoutes
from tests.support.core import FakeClock

HERE, THERE = Place("key:ana", "math", "ab"), Place("key:bea", "math")
RULES = StopLossRules(margin=0.1, least_calls=4, rest_s=60)
ADD = partial(added, now_s=100.0, rules=RULES)
ONE = Totals(1, 112, 100)


class Later:
    """Starts work when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[Coroutine[Any, Any, None]] = []

    def __call__(self, work: Coroutine[Any, Any, None]) -> Any:
        """It waits."""
        self.waiting.append(work)

    async def done(self) -> int:
        """All of it, and how much there was."""
        work, self.waiting = self.waiting, []
        for one in work:
            await one
        return len(work)


class Worker:
    """One process's totals over a file."""

    def __init__(self, store: Any, clock: FakeClock) -> None:
        self.clock = clock
        self.stop = StopLoss(RULES)
        self.spawn = Later()
        self.shared = SharedTotals(self.stop, store, self.spawn, clock)

    def add(self) -> bool:
        """One call that was dearer than going direct."""
        off = self.stop.add(HERE, 112, 100, self.clock.now().timestamp())
        self.shared.touch(at_once=off)
        return off

    def rests(self) -> bool:
        """Whether the route is off for this worker."""
        return self.stop.resting(HERE, self.clock.now().timestamp()) is not None


async def test_two_workers_see_together_what_neither_sees_alone(tmp_path: Path) -> None:
    """And one that begins later knows it, until the rest is over."""
    clock, path = FakeClock(), tmp_path / "routes.sqlite"
    one, two = (Worker(SqliteCascades(path), clock) for _ in range(2))
    for _ in range(2):
        assert not one.add()
        assert not two.add()
    for worker in (one, two, one):
        clock.pass_by(EVERY_S)
        worker.shared.touch()
        await worker.spawn.done()
    assert one.rests()
    assert two.rests()
    third = Worker(SqliteCascades(path), clock)
    assert not third.rests()
    third.shared.touch()
    await third.spawn.done()
    assert third.rests()
    clock.pass_by(61)
    assert not third.rests()
    assert not third.add()
    third.shared.touch(at_once=True)
    await third.spawn.done()
    known = await SqliteCascades(path).add({}, ADD)
    assert known[HERE] == ONE


async def test_the_store_is_asked_now_and_then_and_at_once_for_what_matters(
    tmp_path: Path,
) -> None:
    """A thousand calls are no thousand transactions."""
    worker = Worker(SqliteCascades(tmp_path / "routes.sqlite"), FakeClock())
    for _ in range(3):
        worker.add()
    assert await worker.spawn.done() == 1
    assert worker.add()
    assert await worker.spawn.done() == 1
    worker.shared.touch()
    assert await worker.spawn.done() == 0


class Down:
    """No store."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def add(self, more: Mapping[Place, Totals], add: Add) -> Mapping[Place, Totals]:
        """Nobody is there."""
        del more, add
        raise self._error


async def test_a_store_that_is_down_costs_nothing_but_the_sharing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each counts for itself, and tells it all later."""
    worker = Worker(Down(StoreError("no room")), FakeClock())
    for _ in range(4):
        worker.add()
    await worker.spawn.done()
    assert worker.rests()
    assert "not shared" in caplog.text
    assert worker.stop.take()[HERE].calls == 4
    broken = Worker(Down(OverflowError("a bug")), FakeClock())
    assert not broken.add()
    assert await broken.spawn.done() == 1
    assert "sharing what cascades cost broke" in caplog.text


async def test_writers_lose_nothing_and_lessons_stand_beside_it(tmp_path: Path) -> None:
    """Every call of every writer is counted."""
    path = tmp_path / "routes.sqlite"
    rules = StopLossRules(margin=9.0)
    add = partial(added, now_s=0.0, rules=rules)
    stores = [SqliteCascades(path) for _ in range(4)]
    async with asyncio.TaskGroup() as group:
        for store in stores * 5:
            group.create_task(store.add({HERE: ONE, THERE: ONE}, add))
    known = await stores[0].add({}, add)
    assert known == {HERE: Totals(20, 2240, 2000), THERE: Totals(20, 2240, 2000)}
    assert await SqliteRoutes(path).lessons() == []


async def test_no_tenant_pushes_out_anothers_totals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prompts with the date in them are new every day."""
    monkeypatch.setattr(sqlite_cascades, "MOST", 6)
    store = SqliteCascades(tmp_path / "routes.sqlite")
    await store.add({THERE: ONE}, ADD)
    for number in range(20):
        await store.add({Place("key:ana", "math", str(number)): ONE}, ADD)
    known = await store.add({}, ADD)
    assert THERE in known
    assert [place.prompt for place in known if place != THERE] == ["15", "16", "17", "18", "19"]


async def test_nothing_is_made_by_looking(tmp_path: Path) -> None:
    """A file without the table, or none at all, has no totals."""
    path = tmp_path / "routes.sqlite"
    assert await SqliteCascades(path).add({}, ADD) == {}
    assert not path.exists()
    assert NOTHING.more_percent == 0
