"""A judge by the meaning of answers: near ones are equal, far ones are not, between it is silent.

The weakest of them. An embedding barely sees numbers and negations, so where those differ it says
nothing, however near the texts are.
"""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Mapping
from operator import mul

from scrimp.calls import FREE_COST, Call, Reply
from scrimp.dialects.base import Dialect
from scrimp.meanings import Embedder, Opinion
from scrimp.quality.lexical import conflict
from scrimp.quality.sketch import read, sketch
from scrimp.semantics.answers import text_of
from scrimp.semantics.question import normal

EQUAL_FROM = 0.93
DIFFERENT_TO = 0.55
MAX_CHARS = 1000
"""Models of sentences read no more; what comes after would not be compared."""


class Closeness:
    """Implements `Judge`."""

    def __init__(self, embedder: Embedder, dialects: Mapping[str, Dialect]) -> None:
        self._embedder = embedder
        self._dialects = dialects

    async def __call__(self, call: Call, kept: Reply, fresh: Reply) -> Opinion:
        """Raises StoreError when the embedder cannot work."""
        dialect = self._dialects[call.target.dialect]
        one, two = normal(text_of(kept, dialect)), normal(text_of(fresh, dialect))
        if not one or not two or max(len(one), len(two)) > MAX_CHARS:
            return Opinion(None, "embedding", FREE_COST)
        mine, theirs = await self._embedder.embed((one, two))
        return Opinion(_verdict(cosine(mine, theirs), one, two), "embedding", FREE_COST)


def cosine(one: bytes, two: bytes) -> float:
    """Of two vectors of length 1."""
    mine, theirs = array("f", one), array("f", two)
    if sys.byteorder == "big":
        mine.byteswap()
        theirs.byteswap()
    return math.fsum(map(mul, mine, theirs))


def _verdict(near: float, one: str, two: str) -> bool | None:
    if near <= DIFFERENT_TO:
        return False
    if near < EQUAL_FROM or conflict(read(sketch(one)), read(sketch(two))) is not None:
        return None
    return True
