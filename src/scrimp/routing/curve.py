"""Quality against cost of a router over labelled questions, and the numbers that are read off it.

Two models: questions go to the strong one by falling score, one after another. APGR and CPT are as
RouteLLM defines them (arXiv 2406.18665, section 2.2): by the share of calls that the strong model
gets. Scores that tie are served in a random order; their part of the curve is its expectation, so
that one score for all is exactly the blind mix.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ROUNDS: Final = 2000
_TOGETHER: Final = 2_000_000
"""Numbers in one block of the bootstrap; bounds its memory."""
_MEASURES: Final = ("apgr", "cpt50", "cpt80", "cost95", "cost99")


@dataclass(frozen=True, slots=True)
class Pair:
    """Questions that both models answered: qualities in 0 to 1, costs in any one unit."""

    weak: Floats
    strong: Floats
    weak_cost: Floats
    strong_cost: Floats

    @property
    def gain(self) -> Floats:
        """What the strong model adds to each question."""
        return self.strong - self.weak

    @property
    def extra(self) -> Floats:
        """What it costs more."""
        return self.strong_cost - self.weak_cost

    def picked(self, chosen: NDArray[np.integer] | NDArray[np.bool_]) -> Pair:
        """Some of the questions."""
        return Pair(
            self.weak[chosen],
            self.strong[chosen],
            self.weak_cost[chosen],
            self.strong_cost[chosen],
        )


@dataclass(frozen=True, slots=True)
class Curve:
    """From no call to the strong model up to all of them; `cost` 1 is always the strong model.

    `weak` and `strong` are the mean qualities of either model alone.
    """

    share: Floats
    cost: Floats
    quality: Floats
    weak: float
    strong: float


@dataclass(frozen=True, slots=True)
class Measures:
    """`cpt50`: share of strong calls that recovers half of the gap. `cost95`: cost at 95 % quality.

    Costs are shares of what always the strong model costs. NaN where it is never reached.
    """

    apgr: float
    cpt50: float
    cpt80: float
    cost95: float
    cost99: float


@dataclass(frozen=True, slots=True)
class Interval:
    """A value on the questions at hand, and where it lies in 95 % of resamples of them."""

    value: float
    low: float
    high: float


def curve(pair: Pair, scores: Floats) -> Curve:
    """The curve of a router that sends the highest scores to the strong model first."""
    order, group = _order(scores)
    ones = np.ones((1, len(order)))
    share, cost, quality = (one[0] for one in _cumulated(pair, order, group, ones))
    return Curve(share, cost, quality, float(pair.weak.mean()), float(pair.strong.mean()))


def measures(by_share: Curve, by_cost: Curve | None = None) -> Measures:
    """The numbers of a curve; costs are read off `by_cost`, where that has an order of its own."""
    priced = by_share if by_cost is None else by_cost
    return Measures(
        apgr(by_share),
        share_for(by_share, 0.5),
        share_for(by_share, 0.8),
        cost_for(priced, 0.95),
        cost_for(priced, 0.99),
    )


def apgr(of: Curve) -> float:
    """Mean share of the quality gap that is recovered, over all shares of strong calls."""
    gap = of.strong - of.weak
    if gap == 0:
        return float("nan")
    return float(np.trapezoid((of.quality - of.weak) / gap, of.share))


def share_for(of: Curve, gap: float) -> float:
    """CPT: the least share of strong calls that recovers so much of the gap."""
    return _first(of.share, of.quality, of.weak + gap * (of.strong - of.weak))


def cost_for(of: Curve, quality: float) -> float:
    """The least cost at which this share of the strong model's quality is reached."""
    return _first(of.cost, of.quality, quality * of.strong)


def mix_quality(pair: Pair, cost: Floats) -> Floats:
    """Quality of the best use of both models without looking at any question.

    `cost` as in a curve. It is the hull of the two models, which never falls with the cost.
    """
    always = float(pair.strong_cost.mean())
    points = np.array(
        [[pair.weak_cost.mean() / always, pair.weak.mean()], [1.0, pair.strong.mean()]]
    )
    return quality_at(hull(points), cost)


