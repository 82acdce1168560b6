"""The breaker of a process: what it sees at once, what it shares, and what it does alone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from scrimp.calls import Target
from scrimp.errors import StoreError
from scrimp.health import Healths
from scrimp.pipeline.background import Running
from scrimp.pipeline.circuits import REST_S, Circuits
from scrimp.routing.circuit import Rules
from scrimp.stores.memory_health import MemoryHealth
from scrimp.stores.sqlite_health import SqliteHealth
from tests.support.core import FakeClock, attempt_of
from tests.support.upstreams import AtOnce, Tasks

RULES = Rules(least_calls=4, probes=2)
GPT = Target("openai", "gpt-4o", "openai.chat")
MINI = Target("openai", "gpt-4o-mini", "openai.chat")
GOOD = attempt_of(target=GPT)
REFUSED = attempt_of(target=GPT, outcome="failed", status=500)
SILENT = attempt_of(target=GPT, outcome="failed", status=0)


class CountingStore(MemoryHealth):
    """How often it is asked; down when it is told so."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = self.changes = 0
        self.down = False

    async def look(self) -> Healths:
        """Count."""
        self.looks += 1
        if self.down:
            raise StoreError("the file is unreadable")
        return await super().look()

    async def change(self, change: Callable[[Healths], Healths]) -> Healths:
        """Count."""
        self.changes += 1
        if self.down:
            raise StoreError("the file is unreadable")
        return await super().change(change)


class Worker:
    """One process's breaker."""

    def __init__(
        self, store: Any = None, clock: FakeClock | None = None, spawn: Any = None
    ) -> None:
        self.clock = clock or FakeClock()
        self.store = store if store is not None else CountingStore()
        self.circuits = Circuits(self.store, self.clock, RULES, spawn or AtOnce())

    def see(self, *attempts: Any, wait_s: float | None = None) -> None:
        """A call that ended so."""
        self.circuits.saw(GPT, attempts, wait_s=wait_s, own_key=True)

    async def probe(self, name: str, *attempts: Any) -> bool:
        """A probe from its leave to its end."""
        if not await self.circuits.probe(GPT, name):
            return False
        self.see(*attempts)
        self.circuits.end_probe(name, attempts, own_key=True)
        return True


def test_failures_open_the_circuit_at_once() -> None:
    """The fourth of four: the next call already goes elsewhere, before any store was told."""
    worker = Worker(spawn=refuses)
    for _ in range(3):
        worker.see(REFUSED)
        assert worker.circuits.state(GPT) == "closed"
    worker.see(REFUSED)
    assert worker.circuits.state(GPT) == "open"
    assert worker.circuits.state(MINI) == "closed"


def refuses(work: Coroutine[Any, Any, None]) -> Running:
    """No app is open."""
    raise RuntimeError(work)


def test_without_an_app_it_works_all_the_same() -> None:
    """A thousand calls: nothing is shared, nothing is left lying about."""
    worker = Worker(spawn=refuses)
    for _ in range(1000):
        worker.see(GOOD)
        worker.clock.pass_by(1)
    assert worker.circuits.state(GPT) == "closed"
    assert all(len(slots) <= 8 for slots in worker.circuits._own.values())


def test_where_all_is_well_nothing_is_written() -> None:
    """A thousand good calls within ten seconds: a look each second, no change."""
    worker = Worker()
    for _ in range(1000):
        worker.see(GOOD)
        worker.clock.pass_by(0.01)
    assert worker.store.changes == 0
    assert 9 <= worker.store.looks <= 11


