"""Labelled traffic for the study of certificates: an honest ranking, losses, rungs."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scrimp.embedders import static_words
from scrimp.routing.rows import Row

Floats = NDArray[np.float64]
Ranker = Callable[[Sequence[Row], Sequence[Row]], Floats]
"""Trained on the first rows, scores the second: lower is safer for the cheap model."""
SHARES = (0.05, 0.10, 0.15, 0.20, 0.25, 0.30, 0.35, 0.40, 0.45, 0.50, 0.60)
_RIDGE = 1000.0
_HASHED = 256
_WORD = re.compile(r"[a-z]+")


@dataclass(frozen=True, slots=True)
class Pool:
    """Requests to draw from: scores, losses, whether barred; rungs and what is true of them."""

    scores: Floats
    losses: Floats
    barred: NDArray[np.bool_]
    rungs: tuple[float, ...]
    given: tuple[float, ...]
    """Shares of traffic at each rung, as recent traffic says."""

    @property
    def loss(self) -> Floats:
        """The mean loss over all of it, of each rung: the truth, since requests are drawn anew."""
        return np.array([float(self.losses @ self._cheap(rung)) for rung in self.rungs]) / self.size

    @property
    def share(self) -> Floats:
        """The share of it that each rung serves cheap."""
        return np.array([float(self._cheap(rung).mean()) for rung in self.rungs])

    @property
    def size(self) -> int:
        """How many requests there are."""
        return len(self.scores)

    def _cheap(self, rung: float) -> NDArray[np.bool_]:
        return (self.scores <= rung) & ~self.barred


def losses_of(rows: Sequence[Row], weak: str, strong: str) -> Floats:
    """Quality of the strong model's answer minus that of the weak one's."""
    return np.array([row.labels[strong].quality - row.labels[weak].quality for row in rows])


def pool_of(scores: Floats, losses: Floats, barred: NDArray[np.bool_] | None = None) -> Pool:
    """Rungs at quantiles of the traffic's own scores: that needs no label."""
    bars = np.zeros(len(scores), np.bool_) if barred is None else barred
    rungs = np.unique(np.quantile(scores, SHARES))
    given = tuple(float((scores <= rung).mean()) for rung in rungs)
    return Pool(scores, losses, bars, tuple(rungs.tolist()), given)


def under(pool: Pool, scores: Floats, losses: Floats, barred: NDArray[np.bool_]) -> Pool:
    """Other requests, under the rungs of a pool."""
    return Pool(scores, losses, barred, pool.rungs, pool.given)


def ridge_ranker(weak: str, strong: str) -> Ranker:
    """One ridge regression of the loss, on counted features and a static embedding."""

    def rank(train: Sequence[Row], test: Sequence[Row]) -> Floats:
        return _ridge(vectors(train), losses_of(train, weak, strong), vectors(test))

    return rank


def novel(train: Sequence[Row], test: Sequence[Row], share: float = 0.02) -> NDArray[np.bool_]:
    """Requests farther from all training than this share of the training is from its other half."""
    known, asked = (_unit(vectors(rows)[:, -_HASHED:]) for rows in (train, test))
    half = len(known) // 2
    usual = (known[half:] @ known[:half].T).max(axis=1)
    return np.asarray((asked @ known.T).max(axis=1) < np.quantile(usual, share), np.bool_)


def vectors(rows: Sequence[Row]) -> Floats:
    """What is counted in each prompt, and its embedding (its words, where there is none)."""
    return np.array([_vector(row.prompt) for row in rows])


@cache
def _embedding() -> Callable[[str], NDArray[Any]]:
    return static_words.load() if static_words.installed() else _hashed


@cache
def _vector(prompt: str) -> Floats:
    return np.concatenate([_counted(prompt), np.asarray(_embedding()(prompt), np.float64)])


def _counted(text: str) -> Floats:
    words, size = text.split() or [""], max(1, len(text))
    low = text.lower()
    return np.array(
        [
            np.log1p(size),
            np.log1p(len(words)),
            sum(sign.isdigit() for sign in text) / size,
            sum(sign in "+-*/=<>^%$" for sign in text) / size,
            sum(sign.isupper() for sign in text) / size,
            float(np.mean([len(word) for word in words])),
            text.count(",") / len(words),
            text.count("\n"),
            "?" in text,
            "not" in low,
            "which" in low,
            "_" in text,
        ],
        np.float64,
    )


def _hashed(text: str) -> Floats:
    counts = np.zeros(_HASHED)
    for word in _WORD.findall(text.lower()):
        counts[zlib.crc32(word.encode()) % _HASHED] += 1
    return np.asarray(_unit(np.log1p(counts)[None])[0], np.float64)


def _unit(rows: Floats) -> Floats:
    return np.asarray(rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-9), np.float64)


def _ridge(known: Floats, target: Floats, asked: Floats) -> Floats:
    means, scales = known.mean(axis=0), known.std(axis=0) + 1e-6
    design, shown = (known - means) / scales, (asked - means) / scales
    inner = design.T @ design + _RIDGE * np.eye(design.shape[1])
    weights = np.linalg.solve(inner, design.T @ (target - target.mean()))
    return np.asarray(shown @ weights + target.mean(), np.float64)
