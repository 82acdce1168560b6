"""Answers by meaning in a real PostgreSQL: graphs, bad days, several at once, no secret told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # ships no types
import pytest

from scrimp.errors import ConfigError, InvalidRequest, StoreError
from scrimp.meanings import Chosen, Known
from scrimp.ports import CacheScope
from scrimp.stores.postgres_link import LinkOptions
from scrimp.stores.postgres_semantic import NEAR, SCRIPT, PostgresSemantic, SemanticOptions
from scrimp.stores.semantic_open import forget, look, open_semantic
from scrimp.stores.semantic_plan import IndexOptions, SemanticPlan
from tests.support.core import FakeClock
from tests.support.postgres_server import PostgresServer
from tests.support.semantic_stores import answered, known, postgres, scattered, schema_of, vector

S, T = b"scope-one", b"scope-two"
EAGER = IndexOptions(exact_up_to=40)
QUICK = LinkOptions(timeout_s=0.5, pause_s=0.2)
MANY = 200


@dataclass
class Stage:
    """Stores of one schema, and what they said."""

    server: PostgresServer
    schema: str
    stack: AsyncExitStack
    clock: FakeClock = field(default_factory=FakeClock)
    told: list[str] = field(default_factory=list)

    def store(self, link: LinkOptions | None = None, url: str = "") -> PostgresSemantic:
        """One more store."""
        link = replace(link or LinkOptions(timeout_s=20), schema=self.schema)
        options = SemanticOptions(index=EAGER, link=link, margin_s=0)
        made = PostgresSemantic(url or self.server.url, self.clock, options, tell=self.told.append)
        self.stack.push_async_callback(made.close)
        return made

    async def ask(self, query: str) -> object:
        """One value, past the store."""
        link = await asyncpg.connect(self.server.url)
        try:
            await link.execute(f"SET search_path = {self.schema}, public")
            value: object = await link.fetchval(query)
        finally:
            await link.close()
        return value

    async def graphs(self) -> object:
        """How many there are."""
        return await self.ask(
            "SELECT count(*) FROM pg_indexes WHERE indexname LIKE 'questions_graph_%' "
            "AND schemaname = current_schema()"
        )


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """A schema of its own."""
    async with AsyncExitStack() as stack:
        yield Stage(postgres(), schema_of(tmp_path), stack)


@pytest.fixture
def ours(stage: Stage) -> PostgresServer:
    """A server that may be stopped."""
    if stage.server.outside:
        pytest.skip("SCRIMP_TEST_POSTGRES_URL names a server that is not ours to stop")
    return stage.server


async def filled(store: PostgresSemantic, clock: FakeClock, scope: bytes = S) -> list[int]:
    """Many questions, a group each."""
    groups = []
    for number in range(MANY):
        given = Known(0, scattered(number), b"%d" % number)
        groups.append(await store.add_root(scope, given, answered(clock)) or 0)
    return groups


async def test_a_large_scope_gets_a_graph(stage: Stage) -> None:
    """All is found as before, and what comes later; what left is not; other scopes stay."""
    store = stage.store()
    groups = await filled(store, stage.clock)
    other = await store.add_root(T, Known(0, scattered(3), b"other"), answered(stage.clock))
    exact = [await store.nearest(S, scattered(number), 5) for number in range(20)]
    await store.tend()
    assert await stage.graphs() == 1
    plan = await stage.ask(
        "SELECT count(*) FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid "
        "WHERE relname LIKE 'questions_graph_%' AND indisvalid"
    )
    assert plan
    assert [await store.nearest(S, scattered(number), 5) for number in range(20)] == exact
    for number in range(0, MANY, 3):
        assert await store.delete(S, groups[number])
    late = await store.add_root(S, Known(0, scattered(9000), b"late"), answered(stage.clock))
    for number in range(MANY):
        found = await store.nearest(S, scattered(number), 1)
        assert (found[0].group == groups[number]) == bool(number % 3)
    assert (await store.nearest(S, scattered(9000), 1))[0].group == late
    assert [one.group for one in await store.nearest(T, scattered(3), 9)] == [other]


async def test_a_vector_is_read_once_and_not_for_each_row(stage: Stage) -> None:
    """The server's plan has it as a value of its own: twelve thousand rows took seconds else."""
    store = stage.store()
    await store.add_root(S, known(0), answered(stage.clock))
    query = NEAR.format(scope=1, dims=8).replace("$1", "0").replace("$3", "9")
    text = "[1,0,0,0,0,0,0,0]"
    plan = await stage.ask(f"EXPLAIN (FORMAT JSON) {query.replace('$2', repr(text))}")
    assert "InitPlan" in str(plan)


