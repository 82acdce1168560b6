"""Bets on a mean loss are fair at worst: exactly, one by one and over all courses they can take."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrimp.routing import loss_betting as betting
from scrimp.routing.loss_betting import Floats

losses = st.floats(-1, 1)
shares = st.floats(0, 1)
bounds = st.floats(0.001, 1)


def _mean(labels: Floats, credit: Floats, propensity: float, chances: Floats) -> Floats:
    """The expected factor of each stake: compared with this propensity, else credit alone."""
    paid = (np.exp(labels) * chances[:, None]).sum(axis=0)
    return np.asarray(propensity * paid + (1 - propensity) * np.exp(credit), np.float64)


@given(losses, losses, shares, bounds, st.floats(0.01, 1), shares)
def test_no_stake_gains_on_a_loss_at_the_bound_or_above(  # noqa: PLR0917 - one per number
    low: float, high: float, mix: float, bound: float, propensity: float, fraction: float
) -> None:
    """Whatever is lost, compared however rarely, under any floor below the propensity."""
    values, chances = np.array([low, high]), np.array([1 - mix, mix])
    mean, floor = float(values @ chances), np.array([fraction * propensity])
    credit = betting.credit(bound, floor)[0]
    each = np.array([betting.label(bound, floor, np.array([x / propensity]))[0] for x in values])
    assert np.isfinite(each).all()
    if mean >= bound:
        assert (_mean(each, credit, propensity, chances) <= 1 + 1e-9).all()
    against = betting.surprise_credit(bound, floor)[0]
    each = np.array(
        [betting.surprise_label(bound, floor, np.array([x / propensity]))[0] for x in values]
    )
    assert np.isfinite(each).all()
    if mean <= bound:
        assert (_mean(each, against, propensity, chances) <= 1 + 1e-9).all()


@pytest.mark.parametrize("bound", [0.02, 0.15, 0.4, 0.8])
@pytest.mark.parametrize("worst", [1.0, 0.9])
def test_over_all_courses_a_loss_at_the_bound_is_proven_with_alpha_at_most(
    bound: float, worst: float
) -> None:
    """Each course of 800 labels, weighed exactly: those that ever prove it weigh 5 % or less.

    A coin loses `worst` or nothing, and its mean is the bound; to stop at the first moment at which
    it is proven is the rule that hurts most. What is won depends only on how often it lost.
    """
    heads, labels = bound / worst, 800
    won, lost = (betting.label(bound, np.ones(1), np.array([loss]))[0] for loss in (0.0, worst))
    chances, proven = np.array([1.0]), 0.0
    for count in range(1, labels + 1):
        chances = np.append(chances * (1 - heads), 0.0) + np.append(0.0, chances * heads)
        times = np.arange(count + 1)[:, None]
        wealth = betting.wealth(betting.opening(1) + times * lost + (count - times) * won)
        there = wealth >= betting.needed(0.05)
        proven += float(chances[there].sum())
        chances[there] = 0.0
    assert 0.005 < proven <= 0.05


def test_the_mixture_starts_at_one() -> None:
    """Nothing is won before the first bet."""
    assert np.allclose(betting.wealth(betting.opening(3)), 0.0)
    assert (betting.STAKES < 1).all()
    assert (betting.SURPRISES < 0.5).all()
