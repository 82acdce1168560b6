"""The routing benchmark: costs as stated, peers that learn, a gate that cannot lose."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.savings.routing import contenders, questions
from benchmarks.savings.routing.judged import facts_of, gained, gated, judged, many
from scrimp.routing.curve import Pair, Scored, Table


def pair(count: int = 600, seed: int = 0) -> tuple[Pair, np.ndarray]:
    """Questions whose gain grows with their length, and how hard each is."""
    dice = np.random.default_rng(seed)
    hard = dice.random(count)
    weak = (dice.random(count) > hard).astype(float)
    strong = (dice.random(count) > hard / 4).astype(float)
    cost = 1 + 9 * hard + dice.random(count)
    return Pair(weak, strong, cost / 20, cost), hard


def test_costs_are_counted_from_prompt_and_answer(tmp_path: Path) -> None:
    """A quarter of the characters, rounded up, and the answer's tokens; a given cost wins."""
    lines = [
        {
            "prompt": "x" * 9,
            "task": "t",
            "models": {
                "mixtral-8x7b-instruct": {"quality": 1, "out_tokens_est": 10},
                "gpt-4-1106-preview": {"quality": 0, "cost": 0.5},
            },
        }
    ]
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))
    found = questions.load(
        [path], ("mixtral-8x7b-instruct", "gpt-4-1106-preview"), questions.PRICES
    )
    assert found.cost.tolist() == [[pytest.approx((3 * 0.6 + 10 * 0.6) / 1e6), 0.5]]
    with pytest.raises(SystemExit, match="--price"):
        questions.load([path], ("mixtral-8x7b-instruct",), {})


def test_peers_learn_what_vectors_tell() -> None:
    """Nearest questions and the factorisation find who gains; length finds it, too."""
    known, hard = pair()
    vectors = np.stack([np.cos(3 * hard), np.sin(3 * hard), hard], axis=1)
    texts = tuple("x" * round(1000 * one) for one in hard)
    split = contenders.Split(texts, vectors, known, texts, vectors)
    for scores in (
        contenders.nearest(split, 50),
        contenders.factorised(split, seed=0),
        contenders.length(split),
    ):
        assert np.corrcoef(scores, hard)[0, 1] > 0.6


def test_keywords_have_three_levels() -> None:
    """Complex words up, simple ones down, nothing in between."""
    known, _ = pair(3)
    texts = ("Prove the theorem", "What is a cat?", "Blue or green?")
    split = contenders.Split(texts, np.zeros((3, 2)), known, texts, np.zeros((3, 2)))
    assert contenders.keywords(split).tolist() == [1.0, -1.0, 0.0]


def test_all_that_is_novel_is_served_by_the_reference() -> None:
    """Behind the gate nothing is lost, whatever the router says."""
    asked, hard = pair()
    wrong = np.stack([hard, 1 - hard], axis=1)
    shut = gated(asked, wrong, np.ones(len(hard)))
    assert shut == {"sent_to_reference": 1.0, "most_points_under": pytest.approx(0.0)}
    assert gated(asked, wrong, np.zeros(len(hard)))["most_points_under"] > 0.5


def test_novel_questions_are_not_ranked_by_their_cost() -> None:
    """One score for all: the blind mix, not the short ones first."""
    asked, hard = pair()
    good = np.tile([0.5, 0.8], (len(hard), 1))
    blind = gained(asked, good, np.ones(len(hard)))
    assert blind.by_cost is not None
    assert len(set(blind.by_cost.tolist())) == 1
    known = gained(asked, good, np.zeros(len(hard)))
    assert known.by_cost is not None
    assert len(set(known.by_cost.tolist())) > 100


def test_contenders_are_judged_on_the_same_resamples() -> None:
    """A router that knows is better than chance for sure, and its edge says so."""
    asked, hard = pair()
    scores = {"random": Scored(np.random.default_rng(1).random(len(hard))), "scrimp": Scored(hard)}
    found = judged(asked, scores, rounds=200, seed=0)
    edge = found["scrimp"]["apgr_edge_over"]["random"]
    assert edge["low"] > 0
    assert edge["value"] == pytest.approx(
        found["scrimp"]["apgr"]["value"] - found["random"]["apgr"]["value"]
    )
    assert facts_of(asked)["questions"] == 600


def test_many_models_are_measured_against_their_mixes() -> None:
    """Knowing the answers beats every mix; knowing nothing does not."""
    dice = np.random.default_rng(2)
    quality = (dice.random((300, 3)) < [0.5, 0.6, 0.8]).astype(float)
    table = Table(("a", "b", "c"), quality, np.tile([1.0, 2.0, 9.0], (300, 1)))
    knowing = many(table, quality)
    assert knowing["aiq"] > knowing["aiq_of_mixes"] + 0.1
    assert knowing["best_single"] == "c"
    blind = many(table, np.tile(quality.mean(axis=0), (300, 1)))
    assert blind["aiq"] == pytest.approx(knowing["aiq_of_mixes"])