async def test_a_graph_finds_what_is_alive_behind_the_dead(stage: Stage) -> None:
    """The nearest hundred are past their time: the search goes on to those that are not."""
    store = stage.store()
    for number in range(120):
        await store.add_root(S, known(number / 1000), answered(stage.clock, ttl_s=5))
    alive = await store.add_root(S, known(1.2), answered(stage.clock, ttl_s=3600))
    await store.tend()
    assert await stage.graphs() == 1
    stage.clock.pass_by(6)
    assert [one.group for one in await store.nearest(S, vector(0), 3)] == [alive]


async def test_the_graph_of_a_scope_that_was_emptied_goes(stage: Stage) -> None:
    """And comes back with its questions."""
    store = stage.store()
    await filled(store, stage.clock)
    await store.tend()
    await store.invalidate(Chosen(tenant="key:ana"))
    await store.tend()
    assert await stage.graphs() == 0
    await filled(store, stage.clock)
    await store.tend()
    assert await stage.graphs() == 1


async def test_beside_the_calls_graphs_are_made_and_uses_told(stage: Stage) -> None:
    """While it runs, within a second or two, and until it is closed."""
    store, other = stage.store(), stage.store()
    async with asyncio.TaskGroup() as group:
        group.create_task(store.run())
        await filled(store, stage.clock)
        await store.nearest(S, scattered(0), 1)
        store.tally(CacheScope("key:ana", "factual_qa"), hits=3)
        async with asyncio.timeout(30):
            while await stage.graphs() != 1 or (await other.stats())[0].hits != 3:  # noqa: ASYNC110 (a server tells nobody)
                await asyncio.sleep(0.05)
        await store.close()


async def test_what_was_counted_last_is_told_at_the_end(stage: Stage) -> None:
    """Closing tells it."""
    store, other = stage.store(), stage.store()
    store.tally(CacheScope("key:ana", "factual_qa"), hits=3)
    await store.close()
    assert [one.hits for one in await other.stats()] == [3]


async def test_many_make_the_tables_at_once(stage: Stage) -> None:
    """Whoever comes first; the others find them."""
    stores = [stage.store() for _ in range(6)]
    await asyncio.gather(*(one.save(S, b"state") for one in stores))
    assert [await one.load(S) for one in stores] == [b"state"] * 6


async def test_tables_of_a_newer_scrimp_are_left_alone(stage: Stage) -> None:
    """With both numbers and the way out."""
    await stage.store().save(S, b"state")
    await stage.ask("INSERT INTO postgres_semantic_versions VALUES (99) RETURNING 1")
    newest = len(SCRIPT.all())
    with pytest.raises(StoreError, match=rf"99, this Scrimp knows versions up to {newest} \(upg"):
        await stage.store().load(S)


@pytest.mark.usefixtures("ours")
async def test_a_dead_server_is_refused_at_once_and_found_again(stage: Stage) -> None:
    """One line for each turn of fortune; what waited to be counted is not lost."""
    store = stage.store(QUICK)
    group = await store.add_root(S, known(0), answered(stage.clock))
    assert group is not None
    stage.server.kill()
    store.tally(CacheScope("key:ana", "factual_qa"), hits=1)
    try:
        for _ in range(3):
            with pytest.raises(StoreError, match=r"PostgreSQL at 127\.0\.0\.1"):
                await store.nearest(S, vector(0), 1)
        with pytest.raises(StoreError):
            await store.stats()
    finally:
        stage.server.start()
    async with asyncio.timeout(60):
        while not await _answers(store):  # noqa: ASYNC110 (a server tells nobody)
            await asyncio.sleep(0.05)
    assert await store.answer(S, group) is not None
    assert (await store.stats())[0].hits == 1
    assert len(stage.told) == 2
    assert "in use again" in stage.told[1]


