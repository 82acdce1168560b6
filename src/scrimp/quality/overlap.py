"""Words that a question shares with its neighbours: what vectors blur, hashes of words keep.

In a neighbourhood ("card", "payment") everybody shares most words; those that stand in the
questions of one answer only tell which it is. So each group is scored by naive Bayes over the words
of the question (Manning, Raghavan & Schuetze 2008, Introduction to Information Retrieval, section
13.3, the Bernoulli model of the words that are there), smoothed by how often a word stands in the
whole neighbourhood, against which it is a ratio.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scrimp.quality.logistic import Floats, logit
from scrimp.quality.sketch import WORD_BYTES, Sketch, word_rows

SHARED: Final = ["words_for", "words_lead", "words_covered", "words_covered_lead", "words_known"]
_ROW: Final = np.dtype([("word", "<u4"), ("kind", "<u2")])
_SMOOTH: Final = 2.0
"""A group is taken for so many questions larger, which have each word as often as all around."""


class Shared:
    """Which words of a question stand in which neighbours, as scores of groups.

    `sketches` are the neighbours', `member` the place of each one's group, from 0 to `count` - 1.
    """

    def __init__(
        self,
        asked: Sketch | None,
        sketches: Sequence[bytes],
        member: NDArray[np.intp],
        count: int,
    ) -> None:
        words = sorted({*asked.words, *asked.amounts}) if asked is not None else []
        self._known = bool(words)
        if not words:
            return
        there = _there(np.array(words, np.uint32), sketches)
        groups = np.zeros((count, len(sketches)))
        groups[member, np.arange(len(sketches))] = 1.0
        have = groups @ there
        often = there.sum(axis=0)
        usual = (often + 0.5) / (len(sketches) + 1.0)
        spread = (groups.sum(axis=1) + _SMOOTH)[:, None] * usual
        logs = np.log((have + _SMOOTH * usual) / spread)
        rare = -np.log(usual)
        rare /= rare.sum()
        self._score: list[float] = (logs.sum(axis=1) / (len(words) + 1.0) ** 0.5).tolist()
        self._covered: list[float] = ((have > 0) @ rare).tolist()
        self._all = float((often > 0) @ rare)

    def features(self, best: int) -> tuple[float, ...]:
        """`SHARED` of one group, beside the others; zeros where the question has no words."""
        if not self._known:
            return (0.0,) * len(SHARED)
        top = max(self._score)
        share = exp(self._score[best] - top) / sum(exp(one - top) for one in self._score)
        return (
            logit(share),
            _lead(self._score, best),
            self._covered[best],
            _lead(self._covered, best),
            self._all,
        )


def _there(words: NDArray[np.uint32], sketches: Sequence[bytes]) -> Floats:
    """1.0 where a word (sorted) stands in a sketch: a row for each sketch."""
    kept = [word_rows(one) or b"" for one in sketches]
    found = np.frombuffer(b"".join(kept), _ROW)["word"]
    places = words.searchsorted(found)
    same = words.take(places, mode="clip") == found
    starts = np.arange(0, len(kept) * len(words), len(words))
    places += starts.repeat([len(one) // WORD_BYTES for one in kept])
    there = np.zeros(len(kept) * len(words))
    there[places[same]] = 1.0
    return there.reshape(len(kept), len(words))


def _lead(values: list[float], best: int) -> float:
    """How far one is above the largest of the others; above 0 where there are none."""
    others = (one for at, one in enumerate(values) if at != best)
    return values[best] - max(others, default=0.0)
