"""Room, graphs and concurrency of every store of answers by meaning."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from scrimp.meanings import (
    UNNAMED,
    About,
    Known,
    SemanticStore,
)
from scrimp.ports import CacheScope
from scrimp.stores.semantic_plan import SemanticLimits
from tests.support.core import FakeClock
from tests.support.semantic_stores import (
    EAGER,
    ENGINES,
    answered,
    known,
    open_store,
    scattered,
    vector,
)

S, T = b"scope-one", b"scope-two"
BOOK = CacheScope("key:ana", "factual_qa")
LIMITS = SemanticLimits(
    max_bytes=1 << 20, max_questions=60, scope_questions=40, group_questions=5, caller_per_hour=100
)


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine in turn."""
    name: str = request.param
    return name


@pytest.fixture
async def small(
    stack: AsyncExitStack, engine: str, clock: FakeClock, tmp_path: Path
) -> SemanticStore:
    """An empty store with little room."""
    path = tmp_path / "small.sqlite"
    return await open_store(stack, engine, clock, path, limits=LIMITS)


async def add(store: SemanticStore, clock: FakeClock, angle: float, about: About = UNNAMED) -> int:
    """A new group with a question in that direction."""
    group = await store.add_root(S, known(angle), answered(clock), about)
    assert group is not None
    return group


async def test_the_least_used_makes_room(small: SemanticStore, clock: FakeClock) -> None:
    """A scope stays within its limit; what was served last stays."""
    first = await add(small, clock, 0)
    second = await add(small, clock, 0.01)
    for number in range(2, 60):
        await small.answer(S, first)
        await add(small, clock, number / 100)
    assert sum(one.questions for one in await small.stats()) == LIMITS.scope_questions
    assert await small.answer(S, first) is not None
    assert await small.answer(S, second) is None
    assert len(await small.nearest(S, vector(0), 99)) == LIMITS.scope_questions


async def test_nonsense_of_one_caller_pushes_no_other_out(
    small: SemanticStore, clock: FakeClock
) -> None:
    """In one scope and over all of them: who holds most makes room for itself."""
    others = [await add(small, clock, n / 10, About(caller=f"key:{n}")) for n in range(5)]
    for number in range(300):
        scope = (S, T, b"third")[number % 3]
        noise = Known(0, scattered(number, 8), b"")
        about = About(caller=f"key:noise{number // LIMITS.caller_per_hour}")
        await small.add_root(scope, noise, answered(clock), about)
    assert sum(one.questions for one in await small.stats()) <= LIMITS.max_questions
    assert [one.group for one in await small.facts(S, tuple(others))] == others


async def test_a_caller_has_a_limit_per_hour(small: SemanticStore, clock: FakeClock) -> None:
    """Groups and aliases together; the next hour begins anew, and warming has none."""
    group = await add(small, clock, 0, About(caller="key:ana"))
    assert await small.add_alias(S, known(0.1, group), caller="key:ana")
    for _ in range(LIMITS.caller_per_hour - 2):
        await small.add_root(T, known(0), answered(clock), About(caller="key:ana"))
    declined = small.add_root(S, known(1), answered(clock), About(caller="key:ana"))
    assert await declined is None
    assert not await small.add_alias(S, known(1, group), caller="key:ana")
    assert await small.add_root(S, known(1), answered(clock), About(caller="key:ben")) is not None
    for _ in range(LIMITS.caller_per_hour + 1):
        assert await small.add_root(T, known(0), answered(clock)) is not None
    clock.pass_by(3600)
    assert await small.add_root(S, known(1), answered(clock), About(caller="key:ana")) is not None


async def test_a_group_takes_so_many_aliases(small: SemanticStore, clock: FakeClock) -> None:
    """And no more."""
    group = await add(small, clock, 0)
    taken = [await small.add_alias(S, known(n / 10, group)) for n in range(6)]
    assert taken == [True] * 4 + [False] * 2


async def test_bytes_are_bounded(small: SemanticStore, clock: FakeClock) -> None:
    """Large answers make room for each other; what can never fit is declined."""
    assert await small.add_root(S, known(0), answered(clock, _noise(0, 2 << 20))) is None
    for number in range(20):
        await small.add_root(S, known(0), answered(clock, _noise(number, 100_000)))
        assert sum(one.size_bytes for one in await small.stats()) <= LIMITS.max_bytes
    kept = sum(one.groups for one in await small.stats())
    assert 8 <= kept <= 10


async def test_many_are_found_as_surely_as_few(
    stack: AsyncExitStack, engine: str, clock: FakeClock, tmp_path: Path
) -> None:
    """Beyond the exact part a graph finds them; what was deleted is never among them."""
    path = tmp_path / "many.sqlite"
    store = await open_store(stack, engine, clock, path, index=EAGER)
    groups: list[int] = []
    for number in range(300):
        given = Known(0, scattered(number), b"%d" % number)
        group = await store.add_root(S, given, answered(clock))
        assert group is not None
        groups.append(group)
        found = await store.nearest(S, scattered(number), 3)
        assert found[0].group == group
        assert found[0].cosine == pytest.approx(1, abs=1e-4)
    for number in range(0, 300, 3):
        assert await store.delete(S, groups[number])
    for number in range(300):
        found = await store.nearest(S, scattered(number), 1)
        assert (found[0].group == groups[number]) == bool(number % 3)
    assert len(await store.nearest(S, scattered(0), 500)) == 200


async def test_insert_delete_and_search_at_once(
    stack: AsyncExitStack, engine: str, clock: FakeClock, tmp_path: Path
) -> None:
    """Nothing deleted is found by a search that begins later; what stays is found."""
    path = tmp_path / "busy.sqlite"
    store = await open_store(stack, engine, clock, path, index=EAGER)
    deleted: set[int] = set()

    async def one(start: int) -> None:
        for number in range(start, start + 60):
            group = await store.add_root(S, Known(0, scattered(number), b""), answered(clock))
            assert group is not None
            if number % 2:
                await store.delete(S, group)
                deleted.add(group)
            before = set(deleted)
            found = await store.nearest(S, scattered(number), 5)
            assert not before & {near.group for near in found}
            assert (found[0].group == group) == (number % 2 == 0)

    async with asyncio.TaskGroup() as tasks:
        for start in range(0, 300, 60):
            tasks.create_task(one(start))
    assert len(await store.nearest(S, scattered(0), 999)) == 150


def _noise(number: int, size: int) -> bytes:
    """Bytes that nothing makes smaller."""
    return random.Random(number).randbytes(size)  # noqa: S311 - not a secret
