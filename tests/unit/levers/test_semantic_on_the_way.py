"""The semantic cache and answers that are on their way while something is forgotten."""

from __future__ import annotations

from datetime import timedelta

import pytest

from scrimp.remembered import CacheControl, Chosen
from tests.support.meanings import SemanticKitchen

ROOT, ALIAS = "How do I reset my password?", "My password: how do I reset it?"
TAGGED = CacheControl(tags=("policy",))


def serving() -> SemanticKitchen:
    """One that serves whatever it knows."""
    kitchen = SemanticKitchen()
    kitchen.scripted.policy.kind = lambda _: "serve"
    return kitchen


@pytest.mark.parametrize(("tag", "kept"), [("policy", False), ("shop", True)])
async def test_an_answer_that_was_asked_for_before_it_was_forgotten_is_not_kept(
    tag: str, *, kept: bool
) -> None:
    """Something changes while the provider answers: the next to ask is answered afresh."""
    kitchen = serving()

    async def forget() -> None:
        kitchen.pass_by(1)
        await kitchen.store.invalidate(Chosen(tag=tag))
        kitchen.pass_by(1)

    kitchen.provider.meanwhile = forget
    await kitchen.ask(ROOT, cache=TAGGED)
    kitchen.provider.meanwhile = None
    again, _ = await kitchen.ask(ALIAS, cache=TAGGED)
    assert again.served_by == ("semantic_cache" if kept else "upstream")
    later, _ = await kitchen.ask(ROOT, cache=TAGGED)
    assert later.served_by == "semantic_cache"


async def test_an_answer_of_an_older_flight_counts_from_when_that_was_asked() -> None:
    """Who joined after something was forgotten does not make its answer any newer."""
    kitchen = serving()
    asked_at = kitchen.clock.now()
    kitchen.pass_by(2)
    await kitchen.store.invalidate(Chosen(tag="policy"))
    kitchen.pass_by(2)
    kitchen.provider.changes = {"asked_at": asked_at}
    await kitchen.ask(ROOT, cache=TAGGED)
    kitchen.provider.changes = {"asked_at": asked_at + timedelta(seconds=3)}
    again, _ = await kitchen.ask(ROOT, cache=TAGGED)
    assert again.served_by == "upstream"
    known, _ = await kitchen.ask(ROOT, cache=TAGGED)
    assert known.served_by == "semantic_cache"
    assert known.asked_at is None


@pytest.mark.parametrize(
    ("root", "alias", "groups"),
    [
        (CacheControl(), CacheControl(), 1),
        (TAGGED, CacheControl(), 1),
        (TAGGED, TAGGED, 1),
        (CacheControl(), TAGGED, 2),
        (TAGGED, CacheControl(name="faq/reset", tags=("policy",)), 2),
    ],
)
async def test_a_question_joins_only_an_answer_that_its_own_names_reach(
    root: CacheControl, alias: CacheControl, groups: int
) -> None:
    """Else forgetting by its tag would leave what it is answered with."""
    kitchen = SemanticKitchen()
    kitchen.provider.answers = {ROOT: "Use the link.", ALIAS: "Use the link."}
    await kitchen.ask(ROOT, cache=root)
    await kitchen.ask(ALIAS, cache=alias)
    (stats,) = await kitchen.store.stats()
    assert (stats.groups, stats.questions, stats.judged) == (groups, 2, 1)
    chosen = Chosen(key=alias.name, tag="policy")
    assert await kitchen.store.invalidate(chosen) == bool(root.tags or alias.tags)
