"""How a day is played: in order where order matters, and as far apart as it was planned."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from scrimp.demo.player import AT_ONCE, Player, Progress, said, words
from scrimp.demo.traffic import PlannedCall, Say, Turn


class TiredError(Exception):
    """What the made-up SDK raises."""

    status_code = 503


def planned(at_s: int, conversation: str, turn: int = 1, text: str = "Hello?") -> PlannedCall:
    """One call of a day."""
    return PlannedCall(
        at_s=at_s,
        actor="support",
        sdk="openai",
        model="gpt-4o-mini",
        stream=False,
        conversation=conversation,
        turn=turn,
        system="You help.",
        step=Say(text),
        max_tokens=10,
        temperature=0.0,
        user="ana",
        session=conversation,
        tags=("support",),
    )


class Sdk:
    """Answers after a moment, remembers what it was asked and how many calls were in the air."""

    def __init__(self, *, failing: str = "") -> None:
        self.asked: list[tuple[PlannedCall, tuple[Turn, ...]]] = []
        self.in_air: list[PlannedCall] = []
        self.most_in_air = 0
        self.met: list[tuple[PlannedCall, PlannedCall]] = []
        self._failing = failing

    async def ask(self, call: PlannedCall, past: Sequence[Turn]) -> str:
        """Take a few turns of the loop, then answer or fail."""
        self.met += [(other, call) for other in self.in_air]
        self.in_air.append(call)
        self.most_in_air = max(self.most_in_air, len(self.in_air))
        self.asked.append((call, tuple(past)))
        for _ in range(5):
            await asyncio.sleep(0)
        self.in_air.remove(call)
        if call.conversation == self._failing:
            raise TiredError
        return f"reply to turn {call.turn}"


async def play(sdk: Sdk, *calls: PlannedCall) -> Progress:
    """Play these calls as a day."""
    progress = Progress(len(calls))
    await Player(sdk.ask, progress, errors=(TiredError,)).play(calls)
    return progress


async def test_a_turn_waits_for_the_reply_to_the_one_before() -> None:
    """Each turn is asked with all earlier turns and the replies that they really got."""
    sdk = Sdk()
    calls = [planned(turn, "talk", turn, f"Question {turn}") for turn in (1, 2, 3)]
    progress = await play(sdk, *calls)
    assert [past for _, past in sdk.asked] == [
        tuple(Turn(Say(f"Question {n}"), f"reply to turn {n}") for n in range(1, turn))
        for turn in (1, 2, 3)
    ]
    assert (progress.done, progress.failures) == (3, [])


async def test_conversations_run_side_by_side_up_to_a_limit() -> None:
    """No more calls are in the air at once than AT_ONCE, and no fewer when there are enough."""
    sdk = Sdk()
    await play(sdk, *(planned(n, f"talk-{n}", text=f"Question {n}") for n in range(3 * AT_ONCE)))
    assert sdk.most_in_air == AT_ONCE


async def test_equal_calls_that_were_minutes_apart_do_not_meet() -> None:
    """The second one is sent when the first is answered, also when it streams."""
    sdk = Sdk()
    late = replace(planned(300, "b"), stream=True)
    await play(sdk, planned(0, "a"), late, planned(310, "c", text="Something else"))
    assert (planned(0, "a"), late) not in sdk.met
    assert (planned(0, "a"), planned(310, "c", text="Something else")) in sdk.met


async def test_equal_calls_of_the_same_moment_do_meet() -> None:
    """Two people who ask the same thing at once do so here too."""
    sdk = Sdk()
    await play(sdk, planned(0, "a"), planned(1, "b"))
    assert len(sdk.met) == 1


async def test_a_failed_turn_is_told_once_and_ends_its_conversation() -> None:
    """Later turns are counted as failed and not sent; other conversations go on."""
    sdk = Sdk(failing="broken")
    progress = await play(
        sdk,
        planned(0, "broken", 1, "One"),
        planned(1, "broken", 2, "Two"),
        planned(2, "whole", 1, "Three"),
    )
    assert progress.failures == [
        "gpt-4o-mini: TiredError (503)",
        "gpt-4o-mini: an earlier turn of the conversation failed",
    ]
    assert progress.done == 3
    assert [call.conversation for call, _ in sdk.asked] == ["broken", "whole"]


def test_words_are_the_question_and_not_the_form_of_the_answer() -> None:
    """Streaming does not matter; another text, model or history does."""
    call = planned(0, "a")
    assert words(call, ()) == words(replace(call, stream=True, conversation="b"), ())
    assert words(call, ()) != words(replace(call, model="gpt-4.1-nano"), ())
    assert words(call, ()) != words(planned(0, "a", text="Bye."), ())


def test_an_error_is_named_without_its_text() -> None:
    """An SDK's message may quote a prompt, so only the kind and the status are told."""
    assert said(TiredError("secret words")) == "TiredError (503)"
    assert said(ValueError("secret words")) == "ValueError"
