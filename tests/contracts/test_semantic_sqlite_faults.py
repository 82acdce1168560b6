"""Bad days of a file of answers by meaning, and several who use it at once."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from scrimp.errors import StoreError
from scrimp.meanings import About, Chosen, Judged, Known
from scrimp.ports import CacheScope
from scrimp.stores.semantic_index import ScopeIndex
from scrimp.stores.semantic_open import forget, look
from scrimp.stores.semantic_plan import SemanticLimits, SemanticPlan
from scrimp.stores.sqlite_ledger import SqliteLedger
from scrimp.stores.sqlite_semantic import SemanticOptions, SqliteSemantic
from scrimp.stores.sqlite_semantic_file import SCHEMA, graph_path
from scrimp.stores.sqlite_semantic_writer import WriterOptions
from tests.support.core import FakeClock
from tests.support.semantic_stores import EAGER, answered, known, scattered, vector
from tests.support.sqlite_cache import until, works

S = b"scope-one"
MANY = 120
OPTIONS = SemanticOptions(index=EAGER, writer=WriterOptions(50, (0.2,)))


@dataclass
class Opened:
    """A store on a file, and what it said."""

    store: SqliteSemantic
    clock: FakeClock
    told: list[str] = field(default_factory=list)

    async def fill(self, count: int = MANY, start: int = 0) -> list[int]:
        """Scattered questions, a group each."""
        groups = await asyncio.gather(
            *(
                self.store.add_root(S, Known(0, scattered(number), b""), answered(self.clock))
                for number in range(start, start + count)
            )
        )
        return [group or 0 for group in groups]

    async def finds(self, number: int) -> int | None:
        """The group of that very question."""
        found = await self.store.nearest(S, scattered(number), 1)
        return found[0].group if found and found[0].cosine > 0.999 else None

    async def settled(self) -> None:
        """Wait until a graph has what it should have."""

        async def done() -> bool:
            await self.store.nearest(S, scattered(0), 1)
            followed = self.store._searcher._scopes[S]
            return followed.index.graph is not None and not followed.index.crowded

        await until(done)


async def settles_at(index: ScopeIndex, count: int) -> bool:
    """A vector that is just being moved counts twice."""
    return len(index) == count


@asynccontextmanager
async def opened(path: Path, options: SemanticOptions = OPTIONS) -> AsyncIterator[Opened]:
    """Open, and close at the end."""
    told: list[str] = []
    clock = FakeClock()
    store = SqliteSemantic.open(path, clock, options, tell=told.append)
    try:
        yield Opened(store, clock, told)
    finally:
        await store.close()


async def test_it_survives_a_restart(tmp_path: Path) -> None:
    """Groups, facts, state and books are there again; its files are for their owner only."""
    path = tmp_path / "state" / "semantic.sqlite"
    async with opened(path) as one:
        groups = await one.fill()
        await one.store.quarantine(S, groups[0])
        await one.store.save(S, b"learned")
        one.store.tally(CacheScope("t", "x"), hits=3)
        await one.settled()
    modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.rglob("*.*")}
    folder = graph_path(path, 1).parent
    assert modes.pop(folder.name) == 0o700
    assert set(modes.values()) == {0o600}, modes
    async with opened(path) as two:
        assert [await two.finds(number) for number in range(MANY)] == groups
        assert (await two.store.facts(S, (groups[0],)))[0].quarantined
        assert await two.store.load(S) == b"learned"
        assert [one.hits for one in await two.store.stats("t")] == [3]
        assert two.told == []


async def test_a_restart_takes_the_graph_from_its_file(tmp_path: Path) -> None:
    """And follows what was added and deleted since it was saved."""
    path = tmp_path / "semantic.sqlite"
    async with opened(path) as one:
        groups = await one.fill()
        await one.settled()
    saved = graph_path(path, 1).read_bytes()
    async with opened(path) as two:
        groups += await two.fill(30, start=MANY)
        await two.store.delete(S, groups[3])
        await two.settled()
    graph_path(path, 1).write_bytes(saved)  # as after a kill: older than the truth
    async with opened(path) as three:
        found = [await three.finds(number) for number in range(MANY + 30)]
        groups[3] = 0
        assert [group or 0 for group in found] == groups
        followed = three.store._searcher._scopes[S]
        assert followed.index.graph is not None
        assert followed.index.exact < MANY


@pytest.mark.parametrize("how", ["missing", "flipped", "halved", "empty", "another store's"])
async def test_a_bad_graph_is_made_anew_from_the_file(tmp_path: Path, how: str) -> None:
    """Every question is found as before, whatever happened to the graph."""
    path = tmp_path / "semantic.sqlite"
    async with opened(path) as one:
        groups = await one.fill()
        await one.settled()
    graph = graph_path(path, 1)
    whole = bytearray(graph.read_bytes())
    if how == "missing":
        graph.unlink()
    elif how == "flipped":
        whole[len(whole) // 2] ^= 0x10
        graph.write_bytes(whole)
    elif how == "halved":
        graph.write_bytes(whole[: len(whole) // 2])
    elif how == "empty":
        graph.write_bytes(b"")
    else:
        async with opened(tmp_path / "other.sqlite") as other:
            await other.fill(start=1000)
            await other.settled()
        graph.write_bytes(graph_path(tmp_path / "other.sqlite", 1).read_bytes())
    async with opened(path) as two:
        assert [await two.finds(number) for number in range(MANY)] == groups
        await two.settled()
        assert [await two.finds(number) for number in range(MANY)] == groups
        assert two.told == []


async def test_an_index_too_far_behind_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where departures are forgotten, in memory and in a graph's file."""
    monkeypatch.setattr("scrimp.stores.sqlite_semantic_rows._GONE_KEPT", 5)
    path = tmp_path / "semantic.sqlite"
    async with opened(path) as one, opened(path) as two:
        groups = await one.fill()
        await two.settled()
        await one.settled()
        for group in groups[:20]:
            await one.store.delete(S, group)
        await one.store.stats()  # forgets
        assert [await two.finds(number) for number in range(20)] == [None] * 20
        assert await two.finds(20) == groups[20]
        await two.settled()
        followed = two.store._searcher._scopes[S]
        await until(lambda: settles_at(followed.index, MANY - 20))


