"""Contenders on the same questions: measures with intervals, edges over the best peer, gates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

import numpy as np

from scrimp.routing.curve import (
    Curve,
    Floats,
    Pair,
    Scored,
    Table,
    aiq,
    best_single,
    bootstrap,
    curve,
    hull,
    interval,
    measures,
    mix_quality,
    oracle,
    per_extra,
    quality_at,
    singles,
    sweep,
    under_mix,
)

MEASURES: Final = ("apgr", "cpt50", "cpt80", "cost95", "cost99")
OURS: Final = ("scrimp", "scrimp, task told")


def judged(
    pair: Pair, scores: Mapping[str, Scored], rounds: int, seed: int
) -> dict[str, dict[str, Any]]:
    """Each contender's measures, with 95 % intervals; ours also with the edge over each peer."""
    drawn = bootstrap(pair, scores, rounds, seed)
    found: dict[str, dict[str, Any]] = {}
    for name, scored in scores.items():
        by_share = curve(pair, scored.by_share)
        by_cost = by_share if scored.by_cost is None else curve(pair, scored.by_cost)
        values = asdict(measures(by_share, by_cost))
        found[name] = {
            measure: asdict(interval(values[measure], drawn[name][measure])) for measure in MEASURES
        }
        found[name]["most_points_under_mix"] = 100 * under_mix(pair, by_cost)
        found[name]["most_points_under_mix_by_share"] = 100 * under_mix(pair, by_share)
    for name in set(OURS) & set(scores):
        found[name]["apgr_edge_over"] = {
            peer: asdict(
                interval(
                    found[name]["apgr"]["value"] - found[peer]["apgr"]["value"],
                    drawn[name]["apgr"] - drawn[peer]["apgr"],
                )
            )
            for peer in scores
            if peer not in OURS
        }
    return found


def facts_of(pair: Pair) -> dict[str, Any]:
    """What any router on these questions starts from, and what knowing the answers would give."""
    return {
        "questions": len(pair.weak),
        "weak_quality": float(pair.weak.mean()),
        "strong_quality": float(pair.strong.mean()),
        "weak_cost_share": float(pair.weak_cost.mean() / pair.strong_cost.mean()),
        "oracle": asdict(measures(oracle(pair), oracle(pair, by_cost=True))),
    }


NOVEL: Final = 0.5
"""From here on a question is told apart from no other: see `gained`."""


def gained(pair: Pair, good: Floats, novelty: Floats) -> Scored:
    """Ours: by gain for shares of calls, by gain per extra dollar for costs.

    Novel questions share one score by cost, that of their mean gain and mean extra: to send short
    ones first would be a bet that length says nothing of what a task gains, and it lost.
    """
    gain = np.round(good[:, 1] - good[:, 0], 9)  # what is equal is a tie, whatever it was summed of
    by_cost = per_extra(gain, pair.extra)
    novel = novelty >= NOVEL
    if novel.any():
        by_cost[novel] = per_extra(
            gain[novel].mean(keepdims=True), pair.extra[novel].mean(keepdims=True)
        )
    return Scored(gain, by_cost)


def gated(pair: Pair, good: Floats, novelty: Floats) -> dict[str, Any]:
    """The router as it serves: what is novel goes to the reference, the rest by gain per dollar.

    `most_points_under` is over all settings of the dial, against the best model or blind mix that
    the same money buys.
    """
    known = novelty < NOVEL
    gain = good[:, 1] - good[:, 0]
    score = np.where(known, per_extra(gain, pair.extra), np.inf)
    served = _from(curve(pair, score), float((~known).mean()))
    return {
        "sent_to_reference": float((~known).mean()),
        "most_points_under": 100 * float(np.max(mix_quality(pair, served.cost) - served.quality)),
    }


def many(table: Table, predicted: Floats) -> dict[str, Any]:
    """More than two models: AIQ and costs against the hull of the single models."""
    points, alone = sweep(table, predicted), hull(singles(table))
    least, most = float(alone[0, 0]), float(table.cost.mean(axis=0).max())
    best = float(table.quality.mean(axis=0).max())
    dear = float(table.cost.mean(axis=0)[table.quality.mean(axis=0).argmax()])
    grid = np.linspace(least, most, 400)
    line = hull(points)
    return {
        "models": list(table.models),
        "best_single": best_single(table),
        "aiq": aiq(points, least, most),
        "aiq_of_mixes": aiq(alone, least, most),
        "cost95": _cheapest(points, 0.95 * best) / dear,
        "cost95_of_mixes": _cheapest_on(alone, 0.95 * best) / dear,
        "most_points_under_mix": 100
        * float(np.max(quality_at(alone, grid) - quality_at(line, grid))),
    }


def _from(of: Curve, share: float) -> Curve:
    """The part of a curve from so many strong calls on."""
    kept = of.share >= share - 1e-9
    return Curve(of.share[kept], of.cost[kept], of.quality[kept], of.weak, of.strong)


def _cheapest(points: Floats, quality: float) -> float:
    enough = points[points[:, 1] >= quality, 0]
    return float(enough.min()) if len(enough) else float("nan")


def _cheapest_on(line: Floats, quality: float) -> float:
    return float(np.interp(quality, line[:, 1], line[:, 0]))
