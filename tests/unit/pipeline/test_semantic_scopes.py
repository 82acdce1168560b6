"""A question is looked up by meaning: which facts are read, and what left in between."""

from __future__ import annotations

from scrimp.meanings import GroupFacts
from scrimp.pipeline.semantic_scopes import Scopes, of_length
from scrimp.ports import CacheScope
from scrimp.quality.words import Promise
from scrimp.semantics.bounded import Bounds
from scrimp.stores.semantic_memory import MemorySemantic
from tests.support.core import FakeClock
from tests.support.semantic_stores import answered, known, vector

ASKED = b"scope"
SCOPE = of_length(ASKED, vector(0))
BOOKS = CacheScope("key:ana", "factual_qa")


class Embedded:
    """Every text in one direction."""

    id, dims = "one-way", 8

    async def embed(self, texts: tuple[str, ...]) -> tuple[bytes, ...]:
        """The same for each."""
        return tuple(vector(0) for _ in texts)

    async def close(self) -> None:
        """Nothing is open."""


class Leaky(MemorySemantic):
    """Forgets groups between the search and their facts."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.asked: list[tuple[int, ...]] = []
        self.doomed: set[int] = set()

    async def facts(self, scope: bytes, groups: tuple[int, ...]) -> tuple[GroupFacts, ...]:
        """After those that are doomed left."""
        self.asked.append(groups)
        for group in self.doomed:
            await self.delete(scope, group)
        return await super().facts(scope, groups)


async def filled(clock: FakeClock, angles: tuple[float, ...]) -> tuple[Leaky, list[int]]:
    """A store with a group in each direction."""
    store, groups = Leaky(clock), list[int]()
    for angle in angles:
        group = await store.add_root(SCOPE, known(angle), answered(clock))
        assert group is not None
        groups.append(group)
    return store, groups


def scopes(store: Leaky) -> Scopes:
    """With the policy that keeps a bound."""
    return Scopes(store, Embedded(), Bounds(Promise(0.02), lambda: 0.5))


async def test_facts_are_read_of_the_group_that_may_answer() -> None:
    """Of no other: a decision has sixty neighbours, and needs the facts of one."""
    clock = FakeClock()
    store, groups = await filled(clock, (0.1, 0.4, 0.8))
    looked = await scopes(store).look(ASKED, BOOKS, "where is my card")
    assert looked.decision.group == groups[0]
    assert store.asked == [(groups[0],)]
    await store.close()


async def test_a_group_that_leaves_after_it_was_found_answers_nothing() -> None:
    """The next one may, and where none is left nothing is near."""
    clock = FakeClock()
    store, groups = await filled(clock, (0.1, 0.4, 0.8))
    store.doomed = {groups[0]}
    looked = await scopes(store).look(ASKED, BOOKS, "where is my card")
    assert looked.decision.group == groups[1]
    assert groups[0] not in looked.decision.order
    assert store.asked == [(groups[0],), (groups[1],)]
    store.doomed = set(groups)
    looked = await scopes(store).look(ASKED, BOOKS, "where is my card")
    assert (looked.decision.kind, looked.decision.why) == ("new", "nothing_near")
    await store.close()
