"""Pack: who shares a prompt, what each gets and pays, and what happens on bad days."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from msgspec.structs import replace

from scrimp.calls import Caller, Task
from scrimp.choosing import NO_WISH
from scrimp.dialects import DIALECTS
from scrimp.ledger.explain import explain
from scrimp.levers.pack import PACKED
from tests.support.core import call_of, sink_of, verdicts
from tests.support.flights import turns
from tests.support.packs import (
    WORD,
    adds_up,
    message,
    office,
    question,
    said,
    text_of,
)


async def test_a_full_pack_is_one_prompt_and_each_gets_its_own_answer() -> None:
    """Ten calls of one kind: one attempt, ten answers, each with its share of usage and bill."""
    async with office(calls=10) as scene:
        replies = await asyncio.gather(*scene.send_all(10))
    (asked,) = scene.provider.asked
    whole = asked.trace.attempts[0]
    assert [text_of(reply) for reply in replies] == [said(f"Text {n}") for n in range(10)]
    assert asked.request.fields["messages"][0] == question()["messages"][0]
    assert asked.request.fields["max_tokens"] >= 10 * 20
    assert sum(entry.cost_nanousd or 0 for entry in scene.entries) == whole.cost.nanousd
    assert whole.usage is not None
    for name in ("input_tokens", "output_tokens"):
        told = [getattr(entry.usage, name) for entry in scene.entries]
        assert sum(told) == getattr(whole.usage, name)
        shown = [getattr(reply.facts.usage, name) for reply in replies]
        assert shown == told
    assert [call.trace.headers[PACKED] for call in scene.sent] == ["10 calls"] * 10
    assert not any(reply.cacheable for reply in replies)
    assert len({reply.body for reply in replies}) == 10
    adds_up(scene)


async def test_the_saving_is_what_each_would_have_cost_by_itself() -> None:
    """Baselines are those of ten calls alone, to the nano-dollar where counting is exact."""
    async with office(calls=4) as scene:
        await asyncio.gather(*scene.send_all(4))
    async with office(calls=4) as apart:
        await asyncio.gather(*apart.send_all(4, wish=NO_WISH))
    assert len(apart.provider.asked) == 4
    for number in range(4):
        packed, alone = scene.entry(number), apart.entry(number)
        assert alone.cost_nanousd is not None
        assert packed.baseline_nanousd is not None
        # letters are counted with the brackets of the messages around them: within one in fifty
        assert packed.baseline_nanousd == pytest.approx(alone.cost_nanousd, rel=0.02)
        assert dict(packed.saved)["pack"] > 0
        told = "\n".join(explain(packed))
        assert "pack: packed (calls 4, number" in told
        assert "its tokens as counted for a prompt of its own" in told


async def test_the_window_ends_and_those_who_are_there_go_together() -> None:
    """Three of ten: the timer of the first one sends them."""
    async with office(calls=10, wait_s=0.5) as scene:
        calls = scene.send_all(3)
        await turns()
        assert scene.provider.asked == []
        (timer,) = scene.timers
        assert timer.seconds == 0.5
        timer.go_off()
        assert [text_of(reply) for reply in await asyncio.gather(*calls)] == [
            said(f"Text {n}") for n in range(3)
        ]
    assert len(scene.provider.asked) == 1


async def test_a_pack_of_one_goes_byte_for_byte() -> None:
    """Nobody came: the call itself goes on, its live sink and its bytes with it."""
    async with office() as scene:
        call = scene.send()
        await turns()
        scene.timers[0].go_off()
        await call
    (asked,) = scene.provider.asked
    assert asked.request.body is scene.sent[0].request.body
    assert asked.sink is scene.sent[0].sink
    assert asked.id == "call-0"
    assert verdicts(scene.sent[0], "pack") == ["asked_alone"]
    assert scene.entry(0).saved == ()


async def test_tasks_of_the_settings_are_packed_unasked_and_a_call_may_refuse() -> None:
    """`tasks` decide, and x-scrimp-pack: off has the last word; others are not even read."""
    sorted_, other = Task("classification", "header"), Task("general", "none")
    async with office(tasks=frozenset({"classification"}), calls=2) as scene:
        await asyncio.gather(*scene.send_all(2, task=sorted_, wish=NO_WISH))
        assert len(scene.provider.packed) == 1
        await scene.send(task=sorted_, wish=replace(NO_WISH, pack=0))
        await scene.send(task=other, wish=NO_WISH)
    assert len(scene.provider.packed) == 1
    assert verdicts(scene.sent[2], "pack") == verdicts(scene.sent[3], "pack") == []


async def test_a_call_says_how_many_at_most() -> None:
    """x-scrimp-pack: 3 departs with the third."""
    async with office(calls=10) as scene:
        await asyncio.gather(*scene.send_all(3, wish=replace(NO_WISH, pack=3)))
    assert len(scene.provider.asked) == 1


OTHERS: dict[str, dict[str, Any]] = {
    "tenant": {"caller": Caller("key:b")},
    "key": {"caller": Caller("local", key="b")},
    "user": {"caller": Caller("local", user="b")},
    "end user": {"caller": Caller("local", end_user="b")},
    "team": {"caller": Caller("local", team="b")},
    "credential": {"caller": Caller("local", credential=("authorization", "Bearer b"))},
    "provider": {"target": replace(call_of().target, provider="azure")},
    "model": {"target": replace(call_of().target, model="gpt-4o")},
    "task": {"task": Task("extraction", "header")},
    "path": {"path": "/v1/chat/completions?x=1"},
    "header": {"headers": (("openai-organization", "b"),)},
    "wish": {"wish": replace(NO_WISH, pack="on", region="eu")},
    "soft": {"over_soft": True},
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
async def test_calls_of_different_payers_or_kinds_never_meet(other: dict[str, Any]) -> None:
    """Another tenant, key, user, target, header or wish: another prompt, or none."""
    async with office(calls=2) as scene:
        calls = [scene.send(question("mine")), scene.send(question("theirs"), **other)]
        await turns()
        assert scene.pack.waiting == 2
        for timer in scene.timers:
            timer.go_off()
        await asyncio.gather(*calls)
    assert scene.provider.packed == []


@pytest.mark.parametrize(
    "other",
    [
        question("b", rules="Other rules. " * 90),
        question("b", temperature=0.5),
        question("b", max_tokens=21),
        question("b", user="someone"),
        question("b", model="gpt-4o"),
    ],
    ids=["rules", "temperature", "limit", "user", "model"],
)
async def test_calls_with_other_words_or_parameters_never_meet(other: dict[str, Any]) -> None:
    """What is said to the model has to be the same, but for the question."""
    async with office(calls=2) as scene:
        calls = [scene.send(question("a")), scene.send(other)]
        await turns()
        assert scene.pack.waiting == 2
        for timer in scene.timers:
            timer.go_off()
        await asyncio.gather(*calls)
    assert scene.provider.packed == []


async def test_budgets_that_pay_keep_calls_apart() -> None:
    """What pays for one item pays for no other's."""
    async with office(calls=2, budgets=lambda call: call.caller.tags) as scene:
        calls = [
            scene.send(caller=Caller("local", tags=("a",))),
            scene.send(caller=Caller("local", tags=("b",))),
        ]
        await turns()
        for timer in scene.timers:
            timer.go_off()
        await asyncio.gather(*calls)
    assert scene.provider.packed == []