def test_good_attempts_of_others_count_once_something_fails() -> None:
    """Four failures here, ten good ones there: it opens at half, and that is not half."""
    store, clock = CountingStore(), FakeClock()
    one, other = Worker(store, clock), Worker(store, clock)
    for _ in range(10):
        other.see(GOOD)
    for _ in range(3):
        one.see(REFUSED)
    clock.pass_by(1)
    other.see(GOOD)  # looks, and finds a failure
    clock.pass_by(1)
    other.see(GOOD)  # tells what it has seen
    one.see(REFUSED)
    assert one.circuits.state(GPT) == "closed"
    for _ in range(20):
        one.see(REFUSED)
    assert one.circuits.state(GPT) == "open"


async def test_two_workers_share_a_file(tmp_path: Path) -> None:
    """What one has opened the other one leaves alone a moment later, and closes by its probes."""
    path, clock = tmp_path / "health.sqlite", FakeClock()
    async with Tasks() as tasks:
        one, other = (Worker(SqliteHealth(path, limit_s=30.0), clock, tasks) for _ in range(2))
        other.see(GOOD)
        for _ in range(4):
            one.see(REFUSED)
        await tasks.done()
        assert one.circuits.state(GPT) == "open"
        assert other.circuits.state(GPT) == "closed"
        clock.pass_by(1)
        other.see(attempt_of(target=MINI))
        await tasks.done()
        assert other.circuits.state(GPT) == "open"
        clock.pass_by(6)
        assert other.circuits.state(GPT) == "half_open"
        claims = await asyncio.gather(
            one.circuits.probe(GPT, "one"), other.circuits.probe(GPT, "other")
        )
        assert sorted(claims) == [False, True]
        for worker, name in ((one, "one"), (other, "other")):
            worker.circuits.end_probe(name, [GOOD], own_key=True)
        await tasks.done()
        clock.pass_by(1)
        assert other.circuits.state(GPT) in ("open", "half_open")  # looks whether it was the other
        await tasks.done()
        assert await other.probe("again", GOOD)
        await tasks.done()
        assert other.circuits.state(GPT) == "closed"
        clock.pass_by(1)
        assert one.circuits.state(GPT) in ("open", "half_open")  # looks now, knows in a moment
        await tasks.done()
        assert one.circuits.state(GPT) == "closed"