@pytest.mark.usefixtures("ours")
async def test_a_server_that_hangs_holds_nobody_up(stage: Stage) -> None:
    """Who gives up waiting is free at once; who waits is told after the time limit."""
    store = stage.store(QUICK)
    await store.add_root(S, known(0), answered(stage.clock))
    stage.server.stall()
    try:
        begun_s = time.monotonic()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await store.nearest(S, vector(0), 1)
        assert time.monotonic() - begun_s < 0.45
        with pytest.raises(StoreError, match="does not answer in time"):
            await store.nearest(S, vector(0), 1)
        assert time.monotonic() - begun_s < 5
        with pytest.raises(StoreError, match="does not answer in time"):
            await store.nearest(S, vector(0), 1)
    finally:
        stage.server.go_on()
    async with asyncio.timeout(60):
        while not await _answers(store):  # noqa: ASYNC110 (a server tells nobody)
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ana:hunter2@127.0.0.1:9/db",
        "postgresql://ana:hunter2@127.0.0.1:port/db",
        "postgresql://ana:hunter2@[::1/db",
        "mysql://ana:hunter2@127.0.0.1/db",
        "hunter2",
        "postgresql://ana:hunter2@127.0.0.1:9/db?sslmode=hunter2",
    ],
)
async def test_no_error_tells_a_password(stage: Stage, url: str) -> None:
    """Whatever is wrong with the URL, or with what it names."""
    store = stage.store(QUICK, url=url)
    with pytest.raises(StoreError) as caught:
        await store.load(S)
    told = f"{caught.value} {caught.value.__cause__} {stage.told} {store!r}"
    assert "hunter2" not in told
    assert "SemanticPlan" in repr(plan := SemanticPlan("postgres", Path(), url=url))
    assert "hunter2" not in repr(plan)


async def test_tls_that_is_asked_for_is_never_left_out(stage: Stage) -> None:
    """The server of the tests has none: it is not used."""
    store = stage.store(QUICK, url=f"{stage.server.url}?sslmode=require")
    with pytest.raises(StoreError):
        await store.load(S)


async def test_what_no_table_holds_is_refused_and_harms_nobody(stage: Stage) -> None:
    """A zero byte in a tag, half a pair: the store goes on, and says nothing of it."""
    store = stage.store()
    with pytest.raises(StoreError, match="cannot hold this"):
        await store.invalidate(Chosen(tag="a\0b"))
    with pytest.raises(InvalidRequest, match="no answer has that name"):
        await store.invalidate(Chosen(tag="\ud800"))
    assert await store.load(S) is None
    assert stage.told == []


async def test_others_look_and_forget_without_a_gateway(stage: Stage) -> None:
    """What the command line does."""
    store = stage.store()
    await store.add_root(S, known(0), answered(stage.clock))
    plan = SemanticPlan("postgres", Path(), url=stage.server.url, schema=stage.schema)
    assert await look(plan, stage.clock) == await store.stats()
    assert await look(plan, stage.clock, "nobody") == ()
    assert await forget(plan, stage.clock, Chosen(tenant="key:ana"), dry_run=True) == 1
    assert await forget(plan, stage.clock, Chosen(tenant="key:ana")) == 1
    assert await store.nearest(S, vector(0), 1) == ()


def test_a_missing_url_is_said_with_the_way_out() -> None:
    """And a name that is no schema's."""
    with pytest.raises(ConfigError, match=r"MY_URL is not set \(export MY_URL=postgresql://"):
        open_semantic(SemanticPlan("postgres", Path(), url_env="MY_URL"), FakeClock())
    with pytest.raises(ConfigError, match="no name of a schema"):
        open_semantic(SemanticPlan("postgres", Path(), url="x", schema='a"; DROP'), FakeClock())


async def _answers(store: PostgresSemantic) -> bool:
    try:
        await store.load(S)
    except StoreError:
        return False
    return True
