"""Budgets on bad days: killed processes, full disks, locked and foreign files, late settlements."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
import stat
import threading
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest

from scrimp.errors import StoreError
from scrimp.limits import BudgetStore, Limit
from scrimp.stores import memory_budgets_journal, sqlite_budgets_spill, sqlite_budgets_writer
from scrimp.stores.memory_budgets import MemoryBudgets
from scrimp.stores.sqlite_budgets import BudgetsOptions, SqliteBudgets
from tests.support.budget_stores import (
    LEASE_S,
    RESTARTING,
    held,
    limit,
    open_store,
    quiet,
    rolling,
    stand,
    usd,
)
from tests.support.core import FakeClock

DAY = limit(100)
QUICK = BudgetsOptions(busy_s=0.05, patience_s=0.0, gather_ms=0, synchronous="NORMAL")


async def until_stands(store: BudgetStore, one: Limit, used: int, held: int) -> None:
    """Wait for what a thread does in its own time."""
    async with asyncio.timeout(60):
        while await stand(store, one) != (used, held):  # noqa: ASYNC110 - another thread's doing
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("engine", RESTARTING)
async def test_a_restart_forgets_neither_spend_nor_holds(engine: str, tmp_path: Path) -> None:
    """Nor what was charged, nor which ids are known, nor what time it was."""
    clock, both = FakeClock(), (DAY, limit(100, rolling(3600)))
    async with AsyncExitStack() as stack:
        store = await open_store(stack, engine, clock, tmp_path)
        assert await held(store, "spent", both, usd(20))
        store.settle("spent", usd(15))
        assert await held(store, "late", both, usd(30))
        clock.pass_by(LEASE_S)
        assert await held(store, "open", both, usd(10))
    clock.pass_by(-1)
    async with AsyncExitStack() as stack:
        store = await open_store(stack, engine, clock, tmp_path)
        assert [(one.used, one.held) for one in await store.standing(both)] == [(45, 10)] * 2
        assert await held(store, "spent", both, usd(99))
        store.settle("late", usd(5))
        store.settle("open", usd(1))
        assert [(one.used, one.held) for one in await store.standing(both)] == [(21, 0)] * 2


@pytest.mark.parametrize("engine", RESTARTING)
async def test_state_is_for_its_owner_only(engine: str, tmp_path: Path) -> None:
    """Every file that an engine makes."""
    async with AsyncExitStack() as stack:
        store = await open_store(stack, engine, FakeClock(), tmp_path / "state")
        assert await held(store, "a", (DAY,), usd(1))
        modes = [stat.S_IMODE(one.stat().st_mode) for one in (tmp_path / "state").iterdir()]
        assert set(modes) == {0o600}
        assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


async def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    """Nobody was answered for it. What is damaged elsewhere is refused, by its line."""
    clock, path = FakeClock(), tmp_path / "journal"
    store = MemoryBudgets.open(clock, path)
    assert await held(store, "a", (DAY,), usd(30))
    await store.close()
    with path.open("ab") as file:
        file.write(b'["h",1777777,"torn",17')
    store = MemoryBudgets.open(clock, path)
    assert await stand(store, DAY) == (0, 30)
    await store.close()
    path.write_bytes(path.read_bytes().replace(b'["h",', b'["?",'))
    with pytest.raises(StoreError, match="line 4"):
        MemoryBudgets.open(clock, path)


async def test_a_journal_has_one_process(tmp_path: Path) -> None:
    """A second one is told so, also after the file was written anew."""
    clock, path = FakeClock(), tmp_path / "journal"
    store = MemoryBudgets.open(clock, path)
    with pytest.raises(StoreError, match="another process"):
        MemoryBudgets.open(clock, path)
    await store.close()
    await MemoryBudgets.open(clock, path).close()


async def test_a_long_journal_is_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays small, and says the same."""
    monkeypatch.setattr(memory_budgets_journal, "_LONG_BYTES", 20_000)
    clock, path, sizes = FakeClock(), tmp_path / "journal", []
    lifetime = limit(1_000_000, "lifetime")
    store = MemoryBudgets.open(clock, path)
    for number in range(2000):
        clock.pass_by(10)
        assert await held(store, str(number), (lifetime, limit(10_000)), usd(2))
        assert not await held(store, f"x{number}", (limit(0, whom=f"tag:{number}"),), usd(2))
        store.settle(str(number), usd(1))
        sizes.append(path.stat().st_size)
    await store.close()
    assert max(sizes) < 400_000
    store = MemoryBudgets.open(clock, path)
    assert await stand(store, lifetime) == (2000, 0)
    await store.close()


