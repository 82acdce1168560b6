"""Chances and prices in one: who challenges the reference, and what each dial chooses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scrimp.calls import Target
from scrimp.choosing import Wish
from scrimp.pipeline.ranking import Ranked
from scrimp.routing.filters import Offer
from scrimp.routing.predictor import Chances
from scrimp.routing.tables import ModelFacts
from scrimp.routing.text_features import WIDTH

_SURE = 500.0
_NO_FEATURES = np.zeros(WIDTH, np.float32)


def offer(name: str, cost: int | None, **facts: Any) -> Offer:
    """A model at a price."""
    return Offer(name, Target("p", name, "openai.chat"), ModelFacts(**facts), cost)


SMALL, MIDDLE, LARGE = offer("small", 10), offer("middle", 50), offer("large", 100)


def ranked(small: float, middle: float, large: float, sure: float = _SURE) -> Ranked:
    """With these chances of a good answer."""
    good = {"small": small, "middle": middle, "large": large}
    chances = Chances(good, dict.fromkeys(good, sure), 0.1)
    return Ranked(_NO_FEATURES, chances, (LARGE, SMALL, MIDDLE))


def test_the_challenger_loses_least_for_what_it_saves() -> None:
    """A loss of .2 for .9 of the cost is dearer than one of .05 for half of it."""
    found = ranked(0.7, 0.85, 0.9).challenger(LARGE)
    assert found is not None
    assert found[0] is MIDDLE
    assert found[1] == pytest.approx(0.05 / 0.5)
    best = ranked(0.88, 0.85, 0.9).challenger(LARGE)
    assert best is not None
    assert best[0] is SMALL


def test_who_is_thought_better_and_cheaper_has_a_score_below_zero() -> None:
    """And among such the one that saves more of it."""
    found = ranked(0.95, 0.95, 0.9).challenger(LARGE)
    assert found is not None
    assert found[0] is SMALL
    assert found[1] == pytest.approx(-0.05 * 0.9)


def test_nobody_challenges_the_cheapest_or_an_unknown_price() -> None:
    """Unknown is never cheaper."""
    assert ranked(0.9, 0.9, 0.9).challenger(SMALL) is None
    assert ranked(0.9, 0.9, 0.9).challenger(offer("large", None)) is None


@pytest.mark.parametrize(
    ("wish", "chosen", "why"),
    [
        (Wish("auto", max_loss=0.0), "large", "within_loss"),
        (Wish("auto", max_loss=0.06), "middle", "within_loss"),
        (Wish("auto", max_loss=0.3), "small", "within_loss"),
        (Wish("auto", floor=0.8), "middle", "above_floor"),
        (Wish("auto", floor=0.99), "large", "best"),
        (Wish("auto", budget_nanousd=1000), "large", "within_budget"),
    ],
)
def test_each_dial_chooses(wish: Wish, chosen: str, why: str) -> None:
    """By the estimate alone."""
    found, said = ranked(0.7, 0.85, 0.9).by_dial(wish, LARGE)
    assert (found.name, said) == (chosen, why)


def test_without_verdicts_the_settings_belief_holds() -> None:
    """And it fades as verdicts come."""
    believed = offer("small", 10, quality=0.9)
    chances = Chances({"small": 0.1}, {"small": 0.0}, 1.0)
    assert Ranked(_NO_FEATURES, chances, (believed,)).good["small"] == pytest.approx(0.9)
    half = Chances({"small": 0.1}, {"small": 15.0}, 1.0)
    assert Ranked(_NO_FEATURES, half, (believed,)).good["small"] == pytest.approx(0.5)
    sure = Chances({"small": 0.1}, {"small": 500.0}, 0.0)
    assert Ranked(_NO_FEATURES, sure, (believed,)).good["small"] == pytest.approx(0.1)


def test_the_trace_has_every_chance() -> None:
    """Three digits are enough."""
    assert ranked(0.71234, 0.85, 0.9).numbers == {
        "p_large": 0.9,
        "p_small": 0.712,
        "p_middle": 0.85,
        "novelty": 0.1,
    }
