"""Labelled files as the benchmark needs them: texts, tasks, qualities and costs of the models."""

from __future__ import annotations

import gzip
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scrimp.routing.curve import Floats, Pair, Table
from scrimp.routing.rows import Row, read_rows, with_all

CHARS_PER_TOKEN: Final = 4
PRICES: Final = {
    "gpt-4-1106-preview": (10.0, 30.0),
    "mixtral-8x7b-instruct": (0.6, 0.6),
}
"""US dollars per million tokens, in and out: RouteLLM's pair (arXiv 2406.18665, appendix)."""


@dataclass(frozen=True, slots=True)
class Questions:
    """Questions that all of `models` answered. A row of `quality` and `cost` per question."""

    texts: tuple[str, ...]
    tasks: NDArray[np.str_]
    sources: NDArray[np.str_]
    models: tuple[str, ...]
    quality: Floats
    cost: Floats

    def __len__(self) -> int:
        return len(self.texts)

    def picked(self, chosen: NDArray[np.intp] | NDArray[np.bool_]) -> Questions:
        """Some of them."""
        at = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen
        texts = tuple(self.texts[one] for one in at)
        return Questions(
            texts, self.tasks[at], self.sources[at], self.models, self.quality[at], self.cost[at]
        )

    def pair(self, weak: str, strong: str) -> Pair:
        """Two of the models."""
        one, other = self.models.index(weak), self.models.index(strong)
        return Pair(
            self.quality[:, one], self.quality[:, other], self.cost[:, one], self.cost[:, other]
        )

    def table(self) -> Table:
        """All of the models."""
        return Table(self.models, self.quality, self.cost)


def load(
    paths: Sequence[Path], models: tuple[str, ...], prices: Mapping[str, tuple[float, float]]
) -> Questions:
    """Those with an answer of each model. Raises InvalidRequest, SystemExit for a missing price."""
    return questions(rows_of(paths, models), models, prices)


def rows_of(paths: Sequence[Path], models: tuple[str, ...]) -> list[Row]:
    """Rows that have all labels, file after file."""
    found: list[Row] = []
    for path in paths:
        data = path.read_bytes()
        found += read_rows(gzip.decompress(data) if path.suffix == ".gz" else data, path.name)
    return with_all(found, models)


def questions(
    rows: Sequence[Row], models: tuple[str, ...], prices: Mapping[str, tuple[float, float]]
) -> Questions:
    """The same, from rows."""
    return Questions(
        tuple(row.prompt for row in rows),
        np.array([row.task or row.source for row in rows]),
        np.array([row.source for row in rows]),
        models,
        np.array([[row.labels[model].quality for model in models] for row in rows]),
        np.array([[_usd(row, model, prices) for model in models] for row in rows]),
    )


def _usd(row: Row, model: str, prices: Mapping[str, tuple[float, float]]) -> float:
    """As the file says; else by the prompt's length and the answer's tokens."""
    label = row.labels[model]
    if label.cost_nanousd is not None:
        return label.cost_nanousd / 1e9
    if model not in prices:
        raise SystemExit(
            f"line {row.line} has no cost of {model}, and its price is not known "
            f"(--price {model}=IN/OUT, in US dollars per million tokens)"
        )
    given, made = prices[model]
    tokens = math.ceil(len(row.prompt) / CHARS_PER_TOKEN)
    return (tokens * given + (label.output_tokens or 0) * made) / 1e6
