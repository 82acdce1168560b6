"""What every store of answers by meaning promises, whatever lies behind it."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from scrimp.errors import InvalidRequest, StoreError
from scrimp.meanings import (
    UNNAMED,
    About,
    Chosen,
    GroupFacts,
    Judged,
    Known,
    SemanticStats,
    SemanticStore,
)
from scrimp.ports import CacheScope
from tests.support.core import FakeClock
from tests.support.semantic_stores import (
    ENGINES,
    answered,
    cosine,
    known,
    open_store,
    vector,
)

S, T = b"scope-one", b"scope-two"
BOOK = CacheScope("key:ana", "factual_qa")


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


async def add(store: SemanticStore, clock: FakeClock, angle: float, about: About = UNNAMED) -> int:
    """A new group with a question in that direction."""
    group = await store.add_root(S, known(angle), answered(clock), about)
    assert group is not None
    return group


def verdict(group: int, clock: FakeClock, *, equal: bool = True, cost: int = 0) -> Judged:
    """A verdict with everything in it."""
    at = clock.now()
    features = (0.5, -1.25, 3e-9)
    return Judged(
        group, features, equal, 0.125, "model", served=True, at=at, score=0.75, cost_nanousd=cost
    )


async def test_a_question_is_found_by_its_neighbours(
    store: SemanticStore, clock: FakeClock
) -> None:
    """Nearest first, cosines exact, sketch and vector as given; no more than asked for."""
    groups = [await add(store, clock, angle) for angle in (0.9, 0.1, 0.5)]
    found = await store.nearest(S, vector(0), 2)
    assert [one.group for one in found] == [groups[1], groups[2]]
    for one, angle in zip(found, (0.1, 0.5), strict=True):
        assert one.cosine == pytest.approx(cosine(vector(0), vector(angle)), abs=2e-4)
        assert cosine(one.vector, vector(angle)) == pytest.approx(1, abs=1e-4)
        assert one.sketch == b"sk"
    assert await store.nearest(T, vector(0), 2) == ()


async def test_an_answer_comes_back_whole(store: SemanticStore, clock: FakeClock) -> None:
    """Every field of it, and none to another scope."""
    given = answered(clock, b'{"answer": "Oslo"}')
    group = await store.add_root(S, known(0), given)
    assert group is not None
    assert await store.answer(S, group) == given
    assert await store.answer(T, group) is None
    assert await store.facts(T, (group,)) == ()
    assert not await store.delete(T, group)
    await store.quarantine(T, group)
    assert await store.answer(S, group) == given
    assert await store.answer(S, group + 1) is None


async def test_scopes_never_meet(store: SemanticStore, clock: FakeClock) -> None:
    """The same question in two scopes: each finds its own, and an alias needs its own group."""
    one = await store.add_root(S, known(0), answered(clock, b"one"))
    two = await store.add_root(T, known(0), answered(clock, b"two"))
    assert one is not None
    assert two is not None
    assert [found.group for found in await store.nearest(S, vector(0), 9)] == [one]
    assert [found.group for found in await store.nearest(T, vector(0), 9)] == [two]
    assert not await store.add_alias(S, known(0.1, two))
    assert len(await store.nearest(T, vector(0), 9)) == 1


async def test_an_alias_joins_its_group(store: SemanticStore, clock: FakeClock) -> None:
    """It is found, it counts, and it goes with the group."""
    group = await add(store, clock, 0)
    assert await store.add_alias(S, known(1.0, group))
    found = await store.nearest(S, vector(1.0), 1)
    assert found[0].group == group
    assert found[0].cosine == pytest.approx(1, abs=1e-4)
    assert await store.facts(S, (group,)) == (GroupFacts(group, 2),)
    assert await store.delete(S, group)
    assert await store.nearest(S, vector(1.0), 2) == ()
    assert not await store.add_alias(S, known(0.5, group))
    assert not await store.delete(S, group)


async def test_groups_that_leave_together_are_told_apart(
    store: SemanticStore, clock: FakeClock
) -> None:
    """Each hears of its own: there, asked for twice, of another scope, past its time, unknown."""
    one, two, stays = [await add(store, clock, angle) for angle in (0.1, 0.5, 0.9)]
    other = await store.add_root(T, known(0.1), answered(clock))
    late = await store.add_root(S, known(0.7), answered(clock, ttl_s=5))
    assert other is not None
    assert late is not None
    clock.pass_by(5)
    asked = [(S, one), (T, two), (S, one), (T, other), (S, late), (S, 999), (S, two)]
    told = await asyncio.gather(*(store.delete(scope, group) for scope, group in asked))
    assert told == [True, False, False, True, False, False, True]
    assert [found.group for found in await store.nearest(S, vector(0), 9)] == [stays]
    assert await store.nearest(T, vector(0), 9) == ()


async def test_what_is_past_its_time_is_gone(store: SemanticStore, clock: FakeClock) -> None:
    """Its aliases too, whenever they came; and what lives on is found behind many dead ones."""
    group = await store.add_root(S, known(0), answered(clock, ttl_s=60))
    assert group is not None
    clock.pass_by(59)
    assert await store.add_alias(S, known(0.1, group))
    alive = await add(store, clock, 1.5)
    for number in range(30):
        await store.add_root(S, known(0.2 + number / 1000), answered(clock, ttl_s=1))
    assert len(await store.nearest(S, vector(0), 99)) == 33
    clock.pass_by(1)
    assert [one.group for one in await store.nearest(S, vector(0), 1)] == [alive]
    assert await store.answer(S, group) is None
    assert await store.facts(S, (group, alive)) == (GroupFacts(alive, 1),)
    assert not await store.add_alias(S, known(0.1, group))
    assert not await store.delete(S, group)


async def test_facts_come_in_the_order_asked_for(store: SemanticStore, clock: FakeClock) -> None:
    """Verdicts are counted; groups that are gone are left out; no groups are no facts."""
    one, two = await add(store, clock, 0), await add(store, clock, 1)
    await store.judged(S, verdict(two, clock))
    await store.judged(S, verdict(two, clock, equal=False))
    await store.judged(T, verdict(two, clock))
    assert await store.facts(S, (two, 999, one)) == (GroupFacts(two, 1, 1, 1), GroupFacts(one, 1))
    assert await store.facts(S, ()) == ()


async def test_an_answer_in_quarantine_is_never_served(
    store: SemanticStore, clock: FakeClock
) -> None:
    """Its questions are still near, and take no alias."""
    group = await add(store, clock, 0)
    await store.quarantine(S, group)
    assert await store.answer(S, group) is None
    assert await store.facts(S, (group,)) == (GroupFacts(group, 1, quarantined=True),)
    assert [one.group for one in await store.nearest(S, vector(0), 1)] == [group]
    assert not await store.add_alias(S, known(0.1, group))


async def test_verdicts_are_kept_in_order(store: SemanticStore, clock: FakeClock) -> None:
    """Every field of them, the newest so many, those of groups that are gone too."""
    group = await add(store, clock, 0)
    given = [replace(verdict(group, clock), score=float(number)) for number in range(5)]
    for one in given:
        await store.judged(S, one)
    await store.delete(S, group)
    await store.judged(S, verdict(group, clock))
    assert await store.verdicts(S, 3) == (*given[-2:], verdict(group, clock))
    assert await store.verdicts(T, 3) == ()


async def test_state_is_kept_by_scope(store: SemanticStore) -> None:
    """None before, the newest after, each scope its own."""
    assert await store.load(S) is None
    await store.save(S, b"first")
    await store.save(S, b"second")
    await store.save(T, b"other")
    assert (await store.load(S), await store.load(T)) == (b"second", b"other")


async def test_vectors_of_another_size_are_refused(store: SemanticStore, clock: FakeClock) -> None:
    """An embedder that changed under an old scope is an error with both numbers."""
    group = await add(store, clock, 0)
    wide = vector(0, dims=12)
    for asked in (
        store.nearest(S, wide, 1),
        store.add_root(S, Known(0, wide, b""), answered(clock)),
        store.add_alias(S, Known(group, wide, b"")),
    ):
        with pytest.raises(StoreError, match=r"12 numbers.* 8 "):
            await asked
    assert await store.add_root(T, Known(0, wide, b""), answered(clock)) is not None


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (b"", "0 bytes"),
        (b"abc", "3 bytes"),
        (b"\0" * 32, "length 0"),
        (b"\0\0\xc0\x7f" * 8, "length nan"),
        (b"\0\0\x80\x3f" * 8, "length 2.8"),
    ],
)
async def test_what_is_no_vector_is_refused(
    store: SemanticStore, clock: FakeClock, bad: bytes, words: str
) -> None:
    """Empty, torn, null, not a number, too long: said, and nothing is kept."""
    with pytest.raises(StoreError, match=words):
        await store.nearest(S, bad, 1)
    with pytest.raises(StoreError, match=words):
        await store.add_root(S, Known(0, bad, b""), answered(clock))
    assert await store.stats() == ()


async def test_any_text_and_sketch_is_kept(store: SemanticStore, clock: FakeClock) -> None:
    """Nulls, half a surrogate pair, none at all."""
    for number, text in enumerate(("", "a\0b", "\ud800", "ß漢🙂")):
        given = known(number / 10, text=text, sketch=bytes(range(number)))
        assert await store.add_root(S, given, answered(clock)) is not None
    found = await store.nearest(S, vector(0), 9)
    assert [one.sketch for one in found] == [bytes(range(number)) for number in range(4)]


async def test_answers_are_chosen_by_all_that_is_set(
    store: SemanticStore, clock: FakeClock
) -> None:
    """Key, tag, model, tenant, task and age, alone and together."""
    ben = answered(clock, scope=CacheScope("key:ben", "general"))
    one = await add(store, clock, 0, About("faq/7", ("price", "eu"), "gpt-4o"))
    two = await store.add_root(T, known(0), ben, About("faq/8", ("price",), "gpt-4o"))
    clock.pass_by(10)
    three = await add(store, clock, 0.5, About("", ("eu",), "claude"))
    aged = clock.now() - timedelta(seconds=5)

    async def left() -> set[int]:
        near = (*await store.nearest(S, vector(0), 9), *await store.nearest(T, vector(0), 9))
        return {found.group for found in near}

    assert await store.invalidate(Chosen(tag="price", tenant="key:eve")) == 0
    assert await store.invalidate(Chosen(tag="eu", stored_before=aged, model="claude")) == 0
    assert await left() == {one, two, three}
    assert await store.invalidate(Chosen(tag="price", task="general"), dry_run=True) == 1
    assert await store.invalidate(Chosen(tag="price", task="general")) == 1
    assert await left() == {one, three}
    assert await store.invalidate(Chosen(key="faq/7", model="gpt-4o")) == 1
    assert await store.invalidate(Chosen(stored_before=aged)) == 0
    assert await left() == {three}
    assert await store.invalidate(Chosen(stored_before=clock.now() + timedelta(seconds=1))) == 1
    assert await left() == set()


async def test_a_pattern_matches_names_tags_and_texts(
    store: SemanticStore, clock: FakeClock
) -> None:
    """In upper or lower case; brackets and stars as a shell has them."""
    await add(store, clock, 0, About("FAQ/returns"))
    await add(store, clock, 0.1, About(tags=("faq-tag",)))
    await store.add_root(S, known(0.2, text="What is the faq about?"), answered(clock))
    await store.add_root(S, known(0.3, text="other"), answered(clock), About("x"))
    assert await store.invalidate(Chosen(pattern="[!a-m]")) == 1
    assert await store.invalidate(Chosen(pattern="*faq*")) == 3
    assert await store.nearest(S, vector(0), 9) == ()


async def test_a_choice_that_cannot_be_made_is_refused(
    store: SemanticStore, clock: FakeClock
) -> None:
    """Nothing said at all; a pattern where no name matches and texts are not kept."""
    with pytest.raises(InvalidRequest, match="nothing says which"):
        await store.invalidate(Chosen())
    assert await store.invalidate(Chosen(pattern="*refund*")) == 0
    await add(store, clock, 0, About("name"))
    with pytest.raises(InvalidRequest, match="texts of 1 questions are not kept"):
        await store.invalidate(Chosen(pattern="*refund*"))
    assert await store.invalidate(Chosen(pattern="*refund*", tag="none")) == 0
    assert len(await store.nearest(S, vector(0), 9)) == 1


async def test_books_add_up(store: SemanticStore, clock: FakeClock) -> None:
    """By tenant and task: what is kept, what was looked up, what judging cost."""
    ben = CacheScope("key:ben", "general")
    group = await add(store, clock, 0)
    await store.add_alias(S, known(0.1, group))
    await store.add_root(T, known(0), answered(clock, scope=ben))
    store.tally(BOOK, hits=2, misses=1)
    store.tally(BOOK, audits=1, misses=1)
    await store.judged(S, verdict(group, clock, cost=70))
    await store.judged(S, verdict(group, clock, cost=5))
    ana, other = await store.stats()
    assert replace(ana, size_bytes=0) == SemanticStats(
        BOOK, 1, 2, hits=2, misses=2, audits=1, judged=2, judge_nanousd=75
    )
    assert (other.scope, other.groups, other.questions, other.hits) == (ben, 1, 1, 0)
    assert ana.size_bytes > other.size_bytes > 0
    assert await store.stats("key:ben") == (other,)
    await store.delete(S, group)
    assert await store.stats("key:ana") == (
        SemanticStats(BOOK, hits=2, misses=2, audits=1, judged=2, judge_nanousd=75),
    )


async def test_a_closed_store_says_so(store: SemanticStore, clock: FakeClock) -> None:
    """Closing twice is fine."""
    await add(store, clock, 0)
    await store.close()
    await store.close()
    for asked in (store.nearest(S, vector(0), 1), store.answer(S, 1), store.stats()):
        with pytest.raises(StoreError, match="closed"):
            await asked
