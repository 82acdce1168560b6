"""What each store of answers by meaning promises of answers that come after they are forgotten."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from scrimp.errors import InvalidRequest
from scrimp.meanings import About, Chosen, SemanticStore
from scrimp.ports import CacheScope
from scrimp.remembered import LOG_S, all_of
from tests.support.core import FakeClock
from tests.support.semantic_stores import ENGINES, answered, known, open_store, vector

S = b"scope-one"
POLICY = About("faq/returns", ("policy",), "gpt-4o")


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine in turn."""
    name: str = request.param
    return name


@pytest.fixture
async def store(
    stack: AsyncExitStack, engine: str, clock: FakeClock, tmp_path: Path
) -> SemanticStore:
    """An empty store with room enough."""
    return await open_store(stack, engine, clock, tmp_path / "semantic.sqlite")


async def come(
    store: SemanticStore,
    clock: FakeClock,
    asked_at: datetime | None,
    about: About = POLICY,
    text: str = "",
    *,
    tenant: str = "key:ana",
) -> bool:
    """An answer that was asked for then comes now; whether it is kept."""
    answer = answered(clock, scope=CacheScope(tenant, "factual_qa"), ttl_s=LOG_S * 9)
    given = replace(answer, about=about, asked_at=asked_at)
    return await store.add_root(S, known(0.1, text=text), given, about) is not None


@pytest.mark.parametrize(
    ("chosen", "kept"),
    [
        (Chosen(tag="policy"), False),
        (Chosen(tag="shop"), True),
        (Chosen(key="faq/returns"), False),
        (Chosen(key="faq"), True),
        (Chosen(model="gpt-4o"), False),
        (Chosen(model="gpt-4o", tenant="key:ben"), True),
        (Chosen(tenant="key:ana", task="factual_qa"), False),
        (Chosen(task="code_review"), True),
        (Chosen(pattern="*RETURN*"), False),
        (Chosen(pattern="how do i *"), False),
        (Chosen(pattern="*bereavement*"), True),
        (Chosen(pattern="how do i *", tag="shop"), True),
    ],
)
async def test_an_answer_in_the_air_is_forgotten_too(
    store: SemanticStore, clock: FakeClock, chosen: Chosen, *, kept: bool
) -> None:
    """Asked for before, come after: it is kept only where it was not meant."""
    asked_at = clock.now()
    clock.pass_by(2)
    assert await store.invalidate(chosen) == 0
    clock.pass_by(2)
    assert await come(store, clock, asked_at, text="How do I return it?") is kept
    assert bool(await store.nearest(S, vector(0), 1)) is kept
    clock.pass_by(2)
    assert await come(store, clock, clock.now(), text="How do I return it?")
    assert await come(store, clock, None)


async def test_counting_forgets_nothing_in_the_air(store: SemanticStore, clock: FakeClock) -> None:
    """Nor does a pattern that was refused."""
    asked_at = clock.now()
    assert await come(store, clock, asked_at)
    clock.pass_by(2)
    await store.invalidate(Chosen(tag="policy"), dry_run=True)
    with pytest.raises(InvalidRequest, match="are not kept"):
        await store.invalidate(Chosen(pattern="*bereavement*"))
    clock.pass_by(2)
    assert await come(store, clock, asked_at, About("bereavement", ("policy",)))


async def test_what_was_asked_too_long_ago_is_not_kept(
    store: SemanticStore, clock: FakeClock
) -> None:
    """Nobody knows any more what was forgotten since."""
    asked_at = clock.now()
    await store.invalidate(Chosen(tag="policy"))
    clock.pass_by(LOG_S + 1)
    await store.invalidate(Chosen(tag="another"))
    assert not await come(store, clock, asked_at)
    assert await come(store, clock, clock.now())


async def test_no_old_answer_survives_a_crowd(store: SemanticStore, clock: FakeClock) -> None:
    """Many that come while another forgets: what was asked for before is nowhere in the end."""
    asked_at = clock.now()
    clock.pass_by(1)

    async def answer(number: int) -> None:
        for _ in range(number % 7):
            await asyncio.sleep(0)
        await come(store, clock, asked_at)

    async with asyncio.TaskGroup() as group:
        for number in range(60):
            group.create_task(answer(number))
            if number == 30:
                group.create_task(store.invalidate(Chosen(tag="policy")))
    assert await store.nearest(S, vector(0), 99) == ()
    assert await store.invalidate(Chosen(tag="policy")) == 0


@pytest.mark.parametrize("engine", [one for one in ENGINES if one != "memory"])
async def test_processes_forget_for_each_other(
    stack: AsyncExitStack, engine: str, clock: FakeClock, tmp_path: Path
) -> None:
    """What one forgets, another that waits for an answer does not keep."""
    path = tmp_path / "semantic.sqlite"
    one, other = [await open_store(stack, engine, clock, path) for _ in range(2)]
    asked_at = clock.now()
    assert await come(one, clock, asked_at)
    clock.pass_by(1)
    assert await other.invalidate(Chosen(tag="policy")) == 1
    clock.pass_by(1)
    assert not await come(one, clock, asked_at)
    assert await one.nearest(S, vector(0), 9) == await other.nearest(S, vector(0), 9) == ()


async def test_words_that_are_no_text_are_refused(store: SemanticStore, clock: FakeClock) -> None:
    """Half of a surrogate pair, as a terminal may send it."""
    assert await come(store, clock, None)
    with pytest.raises(InvalidRequest, match="no text"):
        await store.invalidate(Chosen(tag="\udce9"))
    assert await store.invalidate(Chosen(tag="policy")) == 1


async def test_all_of_it_is_forgotten_with_what_is_in_the_air(
    store: SemanticStore, clock: FakeClock
) -> None:
    """What was asked for before everything was forgotten is not kept either."""
    asked_at = clock.now()
    assert await come(store, clock, None)
    assert await come(store, clock, None, tenant="key:ben")
    clock.pass_by(1)
    assert await store.invalidate(all_of("", "", clock.now())) == 2
    clock.pass_by(1)
    assert not await come(store, clock, asked_at)
    clock.pass_by(1)
    assert await come(store, clock, clock.now())
    assert await store.invalidate(all_of("key:ana", "", clock.now())) == 1
