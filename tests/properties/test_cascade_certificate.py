"""Drafts accepted by a certified score: what is promised holds at every moment."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.drafting import Desk

_REPLAYS = 120
_CALLS = 400
_MOST = 14
"""Of 120 replays with a risk of 5 %, 15 violate or more with a chance of 0.1 %; the seeds are
fixed, so that the answer is always the same."""


def certified_at_the_bound(seed: int, harm: float, gain: float) -> bool:
    """Whether drafts that all look alike, and lose just what is allowed, are ever accepted."""
    desk = Desk(harm - gain, seed=seed)
    for luck in np.random.default_rng(seed).random(_CALLS).tolist():
        loss = 1.0 if luck < harm else -1.0 if luck < harm + gain else 0.0
        if desk.one(loss=loss).accepted:
            return True
    return False


@pytest.mark.parametrize(("harm", "gain"), [(0.06, 0.0), (0.15, 0.08), (0.3, 0.0)])
def test_drafts_that_lose_just_what_is_allowed_are_accepted_in_few_replays(
    harm: float, gain: float
) -> None:
    """Looking after every call, at most 5 % of replays ever accept one."""
    assert sum(certified_at_the_bound(seed, harm, gain) for seed in range(_REPLAYS)) <= _MOST


def too_low_a_score(seed: int) -> tuple[bool, float]:
    """Whether ever a least score is proven whose drafts lose too much; the share accepted last.

    Scores are uniform, and a draft of score s loses with chance 0.3 (1 - s): all from t on lose
    0.15 (1 - t)^2 in the mean over the traffic.
    """
    desk, dice, accepted, bad = Desk(0.03, seed=seed), np.random.default_rng(seed), 0, False
    for score, luck in dice.random((2 * _CALLS, 2)).tolist():
        accepted += desk.one(score, float(luck < 0.3 * (1 - score))).accepted
        (proof,) = desk.proofs
        if proof.certificate is not None and proof.certificate.ladder.proven >= 0:
            away = proof.certificate.rungs[proof.certificate.ladder.proven]
            bad = bad or 0.15 * away**2 > 0.03 + 1e-9
    return bad, accepted / (2 * _CALLS)


def test_a_least_score_is_proven_and_seldom_one_that_loses_too_much() -> None:
    """At every moment; and something is accepted, else nothing would have been shown."""
    found = [too_low_a_score(seed) for seed in range(60)]
    assert sum(bad for bad, _ in found) <= 8
    assert float(np.median([share for _, share in found])) > 0.05


def test_labels_that_are_missing_prove_nothing() -> None:
    """A judge that never can tell is a loss each time."""
    desk = Desk(0.05)
    rulings = [desk.one(loss=None) for _ in range(_CALLS)]
    assert not any(ruling.accepted for ruling in rulings)
    standing = desk.standing()
    assert standing is not None
    assert standing.lost > 20
