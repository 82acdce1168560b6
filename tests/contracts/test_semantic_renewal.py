"""What each store of answers by meaning promises of answers that are made anew."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import AsyncExitStack, closing
from datetime import timedelta
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # ships no types
import pytest
from msgspec.structs import replace

from scrimp.meanings import UNNAMED, About, Chosen, Judged, SemanticStore
from scrimp.ports import StoredReply
from scrimp.stores.postgres_semantic import SCRIPT
from scrimp.stores.semantic_plan import SemanticLimits
from scrimp.stores.sqlite_schema import schema_version
from scrimp.stores.sqlite_semantic_file import SCHEMA
from tests.support.core import FakeClock
from tests.support.semantic_stores import (
    ENGINES,
    answered,
    known,
    open_store,
    postgres,
    schema_of,
    vector,
)

S, OTHER = b"scope-one", b"scope-two"
NAMED = About("faq/returns", ("policy",), "gpt-4o", "ana")
LIMITS = SemanticLimits(caller_per_hour=2)


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine in turn."""
    name: str = request.param
    return name


@pytest.fixture
async def store(
    stack: AsyncExitStack, engine: str, clock: FakeClock, tmp_path: Path
) -> SemanticStore:
    """An empty store where a caller may bring two new questions an hour."""
    return await open_store(stack, engine, clock, tmp_path / "semantic.sqlite", limits=LIMITS)


def fresh(clock: FakeClock, about: About = NAMED) -> StoredReply:
    """An answer made anew, asked for just now."""
    return replace(answered(clock, b'{"new": 1}'), about=about, asked_at=clock.now())


async def old(store: SemanticStore, clock: FakeClock, about: About = NAMED) -> int:
    """A group with an alias and a verdict."""
    group = await store.add_root(S, known(0.1), replace(answered(clock), about=about), about)
    assert group is not None
    assert await store.add_alias(S, known(0.2, group))
    verdict = Judged(
        group=group,
        features=(0.5,),
        equal=True,
        propensity=1.0,
        source="equal",
        served=False,
        at=clock.now(),
    )
    await store.judged(S, verdict)
    return group


async def test_one_at_a_time_has_an_answer_made_anew(
    store: SemanticStore, clock: FakeClock
) -> None:
    """Until the lease ends, each for itself; nobody does what is gone or in another scope."""
    group, second = await old(store, clock), await old(store, clock, UNNAMED)
    assert await store.claim(S, group, lease_s=60)
    assert not await store.claim(S, group, lease_s=60)
    assert await store.claim(S, second, lease_s=60)
    assert not await store.claim(OTHER, group, lease_s=60)
    assert not await store.claim(S, 999, lease_s=60)
    await store.quarantine(S, second)
    third = await old(store, clock, UNNAMED)
    assert await store.claim(S, third, lease_s=0)
    assert await store.claim(S, third, lease_s=0)
    await store.quarantine(S, third)
    assert not await store.claim(S, third, lease_s=0)


async def test_only_one_of_a_crowd_claims(store: SemanticStore, clock: FakeClock) -> None:
    """Twenty at once: one has it."""
    group = await old(store, clock)
    claims = await asyncio.gather(*(store.claim(S, group, lease_s=60) for _ in range(20)))
    assert claims.count(True) == 1


async def test_the_new_stands_in_place_of_the_old(store: SemanticStore, clock: FakeClock) -> None:
    """With the words it was made for, nobody's aliases, no verdicts, its names, and room anew."""
    group = await old(store, clock)
    number = await store.renew(S, group, known(0.3), fresh(clock))
    assert number not in (None, group)
    assert number is not None
    (near,) = await store.nearest(S, vector(0.3), 5)
    assert (near.group, round(near.cosine, 3)) == (number, 1.0)
    (fact,) = await store.facts(S, (group, number))
    assert (fact.group, fact.size, fact.equal, fact.different) == (number, 1, 0, 0)
    assert await store.answer(S, group) is None
    kept = await store.answer(S, number)
    assert kept is not None
    assert kept.reply.body == b'{"new": 1}'
    (book,) = await store.stats()
    assert (book.groups, book.questions, book.judged) == (1, 1, 1)
    assert await store.claim(S, number, lease_s=60)
    assert await store.invalidate(Chosen(key="faq/returns", tag="policy", model="gpt-4o")) == 1
    (book,) = await store.stats()
    assert (book.groups, book.questions, book.size_bytes) == (0, 0, 0)


