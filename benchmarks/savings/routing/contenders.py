"""Routers that Scrimp is measured against: each scores questions, high ones for the strong.

All see the same training questions and, where they use one, the same static embedding.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scrimp.routing.curve import Floats, Pair

_HARD = re.compile(
    r"\b(analy[sz]e|prove|derive|explain|compare|evaluate|design|optimi[sz]e|architecture|theorem|"
    r"algorithm|strategy|implications?|step by step|critique|synthesi[sz]e)\b",
    re.IGNORECASE,
)
_EASY = re.compile(
    r"\b(what is|who is|who was|when did|where is|define|list|name|capital of|translate|spell|"
    r"hello|thanks|which of the following is)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Split:
    """What was learned from, and what is judged."""

    known_texts: tuple[str, ...]
    known_vectors: Floats
    known: Pair
    texts: tuple[str, ...]
    vectors: Floats


def random(split: Split, seed: int) -> Floats:
    """One draw, as a blind router would."""
    return np.random.default_rng(seed).random(len(split.texts))


def keywords(split: Split) -> Floats:
    """Three levels by words: complex ones up, simple ones down."""
    return np.array([_level(text) for text in split.texts])


def _level(text: str) -> float:
    return float(bool(_HARD.search(text))) - float(bool(_EASY.search(text)))


def length(split: Split) -> Floats:
    """The longer, the stronger."""
    return np.array([float(len(text)) for text in split.texts])


def nearest(split: Split, count: int = 100) -> Floats:
    """Mean gain of the nearest known questions, by cosine."""
    known, asked = _unit(split.known_vectors), _unit(split.vectors)
    count = min(count, len(known))
    found = np.empty(len(asked))
    for begin in range(0, len(asked), 512):
        near = asked[begin : begin + 512] @ known.T
        chosen = np.argpartition(near, near.shape[1] - count, axis=1)[:, -count:]
        found[begin : begin + 512] = split.known.gain[chosen].mean(axis=1)
    return found


def factorised(split: Split, seed: int, size: int = 64, epochs: int = 60) -> Floats:
    """Matrix factorisation as RouteLLM has it (arXiv 2406.18665, section 4.2), on our embedding.

    The chance that the strong model wins is the logistic of a bilinear form: a model's vector times
    a projection of the question. Trained on wins alone, by Adam, as theirs is.
    """
    decided = split.known.gain != 0
    scale = split.known_vectors.std(axis=0) + 1e-9
    known = (split.known_vectors / scale)[decided] / np.sqrt(len(scale))
    wins = (split.known.gain[decided] > 0).astype(float)
    dice = np.random.default_rng(seed)
    # w . (v_strong - v_weak) * (W x): only the models' difference is ever used.
    parts = [
        dice.normal(0, 0.1, (known.shape[1] + 1, size)),
        dice.normal(0, 0.1, size),
    ]
    moments = [(np.zeros_like(part), np.zeros_like(part)) for part in parts]
    known = np.concatenate([known, np.ones((len(known), 1))], axis=1)
    step = 0
    for _ in range(epochs):
        for rows in np.array_split(dice.permutation(len(known)), max(1, len(known) // 64)):
            step += 1
            slopes = _slopes(known[rows], wins[rows], parts)
            for part, slope, moment in zip(parts, slopes, moments, strict=True):
                _adam(part, slope + 1e-4 * part, moment, step)
    asked = split.vectors / scale / np.sqrt(len(scale))
    asked = np.concatenate([asked, np.ones((len(asked), 1))], axis=1)
    return np.asarray((asked @ parts[0]) @ parts[1], np.float64)


def _slopes(rows: Floats, wins: Floats, parts: list[Floats]) -> tuple[Floats, Floats]:
    project, model = parts
    hidden = rows @ project
    error = (1 / (1 + np.exp(-np.clip(hidden @ model, -30, 30))) - wins) / len(rows)
    return rows.T @ (error[:, None] * model), hidden.T @ error


def _adam(part: Floats, slope: Floats, moment: tuple[Floats, Floats], step: int) -> None:
    first, second = moment
    first += 0.1 * (slope - first)
    second += 0.001 * (slope * slope - second)
    part -= 1e-3 * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)


def _unit(vectors: NDArray[np.float64]) -> Floats:
    found: Floats = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return found
