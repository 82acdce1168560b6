"""Engines of answers by meaning agree, whatever is done to them and in whatever order."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from scrimp.meanings import About, Chosen, Judged, Known, SemanticStore
from scrimp.ports import CacheScope
from scrimp.stores.semantic_memory import MemorySemantic
from scrimp.stores.semantic_plan import IndexOptions, SemanticLimits
from scrimp.stores.sqlite_semantic import SemanticOptions, SqliteSemantic
from tests.support.core import FakeClock
from tests.support.semantic_stores import answered, open_postgres, open_redis, scattered

SCOPES = (b"one", b"two")
LIMITS = SemanticLimits(group_questions=3, caller_per_hour=9)
INDEX = IndexOptions(exact_up_to=5, tail=2, pause_s=0)
DIMS = 8


@dataclass(frozen=True)
class Step:
    """One thing that is done. Groups are named by their turn: engines number them as they like."""

    what: str
    scope: bytes
    question: int
    caller: str
    turn: int

    async def __call__(self, store: SemanticStore, clock: FakeClock, groups: list[int]) -> object:
        """Do it; what came of it."""
        group = groups[self.turn % len(groups)] if groups else 0
        known = Known(group, scattered(self.question, DIMS), b"%d" % self.question)
        known = replace(known, text=f"text {self.question}")
        match self.what:
            case "root":
                about = About("", (f"tag {self.question % 3}",), "m", self.caller)
                clock.pass_by(0.001)  # servers tell before from after by a clock of their own
                asked_at = clock.now() - timedelta(hours=self.turn % 2)  # after all, or before all
                given = replace(answered(clock, ttl_s=60 + self.question), asked_at=asked_at)
                added = await store.add_root(self.scope, known, given, about)
                groups.append(added or -1)
                return added is None
            case "alias":
                return await store.add_alias(self.scope, known, caller=self.caller)
            case "answer":
                return await store.answer(self.scope, group)
            case "judge":
                await store.judged(self.scope, verdict(group, self.question % 2, clock))
            case "pass":
                clock.pass_by(self.question)
            case _:
                return await self.leave(store, group)
        return None

    async def leave(self, store: SemanticStore, group: int) -> object:
        """What makes answers leave."""
        match self.what:
            case "quarantine":
                await store.quarantine(self.scope, group)
            case "delete":
                return await store.delete(self.scope, group)
            case "tag":
                chosen = Chosen(tag=f"tag {self.question % 3}", tenant="key:ana")
                return await store.invalidate(chosen)
            case _:
                return await store.invalidate(Chosen(pattern=f"*{self.question}"))
        return None


DONE = ("root", "root", "root", "alias", "answer", "judge", "quarantine", "delete", "pass")
STEPS = st.builds(
    Step,
    st.sampled_from((*DONE, "tag", "pattern")),
    st.sampled_from(SCOPES),
    st.integers(0, 30),
    st.sampled_from(("", "key:ana", "key:ben")),
    st.integers(0, 9),
)


def verdict(group: int, equal: int, clock: FakeClock) -> Judged:
    """Of a serving."""
    at = clock.now()
    return Judged(
        group, (1.0,), equal=bool(equal), propensity=1.0, source="user", served=True, at=at
    )


async def seen(store: SemanticStore, groups: list[int]) -> object:
    """All that can be asked, with groups by their turn."""
    turn = {group: number for number, group in enumerate(groups)}
    told: list[object] = []
    for scope in SCOPES:
        near = await store.nearest(scope, scattered(5, DIMS), 40)
        told.append(sorted((turn[one.group], one.sketch, round(one.cosine, 4)) for one in near))
        facts = await store.facts(scope, tuple(groups))
        told.append(
            [
                (turn[one.group], one.size, one.equal, one.different, one.quarantined)
                for one in facts
            ]
        )
        told.append(len(await store.verdicts(scope, 99)))
    books = await store.stats()
    told.append([(book.scope, book.groups, book.questions, book.judged) for book in books])
    return told


async def history(store: SemanticStore, clock: FakeClock, done: list[Step]) -> list[object]:
    """What came of each step, and what is seen at the end."""
    groups: list[int] = []
    store.tally(CacheScope("key:ana", "factual_qa"), hits=1)
    results = [await step(store, clock, groups) for step in done]
    results.append(await seen(store, groups))
    await store.close()
    return results


@given(st.lists(STEPS, max_size=40))
@settings(max_examples=40, deadline=None)
def test_a_file_and_memory_tell_the_same(done: list[Step]) -> None:
    """Every result of every step, and the whole of what is kept at the end."""

    async def both(path: Path) -> None:
        clock = FakeClock()
        memory = await history(MemorySemantic(clock, LIMITS, INDEX), clock, done)
        clock = FakeClock()
        store = SqliteSemantic.open(path, clock, SemanticOptions(LIMITS, INDEX))
        assert memory == await history(store, clock, done)

    with TemporaryDirectory() as folder:
        asyncio.run(both(Path(folder) / "semantic.sqlite"))


@given(st.lists(STEPS, max_size=40))
@settings(max_examples=12, deadline=None)
def test_a_server_and_memory_tell_the_same(done: list[Step]) -> None:
    """The same of a PostgreSQL."""

    async def both(path: Path) -> None:
        clock = FakeClock()
        memory = await history(MemorySemantic(clock, LIMITS, INDEX), clock, done)
        clock = FakeClock()
        store = open_postgres(clock, path, limits=LIMITS, index=INDEX)
        assert memory == await history(store, clock, done)

    with TemporaryDirectory() as folder:
        asyncio.run(both(Path(folder) / "semantic"))


@given(st.lists(STEPS, max_size=40))
@settings(max_examples=12, deadline=None)
def test_a_redis_and_memory_tell_the_same(done: list[Step]) -> None:
    """The same of a Redis."""

    async def both(path: Path) -> None:
        clock = FakeClock()
        memory = await history(MemorySemantic(clock, LIMITS, INDEX), clock, done)
        clock = FakeClock()
        async with AsyncExitStack() as stack:
            store = open_redis(stack, clock, path, limits=LIMITS, index=INDEX)
            assert memory == await history(store, clock, done)

    with TemporaryDirectory() as folder:
        asyncio.run(both(Path(folder) / "semantic"))
