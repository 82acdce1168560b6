"""What a store of answers by meaning is filled with and asked: vectors of texts, and of more."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

QUERIES = 2000

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Texts:
    """Vectors of questions (those of `known` are entries) and of texts made from pairs of them."""

    real: Vectors
    known: NDArray[np.int64]
    joined: Vectors
    pairs: NDArray[np.int64]
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """Vectors that are asked, the first half of them of questions; texts of any questions."""

    queries: Vectors
    words: tuple[str, ...]


def load(file: Path) -> tuple[Texts, Vectors]:
    """Texts to be known and texts to be asked: half questions, half made ones, held out."""
    with np.load(file, allow_pickle=False) as kept:
        real, joined, pairs = kept["v"], kept["joined"], kept["pairs"]
        words = tuple(kept["texts"].tolist())
    dice, half = np.random.default_rng(0), QUERIES // 2
    asked, made = (dice.permutation(len(one))[:half] for one in (real, joined))
    queries = np.concatenate([real[asked], joined[made]])
    left = np.delete(np.arange(len(joined)), made)
    left = left[~np.isin(pairs[left], asked).any(axis=1)]  # a text that is asked is part of none
    known = np.delete(np.arange(len(real)), asked)
    return Texts(real, known, joined[left], pairs[left], words), queries


def more_of(texts: Texts, count: int, dice: np.random.Generator) -> Vectors:
    """Vectors as made texts would have: two questions in shares that an embedded one has.

    What a made text has beyond its parts is added by half: then neighbours are as near, and the
    local dimension (Levina & Bickel 2004, 20 neighbours) is as large, as among embedded ones: .74,
    .62, .53 to the 1st, 10th, 60th of 29,000 and 21, both ways.
    """
    one, two = (texts.real[texts.pairs[:, at]] for at in (0, 1))
    alike, first, second = (
        np.einsum("ij,ij->i", *both)[:, None]
        for both in ((one, two), (texts.joined, one), (texts.joined, two))
    )
    apart = np.maximum(1 - alike**2, 1e-3)
    shares = (first - alike * second) / apart, (second - alike * first) / apart
    beyond = texts.joined - shares[0] * one - shares[1] * two
    which = dice.integers(len(texts.joined), size=count)
    parts = (texts.real[dice.choice(texts.known, size=count)] for _ in range(2))
    made = sum(share[which] * part for share, part in zip(shares, parts, strict=True))
    made = made + 0.5 * beyond[which]
    return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), np.float32)


def enough(texts: Texts, count: int) -> Vectors:
    """So many entries: embedded ones first, in any order, then made ones."""
    dice = np.random.default_rng(1)
    real = np.concatenate([texts.real[texts.known], texts.joined])
    many = np.empty((count, real.shape[1]), np.float32)
    many[: len(real)] = dice.permutation(real)[:count]
    for start in range(len(real), count, 50_000):
        stop = min(start + 50_000, count)
        many[start:stop] = more_of(texts, stop - start, dice)
    return many


def best_cosines(rows: Vectors, queries: Vectors) -> Vectors:
    """The truth, by comparing all with all."""
    best = np.full(len(queries), -1.0, np.float32)
    for start in range(0, len(rows), 20_000):
        best = np.maximum(best, (queries @ rows[start : start + 20_000].T).max(axis=1))
    return best
