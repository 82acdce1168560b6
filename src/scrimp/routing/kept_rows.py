"""The questions that a predictor was taught with, packed; the oldest make room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from scrimp.choosing import Place
from scrimp.routing.text_features import Floats, pack, unpack
from scrimp.values import Value

Answers = dict[str, tuple[float, float]]
"""By model: quality, and weight."""
Key = tuple[bytes, Place]
"""Packed features, and where it was asked."""


class Row(Value, frozen=True):
    """A question, where it was asked, and how good which models' answers were (0 to 1)."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"features"})

    features: Floats
    qualities: Mapping[str, float]
    place: Place = Place()
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Block:
    """All rows at once. A column per model: `answers` NaN and `weights` 0 where unknown."""

    features: Floats
    places: list[Place]
    models: tuple[str, ...]
    answers: NDArray[np.float64]
    weights: NDArray[np.float64]


class KeptRows:
    """At most `most` questions, oldest first; one that comes again gains answers."""

    def __init__(self, width: int, most: int) -> None:
        self.width = width
        self.most = most
        self.packed: dict[Key, Answers] = {}

    def __len__(self) -> int:
        return len(self.packed)

    def add(
        self, features: Floats, place: Place, qualities: Mapping[str, float], weight: float
    ) -> Key:
        """Keep answers to a question; what it is known by."""
        key = (pack(features), place)
        found = self.packed.get(key)
        if found is None:
            found = self.packed[key] = {}
            if len(self.packed) > self.most:
                del self.packed[next(iter(self.packed))]
        for model, quality in qualities.items():
            before, known = found.get(model, (0.0, 0.0))
            total = known + weight
            mean = (before * known + quality * weight) / total
            found[model] = (float(mean), float(total))
        return key

    def block(self) -> Block:
        """Everything, unpacked."""
        models = tuple(sorted({model for answers in self.packed.values() for model in answers}))
        column = {model: at for at, model in enumerate(models)}
        features = np.zeros((len(self.packed), self.width), np.float32)
        answers = np.full((len(self.packed), len(models)), np.nan)
        weights = np.zeros(answers.shape)
        places: list[Place] = []
        for at, ((packed, place), known) in enumerate(self.packed.items()):
            features[at] = unpack(packed, self.width)
            places.append(place)
            for model, (quality, weight) in known.items():
                answers[at, column[model]] = quality
                weights[at, column[model]] = weight
        return Block(features, places, models, answers, weights)


def checked(quality: float, weight: float) -> None:
    """Raises ValueError for what is no quality or no weight."""
    if not 0.0 <= quality <= 1.0:
        raise ValueError(f"a quality is from 0 to 1, not {quality}")
    if not 0.0 < weight < float("inf"):
        raise ValueError(f"a weight is above 0, not {weight}")


def named(rows: Sequence[Place]) -> list[str]:
    """What a question's topic is called: its task, or the prompt that it came under."""
    return [place.task or place.prompt for place in rows]
