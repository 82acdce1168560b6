"""Several desks of one certificate: what is promised holds at every moment, in whatever order."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrimp.routing.bets import Bets
from scrimp.routing.certificate import Certificate
from scrimp.routing.standing import LossPromise, Verdict

_REPLAYS = 150
_MOST = 16
"""Of 150 replays with a risk of 5 %, 17 violate or more with a chance of 0.2 %; the seeds are
fixed, so that the answer is always the same."""
_EVERY = 10
Waiting = deque[tuple[int, int, float, Verdict]]


def tell(desks: list[Certificate], bets: Bets, now_s: float) -> None:
    """By the clock: each tells all that it has, then all hear how it stands."""
    for desk in desks:
        first, events = desk.first, desk.take_news()
        bets.tell(desk.owner, first, events, now_s)
        desk.told(len(events))
    for desk in desks:
        desk.hear(bets)


def certified_at_the_bound(seed: int, desks_count: int, wait: int) -> bool:
    """Whether a rung that loses just what is allowed is ever certified, at any desk.

    A label of a loss comes `wait` calls late, any other at once.
    """
    rng, promise = np.random.default_rng(seed), LossPromise(0.05)
    desks = [Certificate(promise, (0.2,), (0.2,), f"d{n}") for n in range(desks_count)]
    bets, waiting = Bets(promise, 1), Waiting()
    for number, (score, chance, luck) in enumerate(rng.random((500, 3)).tolist()):
        at = number % desks_count
        verdict = desks[at].decide(score, chance, barred=False)
        if verdict.serve_cheap:
            return True
        if verdict.shadow:
            lost = luck < 0.25
            waiting.append((number + wait * lost, at, float(lost), verdict))
        for due in [one for one in waiting if one[0] <= number]:
            waiting.remove(due)
            desks[due[1]].see(0.1, due[2], due[3])
        if number % _EVERY == _EVERY - 1:
            tell(desks, bets, float(number))
    return bets.ladder.proven >= 0


@pytest.mark.parametrize(("desks", "wait"), [(3, 0), (8, 40)])
def test_a_loss_of_exactly_the_bound_is_certified_in_few_replays_however_many_prove(
    desks: int, wait: int
) -> None:
    """Also where bad news takes longer, and each desk has some that the others do not know."""
    found = sum(certified_at_the_bound(seed, desks, wait) for seed in range(_REPLAYS))
    assert found <= _MOST


def tell_times(count: int, desk: Certificate, bets: Bets) -> None:
    """One who does not know whether it was heard."""
    events = desk.take_news()
    for _ in range(count):
        bets.tell(desk.owner, desk.first, events, 0.0)
    desk.told(len(events))


steps = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(["ask", "ask", "ask", "label", "lost", "withdraw", "tell", "twice"]),
        st.floats(0, 1),
        st.sampled_from([-1.0, 0.0, 1.0]),
    ),
    max_size=150,
)


@settings(max_examples=80, deadline=None)
@given(steps)
def test_every_bet_is_settled_once_whoever_tells_what_when(
    told: list[tuple[int, str, float, float]],
) -> None:
    """Labels of three desks, told late, told twice, lost or withdrawn: the sums agree."""
    promise = LossPromise(0.05)
    desks = [Certificate(promise, (0.3, 0.6), (0.3, 0.6), f"d{n}") for n in range(3)]
    bets, open_bets = Bets(promise, 2), [list[Verdict]() for _ in desks]
    labels = 0
    for at, what, score, loss in told:
        desk, mine = desks[at], open_bets[at]
        if what == "ask":
            verdict = desk.decide(score, 0.0, barred=False)
            if verdict.shadow:
                mine.append(verdict)
        elif what in ("tell", "twice"):
            tell_times(1 + (what == "twice"), desk, bets)
        elif mine and what == "withdraw":
            desk.withdraw(mine.pop(0))
        elif mine:
            verdict = mine.pop(0)
            desk.see(0.1, None if what == "lost" else loss, verdict)
            labels += verdict.rung <= 1
    for desk, mine in zip(desks, open_bets, strict=True):
        for verdict in mine:
            desk.withdraw(verdict)
    tell(desks, bets, 0.0)
    assert bets.restarts == 0
    assert len(bets) == 0
    assert bets.ladder.labels_of(1) == labels
    alone = Certificate(promise, (0.3, 0.6))
    assert alone.load(desks[0].save())
    assert alone.bets.heard == bets.heard
