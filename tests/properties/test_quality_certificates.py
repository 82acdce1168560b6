"""Certificates over a thousand replays at every moment: true risks, drift, audits, noisy judges."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from scrimp.quality.betting import alarm_step, certificate_step, mixed

REPLAYS, LENGTH, ALPHA, BOUND = 1_000, 1_500, 0.05, 0.04
SLACK = 1.6 * (ALPHA / REPLAYS) ** 0.5
"""What chance adds to a share of 5 % in a thousand replays: past this once in a thousand runs."""
Floats = NDArray[np.float64]


def certified(wrong: Floats, scale: Floats, bound: float = BOUND) -> NDArray[np.bool_]:
    """At which moments the risk is proven to be below the bound: replays by moments."""
    steps = certificate_step(np.full_like(wrong, bound), wrong, scale)
    needed = -np.log(ALPHA)
    return np.asarray(mixed(np.cumsum(steps, axis=1)) >= needed, np.bool_)


def rung(wrong: Floats, scale: Floats) -> NDArray[np.bool_]:
    """Which replays ever raise the alarm."""
    ages = np.arange(wrong.shape[1], dtype=np.float64)
    starts = 1 / ((ages + 1) * (ages + 2))
    factors = alarm_step(BOUND, wrong, scale)
    wealth = np.zeros((wrong.shape[0], factors.shape[-1]))
    ever = np.zeros(wrong.shape[0], np.bool_)
    for at in range(wrong.shape[1]):
        wealth = np.minimum((wealth + starts[at]) * factors[:, at], 1e12)
        ever |= wealth.mean(axis=1) >= 1 / ALPHA
    return ever


def drawn(risks: Floats, seed: int) -> Floats:
    """Wrong answers at these risks, for all replays."""
    return (np.random.default_rng(seed).random((REPLAYS, len(risks))) < risks).astype(np.float64)


@pytest.mark.parametrize("seed", range(3))
def test_a_risk_at_the_bound_is_hardly_ever_certified(seed: int) -> None:
    """Looked at after every verdict, at most the stated share of replays is ever certified."""
    wrong = drawn(np.full(LENGTH, BOUND), seed)
    assert certified(wrong, np.ones_like(wrong)).any(axis=1).mean() <= ALPHA + SLACK


@pytest.mark.parametrize("seed", range(3))
def test_no_certificate_stands_while_the_mean_risk_is_too_high(seed: int) -> None:
    """A risk that drifts: few replays are ever certified at a moment when that is untrue."""
    dice = np.random.default_rng(seed)
    for risks in (
        np.where(np.arange(LENGTH) < 300, 0.005, 0.15),
        BOUND * (1 + np.sin(np.arange(LENGTH) / 40)),
        dice.permutation(np.linspace(0, 2.2 * BOUND, LENGTH)),
    ):
        untrue = np.cumsum(risks) / np.arange(1, LENGTH + 1) >= BOUND
        wrong = drawn(risks, seed)
        stands = certified(wrong, np.ones_like(wrong))
        assert (stands & untrue).any(axis=1).mean() <= ALPHA + SLACK


@pytest.mark.parametrize("seed", range(2))
def test_audits_that_follow_the_risk_do_not_break_the_proof(seed: int) -> None:
    """Some answers are judged, risky ones more often: bets are scaled, the share is kept."""
    dice = np.random.default_rng(seed)
    risks = dice.choice([0.0, 0.02, 0.12], p=[0.4, 0.4, 0.2], size=(REPLAYS, LENGTH))
    bound = 0.032  # the mean of these
    floor = 0.1
    propensity = np.clip(risks * 8, floor, 1.0)
    wrong = (dice.random(risks.shape) < risks).astype(np.float64)
    judged = dice.random(risks.shape) < propensity
    scale = np.where(judged, floor / propensity, 0.0)
    assert certified(wrong, scale, bound).any(axis=1).mean() <= ALPHA + SLACK


def test_a_noisy_judge_is_corrected() -> None:
    """A judge who misses 10 % of the wrong answers must find fewer: then the share is kept."""
    dice = np.random.default_rng(77)
    wrong = drawn(np.full(LENGTH, BOUND), 1)
    seen = wrong * (dice.random(wrong.shape) >= 0.1)
    every = np.ones_like(seen)
    assert certified(seen, every, BOUND * 0.9).any(axis=1).mean() <= ALPHA + SLACK
    assert certified(seen, every).any(axis=1).mean() > ALPHA + SLACK


def test_a_low_risk_is_certified_soon() -> None:
    """It has power: a quarter of the bound is proven in most replays by 400 verdicts."""
    wrong = drawn(np.full(LENGTH, BOUND / 4), 5)
    stands = certified(wrong, np.ones_like(wrong))
    assert stands[:, 400].mean() > 0.8
    assert stands[:, -1].mean() > 0.98


@pytest.mark.parametrize("seed", range(2))
def test_the_alarm_hardly_ever_rings_falsely(seed: int) -> None:
    """A risk at the bound raises it in at most the stated share of replays, ever."""
    wrong = drawn(np.full(LENGTH, BOUND), seed)
    assert rung(wrong, np.ones_like(wrong)).mean() <= ALPHA + SLACK


def test_the_alarm_rings_after_a_drift() -> None:
    """After a long good time a risk of five times the bound is told."""
    risks = np.where(np.arange(LENGTH) < 1_000, BOUND / 2, BOUND * 5)
    wrong = drawn(risks, 3)
    assert rung(wrong, np.ones_like(wrong)).mean() > 0.99
