"""The engine: nothing unproven or barred is served, less under a stricter bound, none on drift."""

from __future__ import annotations

import numpy as np
import pytest

from scrimp.quality.engine import Engine
from scrimp.quality.state import load, save
from scrimp.quality.threshold import study
from scrimp.quality.words import Promise
from tests.support.judged_streams import WIDTH, Player, Rows, candidates

LOOSE = Promise(max_error=0.05)


def taught(promise: Promise = LOOSE, count: int = 3_000, flip: float = 0.0) -> Player:
    """An engine after that many candidates."""
    dice = np.random.default_rng(7)
    player = Player(promise, dice, flip)
    player.play(*candidates(count, dice))
    return player


def test_nothing_is_served_before_the_proof() -> None:
    """While the proof is open every decision is to learn, and says how much is missing."""
    dice = np.random.default_rng(1)
    told = Player(LOOSE, dice).play(*candidates(3_000, dice))
    first = next(at for at, one in enumerate(told) if one.decision.action == "serve")
    assert first > 250
    for one in told[:first]:
        if not one.decision.proof.proven:
            assert one.decision.action == "learn"
            assert one.decision.proof.missing > 0
    assert told[first].decision.proof.proven
    assert told[first].decision.proof.won >= told[first].decision.proof.needed


def test_a_proof_is_told_as_it_stands() -> None:
    """Between decisions nothing is reckoned anew; after each verdict it is what it would be."""
    dice = np.random.default_rng(1)
    player = Player(LOOSE, dice)
    rows, right = candidates(600, dice)
    for at, row in enumerate(rows):
        player.play([row], [right[at]])
        assert player.engine.proof() == player.engine._proof()
        assert player.engine.proof() is player.engine.proof()


def test_a_hopeless_stream_is_never_served() -> None:
    """Where the features tell nothing and a fifth is wrong, nothing is served at all."""
    dice = np.random.default_rng(2)
    rows: Rows = [tuple(row) for row in dice.normal(size=(2_000, WIDTH)).tolist()]
    told = Player(LOOSE, dice).play(rows, (dice.random(2_000) > 0.2).tolist())
    assert not [one for one in told if one.decision.action == "serve"]


def test_what_is_served_stays_within_the_bound() -> None:
    """Served answers are wrong no more often than promised, and many are served."""
    dice = np.random.default_rng(3)
    told = Player(LOOSE, dice).play(*candidates(6_000, dice))
    served = [one for one in told if one.decision.action == "serve"]
    assert len(served) > 1_500
    assert sum(not one.right for one in served) / len(served) <= LOOSE.max_error


def test_a_noisy_judge_is_noticed_and_does_not_stop_the_cache() -> None:
    """Two flips in a hundred: the rate is found, the bound holds, answers are served."""
    dice = np.random.default_rng(4)
    player = Player(LOOSE, dice, flip=0.02)
    told = player.play(*candidates(6_000, dice))
    served = [one for one in told if one.decision.action == "serve"]
    assert 0.01 < player.engine.noise.share < 0.05
    assert len(served) > 1_000
    assert sum(not one.right for one in served) / len(served) <= LOOSE.max_error


def test_a_barred_candidate_is_never_served() -> None:
    """Quarantine or a conflict outweighs any score, and such a verdict does not enter the proof."""
    player = taught()
    assert player.engine.live
    before = player.engine.certificate.seen
    sure: Rows = [(5.0, 0.0, 0.0, 0.0)] * 300
    told = player.play(sure, [True] * 300, barred=True)
    assert {one.decision.action for one in told} == {"explore"}
    assert player.engine.certificate.seen == before


def test_drift_stops_the_serving_and_learning_begins_anew() -> None:
    """When sure answers turn wrong the alarm rings, and nothing is served until proven again."""
    player = taught()
    sure: Rows = [(3.0, 0.0, 0.0, 0.0)] * 4_000
    told = player.play(sure, [False] * 4_000)
    assert player.engine.restarts >= 1
    assert not player.engine.live
    assert not [one for one in told[-1_000:] if one.decision.action == "serve"]


@pytest.mark.parametrize("seed", range(3))
def test_a_stricter_bound_serves_no_lower_score(seed: int) -> None:
    """From the same labels: the lower the bound, the higher the score from which on it serves."""
    dice = np.random.default_rng(seed)
    engine = Engine(LOOSE, WIDTH)
    rows, right = candidates(1_500, dice)
    for row, good in zip(rows, right, strict=True):
        engine.learn(row, engine.decide(row, 0.0, barred=False), right=good)
    bounds = (0.1, 0.05, 0.03, 0.02, 0.01)
    found = [study(engine.labels.lesson(bound, per_call=False)).threshold for bound in bounds]
    assert found == sorted(found)
    per_call = study(engine.labels.lesson(0.02, per_call=True)).threshold
    assert per_call <= found[3]


@pytest.mark.parametrize("seed", [0, 2, 3])
def test_verdicts_by_lot_tell_no_more_than_others(seed: int) -> None:
    """Forty audits of one in a hundred move the threshold as forty sure verdicts do, about."""
    found = []
    for propensity in (1.0, 0.01):
        dice = np.random.default_rng(seed)
        labels = Engine(LOOSE, WIDTH).labels
        for row, good in zip(*candidates(1_500, dice), strict=True):
            labels.passed(np.array(row), barred=False)
            labels.add(np.array(row), right=good, propensity=1.0, barred=False)
        rows, right = candidates(20_000, dice)
        sure = [row for row, good in zip(rows, right, strict=True) if row[0] > 1.2 and good]
        for row in sure[:40]:
            labels.add(np.array(row), right=True, propensity=propensity, barred=False)
        found.append(study(labels.lesson(LOOSE.max_error, per_call=False)).threshold)
    assert abs(found[0] - found[1]) < 0.01


def test_the_state_comes_back_as_it_was() -> None:
    """Saved and loaded, it decides the same; its bytes are the same again."""
    engine = taught().engine
    kept = save(engine, "minilm|gpt|1")
    again = load(kept, LOOSE, WIDTH, "minilm|gpt|1")
    assert save(again, "minilm|gpt|1") == kept
    assert again.live
    row = (2.0, 0.0, 0.0, 0.0)
    assert again.decide(row, 0.5, barred=False) == engine.decide(row, 0.5, barred=False)


@pytest.mark.parametrize(
    "kept", [None, b"", b"\xff\x00nonsense", save(Engine(LOOSE, WIDTH), "minilm")[:-9]]
)
def test_missing_and_damaged_states_begin_anew(kept: bytes | None) -> None:
    """Nothing is served on the word of bytes that cannot be read."""
    engine = load(kept, LOOSE, WIDTH, "minilm")
    assert not engine.live
    assert len(engine.labels) == 0


def test_another_embedder_or_promise_restarts_the_proof() -> None:
    """Another embedder, model or prompt voids everything, another promise the proof alone."""
    kept = save(taught().engine, "minilm|gpt|1")
    assert len(load(kept, LOOSE, WIDTH, "other|gpt|1").labels) == 0
    stricter = load(kept, Promise(max_error=0.01), WIDTH, "minilm|gpt|1")
    assert len(stricter.labels) > 0
    assert not stricter.live
