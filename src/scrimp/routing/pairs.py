"""Models side by side on the same questions: win rates, qualities, quality per dollar. Pure.

Questions are resampled whole, so that a difference between models is one of the same questions.
Chance comes as an argument: `draw(n)` gives n numbers below n.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import NormalDist

from scrimp.money import NANO_PER_USD
from scrimp.values import Value

Draw = Callable[[int], Sequence[int]]
Measure = Callable[[Sequence[float]], float | None]
"""From the means of all columns to a number; None where that has none."""
ROUNDS = 2000
_STEPS = 4_000_000
"""Numbers that are drawn at most: beyond, there are fewer rounds."""
_FEWEST = 200


class Span(Value, frozen=True):
    """A value, and between which bounds it lies with the confidence that was asked for."""

    value: float
    low: float
    high: float


class Wins(Value, frozen=True):
    """How often the first of two was better, as good, or worse. `split` are ties by discord."""

    wins: int = 0
    ties: int = 0
    losses: int = 0
    split: int = 0

    @property
    def count(self) -> int:
        """Verdicts in all."""
        return self.wins + self.ties + self.losses

    @property
    def rate(self) -> Span | None:
        """Share of wins, ties counted half; None without verdicts."""
        if not self.count:
            return None
        return wilson(self.wins + self.ties / 2, self.count)


def wilson(hits: float, count: int, confidence: float = 0.95) -> Span:
    """A share with its interval (Wilson 1927), good for few and for extreme ones.

    Raises ValueError for no count at all.
    """
    if count <= 0 or not 0 <= hits <= count:
        msg = f"a share needs 0 <= hits <= count > 0: {hits} of {count}"
        raise ValueError(msg)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, scale = hits / count, 1 + z * z / count
    middle = (share + z * z / (2 * count)) / scale
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / scale
    # rounding must not leave the share itself outside
    return Span(share, max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half)))


def resampled(
    rows: Sequence[Sequence[float]],
    measures: Mapping[str, Measure],
    draw: Draw,
    *,
    confidence: float = 0.95,
    rounds: int = ROUNDS,
) -> dict[str, Span]:
    """Each measure of the rows' column means, with percentiles of resampled rows.

    A measure that has no value on the rows themselves is left out.
    """
    count = len(rows)
    if not count:
        return {}
    columns = list(zip(*rows, strict=True))
    means = [math.fsum(column) / count for column in columns]
    values = {name: value for name, of in measures.items() if (value := of(means)) is not None}
    drawn: dict[str, list[float]] = {name: [] for name in values}
    for _ in range(max(min(rounds, _STEPS // count), min(rounds, _FEWEST))):
        chosen = draw(count)
        means = [sum(column[place] for place in chosen) / count for column in columns]
        for name, found in drawn.items():
            if (value := measures[name](means)) is not None:
                found.append(value)
    return {name: _span(values[name], found, confidence) for name, found in drawn.items()}


def per_dollar(quality: float, cost_nanousd: float) -> float | None:
    """Quality that a dollar buys: of answers that are right or wrong, right ones per dollar."""
    return quality * NANO_PER_USD / cost_nanousd if cost_nanousd > 0 else None


def _span(value: float, found: list[float], confidence: float) -> Span:
    if not found:
        return Span(value, value, value)
    found.sort()
    tail = (1 - confidence) / 2
    low = found[math.floor(tail * (len(found) - 1))]
    high = found[math.ceil((1 - tail) * (len(found) - 1))]
    return Span(value, min(low, value), max(high, value))
