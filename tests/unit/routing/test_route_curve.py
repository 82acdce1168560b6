"""Curves of quality against cost: what is read off them is what the definitions say."""

from __future__ import annotations

import numpy as np
import pytest

from scrimp.routing.curve import (
    Pair,
    Scored,
    Table,
    aiq,
    apgr,
    best_single,
    bootstrap,
    cost_for,
    curve,
    hull,
    interval,
    measures,
    mix_quality,
    oracle,
    per_extra,
    quality_at,
    share_for,
    singles,
    sweep,
    under_mix,
)


def four() -> Pair:
    """Two questions need the strong model, one needs neither, one is beyond both."""
    return Pair(
        np.array([0.0, 1.0, 0.0, 0.0]),
        np.array([1.0, 1.0, 1.0, 0.0]),
        np.array([1.0, 1.0, 1.0, 1.0]),
        np.array([10.0, 10.0, 20.0, 10.0]),
    )


def many(seed: int = 3, count: int = 400) -> tuple[Pair, np.ndarray]:
    """Questions of random difficulty, and a score that knows a little of it."""
    dice = np.random.default_rng(seed)
    hard = dice.random(count)
    weak = (dice.random(count) > hard).astype(float)
    strong = (dice.random(count) > hard / 3).astype(float)
    cost = dice.uniform(5, 20, count)
    return Pair(weak, strong, cost / 10, cost), hard + dice.normal(0, 0.3, count)


def test_a_router_that_knows_everything_reaches_the_strong_models_quality_first() -> None:
    """Two of four calls recover the whole gap; the area is that of the corner."""
    best = oracle(four())
    assert best.quality[0] == 0.25
    assert share_for(best, 1.0) == pytest.approx(0.5)
    assert share_for(best, 0.5) == pytest.approx(0.25)
    assert apgr(best) == pytest.approx(0.75)


def test_one_score_for_all_is_the_blind_mix() -> None:
    """Ties are an expectation: the curve is the straight line between both models."""
    pair, _ = many()
    blind = curve(pair, np.zeros(len(pair.weak)))
    assert len(blind.share) == 2
    assert apgr(blind) == pytest.approx(0.5)
    assert share_for(blind, 0.8) == pytest.approx(0.8)
    assert under_mix(pair, blind) == pytest.approx(0.0)


def test_the_order_of_equal_scores_does_not_matter() -> None:
    """A shuffled file gives the same curve."""
    pair, scores = many()
    coarse = np.round(scores * 3)
    shuffled = np.random.default_rng(1).permutation(len(coarse))
    one, two = curve(pair, coarse), curve(pair.picked(shuffled), coarse[shuffled])
    np.testing.assert_allclose(one.quality, two.quality)
    np.testing.assert_allclose(one.cost, two.cost)


def test_gain_per_extra_dollar_reaches_a_quality_for_less() -> None:
    """Of two equal gains the cheaper one is bought first."""
    pair = four()
    dear = curve(pair, np.array([0.0, 0.0, 1.0, 0.0]))
    cheap = oracle(pair, by_cost=True)
    assert cost_for(cheap, 2 / 3) == pytest.approx((4 + 9) / 50)
    assert cost_for(cheap, 2 / 3) < cost_for(dear, 2 / 3)


def test_a_strong_model_that_costs_no_more_goes_first_if_it_gains() -> None:
    """Nothing is divided by zero."""
    found = per_extra(np.array([0.2, -0.2, 0.3]), np.array([0.0, -1.0, 2.0]))
    assert found.tolist() == [np.inf, -np.inf, 0.15]


def test_measures_that_are_never_reached_are_not_a_number() -> None:
    """Two models that are equally good have no gap to recover."""
    same = np.array([1.0, 0.0])
    found = measures(curve(Pair(same, same, same + 1, same + 2), np.array([1.0, 0.0])))
    assert np.isnan(found.apgr)
    assert found.cost95 == pytest.approx(3 / 5)  # at once: always the weak model


