"""The semantic cache while no judge works: what is kept then, and what is not."""

from __future__ import annotations

from msgspec.structs import replace

from tests.support.core import call_of
from tests.support.meanings import SemanticKitchen

ROOT, ALIAS = "How do I reset my password?", "My password: how do I reset it?"
REWORDINGS = tuple(f"My {word} password: how do I reset it?" for word in "abcdefghijklmnopqrst")


async def test_rewordings_that_no_judge_can_compare_make_no_groups() -> None:
    """They are answered, no verdict is written; the next ones join when a judge works again."""
    kitchen = SemanticKitchen()
    kitchen.provider.answers = dict.fromkeys((ROOT, ALIAS, *REWORDINGS), "Use the link.")
    await kitchen.ask(ROOT)
    kitchen.judge.dead = True
    for text in REWORDINGS:
        reply, _ = await kitchen.ask(text)
        assert reply.served_by == "upstream"
    (stats,) = await kitchen.store.stats()
    assert (stats.groups, stats.questions, stats.misses, stats.judged) == (1, 1, 21, 0)
    assert kitchen.scripted.policy.learned == []
    kitchen.judge.dead = False
    for text in (ALIAS, *REWORDINGS):
        await kitchen.ask(text)
    (stats,) = await kitchen.store.stats()
    assert (stats.groups, stats.questions, stats.judged) == (1, 22, 21)


async def test_what_is_no_rewording_is_kept_while_no_judge_works() -> None:
    """Another question, and one by whose name nobody would find the other's answer."""
    kitchen = SemanticKitchen()
    await kitchen.ask(ROOT)
    kitchen.judge.dead = True
    await kitchen.ask("How do plants grow at night?")
    await kitchen.ask(ALIAS, cache=replace(call_of().cache, name="faq/reset"))
    (stats,) = await kitchen.store.stats()
    assert (stats.groups, stats.judged) == (3, 0)
