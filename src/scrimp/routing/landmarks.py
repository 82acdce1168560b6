"""From a row of features to the numbers that heads are fitted on: how near it is to landmarks.

Counted numbers, the embedding and the topics of a question span one space; a Gaussian kernel to
some questions of it (Nyström: Williams and Seeger 2001) lets a ridge bend. Topics are the routes
that a question reads like, learned from where questions came from, so that one whose route is not
told is still judged like its kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scrimp.routing.text_features import Shape

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

LANDMARKS: Final = 256
# Chosen by cross-validation on half of MMLU; all within noise of values twice as large or small.
_LEXICAL: Final = 0.8
_EMBEDDING: Final = 0.1
_SHARP: Final = 14.0
_TOPIC_STRENGTH: Final = 1000.0
_FEWEST: Final = 15
"""Questions that make a topic; at most `_MOST_TOPICS` of the largest are told apart."""
_MOST_TOPICS: Final = 64
_FAR: Final = 5.0
_FOLDS: Final = 5


@dataclass(frozen=True, slots=True)
class Frame:
    """Where features lie and how far they spread, so that all are of one size."""

    shape: Shape
    means: Singles
    inverse: Singles
    rare: Singles

    def dense(self, rows: Singles) -> Singles:
        """Counted numbers and the embedding, standardised; nothing lies further out than 5."""
        size = self.shape.dense
        return _bounded((rows[..., :size] - self.means[:size]) * self.inverse[:size])

    def words(self, rows: Singles) -> Singles:
        """Words, rare ones more, at length 1."""
        found = rows[..., self.shape.dense :] * self.rare
        length = np.sqrt((found * found).sum(axis=-1, keepdims=True))
        out: Singles = found / np.maximum(length, np.float32(1e-6))
        return out

    def all(self, dense: Singles, words: Singles) -> Singles:
        """Both, standardised."""
        size = self.shape.dense
        spread = _bounded((words - self.means[size:]) * self.inverse[size:])
        return np.concatenate([dense, spread], axis=-1)


def frame(rows: Singles, shape: Shape) -> Frame:
    """That of these rows."""
    size = shape.dense
    rare = 1.0 / np.sqrt(np.sqrt((rows[:, size:] ** 2).mean(axis=0) + 1e-4))
    first = Frame(shape, np.zeros(size, np.float32), np.ones(size, np.float32), _single(rare))
    both = np.concatenate([rows[:, :size], first.words(rows)], axis=1)
    spread = both.std(axis=0, dtype=np.float64)
    inverse = np.where(spread > 1e-6, 1.0 / np.maximum(spread, 1e-6), 0.0)
    means = both.mean(axis=0, dtype=np.float64)
    return Frame(shape, _single(means), _single(inverse), _single(rare))


@dataclass(frozen=True, slots=True)
class Topics:
    """Scores of a question for each topic: how much it reads like one."""

    names: tuple[str, ...]
    weights: Singles
    means: Singles

    def leaning(self, rows: Singles) -> Singles:
        """The root of each topic's share, so that distances are those of distributions."""
        return _shares(rows @ self.weights + self.means)


def topics(rows: Singles, labels: list[str]) -> tuple[Topics, Singles]:
    """Topics, and what each row leans to by a fit that did not see it. Blank labels are none."""
    counts: dict[str, int] = {}
    for label in labels:
        if label:
            counts[label] = counts.get(label, 0) + 1
    largest = sorted(counts, key=lambda name: (-counts[name], name))[:_MOST_TOPICS]
    names = tuple(sorted(name for name in largest if counts[name] >= _FEWEST))
    if len(names) < 2:
        nothing = Topics((), np.zeros((rows.shape[1], 0), np.float32), np.zeros(0, np.float32))
        return nothing, np.zeros((len(rows), 0), np.float32)
    place = {name: at for at, name in enumerate(names)}
    told = np.array([place.get(label, -1) for label in labels])
    marks = np.zeros((len(rows), len(names)), np.float32)
    marks[told >= 0, told[told >= 0]] = 1.0
    means = marks[told >= 0].mean(axis=0)
    weights, scores = _classify(rows, marks - means, told >= 0)
    return Topics(names, weights, means), _shares(scores + means)


@dataclass(frozen=True, slots=True)
class Landmarks:
    """`points` in the common space; `whiten` makes the kernel's coordinates of equal size."""

    points: Singles
    norms: Singles
    whiten: Singles

    def near(self, spots: Singles) -> Singles:
        """The kernel to each landmark."""
        far = (spots * spots).sum(axis=-1, keepdims=True) + self.norms
        far -= 2.0 * (spots @ self.points.T)
        out: Singles = np.exp(-np.maximum(far, 0.0))
        return out


def spot(shape: Shape, dense: Singles, leaning: Singles) -> Singles:
    """Where questions lie in the common space."""
    lexical = dense[..., : shape.lexical] * _size(_LEXICAL, shape.lexical)
    meaning = dense[..., shape.lexical :] * _size(_EMBEDDING, shape.embedding)
    return np.concatenate([lexical, meaning, leaning], axis=-1)


def landmarks(spots: Singles) -> Landmarks:
    """Some of the rows, drawn once and for all, and what makes their kernel white."""
    chosen = np.random.default_rng(0).permutation(len(spots))[:LANDMARKS]
    points = np.ascontiguousarray(spots[np.sort(chosen)])
    norms = _single((points * points).sum(axis=1))
    plain = Landmarks(points, norms, np.zeros((0, 0), np.float32))
    values, vectors = np.linalg.eigh(plain.near(points).astype(np.float64))
    whiten = vectors / np.sqrt(np.maximum(values, 0.0) + 1e-4)
    return Landmarks(points, norms, _single(whiten))


def _classify(rows: Singles, marks: Singles, known: NDArray[np.bool_]) -> tuple[Singles, Singles]:
    """Weights on all known rows; scores of each row by weights of the other folds."""
    fold = np.random.default_rng(0).permutation(len(rows)) % _FOLDS
    gram, right = rows[known].T @ rows[known], rows[known].T @ marks[known]
    shrunk = np.eye(rows.shape[1], dtype=np.float32) * np.float32(_TOPIC_STRENGTH)
    scores = np.zeros(marks.shape, np.float32)
    for one in range(_FOLDS):
        here = fold == one
        out = here & known
        left = gram - rows[out].T @ rows[out] + shrunk
        scores[here] = rows[here] @ np.linalg.solve(left, right - rows[out].T @ marks[out])
    return np.linalg.solve(gram + shrunk, right), scores


def _shares(scores: Singles) -> Singles:
    if not scores.shape[-1]:
        return scores
    raised = np.exp(_SHARP * (scores - scores.max(axis=-1, keepdims=True)))
    out: Singles = np.sqrt(raised / raised.sum(axis=-1, keepdims=True))
    return out


def _size(share: float, count: int) -> np.float32:
    return np.float32(np.sqrt(share / max(1, count)))


def _bounded(numbers: Singles) -> Singles:
    out: Singles = np.clip(numbers, -_FAR, _FAR)
    return out


def _single(numbers: NDArray[np.floating]) -> Singles:
    return np.ascontiguousarray(numbers, np.float32)
