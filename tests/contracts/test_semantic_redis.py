"""Answers by meaning in a real Redis 8: bad days, several at once, sums, no secret told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from msgspec.structs import replace

from scrimp.errors import ConfigError, StoreError
from scrimp.meanings import About, Chosen, Known
from scrimp.ports import CacheScope
from scrimp.stores.redis_semantic import RedisSemantic
from scrimp.stores.semantic_memory import MemorySemantic
from scrimp.stores.semantic_open import forget, look, open_semantic, server_policy
from scrimp.stores.semantic_plan import SemanticLimits, SemanticPlan
from tests.support.core import FakeClock
from tests.support.redis_server import RedisServer, vector_server
from tests.support.redis_stage import QUICK, Stage
from tests.support.semantic_stores import (
    answered,
    known,
    redis,
    scattered,
    schema_of,
    vector,
)

S, T = b"scope-one", b"scope-two"
ROOM = SemanticLimits(max_questions=30, scope_questions=20, group_questions=4)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """On the server of all tests."""
    async with AsyncExitStack() as stack:
        yield Stage(redis(), schema_of(tmp_path), stack)


@pytest.fixture
def own() -> Iterator[RedisServer]:
    """A server that keeps what it is told, to be stopped."""
    with RedisServer("appendonly yes", "appendfsync always", program=vector_server()) as running:
        yield running


@pytest.fixture
async def mine(own: RedisServer) -> AsyncIterator[Stage]:
    """On that one."""
    async with AsyncExitStack() as stack:
        yield Stage(own, "mine", stack)


async def add(stage: Stage, store: RedisSemantic, number: int, scope: bytes = S) -> int:
    """A new group with a question of its own."""
    given = Known(0, scattered(number), b"%d" % number)
    group = await store.add_root(scope, given, answered(stage.clock))
    assert group is not None
    return group


async def until_it_answers(store: RedisSemantic) -> None:
    """It is tried again after a pause."""
    async with asyncio.timeout(30):
        while not await _answers(store):  # noqa: ASYNC110 (a server tells nobody)
            await asyncio.sleep(0.02)


async def test_cosines_are_those_of_every_other_engine(stage: Stage) -> None:
    """To the last bit, and in the same order, whatever the server estimates."""
    store, memory = stage.store(), MemorySemantic(stage.clock)
    for number in range(150):
        given = Known(0, scattered(number), b"%d" % number)
        await store.add_root(S, given, answered(stage.clock))
        await memory.add_root(S, given, answered(stage.clock))
    for number in range(1000, 1030):
        asked = scattered(number)
        told = [await one.nearest(S, asked, 20) for one in (store, memory)]
        seen = [[(near.cosine, near.vector, near.sketch) for near in found] for found in told]
        assert seen[0] == seen[1]
    await memory.close()


async def test_a_server_without_vector_search_is_told_with_both_versions(tmp_path: Path) -> None:
    """What is there, what is needed, the way out; told once, and every call goes on at once."""
    async with AsyncExitStack() as stack:
        stage = Stage(stack.enter_context(RedisServer()), "old", stack)
        store = stage.store()
        said = r"is Valkey \d+\.\d+.* Redis 8\.0 or newer is needed \(upgrade it, or semantic_cache"
        for _ in range(3):
            with pytest.raises(StoreError, match=said):
                await store.nearest(S, vector(0), 1)
            with pytest.raises(StoreError, match=said):
                await store.add_root(S, known(0), answered(stage.clock))
        assert len(stage.told) == 1
        assert "calls go on without it" in stage.told[0]
        plan = SemanticPlan("redis", tmp_path, url=stage.server.url)
        with pytest.raises(StoreError, match=said):
            await look(plan, stage.clock)
        with pytest.raises(StoreError, match=said):
            await forget(plan, stage.clock, Chosen(tag="x"))
        assert stage.ask("DBSIZE") == 0


async def test_a_dead_server_is_refused_at_once_and_found_again(mine: Stage) -> None:
    """All that was kept is there; one line for each turn; what waited to be counted is not lost."""
    store = mine.store(QUICK)
    groups = [await add(mine, store, number) for number in range(60)]
    assert await store.add_alias(S, Known(groups[0], scattered(900), b""))
    mine.server.kill()
    store.tally(CacheScope("key:ana", "factual_qa"), hits=1)
    try:
        for _ in range(3):
            with pytest.raises(StoreError, match=r"Redis at 127\.0\.0\.1"):
                await store.nearest(S, vector(0), 1)
        with pytest.raises(StoreError):
            await store.add_root(S, known(0), answered(mine.clock))
        with pytest.raises(StoreError):
            await store.stats()
    finally:
        mine.server.start()
    await until_it_answers(store)
    for number, group in enumerate(groups):
        assert (await store.nearest(S, scattered(number), 1))[0].group == group
    assert (await store.nearest(S, scattered(900), 1))[0].group == groups[0]
    assert await store.delete(S, groups[0])
    assert (await store.stats())[0].hits == 1
    assert len(mine.told) == 2
    assert "in use again" in mine.told[1]


async def test_a_server_that_lost_everything_gives_no_number_twice(stage: Stage) -> None:
    """Who remembers a group from before never gets the answer of a later one."""
    store = stage.store()
    before = [await add(stage, store, number) for number in range(5)]
    for name in stage.names():
        stage.ask("DEL", name)
    assert await store.nearest(S, scattered(0), 9) == ()
    assert await store.facts(S, tuple(before)) == ()
    after = [await add(stage, store, number) for number in range(5)]
    assert not set(before) & set(after)
    assert min(after) > max(before)
    assert [one.questions for one in await store.stats()] == [5]


async def test_a_server_that_hangs_holds_nobody_up(mine: Stage) -> None:
    """Who gives up waiting is free; who waits is told after the time limit, and then at once."""
    store = mine.store(QUICK)
    await add(mine, store, 0)
    mine.server.stall()
    try:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await store.nearest(S, scattered(0), 1)
        for _ in range(2):
            with pytest.raises(StoreError, match="does not answer in time"):
                await store.nearest(S, scattered(0), 1)
    finally:
        mine.server.go_on()
    await until_it_answers(store)
    assert len(await store.nearest(S, scattered(0), 1)) == 1


async def test_a_full_server_refuses_whole_entries(mine: Stage) -> None:
    """Nothing of one that was refused stays; what is there is served, and may be forgotten."""
    store = mine.store()
    group = await add(mine, store, 0)
    before, names = await store.stats(), mine.names()
    mine.ask("CONFIG", "SET", "maxmemory", 1)
    for number in range(3):
        with pytest.raises(StoreError, match="full"):
            await store.add_root(S, Known(0, scattered(9 + number), b""), answered(mine.clock))
    with pytest.raises(StoreError, match="full"):
        await store.add_alias(S, Known(group, scattered(5), b""))
    assert mine.names() == names
    assert mine.ask("VCARD", f"mine:m1:v:{S.hex()}") == 1
    assert (await store.nearest(S, scattered(0), 9))[0].group == group
    assert await store.answer(S, group) is not None
    await store.quarantine(S, group)
    assert await store.answer(S, group) is None
    assert await store.invalidate(Chosen(tag="none")) == 0
    assert await store.delete(S, group)
    mine.ask("CONFIG", "SET", "maxmemory", 0)
    assert [replace(one, groups=1, questions=1, size_bytes=0) for one in await store.stats()] == [
        replace(before[0], size_bytes=0)
    ]


async def test_a_server_that_drops_parts_harms_nobody(stage: Stage) -> None:
    """One with `allkeys-lru`: half an answer is none, and room is made for all that."""
    store = stage.store(limits=ROOM)
    groups = [await add(stage, store, number) for number in range(15)]
    for group in groups[:5]:
        stage.ask("DEL", f"{stage.prefix}:m1:g:{group}")
    assert await store.answer(S, groups[0]) is None
    assert not await store.add_alias(S, Known(groups[0], scattered(99), b""))
    assert not await store.delete(S, groups[0])
    stage.ask("DEL", f"{stage.prefix}:m1:q:{S.hex()}")
    assert await store.nearest(S, scattered(1), 9) == ()
    stage.ask("DEL", f"{stage.prefix}:m1:u:", f"{stage.prefix}:m1:w:{S.hex()}:")
    for number in range(100, 180):
        await add(stage, store, number)
    assert (await store.nearest(S, scattered(179), 1))[0].cosine == pytest.approx(1, abs=1e-4)
    assert len(await store.nearest(S, scattered(0), 99)) <= ROOM.scope_questions


async def test_nothing_of_a_group_that_is_gone_stays(stage: Stage) -> None:
    """Whatever made it leave: its time, room, a delete, an invalidation; and sums are as before."""
    store = stage.store(limits=ROOM)
    for number in range(120):
        about = About("", (f"tag{number % 3}",), "m", f"key:{number % 4}")
        ends = answered(stage.clock, ttl_s=5 if number % 5 == 0 else 3600)
        given = Known(0, scattered(number), b"", f"text {number}")
        group = await store.add_root((S, T)[number % 2], given, ends, about)
        assert group is not None
        await store.add_alias((S, T)[number % 2], Known(group, scattered(number + 500), b""))
        if number % 7 == 0:
            await store.delete((S, T)[number % 2], group)
    stage.clock.pass_by(6)
    assert await store.invalidate(Chosen(tag="tag1")) > 0
    assert await store.invalidate(Chosen(pattern="text *")) > 0
    assert [(one.groups, one.questions, one.size_bytes) for one in await store.stats()] == [
        (0, 0, 0)
    ]
    left = {name.split(":")[2] for name in stage.names()}
    assert left <= {"n", "s", "a", "x", "k", "b", "r", "f"}
    sums = stage.ask("HMGET", f"{stage.prefix}:m1:n", "questions", "bytes")
    assert sums == [b"0", b"0"]


async def test_sums_are_those_of_what_is_there(stage: Stage) -> None:
    """After many at once, over two stores: what is counted is what can be counted."""
    stores = [stage.store(limits=ROOM) for _ in range(2)]

    async def work(start: int) -> None:
        for number in range(start, start + 40):
            store = stores[number % 2]
            group = await add(stage, store, number, (S, T)[number % 2])
            await store.add_alias((S, T)[number % 2], Known(group, scattered(-number % 997), b""))
            if number % 3 == 0:
                await store.delete((S, T)[number % 2], group)

    async with asyncio.TaskGroup() as tasks:
        for start in range(0, 160, 40):
            tasks.create_task(work(start))
    cards = [stage.ask("VCARD", f"{stage.prefix}:m1:v:{one.hex()}") for one in (S, T)]
    rows = [stage.ask("HLEN", f"{stage.prefix}:m1:q:{one.hex()}") for one in (S, T)]
    assert cards == rows
    groups = stage.names("m1:g:*")
    sizes = [int(_bytes(stage.ask("HGET", name, "size"))) for name in groups]
    (book,) = await stores[0].stats()
    assert (book.groups, book.questions) == (len(groups), sum(map(int, map(str, cards))))
    assert book.size_bytes == sum(sizes)
    assert stage.ask("ZCARD", f"{stage.prefix}:m1:e") == len(groups)


async def test_searches_go_over_ways_of_their_own(stage: Stage) -> None:
    """Many at once are all answered, while others write."""
    store = stage.store()
    groups = [await add(stage, store, number) for number in range(50)]

    async def search(number: int) -> bool:
        found = await store.nearest(S, scattered(number % 50), 1)
        return found[0].group == groups[number % 50]

    async with asyncio.TaskGroup() as tasks:
        searches = [tasks.create_task(search(number)) for number in range(300)]
        writes = [tasks.create_task(add(stage, store, 1000 + number)) for number in range(50)]
    assert all(one.result() for one in searches)
    assert len({one.result() for one in writes}) == 50


async def test_what_was_counted_last_is_told_at_the_end(stage: Stage) -> None:
    """Closing tells it; so does a second, beside the calls."""
    store, other = stage.store(), stage.store()
    await store.load(S)
    store.tally(CacheScope("key:ana", "factual_qa"), hits=3)
    await store.close()
    async with asyncio.timeout(30):
        while [one.hits for one in await other.stats()] != [3]:  # noqa: ASYNC110 (a server tells nobody)
            await asyncio.sleep(0.02)
        other.tally(CacheScope("key:ana", "factual_qa"), misses=2)
        last = stage.store()
        while [one.misses for one in await last.stats()] != [2]:  # noqa: ASYNC110 (the same)
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    "url",
    [
        "redis://ana:hunter2@127.0.0.1:9/0",
        "rediss://ana:hunter2@127.0.0.1:9/0",
        "redis://:hunter2@127.0.0.1:9/0?socket_timeout=1",
    ],
)
async def test_no_error_tells_a_password(stage: Stage, url: str) -> None:
    """Of a server that is not there; nor does a plan."""
    store = stage.store(QUICK, url=url)
    with pytest.raises(StoreError) as caught:
        await store.load(S)
    told = f"{caught.value} {caught.value.__cause__} {stage.told} {store!r}"
    assert "hunter2" not in told
    assert "hunter2" not in repr(SemanticPlan("redis", Path(), url=url))


async def test_a_password_that_is_wrong_is_said_and_not_shown(stage: Stage) -> None:
    """The server's own words are not repeated."""
    with RedisServer("requirepass right", program=vector_server()) as locked:
        url = f"redis://:hunter2@127.0.0.1:{locked.port}/0"
        store = stage.store(QUICK, url=url)
        with pytest.raises(StoreError, match="does not take the password") as caught:
            await store.load(S)
        assert "hunter2" not in f"{caught.value} {stage.told}"


