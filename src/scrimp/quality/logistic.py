"""Logistic regression by damped Newton steps, weighted and regularised: small, exact, no surprises.

Undamped steps diverge on separable data, and a diverged score serves wrong answers with confidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_RIDGE: Final = 2.0
"""Prior precision of a standardised weight; the same for every scope."""
_STEPS: Final = 40


@dataclass(frozen=True, slots=True)
class Logistic:
    """Weights over standardised features, the last being the constant."""

    weights: Floats
    means: Floats
    scales: Floats

    def chances(self, features: Floats) -> Floats:
        """Probability of a right answer, row by row."""
        return _sigmoid(_design(features, self.means, self.scales) @ self.weights)


def fit(features: Floats, right: Floats, weights: Floats) -> Logistic:
    """The maximum of the penalised likelihood; rows count by their weights."""
    means, scales = features.mean(axis=0), features.std(axis=0) + 1e-6
    design = _design(features, means, scales)
    ridge = np.full(design.shape[1], _RIDGE)
    ridge[-1] = 1e-3
    found = np.zeros(design.shape[1])
    loss = _loss(design, right, weights, found, ridge)
    for _ in range(_STEPS):
        chances = _sigmoid(design @ found)
        slope = design.T @ (weights * (chances - right)) + ridge * found
        curve = (design * (weights * np.maximum(chances * (1 - chances), 1e-6))[:, None]).T @ design
        curve[np.diag_indices_from(curve)] += ridge
        step = np.linalg.solve(curve, slope)
        size, lower = 1.0, np.inf
        while size > 1e-3:
            lower = _loss(design, right, weights, found - size * step, ridge)
            if lower <= loss:
                break
            size /= 2
        if lower > loss:
            break
        found = found - size * step
        if loss - lower < 1e-6 * (abs(loss) + 1e-9):
            break
        loss = lower
    return Logistic(found, means, scales)


def folds(features: Floats, right: Floats, weights: Floats, *, count: int = 5) -> Floats:
    """The chance of each row by a model that did not see it."""
    chances = np.empty(len(right))
    which = np.arange(len(right)) % count
    for fold in range(count):
        out = which == fold
        model = fit(features[~out], right[~out], weights[~out])
        chances[out] = model.chances(features[out])
    return chances


def logit(share: float) -> float:
    """The log of its odds, of a share from 1e-4 to 1 - 1e-4: beyond, it is cut off."""
    clipped = min(max(share, 1e-4), 1 - 1e-4)
    return log(clipped / (1 - clipped))


def _design(features: Floats, means: Floats, scales: Floats) -> Floats:
    scaled = np.clip((features - means) / scales, -8, 8)  # a feature never seen moves nothing alone
    return np.concatenate([scaled, np.ones((len(scaled), 1))], axis=1)


def _loss(design: Floats, right: Floats, weights: Floats, found: Floats, ridge: Floats) -> float:
    at = design @ found
    return float((weights * (np.logaddexp(0, at) - right * at)).sum() + found @ (ridge * found) / 2)


def _sigmoid(at: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(at, -30, 30))), np.float64)
