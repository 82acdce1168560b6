"""How long the answers are: by task and model, for each tenant apart, in bounded memory. Pure.

Counts stand in steps that grow by an eighth of a power of two, so that a number read back is at
most 9 % too large and never too small. An answer that was cut counts as longer than any other, as
nobody knows how long it would have been: a limit that cuts too much makes itself unknown, never
tighter.
"""

from __future__ import annotations

import math
from array import array
from typing import NamedTuple

from cachetools import LRUCache

LEAST_CALLS = 300
"""Of fewer the largest may be below the 99th percentile: with a chance of 5 % (0.99 ** 299)."""
_SHARE = 0.99
_SURE = 1.645  # of a normal distribution 5 % are above
_STEPS = 8
_OCTAVES = 22  # up to 4 million tokens
_CUT = _STEPS * _OCTAVES
_MOST_CALLS = 8_192
"""From then on all counts are halved: what was long ago weighs less."""
_MOST_KEYS = 1_024


class Key(NamedTuple):
    """Whose answers, to what, of whom, and how they were asked for."""

    tenant: str
    task: str
    provider: str
    model: str
    effort: str = ""
    brief: str = ""


class Lengths:
    """The lengths of many answers, thoughts included. `longest_thought` is not halved."""

    __slots__ = ("_counts", "_reasons", "calls", "cut", "longest_thought", "tokens")

    def __init__(self) -> None:
        self._counts = array("L", bytes(array("L").itemsize * (_CUT + 1)))
        self.calls = 0
        self.cut = 0
        self.tokens = 0
        self.longest_thought = 0

    def add(self, tokens: int, thought: int = 0, *, cut: bool = False) -> None:
        """One more answer."""
        if self.calls >= _MOST_CALLS:
            self._halve()
        self._counts[_CUT if cut else _step(tokens)] += 1
        self.calls += 1
        self.cut += cut
        self.tokens += tokens
        self.longest_thought = max(self.longest_thought, thought)

    def bound(self, share: float = _SHARE) -> int | None:
        """Tokens that so large a share of answers does not exceed, with a certainty of 95 %.

        None where too few are known, or too many were cut. Distribution-free: the rank of the
        sample that bounds the quantile from above (normal approximation of the binomial).
        """
        if not self.is_measured:
            return None
        spread = _SURE * math.sqrt(self.calls * share * (1 - share))
        return self._at_rank(min(self.calls, math.ceil(self.calls * share + spread)))

    def about(self, share: float) -> int | None:
        """The same for people: no margin, of as few as there are; None where it was cut."""
        return self._at_rank(max(1, math.ceil(self.calls * share))) if self.calls else None

    @property
    def is_measured(self) -> bool:
        """Whether so many are known that their largest numbers say something."""
        return self.calls >= LEAST_CALLS

    @property
    def mean(self) -> float:
        """Tokens of an answer on average."""
        return self.tokens / self.calls if self.calls else 0.0

    def _at_rank(self, rank: int) -> int | None:
        seen = 0
        for step in range(_CUT):
            seen += self._counts[step]
            if seen >= rank:
                return _upper(step)
        return None

    def _halve(self) -> None:
        for step in range(_CUT + 1):
            self._counts[step] //= 2
        kept = sum(self._counts)
        self.tokens = int(self.tokens * kept / self.calls)
        self.calls, self.cut = kept, self._counts[_CUT]


class Outputs:
    """Lengths by key; those that were not asked for the longest time make room."""

    def __init__(self, most: int = _MOST_KEYS) -> None:
        self._kept: LRUCache[Key, Lengths] = LRUCache(most)

    def of(self, key: Key) -> Lengths | None:
        """None where nothing is known."""
        return self._kept.get(key)

    def take(self, key: Key) -> Lengths:
        """Those of a key, empty where nothing is known."""
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = Lengths()
        return found

    def __len__(self) -> int:
        return len(self._kept)


def _step(tokens: int) -> int:
    if tokens <= 1:
        return 0
    step = math.ceil(math.log2(tokens) * _STEPS)
    return min(step if _upper(step) >= tokens else step + 1, _CUT - 1)


def _upper(step: int) -> int:
    """The largest number of a step."""
    return int(2 ** (step / _STEPS))
