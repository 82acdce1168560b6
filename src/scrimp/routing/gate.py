"""The no-harm gate: a learned router goes live only where it beats what needs no learning. Pure.

Its competitors are each model alone and each mix of two, blind to the question, at the mean cost of
the learned router: the hull that every router has to rise above. Rows must be decided by a router
that was not trained on them (`cross_fitted`).

For models a and b of mean costs A <= C <= B around the router's mean cost C, the mix has quality
q(a) + s (C - A) with slope s = (q(b) - q(a)) / (B - A). The difference to the router is, to first
order, the mean over rows of

    quality - (1 - w) q(a) - w q(b) - s (cost - (1 - w) cost(a) - w cost(b))

with w = (C - A) / (B - A), so that one paired standard error covers the luck of qualities and of
costs (the delta method). The router wins if its lower limit is above 0 against every competitor;
each is tested at the full level (intersection-union test: Berger 1982), because to lose against one
is enough to stay out.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import combinations
from math import ceil, sqrt
from statistics import NormalDist
from typing import Final, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from scrimp.errors import InvalidRequest
from scrimp.values import Value

Floats = NDArray[np.float64]
Item = TypeVar("Item")
Choice = TypeVar("Choice")
Winner = Literal["learned", "single", "mix"]

FEWEST: Final = 50
"""Below, a normal limit of a few wins and losses says nothing."""
_MOST_MISSING: Final = 10_000_000


class Logged(Value, frozen=True):
    """One question: quality and cost of each model's answer, and of what the router did with it.

    Costs are in any one unit. `weight` is one over the probability with which it was labelled.
    """

    qualities: Mapping[str, float]
    costs: Mapping[str, float]
    quality: float
    cost: float
    weight: float = 1.0


class Rival(Value, frozen=True):
    """What needs no learning: one model, or two, the second for a `share` of the calls.

    `edge` is the router's quality minus this one's, between `low` and `high`.
    """

    models: tuple[str, ...]
    share: float
    quality: float
    cost: float
    edge: float
    low: float
    high: float

    @property
    def named(self) -> str:
        """In words."""
        if len(self.models) == 1:
            return self.models[0]
        return f"a blind mix of {self.models[0]} and {self.models[1]} ({self.share:.0%})"


class GateVerdict(Value, frozen=True):
    """Who wins, and by what numbers.

    `single` is the best model alone that costs no more than the router, `mix` the best blind mix at
    its cost, `closest` the competitor that it beats least surely. `missing` estimates how many rows
    more would show that it wins: None where the numbers do not speak for it.
    """

    winner: Winner
    models: tuple[str, ...]
    share: float
    quality: float
    cost: float
    single: Rival | None
    mix: Rival | None
    closest: Rival
    rows: int
    confidence: float
    missing: int | None
    why: str


def cross_fitted(
    items: Sequence[Item],
    groups: Sequence[Hashable],
    fit: Callable[[list[Item]], Callable[[Item], Choice]],
    *,
    folds: int = 5,
) -> list[Choice]:
    """What is chosen for each item by a router that was trained without its fold.

    Items of one group (a subject, a conversation; each its own where nothing binds them) share a
    fold. Raises InvalidRequest for fewer groups than 2.
    """
    order = {group: at for at, group in enumerate(dict.fromkeys(groups))}
    if len(order) < 2:
        raise InvalidRequest(f"{len(order)} groups of rows: at least 2 are needed to hold one back")
    fold_of = [order[group] % min(folds, len(order)) for group in groups]
    found: dict[int, Choice] = {}
    for fold in sorted(set(fold_of)):
        choose = fit([item for item, at in zip(items, fold_of, strict=True) if at != fold])
        for place, (item, at) in enumerate(zip(items, fold_of, strict=True)):
            if at == fold:
                found[place] = choose(item)
    return [found[place] for place in range(len(items))]


def gate(rows: Sequence[Logged], *, confidence: float = 0.95) -> GateVerdict:
    """Who wins: the learned router, one model alone, or a blind mix of two.

    Only models with a label on every row compete. Raises InvalidRequest if there is none.
    """
    if not rows or not 0.5 < confidence < 1:
        raise InvalidRequest(f"{len(rows)} rows at confidence {confidence}: some, at 0.5 to 1")
    names = [
        name
        for name in sorted(rows[0].qualities)
        if all(name in row.qualities and name in row.costs for row in rows)
    ]
    if not names:
        raise InvalidRequest(f"no model has a quality and a cost on each of {len(rows)} rows")
    table = _Table(rows, names, confidence)
    rivals = table.rivals()
    singles = [rival for rival in rivals if len(rival.models) == 1]
    mixes = [rival for rival in rivals if len(rival.models) == 2]
    closest = min(rivals, key=lambda rival: rival.low)
    best = max(rivals, key=lambda rival: (rival.quality, -len(rival.models)))
    wins = closest.low > 0 and len(rows) >= FEWEST
    kind: Winner = "learned" if wins else "single" if len(best.models) == 1 else "mix"
    return GateVerdict(
        winner=kind,
        models=() if wins else best.models,
        share=0.0 if wins else best.share,
        quality=table.quality,
        cost=table.cost,
        single=max(singles, key=lambda rival: rival.quality, default=None),
        mix=max(mixes, key=lambda rival: rival.quality, default=None),
        closest=closest,
        rows=len(rows),
        confidence=confidence,
        missing=_missing(closest, len(rows)),
        why=_why(closest, best, len(rows), wins=wins),
    )


class _Table:
    """The rows as columns."""

    def __init__(self, rows: Sequence[Logged], names: list[str], confidence: float) -> None:
        weights = np.array([row.weight for row in rows])
        self._qualities = {name: np.array([row.qualities[name] for row in rows]) for name in names}
        self._costs = {name: np.array([row.costs[name] for row in rows]) for name in names}
        self._own = np.array([row.quality for row in rows])
        self._spent = np.array([row.cost for row in rows])
        numbers = [weights, self._own, self._spent, *self._qualities.values()]
        if not all(np.isfinite(one).all() for one in (*numbers, *self._costs.values())):
            raise InvalidRequest("a quality, cost or weight is no finite number")
        if not (weights > 0).all():
            raise InvalidRequest(f"a weight is {weights.min()}: weights are above 0")
        self._weights = weights / weights.sum()
        self._names = names
        self._z = NormalDist().inv_cdf(confidence)
        self.quality, self.cost = self._mean(self._own), self._mean(self._spent)

    def rivals(self) -> list[Rival]:
        """Every model that costs no more, and every mix of two at the router's cost."""
        costs = {name: self._mean(self._costs[name]) for name in self._names}
        cheapest = min(costs.values())
        limit = max(self.cost, cheapest)
        singles = [name for name in self._names if costs[name] <= limit]
        found = [self._single(name, costs[name]) for name in singles]
        for one, other in combinations(self._names, 2):
            low, high = sorted((one, other), key=lambda name: costs[name])
            if costs[low] < self.cost < costs[high]:
                found.append(self._mix(low, high, costs))
        return found

    def _single(self, name: str, cost: float) -> Rival:
        edge, low, high = self._span(self._own - self._qualities[name])
        return Rival((name,), 0.0, self._mean(self._qualities[name]), cost, edge, low, high)

    def _mix(self, low: str, high: str, costs: Mapping[str, float]) -> Rival:
        share = (self.cost - costs[low]) / (costs[high] - costs[low])
        quality = (1 - share) * self._qualities[low] + share * self._qualities[high]
        cost = (1 - share) * self._costs[low] + share * self._costs[high]
        rise = self._mean(self._qualities[high]) - self._mean(self._qualities[low])
        slope = rise / (costs[high] - costs[low])
        edges = self._own - quality - slope * (self._spent - cost)
        return Rival((low, high), share, self._mean(quality), self.cost, *self._span(edges))

    def _mean(self, column: Floats) -> float:
        return float(self._weights @ column)

    def _span(self, edges: Floats) -> tuple[float, float, float]:
        mean = self._mean(edges)
        half = self._z * sqrt(float((self._weights**2) @ (edges - mean) ** 2))
        return mean, mean - half, mean + half


def _missing(closest: Rival, rows: int) -> int | None:
    """Rows more until the edge over the closest rival is above its limit, if it stays as it is."""
    if closest.low > 0:
        return max(0, FEWEST - rows)
    if closest.edge <= 0:
        return None
    needed = rows * ((closest.edge - closest.low) / closest.edge) ** 2
    return min(_MOST_MISSING, max(FEWEST - rows, ceil(needed) - rows + 1))


def _why(closest: Rival, best: Rival, rows: int, *, wins: bool) -> str:
    numbers = f"{closest.edge:+.4f} ({closest.low:+.4f} to {closest.high:+.4f})"
    if wins:
        return f"beats {closest.named} at the same cost, by {numbers} on {rows} rows"
    if rows < FEWEST:
        return f"{rows} rows are too few to tell, {FEWEST} at least: {best.named} serves"
    return f"not shown to beat {closest.named}: {numbers} on {rows} rows; {best.named} serves"
