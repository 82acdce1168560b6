"""What a picture of quality against cost shows: single models, their mix, a router, the oracle.

Costs are shares of what the dearest way costs that is compared, qualities as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from msgspec import to_builtins
from numpy.typing import NDArray

from scrimp.routing.curve import (
    Pair,
    Table,
    aiq,
    best_single,
    curve,
    hull,
    per_extra,
    singles,
)
from scrimp.values import Value

Floats = NDArray[np.float64]

_MOST_POINTS: Final = 400
LEARNED, MIX, ORACLE = "router", "blind mix", "oracle"


class Line(Value, frozen=True):
    """A way to trade quality for cost: (cost, quality) by rising cost."""

    name: str
    points: tuple[tuple[float, float], ...]


class Picture(Value, frozen=True):
    """Models alone as points, ways between them as lines; `unit` is 1.0 of the costs, in dollars.

    `best` is the best single model.
    """

    models: Mapping[str, tuple[float, float]]
    lines: tuple[Line, ...]
    best: str
    unit_usd: float


class Numbers(Value, frozen=True):
    """What is read off a line: mean quality over all costs, and the cost at shares of the best.

    Costs are shares of what the best single model costs; None where it is never reached.
    """

    aiq: float | None
    cost95: float | None
    cost99: float | None


def pair_of(table: Table, weak: str, strong: str) -> Pair:
    """Two columns of a table."""
    one, two = table.models.index(weak), table.models.index(strong)
    return Pair(
        table.quality[:, one], table.quality[:, two], table.cost[:, one], table.cost[:, two]
    )


def picture(table: Table, good: Floats | None, cost: Floats | None) -> Picture:
    """Of a router's chances and expected costs, where there is one, beside what needs none."""
    alone, best = singles(table), best_single(table)
    unit = float(alone[table.models.index(best), 0]) or 1.0
    lines = []
    if good is not None and cost is not None:
        lines.append(Line(LEARNED, _points(routed(table, good, cost), unit)))
    lines.append(Line(MIX, _points(hull(alone), unit)))
    lines.append(Line(ORACLE, _points(routed(table, table.quality, table.cost), unit)))
    models = {
        name: (float(one[0]) / unit, float(one[1]))
        for name, one in zip(table.models, alone, strict=True)
    }
    return Picture(models, tuple(lines), best, unit)


def routed(table: Table, good: Floats, cost: Floats) -> Floats:
    """(cost, quality) of a router: of two models by gain per extra dollar, of more by argmax."""
    if len(table.models) != 2:
        return _swept(table, good, cost)
    weak, strong = np.argsort(table.cost.mean(axis=0))
    pair = pair_of(table, table.models[weak], table.models[strong])
    scores = per_extra(good[:, strong] - good[:, weak], cost[:, strong] - cost[:, weak])
    drawn = curve(pair, scores)
    always = float(pair.strong_cost.mean())
    return np.stack([drawn.cost * always, drawn.quality], axis=1)


def numbers(of: Picture, line: Line) -> Numbers:
    """Where a line reaches 95 and 99 % of the best model's quality."""
    points = np.array(line.points)
    wanted = of.models[of.best][1]
    costs = [one[0] for one in of.models.values()]
    area = aiq(points, min(costs), max(costs))
    return Numbers(
        None if np.isnan(area) else area,
        _reached(points, 0.95 * wanted),
        _reached(points, 0.99 * wanted),
    )


def told(of: Picture) -> dict[str, Any]:
    """Its numbers by name, for machines."""
    return {
        "best": of.best,
        "best_usd_per_call": of.unit_usd,
        "models": {
            name: {"quality": quality, "cost": cost} for name, (cost, quality) in of.models.items()
        },
        "lines": {line.name: to_builtins(numbers(of, line)) for line in of.lines},
    }


def _swept(table: Table, good: Floats, cost: Floats) -> Floats:
    """Argmax of chance - price of a dollar * expected cost, from dear dollars to free ones."""
    spread = float(np.ptp(cost)) or 1.0
    rows = np.arange(len(good))
    found = []
    for price in (np.inf, *(np.geomspace(1e4, 1e-4, _MOST_POINTS // 2) / spread), 0.0):
        worth = -cost if np.isinf(price) else good - price * cost
        chosen = worth.argmax(axis=1)
        found.append((table.cost[rows, chosen].mean(), table.quality[rows, chosen].mean()))
    return np.array(found)


def _reached(points: Floats, wanted: float) -> float | None:
    """The least cost on a line, straight between its points."""
    best = np.maximum.accumulate(points[:, 1])
    reached = np.flatnonzero(best >= wanted - 1e-12)
    if not len(reached):
        return None
    at = int(reached[0])
    if at == 0 or best[at] <= best[at - 1]:
        return float(points[at, 0])
    part = (wanted - best[at - 1]) / (best[at] - best[at - 1])
    return float(points[at - 1, 0] + max(0.0, part) * (points[at, 0] - points[at - 1, 0]))


def _points(points: Floats, unit: float) -> tuple[tuple[float, float], ...]:
    """In units, and no more than a picture can show."""
    ordered = points[np.argsort(points[:, 0], kind="stable")]
    if len(ordered) > _MOST_POINTS:
        chosen = np.unique(np.linspace(0, len(ordered) - 1, _MOST_POINTS).round().astype(int))
        ordered = ordered[chosen]
    return tuple((float(cost) / unit, float(quality)) for cost, quality in ordered)