async def test_one_for_one_is_within_any_limit(store: SemanticStore, clock: FakeClock) -> None:
    """Who has brought all that he may this hour may still have made anew what is there."""
    group = await store.add_root(S, known(0.1), answered(clock), NAMED)
    second = await store.add_root(S, known(0.2), answered(clock), NAMED)
    assert group is not None
    assert second is not None
    assert await store.add_root(S, known(0.3), answered(clock), NAMED) is None
    assert await store.renew(S, group, known(0.4), fresh(clock)) is not None
    assert await store.add_root(S, known(0.5), answered(clock), NAMED) is None
    clock.pass_by(3600)
    third = await store.add_root(S, known(0.6), answered(clock), NAMED)
    assert third is not None


@pytest.mark.parametrize(
    "how", ["deleted", "forgotten", "named", "quarantined", "expired", "scope"]
)
async def test_an_end_wins_over_what_comes_after_it(
    store: SemanticStore, clock: FakeClock, how: str
) -> None:
    """Asked for before, come after: nothing is kept, and nothing else is touched."""
    group = await old(store, clock)
    answer, scope = fresh(clock), S
    clock.pass_by(1)
    match how:
        case "deleted":
            assert await store.delete(S, group)
        case "forgotten":
            assert await store.invalidate(Chosen(tag="policy")) == 1
        case "named":  # only the new answer has this name
            assert await store.invalidate(Chosen(tag="shop")) == 0
            answer = replace(answer, about=replace(NAMED, tags=("policy", "shop")))
        case "quarantined":
            await store.quarantine(S, group)
        case "expired":
            clock.pass_by(3600)
            answer = replace(answer, expires_at=clock.now() + timedelta(hours=1))
        case _:
            scope = OTHER
    before = await store.stats()
    assert await store.renew(scope, group, known(0.3), answer) is None
    assert await store.stats() == before
    facts = await store.facts(S, (group,))
    assert [one.quarantined for one in facts] == {
        "named": [False],
        "quarantined": [True],
        "scope": [False],
    }.get(how, [])


async def test_a_file_of_before_is_brought_up_to_date(
    stack: AsyncExitStack, clock: FakeClock, tmp_path: Path
) -> None:
    """Its answers live on, and can be claimed and made anew."""
    path = tmp_path / "semantic.sqlite"
    async with AsyncExitStack() as first:
        group = await old(await open_store(first, "sqlite", clock, path), clock)
    with closing(sqlite3.connect(path)) as before:
        before.execute("ALTER TABLE groups DROP COLUMN claimed_us")
        before.execute("PRAGMA user_version = 2")
    store = await open_store(stack, "sqlite", clock, path)
    assert await store.claim(S, group, lease_s=60)
    assert await store.renew(S, group, known(0.3), fresh(clock)) is not None
    with closing(sqlite3.connect(path)) as after:
        assert schema_version(after) == len(SCHEMA.scripts()) == 3


async def test_a_server_of_before_is_brought_up_to_date(
    stack: AsyncExitStack, clock: FakeClock, tmp_path: Path
) -> None:
    """Likewise."""
    path = tmp_path / "semantic.sqlite"
    async with AsyncExitStack() as first:
        group = await old(await open_store(first, "postgres", clock, path), clock)
    link = await asyncpg.connect(postgres().url)
    versions = f"{schema_of(path)}.postgres_semantic_versions"
    await link.execute(f"ALTER TABLE {schema_of(path)}.groups DROP COLUMN claimed_us")
    await link.execute(f"DELETE FROM {versions} WHERE version > 1")  # noqa: S608 (ours)
    store = await open_store(stack, "postgres", clock, path)
    assert await store.claim(S, group, lease_s=60)
    assert await store.renew(S, group, known(0.3), fresh(clock)) is not None
    newest = await link.fetchval(f"SELECT max(version) FROM {versions}")  # noqa: S608 (ours)
    assert newest == len(SCRIPT.all()) == 2
    await link.close()