async def test_a_store_that_is_down_is_said_once_in_a_while(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The process goes on by itself: opens, probes, closes; and shares again when it can."""
    caplog.set_level(logging.WARNING, "scrimp.fallback")
    worker = Worker()
    worker.store.down = True
    for _ in range(50):
        worker.see(REFUSED)
    assert worker.circuits.state(GPT) == "open"
    assert worker.store.changes == 1
    said = [record for record in caplog.records if "unreadable" in record.getMessage()]
    assert len(said) == 1
    worker.clock.pass_by(REST_S + 1)
    assert worker.circuits.state(GPT) == "half_open"
    assert await worker.probe("a", GOOD)
    assert await worker.probe("b", GOOD)
    assert worker.circuits.state(GPT) == "closed"
    worker.store.down = False
    worker.clock.pass_by(REST_S + 1)
    for _ in range(4):
        worker.see(SILENT)
    assert set(await worker.store.look()) == {"openai"}


async def test_a_probe_that_failed_keeps_it_open_longer() -> None:
    """Five seconds, then ten."""
    worker = Worker()
    for _ in range(4):
        worker.see(REFUSED)
    worker.clock.pass_by(5)
    assert await worker.probe("a", REFUSED)
    worker.clock.pass_by(9)
    assert worker.circuits.state(GPT) == "open"
    worker.clock.pass_by(1)
    assert worker.circuits.state(GPT) == "half_open"


async def test_a_provider_that_asks_for_time_gets_it() -> None:
    """`Retry-After: 30` of the last failure, where the circuit opens for five seconds."""
    worker = Worker()
    for _ in range(4):
        worker.see(REFUSED, wait_s=30.0)
    worker.clock.pass_by(29)
    assert worker.circuits.state(GPT) == "open"
    assert not await worker.circuits.probe(GPT, "a")
    worker.clock.pass_by(1)
    assert await worker.circuits.probe(GPT, "a")


async def test_a_silent_provider_is_probed_by_any_of_its_models() -> None:
    """Its circuit is for all of them, and so is the good news."""
    worker = Worker()
    for _ in range(4):
        worker.see(SILENT)
    assert list(worker.circuits.ill) == ["openai"]
    worker.clock.pass_by(5)
    for name in ("a", "b"):
        assert await worker.circuits.probe(MINI, name)
        good = attempt_of(target=MINI)
        worker.circuits.saw(MINI, [good], wait_s=None, own_key=True)
        worker.circuits.end_probe(name, [good], own_key=True)
    assert worker.circuits.state(GPT) == "closed"


def test_names_that_clients_invent_are_bounded() -> None:
    """Ten thousand: those that are refused are not counted, others to a bound; none is written."""
    worker = Worker()
    unknown = attempt_of(outcome="rejected", status=404)
    for attempt, most in ((unknown, 0), (GOOD, 1024)):
        for number in range(10_000):
            target = Target("openai", f"invented-{number}", "openai.chat")
            worker.circuits.saw(target, [attempt], wait_s=None, own_key=True)
        assert len(worker.circuits._own) <= most
    assert worker.store.changes == 0


async def test_nothing_is_forgotten_while_the_store_works() -> None:
    """The circuit has opened here; it stays so while others are being told."""
    gate, store = asyncio.Event(), CountingStore()

    class SlowStore(CountingStore):
        async def change(self, change: Callable[[Healths], Healths]) -> Healths:
            await gate.wait()
            return await store.change(change)

    async with Tasks() as tasks:
        worker = Worker(SlowStore(), spawn=tasks)
        for _ in range(4):
            worker.see(REFUSED)
        await asyncio.sleep(0)  # the work beside has begun
        worker.see(REFUSED)
        assert worker.circuits.state(GPT) == "open"
        gate.set()
        await tasks.done()
        assert worker.circuits.state(GPT) == "open"
        assert (await store.look())["openai/gpt-4o"].circuit == "open"


async def test_a_client_that_leaves_while_it_claims_a_probe_gives_it_back() -> None:
    """The store may have written its name down: the next one need not wait for it."""
    gate = asyncio.Event()

    class SlowStore(CountingStore):
        async def change(self, change: Callable[[Healths], Healths]) -> Healths:
            known = await super().change(change)
            await gate.wait()
            return known

    async with Tasks() as tasks:
        worker = Worker(SlowStore(), spawn=tasks)
        gate.set()
        for _ in range(4):
            worker.see(REFUSED)
        await tasks.done()
        worker.clock.pass_by(6)
        gate.clear()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await worker.circuits.probe(GPT, "leaves")
        gate.set()
        worker.see(REFUSED)  # tells what was left behind
        await tasks.done()
        assert await worker.circuits.probe(GPT, "stays")


async def test_what_nobody_foresaw_in_a_store_ends_no_other_work(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The app's own tasks stand or fall together: it is said, and tried again later."""

    class BrokenStore(CountingStore):
        async def change(self, change: Callable[[Healths], Healths]) -> Healths:
            raise KeyError(change)

    async with Tasks() as tasks:
        worker = Worker(BrokenStore(), spawn=tasks)
        for _ in range(4):
            worker.see(REFUSED)
        await tasks.done()
        assert worker.circuits.state(GPT) == "open"
    assert "KeyError at" in caplog.text


def test_a_storm_of_failures_is_told_together() -> None:
    """While a write is on its way the others gather."""
    held: list[Coroutine[Any, Any, None]] = []

    class Later:
        def cancel(self) -> bool:
            return False

    def keep(work: Coroutine[Any, Any, None]) -> Running:
        held.append(work)
        return Later()

    worker = Worker(spawn=keep)
    for _ in range(1000):
        worker.see(REFUSED)
    assert len(held) == 1
    AtOnce()(held[0])
    assert worker.store.changes == 1