def under_mix(pair: Pair, of: Curve) -> float:
    """How far the curve lies under the mix, or the best model it could pay for, at its worst."""
    return float(np.max(mix_quality(pair, of.cost) - of.quality))


def oracle(pair: Pair, *, by_cost: bool = False) -> Curve:
    """What could be reached by knowing every answer's quality."""
    return curve(pair, per_extra(pair.gain, pair.extra) if by_cost else pair.gain)


def per_extra(gain: Floats, extra: Floats) -> Floats:
    """Gain per extra dollar. A strong model that costs no more goes first if it gains."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = gain / np.maximum(extra, 0.0)
    free = np.where(gain >= 0, np.inf, -np.inf)
    return np.where(extra > 0, ratio, free)


@dataclass(frozen=True, slots=True)
class Scored:
    """A contender: scores by which APGR and CPT are read, and by which costs are, if others."""

    by_share: Floats
    by_cost: Floats | None = None


def bootstrap(
    pair: Pair, contenders: Mapping[str, Scored], rounds: int = ROUNDS, seed: int = 0
) -> dict[str, dict[str, Floats]]:
    """Measures of every contender on the same resamples of the questions: name → measure → values.

    Paired: value k of every contender is of the same questions, so differences may be taken.
    """
    count = len(pair.weak)
    drawn: dict[str, dict[str, list[Floats]]] = {
        name: {measure: [] for measure in _MEASURES} for name in contenders
    }
    dice = np.random.default_rng(seed)
    block = max(1, min(rounds, _TOGETHER // max(1, count)))
    for begin in range(0, rounds, block):
        size = min(block, rounds - begin)
        weights = dice.multinomial(count, np.full(count, 1 / count), size=size).astype(np.float64)
        for name, scored in contenders.items():
            for measure, values in _resampled(pair, scored, weights).items():
                drawn[name][measure].append(values)
    return {
        name: {measure: np.concatenate(parts) for measure, parts in by.items()}
        for name, by in drawn.items()
    }


def interval(value: float, resampled: Floats, confidence: float = 0.95) -> Interval:
    """Percentiles of the resamples that have the measure at all."""
    known = resampled[np.isfinite(resampled)]
    if not len(known):
        return Interval(value, float("nan"), float("nan"))
    tail = (1 - confidence) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    return Interval(value, float(low), float(high))


@dataclass(frozen=True, slots=True)
class Table:
    """Questions by models: `quality` and `cost` have a row per question, a column per model."""

    models: tuple[str, ...]
    quality: Floats
    cost: Floats


def best_single(table: Table) -> str:
    """The model with the highest mean quality; of equals the cheapest."""
    quality, cost = table.quality.mean(axis=0), table.cost.mean(axis=0)
    return min(zip(-quality, cost, table.models, strict=True))[2]


def singles(table: Table) -> Floats:
    """(mean cost, mean quality) of each model alone, in the models' order."""
    return np.stack([table.cost.mean(axis=0), table.quality.mean(axis=0)], axis=1)


def hull(points: Floats) -> Floats:
    """The upper hull of (cost, quality) points, by rising cost, never falling in quality.

    Every point on it can be had by mixing its two neighbours at random.
    """
    found: list[tuple[float, float]] = []
    for cost, quality in sorted((float(one[0]), float(one[1])) for one in points):
        if found and quality <= found[-1][1]:
            continue
        if found and cost == found[-1][0]:
            found.pop()
        while len(found) > 1 and _below(found[-2], found[-1], (cost, quality)):
            found.pop()
        found.append((cost, quality))
    return np.array(found)


def quality_at(of: Floats, cost: Floats) -> Floats:
    """Quality of a hull at these costs; 0 for what is below its cheapest point."""
    return np.asarray(np.interp(cost, of[:, 0], of[:, 1], left=0.0), np.float64)


def aiq(points: Floats, least: float, most: float) -> float:
    """Mean quality of the hull of points over a range of costs (RouterBench, arXiv 2403.12031)."""
    if most <= least:
        return float("nan")
    line = hull(points)
    inner = line[(line[:, 0] > least) & (line[:, 0] < most), 0]
    grid = np.concatenate([[least], inner, [most]])
    return float(np.trapezoid(quality_at(line, grid), grid) / (most - least))


