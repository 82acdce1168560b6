"""From labelled scores to the score from which on answers are served.

This is an estimate, cautious but no proof: the proof (`betting`) watches what it leads to.
A score's predicted risk q is held against verdicts as a*q + f: `a` says how far the model is off,
`f` how often it errs where no feature tells (mislabelled, ambiguous questions). Both have a
posterior on a grid; the served risk is the mean over recent traffic above the threshold, at an
upper quantile.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np

from scrimp.quality.logistic import Floats, Logistic, fit, folds

MIN_LABELS: Final = 120
"""Below, two dozen features of a scope cannot be told from chance."""
_ZONE: Final = 0.15
"""Predicted risks up to here tell about `a` and `f`: the served zone lies well inside."""
_QUANTILE: Final = 0.6
_SOON, _CAUTION, _UNSEEN, _LOWEST = 4000, 2.4, 0.0047, 0.4
"""Aim so far below the bound that the luck of some thousand answers seldom carries them above.
The wrong share of n answers deviates by sqrt(bound / n); the estimate errs as much again, hence 2.4
and not 1.7 of that. And never nearer than `_UNSEEN`: of the surest answers a few in a thousand are
wrong on some data, which few verdicts see, and more of them the fuller a scope gets. Aims of 0.53,
0.73, 0.83 at 1, 2, 5 %."""
_LEAST: Final = 50
"""So many effective labels must lie above a threshold."""
_MAX_WEIGHT: Final = 5.0
"""What was judged by lot stands for what was not, so that the model fits the traffic; capped, for a
few audits would otherwise outweigh hundreds of verdicts."""
_HALF_LIFE: Final = 1000.0
"""In labels: verdicts of a young scope tell little of a full one, where neighbours are nearer."""
_FACTORS, _FLOORS = (
    one.ravel()
    for one in np.meshgrid(
        np.exp(np.linspace(-0.9, 1.2, 9)),
        np.array([0, 0.5, 1, 1.5, 2, 3, 4, 5, 7, 10, 15, 20]) / 1000,
    )
)
_PRIOR = -0.5 * (np.log(_FACTORS) / 0.4) ** 2 - _FLOORS / 0.003


@dataclass(frozen=True, slots=True)
class Lesson:
    """Labels to learn from: features, whether right, the probability of having been asked for.

    `servable` are rows that no gate forbids; `recent` are features of recent decisions that no gate
    forbade, labelled or not. `bound` is the allowed risk.
    """

    features: Floats
    right: Floats
    propensities: Floats
    servable: Floats
    recent: Floats
    bound: float
    per_call: bool = False
    servable_share: float = 1.0


@dataclass(frozen=True, slots=True)
class Fitted:
    """A model, the chance from which on it may serve (above 1: nowhere), the risk expected."""

    model: Logistic
    threshold: float
    risk: float
    labels: int


def study(lesson: Lesson) -> Fitted:
    """Fit the model and choose the threshold: some 100 ms for 4,000 labels. Off the event loop."""
    weights = np.minimum(1.0 / lesson.propensities, _MAX_WEIGHT)
    unseen = folds(lesson.features, lesson.right, weights)
    model = fit(lesson.features, lesson.right, weights)
    allowed = lesson.servable > 0
    risks, wrong = 1 - unseen[allowed], 1 - lesson.right[allowed]
    ages = np.arange(len(unseen))[::-1][allowed]
    posterior = _posterior(risks, wrong, 0.5 ** (ages / _HALF_LIFE))
    threshold, risk = _choose(lesson, model, risks, weights[allowed], posterior)
    return Fitted(model, threshold, risk, len(unseen))


def _posterior(risks: Floats, wrong: Floats, weights: Floats) -> Floats:
    """How probable each pair of (a, f) is.

    Weights are those of age alone. Whether a verdict is asked for depends on the features, not on
    what it says; so given its score it tells as much as any other, and 1 / propensity would only
    add noise (Rubin 1976, "Inference and missing data", Biometrika 63: missing at random).
    """
    zone = risks <= _ZONE
    risks, wrong, weights = risks[zone], wrong[zone], weights[zone]
    # Unequal weights carry less information than their sum says (Kish's effective size).
    weights = weights * (weights.sum() / max(float((weights**2).sum()), 1e-9))
    expected = np.clip(np.outer(_FACTORS, risks) + _FLOORS[:, None], 1e-6, 0.6)
    logs = np.log(expected) @ (wrong * weights) + np.log1p(-expected) @ ((1 - wrong) * weights)
    logs = logs + _PRIOR
    shares = np.exp(logs - logs.max())
    return np.asarray(shares / shares.sum(), np.float64)


def _choose(
    lesson: Lesson, model: Logistic, risks: Floats, weights: Floats, posterior: Floats
) -> tuple[float, float]:
    """The lowest chance whose upper risk is allowed, and that risk."""
    if not len(risks) or not len(lesson.recent):
        return 2.0, 1.0
    ranked = np.argsort(risks, kind="stable")
    candidates, ordered = risks[ranked], weights[ranked]
    effective = np.cumsum(ordered) ** 2 / np.cumsum(ordered**2)
    traffic = np.sort(1 - model.chances(lesson.recent))
    means = np.cumsum(traffic) / np.arange(1, len(traffic) + 1)
    at = np.searchsorted(traffic, candidates, side="right")
    served = np.where(at > 0, means[np.maximum(at, 1) - 1], 0.0)
    upper = _upper(served, posterior)
    share = at / len(traffic) * lesson.servable_share if lesson.per_call else 1.0
    good = np.flatnonzero((upper * share <= _aim(lesson.bound)) & (effective >= _LEAST))
    if not len(good):
        return 2.0, float(upper[0])
    last = int(good[-1])
    return float(1 - candidates[last]), float(upper[last])


def _aim(bound: float) -> float:
    """The wrong share to aim at."""
    return max(_LOWEST * bound, bound - max(_CAUTION * sqrt(bound / _SOON), _UNSEEN))


def _upper(served: Floats, posterior: Floats) -> Floats:
    """The quantile of the posterior of the risk, for each mean of predicted risks."""
    curves = np.outer(_FACTORS, served) + _FLOORS[:, None]
    order = np.argsort(curves, axis=0)
    below = (np.cumsum(posterior[order], axis=0) < _QUANTILE).sum(axis=0)
    chosen = order[np.minimum(below, len(_FACTORS) - 1), np.arange(len(served))]
    return np.asarray(curves[chosen, np.arange(len(served))], np.float64)
