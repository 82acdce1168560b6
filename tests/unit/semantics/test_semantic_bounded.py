"""The policy that keeps a bound, under the lever: silent, then serving, back after a restart."""

from __future__ import annotations

import random

from scrimp.quality.words import Promise
from scrimp.semantics.bounded import Bounds
from scrimp.stores.semantic_memory import MemorySemantic
from tests.support.core import FakeClock, numbers, verdicts
from tests.support.meanings import SemanticKitchen

TOPICS = [" ".join(f"w{topic}x{word}" for word in "abcd") for topic in range(20)]
FILLERS = [f"f{number}g" for number in range(60)]
ASKED = 700


def question(dice: random.Random) -> tuple[str, str]:
    """A wording of one of the topics, and the topic's answer."""
    topic = dice.choice(TOPICS)
    return f"{dice.choice(FILLERS)} {topic} {dice.choice(FILLERS)}", f"About {topic.split()[0]}"


def kitchen_of(store: MemorySemantic) -> SemanticKitchen:
    """A cache under a bound of 5 %."""
    lots = random.Random(3)  # noqa: S311 (a test)
    return SemanticKitchen(policies=Bounds(Promise(0.05), lots.random), store=store)


async def test_it_is_silent_then_serves_and_keeps_what_it_learned() -> None:
    """Nothing before the proof, with what is missing; then paraphrases, few wrong; audits go on."""
    dice, store = random.Random(7), MemorySemantic(FakeClock())  # noqa: S311 (a test)
    kitchen = kitchen_of(store)
    said: list[str] = []
    wrong = 0
    for number in range(ASKED):
        text, answer = question(dice)
        kitchen.provider.answers[text] = answer
        reply, call = await kitchen.ask(text)
        said.append(verdicts(call, "semantic_cache")[0])
        if number == 20:
            assert int(numbers(call, "semantic_cache")["missing"]) > 200
        if reply.served_by == "semantic_cache":
            wrong += answer.encode() not in (reply.body or b"")
            assert numbers(call, "semantic_cache")["bound"] == "0.05 at 0.95"
    hits = said.count("hit")
    assert said.index("hit") >= 250
    assert hits > 100
    assert wrong <= 0.05 * hits
    assert said.count("audit") >= 1
    (stats,) = await kitchen.parts.stats()
    assert stats.judged >= 250
    assert stats.wrong_upper is not None
    assert stats.wrong_upper < 1

    again = kitchen_of(store)  # another process on the same store
    later: list[str] = []
    for _ in range(20):
        text, answer = question(dice)
        again.provider.answers[text] = answer
        _, call = await again.ask(text)
        later.append(verdicts(call, "semantic_cache")[0])
    assert later.count("hit") > 5
