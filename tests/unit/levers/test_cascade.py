"""The cascade: drafts, checks, escalation, and what it all cost and taught."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest

from scrimp.calls import FREE_COST, Finish, Task
from scrimp.choosing import Lesson, Wish
from scrimp.errors import Breach, BudgetExceeded, InvalidRequest, UpstreamError
from scrimp.ledger.booking import booked
from scrimp.ledger.steps import served_of
from scrimp.levers.record import Record
from scrimp.pipeline.cascade_plan import Steps
from scrimp.pipeline.chain import chain
from scrimp.pipeline.checking import CheckFunction
from scrimp.routing.stop_loss import StopLoss, StopLossRules
from tests.support.cascading import (
    BAD,
    CHEAP,
    GOOD,
    SUMS,
    Kitchen,
    answer_in,
    answering,
    asking,
    judged_by,
    scoring,
)
from tests.support.core import ListLedger, ListOutbox, call_of, chat_fields, flat_price, verdicts


def _saying(said: bool, question: str, answer: str) -> bool:  # noqa: FBT001 (a function's own)
    del question, answer
    return said


async def test_a_draft_that_passes_is_served_and_the_dear_model_never_asked() -> None:
    """Whole, held back from the client until then; the trace has who answered."""
    kitchen, call = Kitchen({"cheap": answering(GOOD)}), asking()
    reply = await kitchen.ask(call)
    assert (answer_in(reply), kitchen.provider.asked) == (GOOD, ["cheap"])
    assert not kitchen.provider.seen[0].sink.live
    assert kitchen.provider.seen[0].wish.fallback is False
    assert call.trace.headers["x-scrimp-cascade"] == "accepted cheap"
    assert verdicts(call, "cascade") == ["checked", "accepted"]
    assert reply.cacheable


async def test_a_draft_that_fails_leads_to_the_next_and_at_last_to_the_one_asked_for() -> None:
    """Every step in order; what was not served is marked so."""
    answers = {"cheap": answering(BAD), "mid": answering(BAD), "dear": answering(GOOD)}
    kitchen, call = Kitchen(answers, steps=Steps(("cheap", "mid"), SUMS)), asking()
    reply = await kitchen.ask(call)
    assert (answer_in(reply), kitchen.provider.asked) == (GOOD, ["cheap", "mid", "dear"])
    assert call.trace.headers["x-scrimp-cascade"] == "escalated dear"
    served = served_of(call.trace.attempts, call.trace.lines)
    assert served is not None
    assert served.target == call.target
    assert kitchen.provider.seen[-1].sink is call.sink
    result = booked(reply, call.trace.attempts, FREE_COST, call.trace.lines)
    assert (result.baseline_nanousd, result.saved) == (13, (("cascade", -4),))


async def test_an_accepted_draft_is_booked_beside_the_model_that_was_asked_for() -> None:
    """By the record lever: the asked model's price of the same tokens, less what was paid."""
    kitchen, ledger = Kitchen({"cheap": answering(GOOD)}), ListLedger()
    record = Record(ledger, ListOutbox(), kitchen.clock, flat_price, keep_content=False)
    await record(asking(), kitchen.ask)
    (entry,) = ledger.entries
    assert (entry.model, entry.cost_nanousd, entry.baseline_nanousd) == ("cheap", 1, 13)
    assert entry.saved == (("cascade", 12),)


@pytest.mark.parametrize("finish", ["refused", "truncated", "unknown"])
async def test_refused_and_truncated_drafts_lead_on_and_teach_nothing(finish: Finish) -> None:
    """They are neither right nor wrong, whatever stands in them."""
    answers = {"cheap": answering(BAD, finish), "dear": answering(GOOD)}
    kitchen = Kitchen(answers)
    assert answer_in(await kitchen.ask(asking())) == GOOD
    assert kitchen.lessons.all == []


async def test_a_refusal_in_words_teaches_nothing() -> None:
    """Models also refuse without saying so in their finish reason."""
    text = "I'm sorry, but I can't help with 2 + 2 = 5."
    kitchen = Kitchen({"cheap": answering(text), "dear": answering(GOOD)})
    await kitchen.ask(asking())
    assert kitchen.lessons.all == []