async def test_streams_are_answered_whole_and_meet_calls_that_are_not() -> None:
    """A stream and a plain call share a prompt, which is asked for as one JSON reply."""
    async with office(calls=2) as scene:
        plain, stream = scene.send(question("a")), scene.send(question("b", stream=True))
        replies = await asyncio.gather(plain, stream)
    (asked,) = scene.provider.asked
    assert not asked.request.stream
    assert [text_of(reply) for reply in replies] == [said("a"), said("b")]
    assert [reply.framing for reply in replies] == ["json", "json"]
    assert not sink_of(scene.sent[1]).begun


async def test_anthropic_messages_are_packed_in_their_own_form() -> None:
    """The system's part stays, the limit grows, each reply is a message of its own."""
    async with office(calls=3) as scene:
        calls = [scene.send(message(f"Text {n}"), dialect="anthropic.messages") for n in range(3)]
        replies = await asyncio.gather(*calls)
    (asked,) = scene.provider.asked
    assert asked.request.fields["system"] == message()["system"]
    assert len(asked.request.fields["messages"]) == 1
    assert [text_of(reply) for reply in replies] == [said(f"Text {n}") for n in range(3)]
    for reply in replies:
        assert reply.body is not None
        again = DIALECTS["anthropic.messages"].read_reply(reply.body)
        assert again.complete
        assert reply.facts.usage is not None
        assert again.usage == replace(reply.facts.usage, terms=None)  # which part it is, is ours


async def test_a_reply_holds_nothing_of_the_other_items() -> None:
    """Thoughts and other fields of the provider's reply go to nobody: they tell of all items."""
    async with office(calls=2) as scene:
        one, other = await asyncio.gather(scene.send(question("a")), scene.send(question("b")))
    assert one.body is not None
    assert other.body is not None
    assert b"thoughts" not in one.body
    assert b"answer to b" not in one.body
    assert b"answer to a" not in other.body


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        (question(rules="Be kind."), "short_rules"),
        (question(max_tokens=None), "unbounded_output"),
        (question(max_tokens=5000), "long_output"),
        (question("x" * 5000), "long_input"),
        (question(" "), "empty"),
        (question(tools=[]), "field tools"),
        (question(response_format={"type": "grammar"}), "field response_format"),
        (question(response_format={"type": "json_object", "new": 1}), "field response_format"),
        (question(response_format={"type": "json_schema"}), "schema"),
        (question(stop=["\n"]), "field stop"),
        (question(logprobs=True), "field logprobs"),
        (question(n=2), "several_choices"),
        ({**question(), "messages": question()["messages"] * 2}, "not_one_question"),
    ],
)
async def test_what_is_not_short_and_plain_is_left_alone(fields: dict[str, Any], why: str) -> None:
    """It goes on at once, and the trace says why."""
    async with office() as scene:
        await scene.send(fields)
    assert [line.numbers for line in scene.sent[0].trace.lines if line.lever == "pack"] == [
        (("why", why),)
    ]
    assert scene.timers == []


async def test_a_call_in_a_hurry_waits_for_nobody() -> None:
    """Low latency and deadlines do not go with waiting."""
    async with office() as scene:
        await scene.send(wish=replace(NO_WISH, pack="on", low_latency=True))
        await scene.send(wish=replace(NO_WISH, pack="on", deadline_ms=900))
    assert verdicts(scene.sent[0], "pack") == ["left_alone"]


async def test_nothing_is_left_for_the_collector() -> None:
    """Ten calls in one prompt, one of them asked again: no cycles."""
    async with office(calls=10) as scene:
        scene.provider.spoils = lambda text: text.replace(f"[{WORD} 9] ", "")
        await asyncio.gather(*scene.send_all(10))
        await turns()
        gc.collect()
        gc.disable()
        try:
            await asyncio.gather(*scene.send_all(10))
            await turns()
            scene.sent.clear()
            scene.provider.asked.clear()
            found = gc.collect()
        finally:
            gc.enable()
    assert found == 0
