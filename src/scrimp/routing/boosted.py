"""Boosted trees of three questions each, for chances: many weak looks, each mending the last ones.

Gradient boosting with Newton leaves on binned features (Friedman 2001; Chen & Guestrin 2016), in
numpy alone: for some hundred to some thousand labels. Trees are complete, so that rows go through
all of them at once. The same labels give the same trees.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_Whole = NDArray[np.intp]

_ROUNDS: Final = 120
_FORESTS: Final = 3
"""What each sees is drawn by lot; their mean depends less on the lot."""
_RATE: Final = 0.05
_DEPTH: Final = 3
_BINS: Final = 16
_FEWEST: Final = 12
"""Rows on each side of a question."""
_SHRUNK: Final = 5.0
_ROWS, _COLUMNS = 0.7, 0.5
"""Shares that each tree sees: what only some rows say is not learned by heart."""
NODES: Final = 2**_DEPTH - 1


@dataclass(frozen=True, slots=True)
class Boosted:
    """`asks` which feature, at which of `limits`, per tree and node; `adds` per tree and leaf."""

    base: float
    asks: _Whole
    limits: Floats
    adds: Floats

    def chances(self, rows: Floats) -> Floats:
        """Probabilities, row by row."""
        trees = np.arange(len(self.asks))
        at = np.zeros((len(rows), len(trees)), np.intp)
        which = np.arange(len(rows))[:, None]
        for _ in range(_DEPTH):
            above = rows[which, self.asks[trees, at]] > self.limits[trees, at]
            at = 2 * at + 1 + above
        total = self.base + self.adds[trees, at - NODES].sum(axis=1)
        return np.asarray(1.0 / (1.0 + np.exp(-total)), np.float64)


def fit(rows: Floats, true: Floats) -> Boosted:
    """Learn chances from rows of which some (`true` is 1) are so: the mean of several forests."""
    forests = [_forest(rows, true, seed) for seed in range(_FORESTS)]
    return Boosted(
        forests[0].base,
        np.concatenate([one.asks for one in forests]),
        np.concatenate([one.limits for one in forests]),
        np.concatenate([one.adds for one in forests]) / _FORESTS,
    )


def _forest(rows: Floats, true: Floats, seed: int) -> Boosted:
    edges = [np.unique(np.quantile(one, np.linspace(0, 1, _BINS + 1)[1:-1])) for one in rows.T]
    binned = np.stack(
        [np.searchsorted(edge, one) for edge, one in zip(edges, rows.T, strict=True)], axis=1
    )
    share = float(np.clip(true.mean(), 0.01, 0.99))
    base = float(np.log(share / (1 - share)))
    at = np.full(len(true), base)
    dice = np.random.default_rng(seed)
    asks = np.zeros((_ROUNDS, NODES), np.intp)
    limits = np.full((_ROUNDS, NODES), np.inf)
    adds = np.zeros((_ROUNDS, NODES + 1))
    columns = max(1, int(_COLUMNS * rows.shape[1]))
    for number in range(_ROUNDS):
        chances = 1.0 / (1.0 + np.exp(-at))
        seen = _Seen(
            slope=true - chances,
            curve=chances * (1 - chances),
            sample=dice.random(len(true)) < _ROWS,
            columns=np.sort(dice.choice(rows.shape[1], columns, replace=False)),
        )
        leaf = np.zeros(len(true), np.intp)
        for node in range(NODES):
            here = leaf == node
            column, cut = _best(binned, seen, here)
            if cut >= 0:
                asks[number, node], limits[number, node] = column, edges[column][cut]
            above = rows[:, asks[number, node]] > limits[number, node]
            leaf[here] = 2 * node + 1 + above[here]
        leaf -= NODES
        taken = seen.sample
        slopes = np.bincount(leaf[taken], seen.slope[taken], NODES + 1)
        curves = np.bincount(leaf[taken], seen.curve[taken], NODES + 1)
        adds[number] = _RATE * slopes / (curves + _SHRUNK)
        at = at + adds[number][leaf]
    return Boosted(base, asks, limits, adds)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one tree works with: by how much each row is missed, and the part that it sees."""

    slope: Floats
    curve: Floats
    sample: NDArray[np.bool_]
    columns: _Whole


def _best(binned: _Whole, seen: _Seen, here: NDArray[np.bool_]) -> tuple[int, int]:
    """The feature and the edge that part the rows best; edge -1 where none parts them well."""
    which = np.flatnonzero(here & seen.sample)
    if len(which) < 2 * _FEWEST:
        return 0, -1
    columns, bins = seen.columns, _BINS
    cells = (binned[np.ix_(which, columns)] + np.arange(len(columns)) * bins).ravel()
    size = len(columns) * bins

    def left(weights: Floats) -> Floats:
        told = np.bincount(cells, np.repeat(weights[which], len(columns)), size)
        return np.asarray(told.reshape(len(columns), bins).cumsum(axis=1)[:, :-1])

    slope, curve, count = left(seen.slope), left(seen.curve), left(np.ones(len(binned)))
    slopes, curves = seen.slope[which].sum(), seen.curve[which].sum()
    gain = slope**2 / (curve + _SHRUNK) + (slopes - slope) ** 2 / (curves - curve + _SHRUNK)
    gain -= slopes**2 / (curves + _SHRUNK)
    gain[(count < _FEWEST) | (len(which) - count < _FEWEST)] = -1.0
    best = int(gain.argmax())
    if gain.flat[best] <= 1e-6:
        return 0, -1
    column, cut = divmod(best, bins - 1)
    return int(columns[column]), cut