def sweep(table: Table, predicted: Floats, steps: int = 200) -> Floats:
    """(cost, quality) of argmax predicted quality - λ · cost, for a ladder of λ from ∞ to 0."""
    spread = float(np.ptp(table.cost)) or 1.0
    ladder = np.concatenate([[np.inf], np.geomspace(1e4, 1e-4, steps) / spread, [0.0]])
    rows = np.arange(len(table.quality))
    found = []
    for price in ladder:
        worth = -table.cost if np.isinf(price) else predicted - price * table.cost
        chosen = worth.argmax(axis=1)
        found.append((table.cost[rows, chosen].mean(), table.quality[rows, chosen].mean()))
    return np.array(found)


def _order(scores: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Questions by falling score, and where each run of equal scores ends."""
    scores = np.nan_to_num(scores, nan=-np.inf, posinf=np.inf, neginf=-np.inf)
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    ends = np.flatnonzero(np.append(falling[1:] != falling[:-1], True))
    return order, ends


def _cumulated(
    pair: Pair, order: NDArray[np.intp], ends: NDArray[np.intp], weights: Floats
) -> tuple[Floats, Floats, Floats]:
    """Share, cost and quality at the end of every run of equal scores, a row per weighting."""
    ranked = weights[:, order]
    share = _sums(ranked, ends)
    always = weights @ pair.strong_cost
    base, total = weights @ pair.weak, weights.sum(axis=1)
    cost = (weights @ pair.weak_cost)[:, None] + _sums(ranked * pair.extra[order], ends)
    quality = base[:, None] + _sums(ranked * pair.gain[order], ends)
    return share / total[:, None], cost / always[:, None], quality / total[:, None]


def _sums(ranked: Floats, ends: NDArray[np.intp]) -> Floats:
    """Running sums at the ends, behind a zero."""
    sums = np.cumsum(ranked, axis=1)[:, ends]
    return np.concatenate([np.zeros((len(sums), 1)), sums], axis=1)


def _resampled(pair: Pair, scored: Scored, weights: Floats) -> dict[str, Floats]:
    total = weights.sum(axis=1)
    weak, strong = weights @ pair.weak / total, weights @ pair.strong / total
    order, ends = _order(scored.by_share)
    share, cost, quality = _cumulated(pair, order, ends, weights)
    gap = np.where(strong == weak, np.nan, strong - weak)
    heights = (quality[:, 1:] + quality[:, :-1]) / 2 - weak[:, None]
    area = (heights * np.diff(share, axis=1)).sum(axis=1)
    found = {"apgr": area / gap}
    for name, part in (("cpt50", 0.5), ("cpt80", 0.8)):
        found[name] = _firsts(share, quality, weak + part * (strong - weak))
    if scored.by_cost is not None:
        order, ends = _order(scored.by_cost)
        _, cost, quality = _cumulated(pair, order, ends, weights)
    for name, part in (("cost95", 0.95), ("cost99", 0.99)):
        found[name] = _firsts(cost, quality, part * strong)
    return found


def _first(at: Floats, quality: Floats, wanted: float) -> float:
    return float(_firsts(at[None], quality[None], np.array([wanted]))[0])


def _firsts(at: Floats, quality: Floats, wanted: Floats) -> Floats:
    """Where each row first reaches what is wanted, on the straight line inside a tie; else NaN."""
    reached = quality >= wanted[:, None] - 1e-12
    place = reached.argmax(axis=1)
    rows = np.arange(len(at))
    before = np.maximum(place - 1, 0)
    low, high = quality[rows, before], quality[rows, place]
    rise = np.where(high > low, high - low, 1.0)
    part = np.where(high > low, np.clip((wanted - low) / rise, 0.0, 1.0), 1.0)
    found = at[rows, before] + part * (at[rows, place] - at[rows, before])
    return np.where(reached.any(axis=1), found, np.nan)


def _below(one: tuple[float, float], two: tuple[float, float], three: tuple[float, float]) -> bool:
    """Whether the middle point lies on or under the line from the first to the last."""
    return (two[1] - one[1]) * (three[0] - one[0]) <= (three[1] - one[1]) * (two[0] - one[0])
