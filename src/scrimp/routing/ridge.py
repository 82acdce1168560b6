"""Ridge regression in closed form: weighted, shrunk to a prior, leave-one-out, rank-one updates.

Qualities of 0 and 1 are regressed as they are: the loss is quadratic, so the fit is a probability
wherever the features allow one, and no step size or stopping rule has to be chosen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Solver:
    """All fits on one design: rows of features, a weight for each, one strength of shrinkage.

    `inverse` is that of the shrunk Gram matrix: what rank-one updates go on with.
    """

    design: Floats
    weights: Floats
    inverse: Floats

    def fit(self, values: Floats, prior: Floats | None = None) -> tuple[Floats, Floats]:
        """Coefficients, and what each row is predicted as by a fit without it.

        `prior` is where coefficients go that no row speaks for (0 without one). The second are by
        the hat matrix, so no fit is repeated (Allen 1974, PRESS).
        """
        base = np.zeros(len(values)) if prior is None else self.design @ prior
        found = self.inverse @ (self.design.T @ (self.weights * (values - base)))
        fitted = base + self.design @ found
        lever = self.weights * _row_products(self.design @ self.inverse, self.design)
        alone = values - (values - fitted) / np.maximum(1.0 - lever, 1e-3)
        return (found if prior is None else found + prior), alone


def solver(design: Floats, weights: Floats, strength: float) -> Solver:
    """Prepare fits on these rows."""
    gram = (design * weights[:, None]).T @ design
    gram[np.diag_indices_from(gram)] += strength
    return Solver(design, weights, np.asarray(np.linalg.inv(gram), np.float64))


def update(
    coefficients: Floats, inverse: Floats, features: Floats, error: float, weight: float = 1.0
) -> None:
    """One row more, in place (Sherman-Morrison). `error` is its value minus what was predicted."""
    gain = inverse @ features
    gain /= 1.0 / weight + float(features @ gain)
    coefficients += gain * error
    inverse -= np.outer(gain, features @ inverse)


def _row_products(one: Floats, two: Floats) -> Floats:
    return np.asarray(np.einsum("ij,ij->i", one, two), np.float64)
