"""What a route's answers are better or worse than its questions let expect, shrunk step by step.

Global, tenant, task of the tenant, prompt of the task: each level's mean error is pulled towards
the level above it, the more the fewer verdicts it has (James and Stein 1961, in its simplest form).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from scrimp.choosing import Place

Key = tuple[str, ...]

_PRIOR: Final = (5.0, 30.0, 15.0, 15.0)
"""Verdicts that a level's own mean weighs as much as the level above."""


def levels(place: Place) -> tuple[Key, ...]:
    """From everything to this very prompt; what is not told adds no level."""
    found: list[Key] = [(), (place.tenant,)]
    if place.task or place.prompt:
        found.append((place.tenant, place.task))
    if place.prompt:
        found.append((place.tenant, place.task, place.prompt))
    return tuple(found)


@dataclass(slots=True)
class Effects:
    """Sums of errors and of weights, by model and level."""

    sums: dict[str, dict[Key, list[float]]] = field(default_factory=dict)

    def add(self, model: str, place: Place, error: float, weight: float) -> None:
        """One verdict's error: its quality minus what was predicted."""
        by = self.sums.setdefault(model, {})
        for key in levels(place):
            found = by.setdefault(key, [0.0, 0.0])
            found[0] += weight * error
            found[1] += weight

    def of(self, model: str, place: Place) -> float:
        """What to add to a prediction here."""
        by = self.sums.get(model)
        if by is None:
            return 0.0
        effect = 0.0
        for depth, key in enumerate(levels(place)):
            found = by.get(key)
            if found is None:
                break
            total, weight = found
            effect += weight / (weight + _PRIOR[depth]) * (total / weight - effect)
        return effect

    def count(self, model: str, key: Key) -> float:
        """Verdicts at a level, by their weights."""
        return self.sums.get(model, {}).get(key, (0.0, 0.0))[1]