async def test_a_journal_that_cannot_be_written_refuses_holds_and_keeps_settlements(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was settled meanwhile is in the file once it is well again."""
    clock, path, told = FakeClock(), tmp_path / "journal", list[str]()
    both = (DAY, limit(50, whom="team:new"))
    store = MemoryBudgets.open(clock, path, tell=told.append)
    assert await held(store, "a", (DAY,), usd(30))

    def full(_descriptor: int, _data: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(memory_budgets_journal, "write_all", full)
        with pytest.raises(StoreError, match="No space left"):
            await store.hold("b", both, usd(10), lease_s=LEASE_S)
        store.settle("a", usd(20))
        assert await stand(store, DAY) == (20, 0)
        with pytest.raises(StoreError, match="No space left"):
            await store.flush()
    await store.flush()
    assert [line.split(" ")[-1] for line in told] == ["device", "again"]
    assert await held(store, "b", both, usd(10))
    await store.close()
    store = MemoryBudgets.open(clock, path)
    assert [(one.used, one.held) for one in await store.standing(both)] == [(20, 10), (0, 10)]
    await store.close()


async def test_files_of_others_are_refused(tmp_path: Path) -> None:
    """By both engines, and left as they are."""
    foreign = tmp_path / "foreign"
    foreign.write_text("dear diary\n")
    with pytest.raises(StoreError, match="journal of budgets"):
        MemoryBudgets.open(FakeClock(), foreign)
    with pytest.raises(StoreError, match="file of budgets"):
        SqliteBudgets.open(foreign, FakeClock())
    assert foreign.read_text() == "dear diary\n"


async def test_a_locked_file_refuses_holds_in_time_and_sets_settlements_aside(
    tmp_path: Path,
) -> None:
    """They are in the spill file at once, and counted when the file is free again."""
    path, told = tmp_path / "budgets.db", list[str]()
    store = SqliteBudgets.open(path, FakeClock(), QUICK, tell=told.append)
    assert await held(store, "a", (DAY,), usd(30))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        async with asyncio.timeout(5):
            with pytest.raises(StoreError, match="locked"):
                await store.hold("b", (DAY,), usd(10), lease_s=LEASE_S)
        assert "locked" in store.trouble
        store.settle("a", usd(20))
        await store.flush()
        assert sqlite_budgets_spill.spill_path(path).read_bytes().count(b"\n") == 1
        other.execute("ROLLBACK")
    await until_stands(store, DAY, 20, 0)
    assert await held(store, "b", (DAY,), usd(80))
    assert store.trouble == ""
    assert not sqlite_budgets_spill.spill_path(path).exists()
    assert any("read back" in line for line in told)
    await store.close()


async def test_settlements_set_aside_survive_the_process(tmp_path: Path) -> None:
    """Closed while the file is locked: the next process reads them back, unreadable lines apart."""
    path, clock = tmp_path / "budgets.db", FakeClock()
    store = SqliteBudgets.open(path, clock, QUICK, tell=quiet)
    assert await held(store, "a", (DAY,), usd(30))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        store.settle("a", usd(20))
        await store.close()
    with sqlite_budgets_spill.spill_path(path).open("ab") as file:
        file.write(b'["torn')
    store = SqliteBudgets.open(path, clock, QUICK, tell=quiet)
    assert await stand(store, DAY) == (20, 0)
    assert sqlite_budgets_spill.unreadable_path(path).read_bytes() == b'["torn'
    await store.close()


async def test_a_file_that_was_taken_away_refuses_and_then_begins_anew(tmp_path: Path) -> None:
    """Whoever deletes it resets all budgets; nobody is told that a hold is held in a lost file."""
    path = tmp_path / "budgets.db"
    store = SqliteBudgets.open(path, FakeClock(), QUICK, tell=quiet)
    assert await held(store, "a", (DAY,), usd(30))
    path.unlink()
    with pytest.raises(StoreError, match="removed or replaced"):
        await store.hold("b", (DAY,), usd(10), lease_s=LEASE_S)
    assert await held(store, "b", (DAY,), usd(10))
    await store.close()


async def test_a_cancelled_hold_holds_nothing(tmp_path: Path) -> None:
    """Whether it was asked already or not: two hundred at once, each left at another moment."""
    store = SqliteBudgets.open(tmp_path / "budgets.db", FakeClock(), QUICK, tell=quiet)
    many = limit(1_000_000)
    async with asyncio.TaskGroup() as group:
        asked = [
            group.create_task(held(store, str(number), (many,), usd(1))) for number in range(200)
        ]
        for number, one in enumerate(asked):
            asyncio.get_running_loop().call_later(number % 20 / 10_000, one.cancel)
    answered = sum(not one.cancelled() for one in asked)
    assert answered < 200
    assert await stand(store, many) == (0, answered)
    await store.close()


async def test_an_answer_that_is_here_counts_though_the_process_slept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that stood still for longer than an answer may take refuses nobody for that."""
    woken, answer = threading.Event(), sqlite_budgets_writer._answer

    def told(answers: Sequence[sqlite_budgets_writer.Answer]) -> None:
        answer(answers)
        if answers:
            woken.set()

    monkeypatch.setattr(sqlite_budgets_writer, "_answer", told)
    options = replace(QUICK, answer_s=0.05)
    store = SqliteBudgets.open(tmp_path / "budgets.db", FakeClock(), options=options)
    async with asyncio.TaskGroup() as group:
        verdict = group.create_task(store.hold("a", (DAY,), usd(30), lease_s=LEASE_S))
        await asyncio.sleep(0)
        assert woken.wait(10)
        time.sleep(0.1)  # noqa: ASYNC251 - the machine stands still
    assert verdict.result().denied_by is None
    assert await stand(store, DAY) == (0, 30)
    await store.close()


async def test_old_rows_go(tmp_path: Path) -> None:
    """Windows that are over and ids that nobody can ask for again leave the file."""
    clock, path = FakeClock(), tmp_path / "budgets.db"
    store = SqliteBudgets.open(path, clock, QUICK, tell=quiet)
    limits = (DAY, limit(9, "minute"), limit(9, rolling(60)), limit(9, "open", unit="calls"))
    for number in range(20):
        assert await held(store, str(number), limits, usd(1))
        store.settle(str(number), usd(1))
        await store.flush()
        clock.pass_by(86_400)
    assert await held(store, "last", (limit(5, "lifetime"),), usd(1))
    await store.close()
    with closing(sqlite3.connect(path)) as file:
        (cells,) = file.execute("SELECT count(*) FROM cells").fetchone()
        (counters,) = file.execute("SELECT count(*) FROM counters").fetchone()
        (holds,) = file.execute("SELECT count(*) FROM holds").fetchone()
    assert (cells, counters, holds) == (1, 1, 1)


async def test_two_engines_on_one_file_count_together(tmp_path: Path) -> None:
    """A hold of one may be settled by the other; together they never pass the limit."""
    clock, path = FakeClock(), tmp_path / "budgets.db"
    stores = [SqliteBudgets.open(path, clock, QUICK, tell=quiet) for _ in range(2)]
    assert await held(stores[0], "a", (DAY,), usd(60))
    assert not await held(stores[1], "b", (DAY,), usd(41))
    stores[1].settle("a", usd(10))
    await stores[1].flush()
    wanted = [held(stores[number % 2], f"h{number}", (DAY,), usd(7)) for number in range(60)]
    assert sum(await asyncio.gather(*wanted)) == 12
    assert await stand(stores[0], DAY) == await stand(stores[1], DAY) == (10, 84)
    for store in stores:
        await store.close()
