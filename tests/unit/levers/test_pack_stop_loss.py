"""Pack stops for a kind of call whose prompts save nothing, says so, and tries again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from scrimp.calls import Caller, Task
from scrimp.errors import UpstreamError
from scrimp.packing.stop_loss import PackStopLoss, PackStopLossRules
from tests.support.core import verdicts
from tests.support.packs import Office, adds_up, office, said, text_of

RULES = PackStopLossRules(items=6, rest_s=600.0)


async def rounds(scene: Office, times: int, **changes: Any) -> list[str]:
    """The last verdict of each call of so many prompts of three, and all answers are right."""
    first = len(scene.sent)
    for _ in range(times):
        replies = await asyncio.gather(*scene.send_all(3, **changes))
        assert [text_of(one) for one in replies] == [said(f"Text {n}") for n in range(3)]
    return [verdicts(one, "pack")[-1] for one in scene.sent[first:]]


async def test_a_kind_whose_answers_fail_is_asked_singly_for_a_while() -> None:
    """Six items in vain, then every call goes by itself at once, and the trace says why."""
    async with office(calls=3, stop=RULES) as scene:
        scene.provider.spoils = lambda _: "I cannot keep to marks."
        found = await rounds(scene, 3)
        assert found == [*["asked_alone"] * 5, "stopped", *["left_alone"] * 3]
        assert len(scene.provider.packed) == 2
        stopped = dict(scene.sent[5].trace.lines[-1].numbers)
        lost = -sum(scene.entry(n).attempts[0].cost.nanousd or 0 for n in range(6))
        assert stopped == {"items": 6, "unanswered": 6, "saved_nanousd": lost}
        (line,) = [one for one in scene.sent[6].trace.lines if one.lever == "pack"]
        assert dict(line.numbers) == {"why": "stop_loss", "seconds": 600}
    adds_up(scene)


async def test_after_its_rest_it_is_tried_again() -> None:
    """A model that has learned it meanwhile is packed as before."""
    async with office(calls=3, stop=RULES) as scene:
        scene.provider.spoils = lambda _: ""
        await rounds(scene, 2)
        scene.clock.pass_by(599.5)
        assert await rounds(scene, 1) == ["left_alone"] * 3
        scene.provider.spoils = lambda text: text
        scene.clock.pass_by(1.0)
        assert set(await rounds(scene, 4)) == {"saving_counted"}


async def test_others_are_packed_on() -> None:
    """Another tenant, model or task has a window of its own."""
    async with office(calls=3, stop=RULES) as scene:
        scene.provider.spoils = lambda _: ""
        await rounds(scene, 2)
        scene.provider.spoils = lambda text: text
        assert await rounds(scene, 1) == ["left_alone"] * 3
        for changes in (
            {"caller": Caller(tenant="other")},
            {"task": Task("classification", "header")},
        ):
            assert set(await rounds(scene, 1, **changes)) == {"saving_counted"}


async def test_what_saves_more_than_it_loses_goes_on() -> None:
    """One prompt in three is damaged: it still pays, and is packed for ever."""
    async with office(calls=3, stop=RULES) as scene:
        for _ in range(6):
            scene.provider.spoils = lambda text: text
            await rounds(scene, 2)
            scene.provider.spoils = lambda _: ""
            assert set(await rounds(scene, 1)) == {"asked_alone"}


async def test_prompts_that_are_refused_stop_it_too() -> None:
    """They cost nothing, and save nothing: who waits for them waits in vain."""
    async with office(calls=3, stop=RULES) as scene:
        scene.provider.fails = UpstreamError("refused", status=400)
        assert (await rounds(scene, 3))[-4:] == ["stopped", *["left_alone"] * 3]


@pytest.mark.parametrize("status", [500, 429])
async def test_an_outage_says_nothing_about_packing(status: int) -> None:
    """All callers have the error, and are packed again when it is over."""
    async with office(calls=3, stop=RULES) as scene:
        scene.provider.fails = UpstreamError("down", status=status)
        for _ in range(3):
            found = await asyncio.gather(*scene.send_all(3), return_exceptions=True)
            assert all(isinstance(one, Exception) for one in found)
        scene.provider.fails = None
        assert set(await rounds(scene, 1)) == {"saving_counted"}


async def test_without_prices_items_count() -> None:
    """Usage that nobody tells: bounds are no bill, so what failed is counted by the piece."""
    async with office(calls=3, stop=RULES) as scene:
        scene.provider.usage = False
        await rounds(scene, 3)
        scene.provider.spoils = lambda _: ""
        assert (await rounds(scene, 3))[-1] == "left_alone"


async def test_it_can_be_switched_off() -> None:
    """Without rules it is packed for ever."""
    async with office(calls=3, stop=None) as scene:
        scene.provider.spoils = lambda _: ""
        assert set(await rounds(scene, 5)) == {"asked_alone"}


def test_kinds_are_bounded() -> None:
    """Those that were packed longest ago are forgotten first."""
    stop = PackStopLoss(PackStopLossRules(items=2))
    for kind in range(3000):
        assert stop.add(kind, -1, 0.0, answered=False) is None
    assert stop.add(0, -1, 0.0, answered=False) is None
    assert stop.add(2999, -1, 0.0, answered=False) is not None
    assert stop.rests_s(2999, 0.0) == 600


def test_a_window_is_forgotten_when_it_ends() -> None:
    """Ten thousand good items do not pay for the bad ones that follow."""
    stop = PackStopLoss(RULES)
    for _ in range(10_000):
        assert stop.add("kind", 1_000, 0.0, answered=True) is None
    ended = [stop.add("kind", -1, 0.0, answered=False) for _ in range(12)]
    assert sum(one is not None for one in ended) == 1
