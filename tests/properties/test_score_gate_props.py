"""The gate of a score of drafts, whatever the drafts: no harm, no dependence on units."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from scrimp.routing.answer_features import NAMES
from scrimp.studies.accepting_gate import score_verdict
from scrimp.studies.drafts import Columns, Floats
from scrimp.studies.score_curves import score_picture

_ALONE = ("weak", "strong")


@st.composite
def drafts(draw: st.DrawFn) -> tuple[Columns, Floats]:
    """Judged drafts and scores of any kind."""
    count = draw(st.integers(50, 90))
    dice = np.random.default_rng(draw(st.integers(0, 10**6)))
    right, knows = draw(st.floats(0.05, 0.95)), draw(st.floats(0.05, 1.0))
    quality = (dice.random(count) < right).astype(np.float64)
    best = (dice.random(count) < knows).astype(np.float64)
    weight = dice.choice([1.0, 4.0, 50.0], count)
    cheap, dear = dice.random(count) * 1e-4, 1e-5 + dice.random(count) * 1e-2
    told = draw(st.floats(0, 1))
    scores = told * quality + (1 - told) * dice.random(count)
    mark = np.array([number.to_bytes(5, "big") for number in range(count)], "S5")
    features = np.zeros((count, len(NAMES)))
    return Columns(features, quality, best - quality, best, cheap, dear, weight, mark), scores


@given(drafts())
@settings(max_examples=60, deadline=None)
def test_what_goes_live_was_the_better_one_on_what_was_held_back(
    given_: tuple[Columns, Floats],
) -> None:
    """Than each model alone, and than their mix at its cost, by the plain numbers, too."""
    found, scores = given_
    verdict = score_verdict(found, scores, _ALONE)
    if not verdict.live:
        return
    best = verdict.at[0]
    weights = found.weight / found.weight.sum()
    weak, strong = (float(weights @ one) for one in (found.quality, found.best))
    cheap, dear = (float(weights @ one) for one in (found.draft_usd, found.best_usd))
    assert best.quality > weak
    assert best.usd < dear or best.quality > strong
    if cheap < best.usd < dear:
        share = (best.usd - cheap) / (dear - cheap)
        assert best.quality > (1 - share) * weak + share * strong


@given(drafts(), st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
@settings(max_examples=40, deadline=None)
def test_it_asks_neither_for_units_of_money_nor_of_weight(
    given_: tuple[Columns, Floats], money: float, weight: float
) -> None:
    """Ten times dearer, or each draft for ten: the same verdict."""
    found, scores = given_
    other = replace(
        found,
        draft_usd=found.draft_usd * money,
        best_usd=found.best_usd * money,
        weight=found.weight * weight,
    )
    one, two = (score_verdict(drafted, scores, _ALONE) for drafted in (found, other))
    assert one.live == two.live
    for mine, theirs in zip(
        *(sorted(v.at, key=lambda at: at.share) for v in (one, two)), strict=True
    ):
        assert mine.quality == pytest.approx(theirs.quality)
        assert mine.usd * money == pytest.approx(theirs.usd)


@given(drafts())
@settings(max_examples=40, deadline=None)
def test_a_picture_lies_between_what_nobody_and_what_everybody_is_asked_anew(
    given_: tuple[Columns, Floats],
) -> None:
    """Costs only rise, and no way is better than the one that knows."""
    found, scores = given_
    shown = score_picture(found, scores, _ALONE)
    lines = {line.name: line.points for line in shown.lines}
    for name in ("score", "oracle"):
        costs = [cost for cost, _ in lines[name]]
        assert costs == sorted(costs)
    top = max(quality for _, quality in lines["oracle"])
    assert all(quality <= top + 1e-9 for _, quality in lines["score"])