async def test_each_follows_the_other_at_once(tmp_path: Path) -> None:
    """What one adds, deletes or puts into quarantine, the other finds, or does not serve."""
    path = tmp_path / "semantic.sqlite"
    async with opened(path) as one, opened(path) as two:
        group = await one.store.add_root(S, known(0), answered(one.clock), About(tags=("a",)))
        assert group is not None
        assert [near.group for near in await two.store.nearest(S, vector(0), 1)] == [group]
        assert await two.store.answer(S, group) is not None
        assert await two.store.add_alias(S, known(0.5, group))
        assert (await one.store.nearest(S, vector(0.5), 1))[0].group == group
        await one.store.quarantine(S, group)
        assert await two.store.answer(S, group) is None
        assert await two.store.invalidate(Chosen(tag="a")) == 1
        assert await one.store.nearest(S, vector(0), 1) == ()
        assert await one.store.facts(S, (group,)) == ()


_OTHER = """
import asyncio, sys
from pathlib import Path
from scrimp.meanings import Known
from scrimp.stores.sqlite_semantic import SqliteSemantic
from tests.support.core import FakeClock
from tests.support.semantic_stores import answered, scattered

async def main(path, start, count):
    clock = FakeClock()
    store = SqliteSemantic.open(Path(path), clock)
    for number in range(start, start + count):
        known = Known(0, scattered(number), b"")
        group = await store.add_root(b"scope-one", known, answered(clock))
        if number % 2:
            await store.delete(b"scope-one", group)
    await store.close()

asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
"""


def other(path: Path, start: int) -> subprocess.Popen[bytes]:
    """A process that adds sixty questions and deletes half of them."""
    return subprocess.Popen([sys.executable, "-c", _OTHER, str(path), str(start), "60"])


async def test_processes_share_a_file(tmp_path: Path) -> None:
    """Two that add and delete at once, while a third one searches: it finds just what is left."""
    path = tmp_path / "semantic.sqlite"
    async with opened(path) as here:
        children = [other(path, start) for start in (0, 100)]
        while any(child.poll() is None for child in children):
            await here.store.nearest(S, scattered(2), 5)
            await asyncio.sleep(0)
        assert [child.returncode for child in children] == [0, 0]
        for number in (*range(60), *range(100, 160)):
            assert (await here.finds(number) is None) == bool(number % 2), number
        assert here.told == []


async def test_indexes_in_memory_are_bounded(tmp_path: Path) -> None:
    """With room for none, each search loads its own, and finds."""
    options = SemanticOptions(index=EAGER, index_bytes=1)
    async with opened(tmp_path / "semantic.sqlite", options) as one:
        for number in range(6):
            given = Known(0, vector(number / 10), b"")
            scope = b"scope-%d" % number
            assert await one.store.add_root(scope, given, answered(one.clock)) is not None
            assert len(await one.store.nearest(scope, vector(0), 3)) == 1
        assert len(one.store._searcher._scopes) == 1


async def test_a_file_of_a_newer_scrimp_is_refused(tmp_path: Path) -> None:
    """With both numbers, and left as it is; calls do without it."""
    path = tmp_path / "semantic.sqlite"
    async with opened(path) as one:
        await one.fill(1)
    with closing(sqlite3.connect(path)) as newer:
        newer.execute("PRAGMA user_version = 99")
    async with opened(path) as two:
        newest = len(SCHEMA.scripts())
        for asked in (two.store.nearest(S, scattered(0), 1), two.store.load(S), two.store.stats()):
            with pytest.raises(StoreError, match=rf"version 99, .* up to {newest}"):
                await asked
        assert len(two.told) == 1
        assert "calls go on without it" in two.told[0]


