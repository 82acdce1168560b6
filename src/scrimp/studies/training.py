"""A router trained and judged on the same labels: every question decided without its own fold.

What is predicted is what serves: the rule that turns chances into a choice is production's own. A
cost is predicted, too: from the length of the prompt, as far as the other folds tell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scrimp.choosing import Wish
from scrimp.errors import InvalidRequest
from scrimp.routing.gate import FEWEST, GateVerdict, Logged, cross_fitted, gate
from scrimp.routing.predictor import Predictor
from scrimp.studies.labelled import Item

Floats = NDArray[np.float64]

FOLDS: Final = 5
SHARES: Final = (0.25, 0.5, 0.75)
"""Shares of cheap calls at which a ranking for certificates is held against what is blind."""
_RIDGE: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Predicted:
    """A row per question, a column per model: chances, and costs in dollars, before the call."""

    models: tuple[str, ...]
    good: Floats
    cost: Floats


class _Fit:
    """What one fold's questions say of the others."""

    def __init__(self, items: Sequence[Item], models: Sequence[str], width: int) -> None:
        self._models = tuple(models)
        self._predictor = Predictor(width)
        self._predictor.fit([item.taught for item in items])
        self._costs = _cost_lines(items, models)

    def __call__(self, item: Item) -> tuple[list[float], list[float]]:
        chances = self._predictor.chances(item.features, self._models, item.place)
        costs = [max(0.0, base + slope * item.chars) for base, slope in self._costs]
        return [float(chances.good[name]) for name in self._models], costs


def predicted(
    items: Sequence[Item],
    models: Sequence[str],
    *,
    width: int,
    by_group: bool = False,
    told: Callable[[int], None] = lambda _: None,
) -> Predicted:
    """Cross-fitted predictions; with `by_group` no question's subject was seen in training."""
    begun = 0

    def fit(rest: list[Item]) -> Callable[[Item], tuple[list[float], list[float]]]:
        nonlocal begun
        begun += 1
        told(begun)
        return _Fit(rest, models, width)

    groups = [item.group if by_group else number for number, item in enumerate(items)]
    rows = cross_fitted(items, groups, fit, folds=FOLDS)
    good, cost = (np.array([row[part] for row in rows], np.float64) for part in (0, 1))
    return Predicted(tuple(models), good, cost)


def by_model(
    train: Sequence[Item], items: Sequence[Item], models: Sequence[str], *, width: int
) -> Predicted:
    """Predictions of other questions, by what these teach."""
    fit = _Fit(train, models, width)
    rows = [fit(item) for item in items]
    good, cost = (np.array([row[part] for row in rows], np.float64) for part in (0, 1))
    return Predicted(tuple(models), good, cost)


def of_saved(state: bytes, items: Sequence[Item], models: Sequence[str]) -> Predicted:
    """Predictions of a saved predictor; costs by the questions themselves, it has none."""
    predictor, lines = Predictor.load(state), _cost_lines(items, models)
    good = np.empty((len(items), len(models)))
    cost = np.empty((len(items), len(models)))
    for row, item in enumerate(items):
        chances = predictor.chances(item.features, models, item.place)
        good[row] = [chances.good[name] for name in models]
        cost[row] = [max(0.0, base + slope * item.chars) for base, slope in lines]
    return Predicted(tuple(models), good, cost)


def gate_verdict(
    items: Sequence[Item], found: Predicted, reference: str, wish: Wish, *, by_score: bool
) -> GateVerdict:
    """Whether the router may go live.

    At its dial; or with `by_score`, where certificates say how far it goes, at several shares of
    cheap calls, each at a level of its own so that all together hold at 95 %. Raises
    InvalidRequest where there are too few questions.
    """
    if len(items) < FEWEST or len(found.models) < 2:
        raise InvalidRequest(
            f"{len(items)} questions with quality and cost of {len(found.models)} models: at least "
            f"{FEWEST} of 2 are needed"
        )
    if not by_score:
        return gate(_logged(items, found, by_dial(found, reference, wish)))
    verdicts = [
        gate(_logged(items, found, by_share(found, reference, share)), confidence=_each())
        for share in SHARES
    ]
    return max(verdicts, key=lambda one: (one.winner == "learned", one.closest.low))