@pytest.mark.parametrize("url", ["hunter2", "mysql://ana:hunter2@127.0.0.1/0", "redis://h:port/0"])
def test_a_url_that_cannot_be_read_is_refused_when_it_is_opened(url: str) -> None:
    """With what one looks like, and without it."""
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        open_semantic(SemanticPlan("redis", Path(), url=url), FakeClock())
    assert "hunter2" not in str(caught.value)


def test_a_missing_url_is_said_with_the_way_out() -> None:
    """By the name of its variable."""
    with pytest.raises(ConfigError, match=r"MY_URL is not set \(export MY_URL=redis://"):
        open_semantic(SemanticPlan("redis", Path(), url_env="MY_URL"), FakeClock())


async def test_what_cannot_be_written_is_refused_and_harms_nobody(stage: Stage) -> None:
    """Half a surrogate pair in a tag; anything else is kept, a zero byte too."""
    store = stage.store()
    with pytest.raises(StoreError, match="cannot hold this"):
        await store.add_root(S, known(0), answered(stage.clock), About("\ud800"))
    strange = About("a\0b", ("x y\r\n", "*"), "m", "key: :\0")
    assert await store.add_root(S, known(0), answered(stage.clock), strange) is not None
    assert await store.invalidate(Chosen(tag="x y\r\n", key="a\0b")) == 1
    assert stage.told == []


async def test_others_look_and_forget_without_a_gateway(stage: Stage) -> None:
    """What the command line does."""
    store = stage.store()
    await store.add_root(S, known(0), answered(stage.clock))
    plan = SemanticPlan("redis", Path(), url=stage.server.url, schema=stage.prefix)
    assert await look(plan, stage.clock) == await store.stats()
    assert await look(plan, stage.clock, "nobody") == ()
    assert await server_policy(plan, stage.clock) == "noeviction"
    assert await forget(plan, stage.clock, Chosen(tenant="key:ana"), dry_run=True) == 1
    assert await forget(plan, stage.clock, Chosen(tenant="key:ana")) == 1
    assert await store.nearest(S, vector(0), 1) == ()


def _bytes(told: object) -> bytes:
    assert isinstance(told, bytes)
    return told


async def _answers(store: RedisSemantic) -> bool:
    try:
        await store.load(S)
    except StoreError:
        return False
    return True
