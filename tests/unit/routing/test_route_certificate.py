"""What a route's certificate serves, compares and says, label by label."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from scrimp.errors import ConfigError
from scrimp.routing.bets import MOST_AWAITED
from scrimp.routing.certificate import Certificate
from scrimp.routing.standing import LossPromise, Verdict

RUNGS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4)
THREE = LossPromise(max_loss=0.03)
Loss = Callable[[float, float], float | None]


def stream(
    certificate: Certificate, requests: int, loss: Loss, *, seed: int = 1
) -> list[tuple[float, Verdict]]:
    """Requests with scores and chances of this seed; `loss` of a score and a uniform number."""
    rng = np.random.default_rng(seed)
    seen = []
    for score, chance, luck in rng.random((requests, 3)).tolist():
        verdict = certificate.decide(score, chance, barred=False)
        if verdict.shadow:
            certificate.see(score, loss(score, luck), verdict)
        seen.append((score, verdict))
    return seen


def no_loss(_score: float, _luck: float) -> float:
    """The cheap model is as good."""
    return 0.0


def all_lost(_score: float, _luck: float) -> float:
    """The cheap model is wrong wherever the reference is right."""
    return 1.0


def test_nothing_is_served_cheap_before_a_proof() -> None:
    """Before anything is certified the reference serves, and the cheap model is asked beside it."""
    certificate = Certificate(THREE, RUNGS, RUNGS)
    verdict = certificate.decide(0.01, 0.5, barred=False)
    assert not verdict.serve_cheap
    assert verdict.shadow
    assert verdict.propensity == 1.0
    assert verdict.why == "nothing is certified yet"
    assert certificate.standing().live is None


def test_answers_as_good_as_the_reference_are_certified() -> None:
    """Where the cheap model never loses, every rung is certified in the end."""
    certificate = Certificate(THREE, RUNGS, RUNGS)
    seen = stream(certificate, 6000, no_loss)
    standing = certificate.standing()
    assert standing.live == len(RUNGS) - 1
    assert standing.testing is None
    assert standing.missing == 0
    assert any(verdict.serve_cheap for _, verdict in seen)
    assert "the ladder is climbed" in standing.said


def test_a_cheap_model_that_always_loses_is_never_served() -> None:
    """No label speaks for it, and the standing says infeasible instead of a guess."""
    certificate = Certificate(THREE, RUNGS, RUNGS)
    seen = stream(certificate, 3000, all_lost)
    assert not any(verdict.serve_cheap for _, verdict in seen)
    standing = certificate.standing()
    assert standing.infeasible
    assert standing.missing is None
    assert "rung 0 is infeasible: its loss is above what is allowed" in standing.said


def test_missing_labels_are_estimated() -> None:
    """While a proof is under way the standing says about how many labels are missing."""
    certificate = Certificate(THREE, RUNGS, RUNGS)
    at_first = certificate.standing().missing
    stream(certificate, 60, no_loss)
    later = certificate.standing().missing
    assert at_first is not None
    assert later is not None
    assert 0 < later < at_first == 100
    assert f"needs about {later} more labels" in certificate.standing().said


def test_barred_requests_go_to_the_reference_and_are_not_compared() -> None:
    """What is novel or filtered is never served cheap, even when everything is certified."""
    certificate = Certificate(THREE, RUNGS, RUNGS)
    stream(certificate, 6000, no_loss)
    verdict = certificate.decide(0.0, 0.0, barred=True)
    assert not verdict.serve_cheap
    assert not verdict.shadow
    assert verdict.propensity == 0.0
    assert verdict.why.startswith("barred")


def test_harm_falls_back_by_itself_and_says_so() -> None:
    """Where answers turn bad after a proof, the reference serves again, with the reason told."""
    certificate = Certificate(THREE, RUNGS, RUNGS)
    stream(certificate, 4000, no_loss)
    assert certificate.standing().live is not None
    stream(certificate, 4000, all_lost, seed=2)
    standing = certificate.standing()
    assert standing.live is None
    assert standing.restarts == 1
    assert standing.last_restart.startswith("alarm: the loss of rung")
    assert "(begun anew: alarm: the loss of rung" in standing.said
    assert not certificate.decide(0.0, 0.0, barred=False).serve_cheap


def test_recent_labels_that_look_worse_lower_the_rung_at_once() -> None:
    """Prudence comes before proof: a more cautious rung that is proven serves meanwhile."""
    certificate = Certificate(THREE, RUNGS, RUNGS)
    stream(certificate, 6000, no_loss)
    boldest, seed = len(RUNGS) - 1, 2
    while certificate.standing().live == boldest:
        stream(certificate, 20, lambda score, _luck: float(score > 0.2), seed=seed)
        seed += 1
    standing = certificate.standing()
    assert standing.restarts == 0
    assert standing.proven == boldest
    assert standing.live is not None
    assert 3 <= standing.live < boldest
    assert "rung 5 waits: its recent labels look worse than promised" in standing.said


def test_restart_counts_fresh_labels_only() -> None:
    """Labels of decisions made before a restart change nothing after it."""
    certificate = Certificate(THREE, RUNGS, RUNGS)
    old = [certificate.decide(0.01, 0.0, barred=False) for _ in range(100)]
    certificate.restart("the cheap model's version changed")
    before = certificate.save()
    for verdict in old:
        certificate.see(0.01, 0.0, verdict)
    assert certificate.save() == before
    standing = certificate.standing()
    assert standing.labels == 0
    assert standing.restarts == 1
    assert standing.last_restart == "the cheap model's version changed"


def test_a_label_counts_once() -> None:
    """The same label told twice is one label."""
    certificate = Certificate(THREE, RUNGS, RUNGS)
    verdict = certificate.decide(0.01, 0.0, barred=False)
    certificate.see(0.01, 0.0, verdict)
    once = certificate.save()
    certificate.see(0.01, 0.0, verdict)
    assert certificate.save() == once


def test_labels_are_settled_in_the_order_of_decisions() -> None:
    """A label that is awaited holds back later ones: slow ones may be the bad ones."""
    certificate = Certificate(THREE, RUNGS, RUNGS)
    slow = certificate.decide(0.01, 0.0, barred=False)
    quick = [certificate.decide(0.01, 0.0, barred=False) for _ in range(20)]
    for verdict in quick:
        certificate.see(0.01, 0.0, verdict)
    assert certificate.standing().labels == 0
    assert certificate.standing().pending == 21
    certificate.see(0.01, 1.0, slow)
    assert certificate.standing().labels == 21
    assert certificate.standing().pending == 0


def test_what_could_not_be_had_counts_as_lost() -> None:
    """An unparseable verdict or an answer cut off weighs as the worst loss, and is told."""
    lost, worst = Certificate(THREE, RUNGS, RUNGS), Certificate(THREE, RUNGS, RUNGS)
    for certificate, label in ((lost, None), (worst, 1.0)):
        stream(certificate, 40, lambda _score, _luck, label=label: label)  # type: ignore[misc]
    assert lost.standing().rungs == worst.standing().rungs
    assert lost.standing().lost == lost.standing().rungs[-1].labels > 0


@pytest.mark.parametrize("label", [math.nan, math.inf, -math.inf])
def test_a_label_that_is_no_number_counts_as_lost(label: float) -> None:
    """Neither NaN nor infinity reaches the wealth."""
    certificate = Certificate(THREE, RUNGS, RUNGS)
    certificate.see(0.01, label, certificate.decide(0.01, 0.0, barred=False))
    standing = certificate.standing()
    assert standing.lost == 1
    assert math.isfinite(standing.log_wealth)


def test_a_withdrawn_comparison_leaves_no_trace() -> None:
    """What was never compared, for a reason of our own, is neither a label nor credit."""
    certificate = Certificate(THREE, RUNGS, RUNGS)
    stream(certificate, 30, no_loss)
    before = certificate.standing()
    for score in (0.9, 0.9, 0.01):
        verdict = certificate.decide(score, 0.5, barred=False)
    certificate.withdraw(verdict)
    certificate.see(0.01, 1.0, verdict)
    after = certificate.standing()
    assert after.rungs[0].log_wealth == before.rungs[0].log_wealth
    assert (after.labels, after.lost, after.pending) == (before.labels, 0, 0)


def test_labels_that_never_come_do_not_pile_up() -> None:
    """Beyond what may be awaited the oldest counts as lost: memory is bounded, the bound holds."""
    certificate = Certificate(THREE, RUNGS, RUNGS)
    for _ in range(3 * MOST_AWAITED):
        certificate.decide(0.01, 0.0, barred=False)
    standing = certificate.standing()
    assert standing.pending == MOST_AWAITED
    assert standing.lost == 2 * MOST_AWAITED
    assert standing.live is None


def test_after_the_proof_few_are_compared() -> None:
    """The share of what is served cheap that is compared falls to the floor."""
    certificate = Certificate(THREE, RUNGS, RUNGS)
    stream(certificate, 6000, no_loss)
    seen = stream(certificate, 30_000, no_loss, seed=3)
    served = [verdict for _, verdict in seen[-10_000:] if verdict.serve_cheap]
    assert {verdict.propensity for verdict in served[-1000:]} == {THREE.explore}
    assert 0.01 < sum(verdict.shadow for verdict in served) / len(served) < 0.04


def test_no_loss_at_all_is_proven_by_gains_alone() -> None:
    """A bound of 0 asks for more than equal answers: the cheap model must be better."""
    nothing = LossPromise(0.0, explore=0.0)
    equal, better = Certificate(nothing, RUNGS, RUNGS), Certificate(nothing, RUNGS, RUNGS)
    stream(equal, 3000, no_loss)
    stream(better, 3000, lambda _score, luck: -1.0 if luck < 0.2 else 0.0)
    assert equal.standing().live is None
    assert better.standing().live is not None
    verdicts = [better.decide(0.01, 0.004, barred=False) for _ in range(20)]
    assert all(verdict.serve_cheap and verdict.shadow for verdict in verdicts)


def test_a_judge_that_errs_may_see_less() -> None:
    """The loss that is allowed shrinks by sensitivity plus specificity minus 1."""
    judged = LossPromise(0.03, sensitivity=0.9, specificity=0.85)
    assert judged.visible_loss == pytest.approx(0.03 * 0.75)
    sure, unsure = Certificate(THREE, RUNGS, RUNGS), Certificate(judged, RUNGS, RUNGS)
    for certificate in (sure, unsure):
        stream(certificate, 100, no_loss)
    assert unsure.standing().rungs[3].log_wealth < sure.standing().rungs[3].log_wealth


@pytest.mark.parametrize(
    ("promise", "rungs", "words"),
    [
        (THREE, (), "0 rungs"),
        (THREE, (0.2, 0.1), "rise strictly"),
        (THREE, (0.1, math.nan), "finite"),
        (THREE, tuple(range(65)), "1 to 64"),
        (LossPromise(-0.01), RUNGS, "max_loss is -0.01: it lies between 0 and 1"),
        (LossPromise(math.nan), RUNGS, "max_loss is nan"),
        (LossPromise(0.03, confidence=1.0), RUNGS, "confidence is 1.0"),
        (LossPromise(0.03, explore=1.5), RUNGS, "explore is 1.5"),
        (LossPromise(0.03, sensitivity=0.5, specificity=0.5), RUNGS, "it tells nothing"),
        (LossPromise(0.03, missing_as=2.0), RUNGS, "missing_as is 2.0"),
    ],
)
def test_promises_that_cannot_be_kept_are_refused(
    promise: LossPromise, rungs: Sequence[float], words: str
) -> None:
    """The error names the number that is wrong and its bounds."""
    with pytest.raises(ConfigError, match=words):
        Certificate(promise, rungs)


def test_a_state_of_another_promise_or_damaged_is_not_taken_up() -> None:
    """Then the proof begins anew."""
    certificate = Certificate(THREE, RUNGS, RUNGS)
    stream(certificate, 2000, no_loss)
    saved = certificate.save()
    assert Certificate(THREE, RUNGS).load(saved)
    assert not Certificate(LossPromise(0.02), RUNGS).load(saved)
    assert not Certificate(THREE, RUNGS[:-1]).load(saved)
    for damaged in (b"", b"\xff\xfe", saved[:-9], saved[: len(saved) // 2]):
        fresh = Certificate(THREE, RUNGS)
        assert not fresh.load(damaged)
        assert fresh.standing().live is None