def moves_none(found: Predicted, reference: str, wish: Wish) -> bool:
    """Whether the dial would leave every one of these calls with the reference."""
    return bool((by_dial(found, reference, wish) == found.models.index(reference)).all())


def by_dial(found: Predicted, reference: str, wish: Wish) -> NDArray[np.intp]:
    """The model of each question by the dial alone: what depth `learned` serves."""
    good, cost = found.good, found.cost
    mark = found.models.index(reference)
    if wish.budget_nanousd is not None:
        will_do = cost <= wish.budget_nanousd / 1e9
        best = np.where(will_do, good, -np.inf).argmax(axis=1)
        chosen = np.where(will_do.any(axis=1), best, cost.argmin(axis=1))
    elif wish.floor is not None:
        will_do = good >= wish.floor
        cheapest = np.where(will_do, cost, np.inf).argmin(axis=1)
        chosen = np.where(will_do.any(axis=1), cheapest, good.argmax(axis=1))
    else:
        will_do = good >= (good[:, mark] - (wish.max_loss or 0.0))[:, None]
        will_do[:, mark] = True
        chosen = np.where(will_do, cost, np.inf).argmin(axis=1)
    return np.asarray(chosen, np.intp)


def by_share(found: Predicted, reference: str, share: float) -> NDArray[np.intp]:
    """So large a share served cheap, least loss for each share of the reference's cost first."""
    mark = found.models.index(reference)
    dear = np.maximum(found.cost[:, [mark]], 1e-12)
    saved = 1 - found.cost / dear
    loss = found.good[:, [mark]] - found.good
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = np.where(loss > 0, loss / saved, loss * saved)
    scores[saved <= 0] = np.inf
    challenger, best = scores.argmin(axis=1), scores.min(axis=1)
    known = np.isfinite(best)
    if not known.any():
        return np.full(len(best), mark)
    limit = np.quantile(best[known], share)
    return np.where(known & (best <= limit), challenger, mark)


def trained(items: Sequence[Item], width: int) -> Predictor:
    """One that has seen all of them."""
    predictor = Predictor(width)
    predictor.fit([item.taught for item in items])
    return predictor


def _each() -> float:
    """The level of one of several tests that hold together at 95 % (Bonferroni)."""
    return 1 - 0.05 / len(SHARES)


def _logged(items: Sequence[Item], found: Predicted, chosen: NDArray[np.intp]) -> list[Logged]:
    logged = []
    for item, column in zip(items, chosen, strict=True):
        model = found.models[int(column)]
        costs = {name: item.costs[name] / 1e9 for name in found.models}
        qualities = {name: item.qualities[name] for name in found.models}
        logged.append(Logged(qualities, costs, qualities[model], costs[model], item.weight))
    return logged


def _cost_lines(items: Sequence[Item], models: Sequence[str]) -> list[tuple[float, float]]:
    """For each model its cost at no length at all, and per character: least squares."""
    found = []
    for model in models:
        pairs = [(item.chars, item.costs[model] / 1e9) for item in items if model in item.costs]
        lengths, costs = (np.array([pair[part] for pair in pairs], np.float64) for part in (0, 1))
        if not len(costs):
            found.append((0.0, 0.0))
            continue
        spread = float(((lengths - lengths.mean()) ** 2).sum())
        slope = float(((lengths - lengths.mean()) * (costs - costs.mean())).sum()) / (
            spread + _RIDGE
        )
        slope = max(0.0, slope)
        found.append((float(costs.mean() - slope * lengths.mean()), slope))
    return found
