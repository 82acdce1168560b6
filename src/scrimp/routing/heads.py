"""One head per model: the chance of a good answer, from three fits of the same questions.

A ridge on nearness to landmarks, a ridge on words, and the votes of near questions, each as what it
adds to the model's mean quality; how much each counts is fitted on predictions of rows that the
fits did not see. A model with few labels starts from the mean of those with many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scrimp.routing.ridge import Solver, solver

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

STRENGTH: Final = 10.0
"""Noise of one answer over what features explain; the same for landmarks and for words."""
USUAL: Final = (0.75, 0.25, 0.35)
"""What landmarks, words and neighbours count for while there is little to fit that on."""
_ROWS_OF_USUAL: Final = 10_000.0
_FEWEST_PAIRS: Final = 100
_FEW: Final = 4
"""A model with less than a quarter of the most labels leans on the others."""


@dataclass(slots=True)
class Head:
    """A model's coefficients on landmarks, what rank-one updates need, and those on words."""

    mean: float
    near: Floats
    inverse: Floats
    words: Singles

    @classmethod
    def blank(cls, size: int, words: int, mean: float) -> Head:
        """Of a model that nothing is known of."""
        inverse = np.eye(size) / STRENGTH
        return cls(mean, np.zeros(size), inverse, np.zeros(words, np.float32))


@dataclass(frozen=True, slots=True)
class Fitting:
    """What heads are fitted on: rows of landmarks' coordinates and of words, answers by column."""

    near: Floats
    words: Floats
    models: tuple[str, ...]
    answers: Floats
    weights: Floats

    def means(self) -> Floats:
        """Mean quality of each model."""
        known = np.where(self.weights > 0, self.answers, 0.0)
        out: Floats = (known * self.weights).sum(axis=0) / self.weights.sum(axis=0)
        return out


def fit(given: Fitting) -> tuple[dict[str, Head], Floats]:
    """Heads, and what each row adds to its model's mean by the other rows: (2, rows, models)."""
    means, counts = given.means(), (given.weights > 0).sum(axis=0)
    alone = np.zeros((2, *given.answers.shape))
    heads: dict[str, Head] = {}
    solvers: dict[bytes, tuple[Solver, Solver]] = {}
    for at in sorted(range(len(given.models)), key=lambda one: (-counts[one], given.models[one])):
        known = given.weights[:, at] > 0
        key = given.weights[:, at].tobytes()
        if key not in solvers:  # models that were labelled on the same rows share their inverses
            weights = given.weights[known, at]
            solvers[key] = (
                solver(given.near[known], weights, STRENGTH),
                solver(given.words[known], weights, STRENGTH),
            )
        large = [one for one in heads.values() if counts[at] * _FEW < counts.max()]
        near_prior, words_prior = _priors(large)
        extra = given.answers[known, at] - means[at]
        near, alone[0, known, at] = solvers[key][0].fit(extra, near_prior)
        words, alone[1, known, at] = solvers[key][1].fit(extra, words_prior)
        inverse = solvers[key][0].inverse.copy()
        heads[given.models[at]] = Head(float(means[at]), near, inverse, words.astype(np.float32))
    return heads, alone


def prior_of(heads: Sequence[Head], size: int, words: int) -> Head:
    """The head that a model starts with which nothing is known of."""
    if not heads:
        return Head.blank(size, words, 0.5)
    made = Head.blank(size, words, float(np.mean([one.mean for one in heads])))
    near, spoken = _priors(heads)
    if near is not None and spoken is not None:
        made.near, made.words = near, spoken.astype(np.float32)
    return made


def stack(given: Fitting, parts: Floats) -> Floats:
    """How much each part counts, by how it told models apart on the same question.

    Where questions have one model's answer only, by how it told questions apart. Never below 0.
    """
    known = given.weights > 0
    target = np.where(known, given.answers - given.means(), 0.0)
    design = np.where(known, parts, 0.0)
    several = known.sum(axis=1) > 1
    if several.sum() >= _FEWEST_PAIRS:
        share = known[several] / known[several].sum(axis=1, keepdims=True)
        design, target = design[:, several], target[several]
        target = target - (target * share).sum(axis=1, keepdims=True)
        design = design - (design * share).sum(axis=2, keepdims=True)
        known = known[several]
    flat = design[:, known].T
    gram, usual = flat.T @ flat, np.array(USUAL)
    firm = np.diag(np.diag(gram) / len(flat) + 1e-9) * _ROWS_OF_USUAL
    found = np.linalg.solve(gram + firm, flat.T @ target[known] + firm @ usual)
    out: Floats = np.maximum(found, 0.0)
    return out


def _priors(heads: Sequence[Head]) -> tuple[Floats | None, Floats | None]:
    if not heads:
        return None, None
    near: Floats = np.mean([one.near for one in heads], axis=0)
    words: Floats = np.mean([one.words for one in heads], axis=0, dtype=np.float64)
    return near, words
