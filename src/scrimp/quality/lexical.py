"""How two texts differ by their sketches: features of a decision, and what forbids to serve.

An embedding barely sees the order of words, numbers, or a "without": a pair that differs in nothing
else has a cosine near 1. So such a difference is not left to the learned score alone.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from scrimp.quality.sketch import Sketch

Conflict = Literal["order", "numbers", "negation", "opposites", "names", "language", "unreadable"]


def conflict(asked: Sketch | None, known: Sketch | None) -> Conflict | None:
    """Why an answer to `known` must not be served for `asked`, whatever their vectors say."""
    if asked is None or known is None:
        return "unreadable"
    if asked.whole == known.whole:
        return None
    if asked.language != known.language and asked.language and known.language:
        return "language"
    if asked.numbers != known.numbers and any(asked.numbers) and any(known.numbers):
        return "numbers"
    if opposites(asked, known):
        return "opposites"
    return _nearly_equal(asked, known)


def _nearly_equal(asked: Sketch, known: Sketch) -> Conflict | None:
    """Texts of nearly the same words: what little differs carries the meaning."""
    shared = jaccard(asked.distinct, known.distinct)
    if shared < 0.6:
        return None
    if asked.numbers != known.numbers:
        return "numbers"
    if (asked.negations > 0) != (known.negations > 0):
        return "negation"
    if asked.names - known.names and known.names - asked.names:
        return "names"
    # One step back is a clause moved as a whole; two are words that changed places.
    steps = inversions(asked, known)
    if (steps and asked.bag == known.bag) or (steps > 1 and shared >= 0.75):
        return "order"
    return None


def opposites(one: Sketch, two: Sketch) -> bool:
    """Whether each has a word that the other has not, and the two exclude each other."""
    mine, theirs = one.exclusive, two.exclusive
    for number, places in mine.items():
        others = theirs.get(number)
        if others is not None and places - others and others - places:
            return True
    return False


def inversions(one: Sketch, two: Sketch) -> int:
    """How many words that stand once in both follow each other the other way round."""
    place = {word: at for at, word in enumerate(two.words) if two.bag[word] == 1}
    order = [place[word] for word in one.words if word in place and one.bag[word] == 1]
    return sum(1 for first, second in pairwise(order) if first > second)


def jaccard(one: frozenset[object], two: frozenset[object]) -> float:
    """Shared by either; 1 for two empty sets."""
    either = len(one | two)
    return len(one & two) / either if either else 1.0
