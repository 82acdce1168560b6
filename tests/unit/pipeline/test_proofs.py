"""Certificates of an engine: rungs before labels, one for each pair and promise, kept whole."""

from __future__ import annotations

import random

import pytest
from msgspec.structs import replace

from scrimp.choosing import Place
from scrimp.pipeline.proofs import FIRST, Proof, Proofs, Subjects, is_proof, revived
from scrimp.routing.standing import LossPromise

HERE = Place("key:ana", "general", "ab")
SUBJECTS = Subjects(HERE, "large", ("small",), LossPromise(0.05))


def proven(labels: int, *, loss: float = 0.0) -> Proof:
    """A proof after so many comparisons that all came out the same."""
    dice, proof = random.Random(7), Proof(SUBJECTS)  # noqa: S311 - a test's
    seen = 0
    while seen < labels:
        verdict = proof.decide(dice.random(), dice.random(), barred=False)
        if verdict is not None and verdict.shadow and proof.certificate is not None:
            proof.certificate.see(0.5, loss, verdict)
            seen += 1
    return proof


def test_the_first_scores_make_the_rungs_and_serve_nothing() -> None:
    """They rise strictly, and the last takes all that was seen."""
    proof = Proof(SUBJECTS)
    scores = [number / FIRST for number in range(FIRST)]
    assert [proof.decide(score, 0.0, barred=False) for score in scores] == [None] * FIRST
    assert proof.certificate is not None
    rungs = proof.certificate.rungs
    assert list(rungs) == sorted(set(rungs))
    assert rungs[-1] == max(scores)


def test_equal_scores_are_one_rung() -> None:
    """A ranking that knows nothing gives a ladder of one step."""
    proof = Proof(SUBJECTS)
    for _ in range(FIRST):
        proof.decide(0.25, 0.0, barred=False)
    assert proof.certificate is not None
    assert proof.certificate.rungs == (0.25,)


def test_what_is_barred_or_no_number_makes_no_rung() -> None:
    """Nor does it serve."""
    proof = Proof(SUBJECTS)
    for _ in range(2 * FIRST):
        assert proof.decide(0.1, 0.0, barred=True) is None
        assert proof.decide(float("nan"), 0.0, barred=False) is None
    assert proof.scores == []


def test_a_cheap_model_that_never_loses_is_certified_and_one_that_does_is_not() -> None:
    """Some hundred comparisons tell."""
    good, bad = proven(600).standing(), proven(600, loss=1.0).standing()
    assert good is not None
    assert good.live is not None
    assert bad is not None
    assert bad.live is None


def test_a_proof_goes_on_after_a_restart_of_the_process() -> None:
    """Under its own name, with its rungs and all that was won; damage begins anew."""
    proof = proven(300)
    state = proof.save()
    again = revived(state)
    assert again is not None
    assert again.subjects == SUBJECTS
    assert is_proof(again.subjects.name)
    before, after = proof.standing(), again.standing()
    assert before is not None
    assert after is not None
    assert after.log_wealth == pytest.approx(before.log_wealth)
    assert after.live == before.live
    assert revived(b"damaged") is None


def test_a_new_version_of_a_model_keeps_the_rungs_and_nothing_proven() -> None:
    """And says why."""
    proof = proven(600)
    proof.restart("another version")
    standing = proof.standing()
    assert standing is not None
    assert standing.live is None
    assert standing.last_restart == "another version"


def test_another_ranking_is_proven_by_itself() -> None:
    """Its scores mean something else."""
    proofs = Proofs()
    first = proofs.of(SUBJECTS)
    assert proofs.of(replace(SUBJECTS, ranking="2")) is not first


def test_each_pair_and_promise_has_its_own_and_there_is_an_end_of_them() -> None:
    """The one that was asked for least recently goes."""
    proofs = Proofs()
    first = proofs.of(SUBJECTS)
    assert proofs.of(SUBJECTS) is first
    for number in range(600):
        proofs.of(Subjects(Place(f"t{number}"), "large", ("small",), LossPromise(0.05)))
    assert proofs.of(SUBJECTS) is not first
    assert sum(1 for _ in proofs) <= 512