async def test_a_check_that_cannot_tell_leads_on() -> None:
    """Without a sum the arithmetic says nothing."""
    kitchen = Kitchen({"cheap": answering("Four."), "dear": answering(GOOD)})
    call = asking()
    assert answer_in(await kitchen.ask(call)) == GOOD
    lines = [dict(line.numbers) for line in call.trace.lines if line.verdict == "not_served"]
    assert [line["why"] for line in lines] == ["arithmetic: no sum in the answer"]


async def test_an_error_of_a_cheap_model_is_no_reason_to_fail() -> None:
    """The next one is asked."""
    errors = (UpstreamError("no", status=500), InvalidRequest("not for this model"))
    for error in errors:
        kitchen = Kitchen({"cheap": error, "dear": answering(GOOD)})
        assert answer_in(await kitchen.ask(asking())) == GOOD
        assert kitchen.provider.asked == ["cheap", "dear"]


async def test_what_breaks_in_the_cascade_itself_serves_nothing_unaccepted() -> None:
    """Neither its guard nor anybody else takes a draft that nobody has accepted."""
    kitchen = Kitchen({"cheap": answering(BAD), "dear": answering(GOOD)})

    def breaks(lesson: Lesson) -> None:
        raise ZeroDivisionError(lesson)

    kitchen.lessons.add = breaks  # type: ignore[method-assign]  # a port that breaks its promise
    call = asking()
    assert answer_in(await chain([kitchen.lever], kitchen.provider)(call)) == GOOD
    assert "broke" in verdicts(call, "cascade")


async def test_the_last_error_is_the_calls_own_where_a_draft_was_wrong() -> None:
    """What failed a check is not served in place of an error."""
    error = UpstreamError("overloaded", status=529)
    kitchen = Kitchen({"cheap": answering(BAD), "dear": error})
    with pytest.raises(UpstreamError) as caught:
        await kitchen.ask(asking())
    assert caught.value is error


@pytest.mark.parametrize(
    "error", [UpstreamError("no", status=500), BudgetExceeded("over", breach=Breach())]
)
async def test_a_draft_against_which_nothing_is_proven_stands_in_for_an_error(
    error: Exception,
) -> None:
    """As best effort: told in a header, and not remembered."""
    kitchen, call = Kitchen({"cheap": answering("Four."), "dear": error}), asking()
    reply = await kitchen.ask(call)
    assert (answer_in(reply), reply.cacheable) == ("Four.", False)
    assert call.trace.headers["x-scrimp-cascade"] == "best_effort cheap"
    served = served_of(call.trace.attempts, call.trace.lines)
    assert served is not None
    assert served.target == CHEAP


async def test_the_strongest_answer_is_served_where_nothing_passes_but_not_remembered() -> None:
    """Best effort."""
    kitchen, call = Kitchen({"cheap": answering(BAD), "dear": answering(BAD)}), asking()
    reply = await kitchen.ask(call)
    assert (answer_in(reply), reply.cacheable) == (BAD, False)
    assert call.trace.headers["x-scrimp-cascade"] == "best_effort dear"


@pytest.mark.parametrize(
    "changes",
    [
        {"wish": Wish(cascade=False)},
        {"wish": Wish("off")},
        {"wish": Wish(required="dear")},
        {"wish": Wish(low_latency=True)},
        {"wish": Wish(deadline_ms=500)},
        {"purpose": "warm"},
        {"operation": "embeddings"},
    ],
)
async def test_some_calls_go_direct(changes: Mapping[str, Any]) -> None:
    """Who switches it off, requires a model, is in a hurry; and what no client asked."""
    kitchen = Kitchen({"cheap": answering(GOOD), "dear": answering(GOOD)})
    await kitchen.ask(asking(**changes))
    assert kitchen.provider.asked == ["dear"]


async def test_without_anything_to_check_or_a_cheaper_model_it_goes_direct() -> None:
    """A cascade that accepts everything would be a route."""
    for kitchen in (
        Kitchen({"dear": answering(GOOD)}, steps=Steps(("cheap",), ())),
        Kitchen({"dear": answering(GOOD)}, steps=Steps((), SUMS)),
    ):
        await kitchen.ask(asking())
        assert kitchen.provider.asked == ["dear"]
    kitchen = Kitchen({"dear": answering(GOOD)})
    kitchen.cheaper = lambda _: False
    await kitchen.ask(asking())
    assert kitchen.provider.asked == ["dear"]


