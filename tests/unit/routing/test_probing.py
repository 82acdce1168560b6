"""Whom to compare: much where labels are cheap, little where they cost the reference's answer."""

from __future__ import annotations

import numpy as np

from scrimp.routing.probing import Effort, aim, floors, propensities, serving_rate
from scrimp.routing.standing import LossPromise

PROMISE = LossPromise(0.03, explore=0.02, spend=0.25)
SHARES = [0.05, 0.1, 0.2, 0.3, 0.4, 0.6]
CALM = [False] * 6


def test_what_is_served_is_compared_less_and_less() -> None:
    """The share falls with every request served, to the floor and not below."""
    rates = [
        serving_rate(PROMISE, served, Effort.GUARD, suspicious=False)
        for served in (0, 10, 100, 1000, 10_000, 10**6)
    ]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == 0.25
    assert rates[-1] == 0.02


def test_near_an_alarm_more_is_compared() -> None:
    """Doubt is settled by labels."""
    calm, near = (
        serving_rate(PROMISE, 10**6, Effort.GUARD, suspicious=flag) for flag in (False, True)
    )
    assert near == 4 * calm
    assert serving_rate(PROMISE, 0, Effort.FIRST, suspicious=True) == 1.0


def test_labels_above_what_is_live_are_cheap() -> None:
    """There the reference serves anyway: before a proof all are compared, later more than below."""
    before = propensities(6, live=-1, aim=2, serving=1.0, beyond=0.0)
    assert before.tolist() == [1, 1, 1, 0, 0, 0, 0]
    after = propensities(6, live=2, aim=4, serving=0.1, beyond=0.02)
    assert np.allclose(after, [0.1, 0.1, 0.1, 0.3, 0.3, 0.02, 0.02])


def test_the_floor_of_a_rung_is_the_least_of_what_it_serves() -> None:
    """Only so a bet on it stays positive."""
    assert floors(np.array([0.1, 0.3, 0.02, 0.02])).tolist() == [0.1, 0.1, 0.02]


def test_the_first_goal_is_a_fifth_and_the_next_not_twice_as_far() -> None:
    """Labels are not spread over traffic that cannot be proven soon."""
    assert aim(SHARES, -1, 1000, CALM) == 2
    assert aim(SHARES, 1, 1000, CALM) == 2
    assert aim(SHARES, 2, 1000, CALM) == 4
    assert aim(SHARES, 5, 1000, CALM) == 5


def test_before_shares_are_known_only_the_next_rung_is_sought() -> None:
    """Twenty requests tell no share."""
    assert aim(SHARES, -1, 20, CALM) == 0
    assert aim(SHARES, 1, 20, CALM) == 2


def test_what_looks_too_lossy_is_not_sought() -> None:
    """The goal stays below the first such rung; at the next one there is nothing left to seek."""
    assert aim(SHARES, -1, 1000, [False, True, True, True, True, True]) == 0
    assert aim(SHARES, 1, 1000, [True, True, True, True, True, True]) == 1
