"""Certificates of routes, whatever comes: validity at any time, order, memory, hostile numbers."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrimp.routing.certificate import Certificate
from scrimp.routing.standing import LossPromise, Verdict

RUNGS = (0.1, 0.2, 0.35, 0.5)
_REPLAYS = 400
_MOST = 33
"""Of 400 replays with a risk of 5 %, 20 violate in the mean; 34 or more have a chance of 0.2 %, and
the seeds are fixed, so that the answer is always the same."""

anything = st.floats(allow_nan=True, allow_infinity=True, width=64)
steps = st.lists(
    st.tuples(anything, anything, st.booleans(), st.one_of(st.none(), anything), st.booleans()),
    max_size=120,
)


def play(
    certificate: Certificate, rows: list[tuple[float, float, bool, float | None, bool]]
) -> list[Verdict]:
    """Decide each row; label at once or when all are decided."""
    late, seen = [], []
    for score, chance, barred, loss, at_once in rows:
        verdict = certificate.decide(score, chance, barred=barred)
        seen.append(verdict)
        if verdict.shadow and at_once:
            certificate.see(score, loss, verdict)
        elif verdict.shadow:
            late.append((score, loss, verdict))
    for score, loss, verdict in reversed(late):
        certificate.see(score, loss, verdict)
    return seen


@settings(max_examples=60, deadline=None)
@given(steps)
def test_no_input_makes_a_number_that_is_none(
    rows: list[tuple[float, float, bool, float | None, bool]],
) -> None:
    """Hostile scores, chances and labels leave every number finite and every verdict sane."""
    certificate = Certificate(LossPromise(0.05), RUNGS)
    for (score, _, barred, _, _), verdict in zip(rows, play(certificate, rows), strict=True):
        assert 0.0 <= verdict.propensity <= 1.0
        assert not (verdict.serve_cheap and (barred or not math.isfinite(score)))
        assert 0 <= verdict.rung <= len(RUNGS)
    standing = certificate.standing()
    for rung in standing.rungs:
        assert math.isfinite(rung.log_wealth)
        assert math.isfinite(rung.alarm)
        assert rung.loss is None or -1.0 <= rung.loss <= 1.0
        assert 0.0 <= rung.share <= 1.0 + 1e-9


@settings(max_examples=60, deadline=None)
@given(steps)
def test_saved_and_loaded_it_goes_on_as_before(
    rows: list[tuple[float, float, bool, float | None, bool]],
) -> None:
    """A copy from bytes has the same standing and decides the same."""
    certificate, copy = (Certificate(LossPromise(0.05), RUNGS) for _ in range(2))
    play(certificate, rows)
    certificate.decide(0.05, 0.999, barred=False)
    assert copy.load(certificate.save())
    assert copy.standing().rungs == certificate.standing().rungs
    assert copy.standing().live == certificate.standing().live
    assert copy.save() == certificate.save()
    for score in (0.05, 0.15, 0.3, 0.45, 0.9):
        ours, theirs = (one.decide(score, 0.5, barred=False) for one in (certificate, copy))
        assert (ours.serve_cheap, ours.rung) == (theirs.serve_cheap, theirs.rung)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 4000), st.integers(0, 255))
def test_a_damaged_state_is_never_taken_up(junk: bytes, at: int, byte: int) -> None:
    """Junk, or a saved state with a byte turned: taken up whole or not at all."""
    certificate = Certificate(LossPromise(0.05), RUNGS)
    play(certificate, [(0.05, 0.0, False, 0.0, True)] * 5)
    saved = certificate.save()
    turned = bytearray(saved)
    turned[at % len(turned)] = byte
    for state in (junk, bytes(turned), saved[:at], saved + junk):
        fresh = Certificate(LossPromise(0.05), RUNGS)
        assert fresh.load(state) == (state == saved)
        assert fresh.standing().labels == (5 if state == saved else 0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.floats(0, 1), st.floats(0, 1))
def test_a_safer_request_is_served_cheap_where_a_riskier_one_is(
    seed: int, one: float, other: float
) -> None:
    """At every moment the decision is monotone in the score."""
    rng = np.random.default_rng(seed)
    certificate = Certificate(LossPromise(0.05), RUNGS, RUNGS)
    for score, luck in rng.random((300, 2)).tolist():
        verdict = certificate.decide(score, 0.5, barred=False)
        if verdict.shadow:
            certificate.see(score, float(luck < 0.1 * score), verdict)
    low, high = min(one, other), max(one, other)
    safer, riskier = (certificate.decide(at, 0.999, barred=False) for at in (low, high))
    assert safer.serve_cheap >= riskier.serve_cheap
    assert safer.rung <= riskier.rung


def test_memory_does_not_grow_with_traffic() -> None:
    """After a sixty thousand requests a certificate is as large as after six thousand."""

    def size(requests: int) -> int:
        certificate = Certificate(LossPromise(0.05, explore=0.5), RUNGS)
        for at in range(requests):
            verdict = certificate.decide((at % 97) / 97, (at * 0.618) % 1.0, barred=False)
            if verdict.shadow and at % 3:
                certificate.see((at % 97) / 97, 0.0, verdict)
        bets = certificate.bets
        pending = sum(sys.getsizeof(bet) for bet in bets.awaited)
        held = sys.getsizeof(bets._open) + sys.getsizeof(certificate._mine)
        return len(certificate.save()) + pending + held

    assert size(60_000) <= size(6_000) + 64


def _certified_at_the_null(seed: int, harm: float, gain: float) -> bool:
    """Whether a rung whose loss is exactly what is promised is ever certified.

    All rungs are one policy here: a fifth of the traffic, with `harm - gain` times a fifth lost.
    """
    rng = np.random.default_rng(seed)
    promise = LossPromise((harm - gain) * 0.2)
    certificate = Certificate(promise, (0.2,), (0.2,))
    for score, chance, luck in rng.random((1000, 3)).tolist():
        verdict = certificate.decide(score, chance, barred=False)
        if verdict.serve_cheap:
            return True
        if verdict.shadow:
            loss = 1.0 if luck < harm else -1.0 if luck < harm + gain else 0.0
            certificate.see(score, loss, verdict)
    return certificate.standing().live is not None


@pytest.mark.parametrize(("harm", "gain"), [(0.25, 0.10), (0.15, 0.0), (0.5, 0.0)])
def test_a_loss_of_exactly_the_bound_is_certified_at_any_time_in_few_replays(
    harm: float, gain: float
) -> None:
    """Looking after every label, at most 5 % of replays ever certify what is at the bound."""
    violations = sum(_certified_at_the_null(seed, harm, gain) for seed in range(_REPLAYS))
    assert violations <= _MOST