async def test_checks_are_settable_per_call_and_ladders_per_task() -> None:
    """What the call says comes first."""
    answers = {"cheap": answering("short"), "mid": answering(GOOD), "dear": answering(GOOD)}
    kitchen = Kitchen(answers, tasks={"math": Steps(("mid",), SUMS)})
    wish = Wish(checks=(("min_length", "3"),))
    assert answer_in(await kitchen.ask(asking(wish=wish))) == "short"
    assert answer_in(await kitchen.ask(asking(task=Task("math", "header")))) == GOOD
    assert kitchen.provider.asked == ["cheap", "mid"]


async def test_the_form_that_the_call_asks_for_is_always_checked() -> None:
    """JSON that is none is not served, whatever else passes."""
    fields = chat_fields(model="dear", response_format={"type": "json_object"})
    kitchen = Kitchen(
        {"cheap": answering("{broken"), "dear": answering("{}")},
        steps=Steps(("cheap",), (("min_length", "2"),)),
    )
    assert answer_in(await kitchen.ask(call_of(fields))) == "{}"


@pytest.mark.parametrize("parallel", [True, False])
@pytest.mark.parametrize(
    ("second", "served"), [("#### 4", "#### 4 "), ("#### 5", "dear"), ("", "dear")]
)
async def test_a_second_cheap_model_must_agree(
    second: str,
    served: str,
    parallel: bool,  # noqa: FBT001 (a parameter)
) -> None:
    """Beside the first or after it; its attempt is paid for by the same call."""
    answers = {
        "cheap": answering("#### 4 "),
        "other": answering(second) if second else UpstreamError("no", status=500),
        "dear": answering("dear"),
    }
    steps = Steps(("cheap",), (("agreement", "other"),))
    kitchen, call = Kitchen(answers, steps=steps, parallel=parallel), asking()
    reply = await kitchen.ask(call)
    assert answer_in(reply) == served
    assert kitchen.provider.asked[:2] == ["cheap", "other"]
    assert len(call.trace.attempts) == len(kitchen.provider.asked)
    result = booked(reply, call.trace.attempts, FREE_COST, call.trace.lines)
    saved = dict(result.saved).get("cascade", 0)
    assert result.cost.nanousd is not None
    assert result.baseline_nanousd == result.cost.nanousd + saved
    got = served_of(call.trace.attempts, call.trace.lines)
    assert got is not None
    assert got.target.model == ("cheap" if served == "#### 4 " else "dear")


async def test_a_second_opinion_is_spared_where_the_draft_has_failed() -> None:
    """Unless both were asked at once."""
    steps = Steps(("cheap",), (*SUMS, ("agreement", "other")))
    kitchen = Kitchen({"cheap": answering(BAD), "dear": answering(GOOD)}, steps=steps)
    await kitchen.ask(asking())
    assert kitchen.provider.asked == ["cheap", "dear"]


async def test_a_learned_score_decides_by_its_threshold() -> None:
    """Below it nobody knows that the draft is wrong: it teaches nothing, and may stand in."""
    steps = Steps(("cheap",), (("score", ""),))
    answers = {"cheap": answering(GOOD), "dear": answering("dear, said at some length")}
    for chance, served in ((0.8, GOOD), (0.6, "dear, said at some length")):
        kitchen, call = Kitchen(answers, steps=steps, checker=scoring(chance)), asking()
        assert answer_in(await kitchen.ask(call)) == served
        checked = next(line for line in call.trace.lines if line.verdict == "checked")
        numbers = dict(checked.numbers)
        assert (numbers["p"], numbers["least"]) == (chance, 0.7)
        assert [lesson.quality for lesson in kitchen.lessons.all] == []
    kitchen = Kitchen(answers, steps=steps)
    assert answer_in(await kitchen.ask(asking())) != GOOD


