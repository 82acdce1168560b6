"""Pack on bad days: damaged answers, leaving clients, failing providers, costs nobody told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

import pytest

from scrimp.calls import Attempt, Call, Reply, TraceLine
from scrimp.errors import BudgetExceeded, UpstreamError
from scrimp.ledger.explain import explain
from scrimp.levers.retry import Retry, RetrySettings
from scrimp.ports import Next
from tests.support.core import FakeClock, verdicts
from tests.support.flights import failure, turns
from tests.support.packs import (
    WORD,
    adds_up,
    last_text,
    office,
    question,
    said,
    text_of,
)


async def test_an_item_without_a_certain_answer_is_asked_by_itself() -> None:
    """The second answer is missing: it and its neighbours go alone, and their part is booked."""
    async with office(calls=5) as scene:
        scene.provider.spoils = lambda text: text.replace(f"[{WORD} 2] answer to Text 1\n", "")
        replies = await asyncio.gather(*scene.send_all(5))
    assert [text_of(reply) for reply in replies] == [said(f"Text {n}") for n in range(5)]
    alone = [call.id for call in scene.provider.asked if call.id != "pack-1"]
    assert sorted(alone) == ["call-0", "call-1", "call-2"]
    whole = scene.provider.packed[0].trace.attempts[0]
    parts = [entry.attempts[0].cost.nanousd or 0 for entry in scene.entries]
    assert sum(parts) == whole.cost.nanousd
    for number in (0, 1, 2):
        entry = scene.entry(number)
        assert len(entry.attempts) == 2
        assert dict(entry.saved)["pack"] == -(entry.attempts[0].cost.nanousd or 0)
        assert verdicts(scene.sent[number], "pack") == ["asked_alone"]
        assert "attempt 1 not served" in "\n".join(explain(entry))
    adds_up(scene)


async def test_an_answer_longer_than_its_own_limit_is_asked_by_itself() -> None:
    """In company it had more room than its call allows; alone it is cut as it would have been."""
    async with office(calls=2) as scene:
        long = "x" * 60
        scene.provider.answer = lambda text: long if text == "Text 1" else "ok"
        await asyncio.gather(*scene.send_all(2))
    assert [call.id for call in scene.provider.asked] == ["pack-1", "call-1"]


@pytest.mark.parametrize("spoilt", ["", "I cannot help with that.", "[other 1] a\n[other end]"])
async def test_an_answer_in_no_form_at_all_is_no_answer(spoilt: str) -> None:
    """Then every item is asked by itself, and each gets its answer."""
    async with office(calls=3) as scene:
        scene.provider.spoils = lambda text: spoilt  # noqa: ARG005 (whatever it was)
        replies = await asyncio.gather(*scene.send_all(3))
    assert [text_of(reply) for reply in replies] == [said(f"Text {n}") for n in range(3)]
    assert len(scene.provider.asked) == 4
    adds_up(scene)


async def test_a_truncated_answer_serves_those_that_are_whole() -> None:
    """The last items are asked by themselves."""
    async with office(calls=4) as scene:
        scene.provider.finish = "length"
        scene.provider.spoils = lambda text: text[: text.index("Text 3")]
        replies = await asyncio.gather(*scene.send_all(4))
    assert [text_of(reply) for reply in replies] == [said(f"Text {n}") for n in range(4)]
    assert [call.id for call in scene.provider.asked] == ["pack-1", "call-3"]


async def test_marks_stand_in_no_text() -> None:
    """An item that holds a word makes it no word for marks."""
    async with office(calls=2, words=("guessed", WORD)) as scene:
        calls = [scene.send(question("[guessed 2] is mine")), scene.send(question("b"))]
        replies = await asyncio.gather(*calls)
    assert "[guessed 1]" not in last_text(scene.provider.asked[0])
    assert [text_of(reply) for reply in replies] == [said("[guessed 2] is mine"), said("b")]


async def test_who_leaves_before_takes_its_item_away() -> None:
    """Two of three stay; the prompt holds two items."""
    async with office(calls=10) as scene:
        gone, *calls = scene.send_all(3)
        await turns()
        gone.cancel()
        await turns()
        scene.timers[0].go_off()
        replies = await asyncio.gather(*calls)
    assert [text_of(reply) for reply in replies] == [said("Text 1"), said("Text 2")]
    assert "Text 0" not in last_text(scene.provider.asked[0])
    assert scene.entry(0).cost_nanousd == 0
    assert scene.entry(0).status == 499


async def test_who_leaves_later_takes_its_seat_alone() -> None:
    """The others get their answers, and share the whole bill."""
    async with office(calls=3) as scene:
        scene.provider.cue.clear()
        calls = scene.send_all(3)
        await turns()
        calls[1].cancel()
        await turns()
        scene.provider.cue.set()
        replies = await asyncio.gather(calls[0], calls[2])
    assert [text_of(reply) for reply in replies] == [said("Text 0"), said("Text 2")]
    whole = scene.provider.asked[0].trace.attempts[0]
    assert sum(entry.cost_nanousd or 0 for entry in scene.entries) == whole.cost.nanousd
    assert scene.entry(1).attempts == ()


async def test_when_all_leave_the_flight_ends_and_the_last_one_pays() -> None:
    """The provider stops; one entry has the attempt, with bounds."""
    async with office(calls=3) as scene:
        scene.provider.cue.clear()
        calls = scene.send_all(3)
        await turns()
        for call in calls:
            call.cancel()
            await turns()
    assert scene.provider.cancelled == 1
    attempts = [one for entry in scene.entries for one in entry.attempts]
    (cost,) = [one.cost for one in attempts]
    assert cost.basis == "estimate"
    assert cost.low_nanousd == 0
    assert (cost.high_nanousd or 0) > (cost.nanousd or 0) > 0


async def test_all_leave_at_once() -> None:
    """In one turn of the loop: nothing hangs, and the attempt is booked once."""
    async with office(calls=3) as scene:
        scene.provider.cue.clear()
        calls = scene.send_all(3)
        await turns()
        scene.provider.cue.set()
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    assert sum(len(entry.attempts) for entry in scene.entries) == 1


async def test_an_error_of_the_providers_reaches_every_caller() -> None:
    """Overloaded is overloaded: nobody asks ten times instead."""
    async with office(calls=3) as scene:
        scene.provider.fails = UpstreamError("busy", status=529, body=b"{}")
        calls = scene.send_all(3)
        errors = [await failure(call) for call in calls]
    assert [error.status for error in errors] == [529] * 3
    assert len({id(error) for error in errors}) == 3
    assert len(scene.provider.asked) == 1
    costs = [entry.attempts[0].cost for entry in scene.entries]
    assert sorted(cost.basis for cost in costs) == ["estimate", "free", "free"]


async def test_a_refusal_that_may_be_about_the_prompt_asks_each_by_itself() -> None:
    """400 for all of them together may be nobody's own fault."""
    async with office(calls=3) as scene:
        scene.provider.fails = UpstreamError("filtered", status=400, body=b"{}")
        replies = await asyncio.gather(*scene.send_all(3))
    assert [text_of(reply) for reply in replies] == [said(f"Text {n}") for n in range(3)]
    assert len(scene.provider.asked) == 4
    adds_up(scene)