async def test_another_database_is_left_alone(tmp_path: Path) -> None:
    """A ledger under the store's name is none, and no harm comes to it."""
    path = tmp_path / "ledger.sqlite"
    await SqliteLedger.open(path).close()
    before = path.read_bytes()
    async with opened(path) as one:
        with pytest.raises(StoreError, match="not a semantic cache of Scrimp's"):
            await one.store.nearest(S, scattered(0), 1)
    assert path.read_bytes() == before


@pytest.mark.parametrize("how", ["words", "halved"])
async def test_a_damaged_file_is_set_aside_and_made_anew(tmp_path: Path, how: str) -> None:
    """Found at the start: the old one is kept beside, one line says so, and all works."""
    path = tmp_path / "semantic.sqlite"
    async with opened(path) as one:
        await one.fill()
        await one.settled()
    whole = path.read_bytes()
    path.write_bytes(b"no database at all" * 99 if how == "words" else whole[: len(whole) // 2])
    async with opened(path) as two:
        await until(lambda: works(two.fill(3)))
        assert await two.finds(2) is not None
        assert await two.finds(50) is None
        assert len(two.told) == 1
        assert "was damaged" in two.told[0]
    assert path.with_name(path.name + ".damaged").exists()


async def test_a_file_that_is_removed_is_made_anew(tmp_path: Path) -> None:
    """While in use: what the index still knows is not served."""
    path = tmp_path / "semantic.sqlite"
    async with opened(path) as one:
        await one.fill(5)
        assert await one.finds(1) is not None
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink()
        await one.fill(1, start=7)
        assert await one.finds(1) is None
        assert await one.finds(7) is not None
        assert "was removed" in one.told[0]


async def test_words_that_no_file_can_hold_refuse_themselves_only(tmp_path: Path) -> None:
    """Half of a surrogate pair in a tag: that answer is refused whole, its neighbours are kept."""
    async with opened(tmp_path / "semantic.sqlite") as one:
        bad = one.store.add_root(S, known(0), answered(one.clock), About(tags=("ok", "\ud800")))
        good = one.store.add_root(S, known(0.1), answered(one.clock))
        results = await asyncio.gather(bad, good, return_exceptions=True)
        assert isinstance(results[0], StoreError)
        assert isinstance(results[1], int)
        assert [near.group for near in await one.store.nearest(S, vector(0), 9)] == [results[1]]
        assert [book.groups for book in await one.store.stats()] == [1]


async def test_a_locked_file_is_waited_for_and_comes_back(tmp_path: Path) -> None:
    """Another process that holds it too long: writes are refused, reads go on, then all is well."""
    path = tmp_path / "semantic.sqlite"
    async with opened(path) as one:
        groups = await one.fill(3)
        with closing(sqlite3.connect(path, isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match="locked"):
                await one.fill(1, start=9)
            assert await one.finds(1) == groups[1]
            holder.execute("ROLLBACK")
        await until(lambda: works(one.fill(1, start=9)))
        assert await one.finds(9) is not None
        assert "cannot be used now: database is locked" in one.told[0]


async def test_the_verdict_log_is_bounded(tmp_path: Path) -> None:
    """A scope keeps its newest ones, give or take a batch."""
    limits = SemanticLimits(verdicts=10)
    async with opened(tmp_path / "semantic.sqlite", SemanticOptions(limits)) as one:
        at = one.clock.now()
        given = [
            Judged(1, (float(number),), number > 5, 1.0, "equal", served=False, at=at)
            for number in range(600)
        ]
        await asyncio.gather(*(one.store.judged(S, each) for each in given))
        kept = await one.store.verdicts(S, 999)
        assert len(kept) < 10 + 256
        assert list(kept) == given[-len(kept) :]


async def test_a_file_is_looked_at_and_cleared_from_outside(tmp_path: Path) -> None:
    """While a gateway uses it or not; where there is none, none is made."""
    path = tmp_path / "semantic.sqlite"
    plan, chosen = SemanticPlan("sqlite", path), Chosen(task="factual_qa")
    with pytest.raises(StoreError, match="no semantic cache"):
        await look(plan, FakeClock())
    assert await forget(plan, FakeClock(), chosen) == 0
    assert not path.exists()
    async with opened(path) as one:
        await one.fill(3)
        assert await look(plan, FakeClock()) == await one.store.stats()
        assert await look(plan, FakeClock(), "nobody") == ()
        assert await forget(plan, one.clock, chosen) == 3
        assert await one.finds(1) is None
