"""The questions most like this one: how their answers were, and how far off it lies from all.

Vectors are the embedding's own main directions, equally long; without an embedding, those of what
is counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Singles = NDArray[np.float32]

DIRECTIONS: Final = 64
MOST: Final = 4096
_SHARP: Final = 8.0
_AT: Final = 0.7
_PRIOR: Final = 1.0
"""How much counts for no difference: as much as one answer at a cosine of `_AT`."""
_FEWEST: Final = 10
_SAME: Final = 0.9995
"""Nearer it is the same question again, which says nothing of how far others lie apart."""


@dataclass(slots=True)
class Neighbours:
    """Known questions, `used` of them; the oldest makes room. `answers` are `marked`.

    `familiar` is how near known questions are to their own neighbours, in rising order.
    """

    turn: Singles
    vectors: Singles
    answers: Singles
    familiar: Singles
    used: int
    next: int

    def look(self, row: Singles) -> tuple[Singles, float]:
        """A vote per model, and the novelty of the question.

        The vote is the mean quality of near answers, less what the model's mean is: how it differs
        here. Few answers count for little.
        """
        if self.used < _FEWEST:
            return np.zeros(self.answers.shape[1] // 2, np.float32), 1.0
        near = self.vectors[: self.used] @ self.place(row)
        return vote(near, self.answers[: self.used]), self._novelty(float(near.max()))

    def place(self, row: Singles) -> Singles:
        """A question's vector."""
        return _unit(row @ self.turn)

    def add(self, row: Singles, answers: Singles) -> None:
        """Remember one more."""
        self.vectors[self.next] = self.place(row)
        self.answers[self.next] = answers
        self.used = max(self.used, self.next + 1)
        self.next = (self.next + 1) % len(self.vectors)

    def grow(self) -> None:
        """Make room for the rest, behind what is kept."""
        room = np.zeros((MOST, self.vectors.shape[1]), np.float32)
        known = np.zeros((MOST, self.answers.shape[1]), np.float32)
        room[: self.used], known[: self.used] = self.vectors, self.answers
        self.vectors, self.answers = room, known

    def _novelty(self, close: float) -> float:
        """0 for what is as near as 19 of 20 known ones are, 1 for what is further off than all."""
        if not len(self.familiar):
            return 1.0
        below = float(np.searchsorted(self.familiar, close)) / len(self.familiar)
        return max(0.0, 1.0 - 20.0 * below)


def vote(near: Singles, answers: Singles) -> Singles:
    """What all known questions say of each model, near ones loudest; shrunk to 0."""
    weights = np.exp(np.float32(_SHARP) * (near - np.float32(_AT)))
    said = weights @ answers
    half = len(said) // 2
    out: Singles = said[:half] / (said[half:] + np.float32(_PRIOR))
    return out


def marked(answers: Singles) -> Singles:
    """Answers as neighbours keep them: 0 where unknown, and behind them a 1 where known."""
    known = np.isfinite(answers)
    return np.concatenate([np.where(known, answers, 0.0), known], axis=-1, dtype=np.float32)


def neighbours(rows: Singles, answers: Singles) -> tuple[Neighbours, Singles]:
    """A memory of these questions, and each one's vote by the others. NaN: not answered.

    Of more than it holds some of all ages are drawn, once and for all.
    """
    order = np.random.default_rng(0).permutation(len(rows))[:MOST]
    chosen = np.sort(order)
    kept = rows[chosen].astype(np.float64)
    _, vectors = np.linalg.eigh(kept.T @ kept)
    lengths = np.sqrt(np.maximum(((kept @ vectors) ** 2).mean(axis=0), 1e-9))
    turn = np.ascontiguousarray((vectors / np.sqrt(lengths))[:, ::-1][:, :DIRECTIONS], np.float32)
    places = _unit(rows @ turn)
    latest, known = places[chosen], marked(answers[chosen])
    votes, close = _by_others(places, latest, known, chosen)
    used = len(chosen)
    made = Neighbours(turn, latest, known, np.sort(close), used, used % MOST)
    made.grow()
    return made, votes


def _by_others(
    places: Singles, known: Singles, answers: Singles, chosen: NDArray[np.intp]
) -> tuple[Singles, Singles]:
    votes = np.zeros((len(places), answers.shape[1] // 2), np.float32)
    close = np.zeros(len(places), np.float32)
    among = {int(row): at for at, row in enumerate(chosen)}
    for row, place in enumerate(places):
        near = known @ place
        if (itself := among.get(row)) is not None:
            near[itself] = -2.0
        votes[row] = vote(near, answers)
        close[row] = near[near < _SAME].max(initial=-1.0)
    return votes, close


def _unit(numbers: Singles) -> Singles:
    length = np.sqrt((numbers * numbers).sum(axis=-1, keepdims=True))
    out: Singles = numbers / np.maximum(length, np.float32(1e-6))
    return out