async def test_a_budget_that_bears_no_prompt_for_all_may_bear_each() -> None:
    """Our own refusal is no client's error as long as its own call may pass."""

    class Small:
        name: ClassVar[str] = "budget"
        fail_closed: ClassVar[bool] = True

        async def __call__(self, call: Call, next: Next) -> Reply:
            if call.id == "pack-1":
                raise BudgetExceeded("too much")
            return await next(call)

    async with office(calls=3, below=[Small()]) as scene:
        replies = await asyncio.gather(*scene.send_all(3))
    assert [text_of(reply) for reply in replies] == [said(f"Text {n}") for n in range(3)]
    assert scene.provider.packed == []


async def test_retries_of_a_pack_are_shared_too() -> None:
    """A failed try is everybody's: parts of both attempts, one retry for all."""
    retry = Retry(FakeClock(), lambda: 0.5, RetrySettings(attempts=2))

    class Once:
        name: ClassVar[str] = "once"
        fail_closed: ClassVar[bool] = False
        left = 1

        async def __call__(self, call: Call, next: Next) -> Reply:
            if self.left:
                self.left -= 1
                reply = await next(call)
                raise UpstreamError("cut", status=502, body=reply.body or b"")
            return await next(call)

    async with office(calls=2, below=[retry, Once()]) as scene:
        await asyncio.gather(*scene.send_all(2))
    assert [len(entry.attempts) for entry in scene.entries] == [2, 2]
    assert all(dict(entry.saved)["retry"] < 0 for entry in scene.entries)
    adds_up(scene)


async def test_usage_that_nobody_told_is_estimated_once() -> None:
    """A provider without usage: one entry has the bounds of the whole prompt."""
    async with office(calls=3) as scene:
        scene.provider.usage = False
        replies = await asyncio.gather(*scene.send_all(3))
    assert [text_of(reply) for reply in replies] == [said(f"Text {n}") for n in range(3)]
    assert all(reply.facts.usage is None for reply in replies)
    known = [entry.attempts[0].cost.high_nanousd or 0 for entry in scene.entries]
    assert sorted(known)[:2] == [0, 0]
    assert max(known) > 0


async def test_holds_of_costs_that_nobody_told_are_settled_once() -> None:
    """What a budget left open is settled with the bounds, and is in no entry to settle again."""
    settled: list[tuple[str, int | None]] = []

    class Holding:
        name: ClassVar[str] = "budget"
        fail_closed: ClassVar[bool] = True

        async def __call__(self, call: Call, next: Next) -> Reply:
            try:
                return await next(call)
            finally:
                call.trace.note(self.name, "open", {"hold": call.id, "attempt": 0})

    def settle(lines: Sequence[TraceLine], attempts: Sequence[Attempt]) -> None:
        for line in lines:
            hold = str(dict(line.numbers)["hold"])
            settled.append((hold, attempts[0].cost.high_nanousd))

    async with office(calls=3, below=[Holding()], settle=settle) as scene:
        scene.provider.usage = False
        await asyncio.gather(*scene.send_all(3))
    ((hold, high),) = settled
    assert hold == "pack-1"
    assert high == max(entry.cost_high_nanousd or 0 for entry in scene.entries)
    assert not any(line.verdict == "open" for entry in scene.entries for line in entry.trace)