async def test_a_programs_own_check_decides() -> None:
    """Plain or async; True, False, None, an error, or never: only True is a pass."""

    def hangs(question: str, answer: str) -> bool:
        del question, answer
        asyncio.run(asyncio.sleep(30))
        return True

    async def waits(question: str, answer: str) -> bool:
        del question, answer
        await asyncio.Event().wait()
        return True

    async def says_yes(question: str, answer: str) -> bool:
        del question
        return answer == GOOD

    def breaks(question: str, answer: str) -> bool:
        raise ZeroDivisionError(question, answer)

    steps = Steps(("cheap",), (("function", ""),))
    answers = {"cheap": answering(GOOD), "dear": answering("dear")}
    cases: list[tuple[CheckFunction, str, str]] = [
        (lambda _q, a: a == GOOD, GOOD, ""),
        (says_yes, GOOD, ""),
        (lambda _q, _a: False, "dear", "said no"),
        (lambda _q, _a: None, "dear", "cannot tell"),
        (breaks, "dear", "broke (ZeroDivisionError)"),
        (hangs, "dear", "nothing within 0.05 s"),
        (waits, "dear", "nothing within 0.05 s"),
    ]
    for function, served, why in cases:
        limit_s = 0.05 if "within" in why else 30.0
        kitchen = Kitchen(answers, steps=steps, checker=judged_by(function, limit_s))
        call = asking()
        assert answer_in(await kitchen.ask(call)) == served
        lines = [dict(line.numbers) for line in call.trace.lines if line.verdict == "not_served"]
        assert [line["why"] for line in lines] == ([f"function: {why}"] if why else [])


async def test_what_checks_prove_is_taught() -> None:
    """A failure, a pass of what proves it, a draft that comes to another thing than the last."""
    kitchen = Kitchen({"cheap": answering(BAD), "dear": answering(GOOD)})
    await kitchen.ask(asking())
    (lesson,) = kitchen.lessons.all
    assert (lesson.model, lesson.quality, lesson.source) == ("cheap", 0.0, "check")
    assert (lesson.loss, lesson.cost_nanousd, lesson.features) == (None, 1, b"f")

    steps = Steps(("cheap",), (("function", ""),))
    for said, qualities in ((True, [1.0]), (False, [0.0])):
        kitchen = Kitchen(
            {"cheap": answering(GOOD), "dear": answering(GOOD)},
            steps=steps,
            checker=judged_by(partial(_saying, said)),
        )
        await kitchen.ask(asking())
        assert [one.quality for one in kitchen.lessons.all] == qualities

    for dear, quality, loss in (("#### 4", 1.0, 0.0), ("#### 6", 0.0, 1.0)):
        kitchen = Kitchen({"cheap": answering("#### 4."), "dear": answering(dear)})
        await kitchen.ask(asking())
        (lesson,) = kitchen.lessons.all
        assert (lesson.quality, lesson.loss, lesson.reference) == (quality, loss, "dear")


async def test_a_pass_of_what_proves_nothing_is_not_taught() -> None:
    """A long enough answer need not be right."""
    steps = Steps(("cheap",), (("min_length", "1"),))
    kitchen = Kitchen({"cheap": answering(BAD)}, steps=steps)
    await kitchen.ask(asking())
    assert kitchen.lessons.all == []


async def test_a_cascade_that_costs_more_stops_says_so_and_tries_again() -> None:
    """After so many calls, for so long, per route."""
    stop = StopLoss(StopLossRules(margin=0.05, least_calls=3, rest_s=60))
    kitchen = Kitchen({"cheap": answering(BAD), "dear": answering(GOOD)}, stop=stop)
    for _ in range(3):
        last = asking()
        await kitchen.ask(last)
    assert verdicts(last, "cascade")[-1] == "switched_off"
    call = asking()
    await kitchen.ask(call)
    assert kitchen.provider.asked == ["cheap", "dear"] * 3 + ["dear"]
    assert call.trace.headers["x-scrimp-cascade"] == "stopped"
    (line,) = [line for line in call.trace.lines if line.lever == "cascade"]
    assert dict(line.numbers)["why"] == "stopped: 8 % dearer than going direct"
    elsewhere = asking(task=Task("math", "header"))
    await kitchen.ask(elsewhere)
    assert kitchen.provider.asked[-2:] == ["cheap", "dear"]
    kitchen.clock.pass_by(61)
    await kitchen.ask(asking())
    assert kitchen.provider.asked[-2:] == ["cheap", "dear"]
