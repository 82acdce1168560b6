"""A score of drafts goes live only where it beats what is there, and what looks at no draft."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from math import isnan

import numpy as np
import pytest
from msgspec.structs import replace as changed

from scrimp.choosing import Lesson, Place
from scrimp.routing.answer_features import VERSION, packed
from scrimp.routing.gate import FEWEST
from scrimp.routing.rows import Row, read_rows
from scrimp.studies.accepting_gate import SHARES, score_verdict
from scrimp.studies.drafts import (
    Columns,
    Draft,
    columns_of,
    cross_fitted,
    drafts_of_lessons,
    drafts_of_rows,
)
from scrimp.studies.score_curves import MIX, ORACLE, SCORE, score_picture, told_apart
from tests.support.core import NOON
from tests.support.drafted import Tell, rows

NAMES = ("weak", "strong")


def labelled(count: int, *, tell: Tell = "hedges", seed: int = 1, right: float = 0.6) -> Columns:
    """Drafts of a file."""
    found = read_rows(rows(count, tell=tell, seed=seed, right=right), "f")
    return columns_of(drafts_of_rows(found, *NAMES))


@pytest.fixture(scope="module")
def good() -> Columns:
    """Drafts whose wrong ones can be told."""
    return labelled(240)


def lessons(count: int = 60, *, propensity: float = 1.0) -> list[Lesson]:
    """As a cascade keeps them: every third draft was worse."""
    return [
        Lesson(
            place=Place("local"),
            at=NOON + timedelta(seconds=number),
            call=f"c{number}",
            model="weak",
            quality=float(number % 3 > 0),
            features=packed("How many?", "2 + 2 = 4" if number % 3 else "Maybe 2 + 2 = 5"),
            version=VERSION,
            source="shadow",
            propensity=propensity,
            loss=float(number % 3 == 0),
            reference="strong",
            cost_nanousd=1000,
        )
        for number in range(count)
    ]


def test_a_score_that_tells_drafts_apart_beats_both_models_and_their_mix(good: Columns) -> None:
    """On drafts that its fit has not seen, at several shares served."""
    scores = cross_fitted(good)
    verdict = score_verdict(good, scores, NAMES)
    assert verdict.live
    assert verdict.why.startswith("beats a blind mix of weak and strong: +")
    assert len(verdict.at) == len(SHARES)
    assert all(one.before is None for one in verdict.at)
    apart = told_apart(good, scores)
    assert apart is not None
    assert apart > 0.9


@pytest.mark.parametrize("seed", range(6))
def test_a_score_that_tells_nothing_never_goes_live(seed: int) -> None:
    """However many drafts there are: it does no better than chance."""
    drafts = labelled(150, tell="nothing", seed=seed)
    verdict = score_verdict(drafts, cross_fitted(drafts), NAMES)
    assert not verdict.live
    assert verdict.why.startswith("not shown to beat ")


def test_a_cheap_model_that_is_always_right_needs_no_score() -> None:
    """Alone it is as good, and escalating only costs."""
    drafts = labelled(150, right=1.0)
    verdict = score_verdict(drafts, np.linspace(0, 1, 150), NAMES)
    assert not verdict.live
    assert "weak" in verdict.why


def test_too_few_drafts_say_nothing(good: Columns) -> None:
    """The verdict names both numbers."""
    few = good.only(np.arange(len(good.quality)) < 30)
    verdict = score_verdict(few, np.ones(30), NAMES)
    assert (verdict.live, verdict.missing) == (False, FEWEST - 30)
    assert verdict.why.startswith("30 drafts were compared")


def test_the_score_of_now_is_to_be_beaten_on_drafts_that_neither_has_seen(good: Columns) -> None:
    """One that learned from other drafts, badly, gives way; one as good stays."""
    other = labelled(200, tell="turns", seed=3).fitted()
    same = labelled(240, seed=9).fitted()
    assert other is not None
    assert same is not None
    scores = cross_fitted(good)
    beaten = score_verdict(good, scores, NAMES, now=other)
    assert beaten.live
    assert "the score of now: +" in beaten.why
    stays = score_verdict(good, scores, NAMES, now=same)
    assert not stays.live
    assert stays.why.startswith("not shown to beat the score of now")
    own = good.fitted()
    seen = score_verdict(good, scores, NAMES, now=own)
    assert (seen.live, seen.missing) == (False, FEWEST)
    assert seen.why.startswith("0 drafts that the score of now has not learned from")


def test_a_fit_of_before_that_kept_no_marks_is_held_against_all_drafts(good: Columns) -> None:
    """Also those that it has learned from: that speaks for it, so nothing is lost."""
    own = good.fitted()
    assert own is not None
    old = replace(own, seen=b"")
    verdict = score_verdict(good, cross_fitted(good), NAMES, now=old)
    assert not verdict.live
    assert verdict.at[0].before is not None
    assert verdict.at[0].before.rows == len(good.quality)


def test_a_least_score_that_a_person_gave_is_the_one_that_is_judged(good: Columns) -> None:
    """At that, not at shares; one that lets nothing pass is worth nothing."""
    scores = cross_fitted(good)
    (at,) = score_verdict(good, scores, NAMES, least=0.5).at
    assert at.share == pytest.approx(float((scores >= 0.5).mean()))
    none = score_verdict(good, scores, NAMES, least=1.1)
    assert (none.live, none.at[0].share, none.at[0].least) == (False, 0.0, 1.0)


def test_a_draft_that_was_drawn_seldom_counts_for_many(good: Columns) -> None:
    """One over its probability: as if it stood there so often."""
    weights = np.where(np.arange(len(good.quality)) % 2 == 0, 3.0, 1.0)
    weighted = changed(good, weight=weights)
    repeated = np.repeat(np.arange(len(weights)), weights.astype(int))
    often = Columns(*(getattr(good, name)[repeated] for name in good.__struct_fields__))
    scores = cross_fitted(good)
    one = score_verdict(weighted, scores, NAMES).at
    two = score_verdict(often, scores[repeated], NAMES).at
    both = [sorted(found, key=lambda at: at.share) for found in (one, two)]
    for mine, theirs in zip(*both, strict=True):
        assert mine.quality == pytest.approx(theirs.quality)
        assert mine.usd == pytest.approx(theirs.usd)
        assert mine.blind.closest.edge == pytest.approx(theirs.blind.closest.edge)


def test_lessons_that_were_drawn_are_judged_the_others_teach() -> None:
    """A check looks where something else has looked before; a price nobody knows judges nothing."""
    drawn = lessons(propensity=0.25)
    checks = [changed(one, source="check", call=f"k{one.call}") for one in drawn]
    old = [changed(one, version="answer-0") for one in drawn[:5]]
    others = [changed(one, model="other") for one in drawn[:7]]
    found, left = drafts_of_lessons([*drawn, *checks, *old, *others], "weak", lambda _: 10.0)
    assert (len(found), left) == (120, 5)
    columns = columns_of(found)
    assert columns.judged.sum() == 60
    assert set(columns.weight[columns.judged]) == {4.0}
    first = found[0]
    assert (first.quality, first.gain, first.best) == (0.0, 1.0, 1.0)
    assert first.best_usd == pytest.approx(10 * first.draft_usd)
    unpriced, _ = drafts_of_lessons(drawn, "weak", lambda _: None)
    assert not columns_of(unpriced).judged.any()
    assert columns_of([]).judged.sum() == 0


def test_files_teach_with_answers_only() -> None:
    """Without the other's label a draft teaches whether it is right, and is not judged."""
    (row, *_) = read_rows(rows(3), "f")
    alone = Row(row.line, row.prompt, {"weak": row.labels["weak"]})
    silent = Row(
        row.line, row.prompt, {**row.labels, "weak": changed(row.labels["weak"], response="")}
    )
    found = drafts_of_rows([row, alone, silent], *NAMES)
    assert [one.best is None for one in found] == [False, True]
    assert [one.gain is None for one in found] == [False, True]
    assert isnan(columns_of(found).gain[1])
    assert "response" not in repr(found[0])
    assert "features" not in repr(found[0])


def test_of_many_drafts_the_newest_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no training takes hours; features that are no numbers teach nothing."""
    monkeypatch.setattr("scrimp.studies.drafts.MOST", 10)
    many = drafts_of_rows(read_rows(rows(25), "f"), *NAMES)
    assert len(columns_of(many).quality) == 10
    broken = Draft(b"\xff" * len(many[0].features), 1.0, b"12345")
    assert len(columns_of([broken]).quality) == 0


def test_the_picture_pays_every_draft_and_ends_at_both(good: Columns) -> None:
    """None asked anew costs the drafts; all asked anew costs both answers."""
    shown = score_picture(good, cross_fitted(good), NAMES)
    lines = {line.name: line.points for line in shown.lines}
    assert set(lines) == {SCORE, MIX, ORACLE}
    for name in (SCORE, ORACLE):
        (least, worst), (most, best) = lines[name][0], lines[name][-1]
        assert [least, most] == pytest.approx([0.1, 1.1])
        assert [worst, best] == pytest.approx([shown.models[one][1] for one in NAMES])
    assert told_apart(good.only(good.best <= good.quality), np.ones(len(good.quality))) is None
