"""Drafts accepted by a certified score: who is asked when, what begins anew, what is told."""

from __future__ import annotations

import dataclasses
from math import inf

import numpy as np
import pytest
from msgspec.structs import replace

from scrimp.checks.words import Answer, Question
from scrimp.pipeline.accepting import Scored
from scrimp.pipeline.comparing import Outcome
from scrimp.pipeline.proofs import FIRST
from scrimp.routing.acceptance import FEWEST, Made, fit
from scrimp.routing.answer_features import NAMES
from tests.support.core import reply_of
from tests.support.drafting import CHEAP, CHECKS, DEAR, HERE, Desk


def proven() -> Desk:
    """One whose cheap model never loses, up to the first draft that is accepted."""
    desk = Desk()
    for _ in range(2000):
        if desk.one().accepted:
            return desk
    raise AssertionError("nothing was ever accepted")


def test_nothing_is_accepted_before_it_is_proven_and_the_missing_labels_are_told() -> None:
    """The first scores make the thresholds; then a number of labels is named, and goes down."""
    desk = Desk()
    first = [desk.one() for _ in range(FIRST)]
    assert {one.accepted for one in first} == {False}
    assert first[0].why == f"1 of the {FIRST} scores that make thresholds were seen"
    later = [desk.one() for _ in range(10)]
    assert {one.accepted for one in later} == {False}
    told = [int(one.why.split("about ")[1].split()[0]) for one in (later[0], later[-1])]
    assert later[0].why.startswith("infeasible so far")
    assert told[0] > told[1] > 0
    assert (later[0].least, later[0].numbers["live"], later[0].numbers["propensity"]) == (
        inf,
        -1,
        1,
    )
    assert desk.judge.twins == []


def test_while_both_answers_are_there_only_the_judge_is_asked_afterwards_a_twin_is() -> None:
    """Of what is accepted a share, by chance, with its probability in the trace and the lesson."""
    desk = proven()
    assert desk.judge.judged > 20
    before = len(desk.judge.twins)
    rulings = [desk.one() for _ in range(400)]
    assert all(one.accepted and one.least == 1.0 for one in rulings)
    drawn = [one for one in rulings if one.drawn]
    assert 0 < len(drawn) < 350
    assert len(desk.judge.twins) == before + len(drawn)
    assert set(desk.judge.twins) == {DEAR}
    lesson = desk.lessons.all[-1]
    assert 0 < lesson.propensity < 1
    assert (lesson.source, lesson.loss, lesson.reference) == ("shadow", 0.0, "dear")


def test_drafts_that_lose_are_never_accepted_and_that_is_called_infeasible() -> None:
    """However many there are."""
    desk = Desk()
    rulings = [desk.one(loss=1.0) for _ in range(600)]
    assert not any(one.accepted for one in rulings)
    assert rulings[-1].why == "infeasible: drafts lose more than is allowed"


@pytest.mark.parametrize("who", ["draft", "reference"])
def test_another_version_of_either_model_begins_anew(who: str) -> None:
    """What was proven of the older one says nothing of it."""
    desk = proven()
    told = "cheap" if who == "draft" else "dear"
    desk.versions[f"openai/{told}"] = "v1"
    ruling = desk.rule()
    assert ruling.accepted
    model = replace(reply_of().facts, model="v2")
    other = replace(reply_of(), facts=model)
    answers = (other, None) if who == "draft" else (reply_of(), other)
    desk.acceptor.compare(desk.call, ruling, *answers)
    assert not desk.rule().accepted
    standing = desk.standing()
    assert standing is not None
    assert "is v2 now, it was v1" in standing.last_restart


def test_other_checks_another_prompt_or_another_fit_are_proven_by_themselves() -> None:
    """Each lets other drafts through."""
    desk = proven()
    assert desk.rule().accepted
    assert not desk.rule(models=2).accepted
    desk.scores.models["cheap"], before = desk.scores.models["cheap"], desk.scores.fit_of("cheap")
    desk.scores._ids["cheap"] = "another"
    assert desk.scores.fit_of("cheap") != before
    assert not desk.rule().accepted


def test_two_models_before_the_one_asked_for_share_what_may_be_lost_and_be_wrong() -> None:
    """So that all of them together keep the promise."""
    desk = Desk(0.06)
    desk.rule(models=3)
    (proof,) = desk.proofs
    assert proof.subjects.promise.max_loss == pytest.approx(0.02)
    assert proof.subjects.promise.confidence == pytest.approx(1 - 0.05 / 3)
    assert (proof.subjects.reference, proof.subjects.others) == ("openai/dear", ("openai/cheap",))
    assert proof.subjects.of_drafts