def test_a_cost_at_a_quality_above_both_models_is_not_a_number() -> None:
    """What no order reaches is not called free."""
    assert np.isnan(cost_for(curve(four(), np.arange(4.0)), 1.5))


def test_the_bootstrap_resamples_the_measures_themselves() -> None:
    """Resampling every question once gives what `measures` gives, and the spread is about right."""
    pair, scores = many()
    contender = Scored(scores, per_extra(scores, pair.extra))
    at = measures(curve(pair, scores), curve(pair, per_extra(scores, pair.extra)))
    drawn = bootstrap(pair, {"ours": contender}, rounds=2000, seed=5)["ours"]
    for name in ("apgr", "cpt50", "cpt80", "cost95", "cost99"):
        found = interval(getattr(at, name), drawn[name])
        assert len(drawn[name]) == 2000
        assert found.low < found.value < found.high
    assert 0.01 < drawn["apgr"].std() < 0.08


def test_resamples_are_paired_and_repeat() -> None:
    """Contenders meet the same questions; one seed gives one result."""
    pair, scores = many()
    one = bootstrap(pair, {"a": Scored(scores), "b": Scored(scores * 2)}, rounds=50, seed=9)
    two = bootstrap(pair, {"a": Scored(scores)}, rounds=50, seed=9)
    np.testing.assert_array_equal(one["a"]["apgr"], one["b"]["apgr"])
    np.testing.assert_array_equal(one["a"]["apgr"], two["a"]["apgr"])


def test_the_hull_drops_models_that_a_mix_beats() -> None:
    """A dear bad model and one under the line between two others are not on it."""
    points = np.array([[1.0, 0.2], [2.0, 0.3], [3.0, 0.8], [4.0, 0.7]])
    line = hull(points)
    assert line.tolist() == [[1.0, 0.2], [3.0, 0.8]]
    assert quality_at(line, np.array([0.5, 2.0, 9.0])).tolist() == pytest.approx([0.0, 0.5, 0.8])


def test_aiq_is_the_mean_height_of_the_hull() -> None:
    """Over a range of costs, beyond its ends as well."""
    points = np.array([[0.0, 0.0], [1.0, 1.0]])
    assert aiq(points, 0.0, 1.0) == pytest.approx(0.5)
    assert aiq(points, 0.0, 2.0) == pytest.approx(0.75)
    assert np.isnan(aiq(points, 1.0, 1.0))


def test_a_sweep_runs_from_the_cheapest_to_the_best_predicted() -> None:
    """Its ends are the cheapest model for all and the argmax of what was predicted."""
    dice = np.random.default_rng(0)
    quality = dice.random((50, 3))
    cost = np.tile([1.0, 5.0, 9.0], (50, 1))
    table = Table(("a", "b", "c"), quality, cost)
    points = sweep(table, quality)
    assert points[0].tolist() == pytest.approx([1.0, quality[:, 0].mean()])
    assert points[-1, 1] == pytest.approx(quality.max(axis=1).mean())
    assert best_single(table) == "abc"[int(quality.mean(axis=0).argmax())]
    assert singles(table).shape == (3, 2)


def test_the_best_single_model_is_the_cheapest_of_equals() -> None:
    """Two models of one quality: nobody needs the dear one."""
    table = Table(("dear", "cheap"), np.ones((4, 2)), np.tile([2.0, 1.0], (4, 1)))
    assert best_single(table) == "cheap"


def test_the_mix_never_pays_for_a_worse_strong_model() -> None:
    """Where the strong model is the worse one, the best blind use is the weak one alone."""
    pair = four()
    turned = Pair(pair.strong, pair.weak, pair.weak_cost, pair.strong_cost)
    assert mix_quality(turned, np.array([0.5, 1.0])).tolist() == [0.75, 0.75]
