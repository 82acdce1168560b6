"""What is known of upstreams: the same on every engine, and what a shared file must stand."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from scrimp.errors import StoreError
from scrimp.health import WELL, Health, Healths, HealthStore, Tally
from scrimp.routing.circuit import Rules, claimed
from scrimp.stores.memory_health import MemoryHealth
from scrimp.stores.sqlite_health import SqliteHealth

T = 1_800_000_000.0
PATIENT_S = 30.0
"""For disks that are slow because all tests use them."""
OPEN = Health(
    circuit="open",
    until_s=T + 5,
    not_before_s=T + 7.25,
    openings=3,
    closed_s=T - 60,
    seen=(Tally(1_800_000_000, 7, 3),),
)


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> HealthStore:
    """Each engine, empty."""
    if request.param == "memory":
        return MemoryHealth()
    return SqliteHealth(tmp_path / "state" / "health.sqlite", limit_s=PATIENT_S)


def put(**healths: Health) -> Callable[[Healths], Healths]:
    """A change that adds these."""
    return lambda known: {**known, **healths}


async def test_nothing_is_known_at_first(store: HealthStore) -> None:
    """And looking makes nothing."""
    assert await store.look() == {}


async def test_what_was_put_is_known_to_the_last_digit(store: HealthStore) -> None:
    """By a later look and by the change itself."""
    half = Health(circuit="half_open", prober="me", probe_until_s=T + 0.125, passed=1)
    known = {"openai": OPEN, "openai/gpt-4o": half}
    assert await store.change(lambda _: known) == known
    assert await store.look() == known


async def test_a_change_sees_what_was_there_and_may_take_it_away(store: HealthStore) -> None:
    """What is left out is gone."""
    await store.change(put(a=OPEN, b=WELL))
    seen: list[Healths] = []

    def change(known: Healths) -> Healths:
        seen.append(known)
        return {"b": replace(WELL, openings=1)}

    await store.change(change)
    assert seen == [{"a": OPEN, "b": WELL}]
    assert await store.look() == {"b": Health(openings=1)}


async def test_a_change_that_breaks_changes_nothing(store: HealthStore) -> None:
    """Its error passes, and the next one works."""
    await store.change(put(a=OPEN))

    def breaks(known: Healths) -> Healths:
        raise ZeroDivisionError(len(known))

    with pytest.raises(ZeroDivisionError):
        await store.change(breaks)
    assert await store.change(put(b=WELL)) == {"a": OPEN, "b": WELL}


async def test_of_many_at_once_none_is_lost(store: HealthStore) -> None:
    """Thirty additions are thirty."""

    def more(known: Healths) -> Healths:
        old = known.get("a", WELL)
        return {**known, "a": replace(old, openings=old.openings + 1)}

    async with asyncio.TaskGroup() as group:
        for _ in range(30):
            group.create_task(store.change(more))
    assert (await store.look())["a"].openings == 30


async def test_of_many_workers_one_probes(tmp_path: Path) -> None:
    """Eight stores over one file ask for the same probe at the same time."""
    path = tmp_path / "health.sqlite"
    due = Health(circuit="open", until_s=T - 1, openings=1)
    await SqliteHealth(path, limit_s=PATIENT_S).change(put(a=due))
    workers = [SqliteHealth(path, limit_s=PATIENT_S) for _ in range(8)]
    claims = [
        partial(claimed, upstreams=["a"], prober=f"worker {number}", now_s=T, rules=Rules())
        for number in range(8)
    ]
    told = await asyncio.gather(
        *(worker.change(claim) for worker, claim in zip(workers, claims, strict=True))
    )
    probers = {known["a"].prober for known in told}
    assert len(probers) == 1


async def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    """0600 in a folder of 0700."""
    path = tmp_path / "state" / "health.sqlite"
    await SqliteHealth(path, limit_s=PATIENT_S).change(put(a=OPEN))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_looking_makes_no_file(tmp_path: Path) -> None:
    """Where nothing ever failed there is none."""
    await SqliteHealth(tmp_path / "state" / "health.sqlite").look()
    assert os.listdir(tmp_path) == []  # noqa: PTH208 (a path object would block, says the linter)


async def test_a_file_of_another_kind_is_refused_and_left_alone(tmp_path: Path) -> None:
    """With its name and the way out."""
    path = tmp_path / "health.sqlite"
    content = b"no database at all, but long enough to be one" * 40
    path.write_bytes(content)
    store = SqliteHealth(path, limit_s=PATIENT_S)
    for work in (store.look(), store.change(put(a=OPEN))):
        with pytest.raises(StoreError, match=r"health\.sqlite"):
            await work
    assert path.read_bytes() == content


async def test_a_row_that_cannot_be_read_misleads_nobody(tmp_path: Path) -> None:
    """Edited, or written by another version: as if it were not there."""
    path = tmp_path / "health.sqlite"
    store = SqliteHealth(path, limit_s=PATIENT_S)
    await store.change(put(a=OPEN, b=OPEN, c=OPEN))
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE upstreams SET health = '{' WHERE upstream = 'a'")
        connection.execute(
            """UPDATE upstreams SET health = '{"circuit":"ajar"}' WHERE upstream = 'b'"""
        )
    connection.close()
    assert await store.look() == {"c": OPEN}


async def test_a_file_that_is_taken_away_is_made_again(tmp_path: Path) -> None:
    """Deleting it is what its own error advises."""
    path = tmp_path / "health.sqlite"
    store = SqliteHealth(path, limit_s=PATIENT_S)
    await store.change(put(a=OPEN))
    assert await store.look() == {"a": OPEN}
    path.unlink()
    assert await store.look() == {}
    assert await store.change(put(b=WELL)) == {"b": WELL}


async def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """As a StoreError, like everything that a store cannot do."""
    (tmp_path / "file").write_text("")
    store = SqliteHealth(tmp_path / "file" / "health.sqlite", limit_s=PATIENT_S)
    for work in (store.look(), store.change(put(a=OPEN))):
        with pytest.raises(StoreError, match="file"):
            await work


async def test_a_folder_without_rights_is_said(tmp_path: Path) -> None:
    """Nobody may write there; root may, and then it works."""
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    store = SqliteHealth(folder / "health.sqlite", limit_s=PATIENT_S)
    if os.geteuid() == 0:
        assert await store.change(put(a=OPEN)) == {"a": OPEN}
        return
    with pytest.raises(StoreError, match="closed"):
        await store.change(put(a=OPEN))


async def test_a_disk_that_hangs_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error in bounded time, again and again, and all is well when it answers again."""
    store, answers = SqliteHealth(tmp_path / "health.sqlite", limit_s=0.05), threading.Event()

    def hangs(_: SqliteHealth) -> Healths:
        answers.wait(30)
        return {}

    with monkeypatch.context() as patched:
        patched.setattr(SqliteHealth, "_look", hangs)
        for _ in range(3):
            with pytest.raises(StoreError, match=r"did not answer within 0\.05 s"):
                await store.look()
        answers.set()
    assert await SqliteHealth(tmp_path / "health.sqlite", limit_s=PATIENT_S).change(
        put(a=OPEN)
    ) == {"a": OPEN}


async def test_a_busy_file_is_waited_for_and_then_said(tmp_path: Path) -> None:
    """Another process holds it: an error within seconds, and the next one works."""
    path = tmp_path / "health.sqlite"
    store = SqliteHealth(path, limit_s=5.0)
    await store.change(put(a=OPEN))
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match="locked"):
        await store.change(put(b=WELL))
    connection.execute("ROLLBACK")
    connection.close()
    assert await store.change(put(b=WELL)) == {"a": OPEN, "b": WELL}