def test_what_nobody_learned_of_is_compared_until_it_can_be_scored() -> None:
    """Then fits stand still until there is twice as much to learn from."""
    desk = Desk(0.01, models={})
    for _ in range(FEWEST - 1):
        assert not desk.one(None).accepted
    assert (desk.fitted, desk.kept) == ([], [])
    desk.one(None)
    assert desk.fitted == ["cheap"]
    assert desk.scores(HERE, "cheap", "q", "a") is not None
    assert len(desk.kept) == 1
    for _ in range(FIRST + FEWEST - 1):
        desk.one(1.0)
    assert desk.fitted == ["cheap"]
    desk.one(1.0)
    assert desk.fitted == ["cheap", "cheap"]


def test_a_fit_by_which_drafts_are_served_is_left_alone() -> None:
    """A new one would void what is proven."""
    desk = proven()
    desk.fitted.clear()
    for _ in range(3000):
        desk.one()
    assert desk.fitted == []


def test_what_cannot_be_compared_is_withdrawn_and_holds_up_nothing() -> None:
    """A queue that is full, a judge that is down, a client that left."""
    desk = Desk()
    for _ in range(FIRST):
        desk.one()
    desk.later.full = True
    assert desk.one().drawn
    desk.later.full = False
    desk.judge.outcome = lambda: Outcome("unmade")
    ruling = desk.rule()
    desk.acceptor.compare(desk.call, ruling, reply_of(), reply_of())
    gone = desk.rule()
    assert gone.drawn
    desk.acceptor.withdraw(gone)
    standing = desk.standing()
    assert standing is not None
    assert (standing.pending, standing.lost, standing.labels) == (0, 0, 0)


def test_drafts_made_to_prove_are_paid_by_the_money_for_comparing_while_there_is_some() -> None:
    """They say nothing of what cascading costs; once it is gone, or nothing can be won, they do."""
    desk = Desk()
    assert desk.one().proving
    assert desk.judge.spent_nanousd == (desk.call.trace.attempts[0].cost.nanousd or 0)
    desk.judge.may_spend = False
    assert not desk.one().proving
    desk.judge.may_spend = True
    assert [desk.one(loss=1.0).proving for _ in range(600)][-1] is False
    assert not proven().one().proving


def test_a_judge_that_would_grade_itself_proves_nothing_and_is_not_asked() -> None:
    """The reason is told."""
    desk = Desk(barred=lambda target: f"{target.model} judges")
    ruling = desk.one()
    assert (ruling.accepted, ruling.drawn, ruling.why) == (False, False, "dear judges")
    assert (desk.judge.judged, list(desk.proofs)) == (0, [])


def test_a_question_too_long_to_judge_goes_to_the_model_asked_for() -> None:
    """What is never compared is never served by a model that a proof says nothing of."""
    desk = proven()
    large = replace(desk.call, request=replace(desk.call.request, stateful=True))
    desk.call = large
    ruling = desk.rule()
    assert (ruling.accepted, ruling.drawn, ruling.why) == (False, False, "stateful")


def test_a_draft_is_ruled_by_the_fit_that_scored_it_though_another_came_meanwhile() -> None:
    """Its score says nothing of what is proven of the other."""
    desk = proven()
    scored = desk.scores.fit_of("cheap")
    desk.scores._ids["cheap"] = "another"
    seen = (HERE, Question("2 + 2?"), Answer("4"), CHEAP)
    ruling = desk.acceptor.rule(desk.call, Scored(*seen, CHECKS, 1, 1.0, scored, 0, 1))
    assert ruling.accepted
    assert not desk.rule().accepted


def test_an_engine_makes_no_fit_in_the_place_of_one_that_was_trained() -> None:
    """However much there is to learn from meanwhile."""
    dice = np.random.default_rng(1)
    rows = dice.random((60, len(NAMES)))
    found = fit(rows, (rows[:, 0] > 0.5).astype(np.float64))
    assert found is not None
    desk = Desk(0.01, models={"cheap": dataclasses.replace(found, made=Made("t", "file", "why"))})
    for _ in range(FIRST + 2 * FEWEST + 60):
        desk.one(1.0)
    assert desk.fitted == []
