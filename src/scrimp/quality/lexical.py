"""How two texts differ by their sketches: features of a decision, and what forbids to serve.

An embedding barely sees the order of words, numbers, or a "without": a pair that differs in nothing
else has a cosine near 1. So such a difference is not left to the learned score alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Literal

from scrimp.quality.sketch import Sketch

Conflict = Literal[
    "order",
    "numbers",
    "negation",
    "opposites",
    "units",
    "names",
    "words",
    "language",
    "unreadable",
]
_OTHERS = 3
"""By so many words may two texts differ that are one sentence still."""


def conflict(asked: Sketch | None, known: Sketch | None) -> Conflict | None:
    """Why an answer to `known` must not be served for `asked`, whatever their vectors say."""
    return next((found for found in conflicts(asked, known) if found != "words"), None)


def conflicts(asked: Sketch | None, known: Sketch | None) -> Iterator[Conflict]:
    """All reasons, each once; `words` last, which only verdicts can tell from a synonym."""
    if asked is None or known is None:
        yield "unreadable"
        return
    if asked.whole == known.whole:
        return
    if asked.language != known.language and asked.language and known.language:
        yield "language"
    shared = jaccard(asked.distinct, known.distinct)
    near = shared >= 0.6
    if asked.numbers != known.numbers and (near or (any(asked.numbers) and any(known.numbers))):
        yield "numbers"
    if opposites(asked, known):
        yield "opposites"
    if asked.units - known.units and known.units - asked.units:
        yield "units"
    if near:
        yield from _nearly_equal(asked, known, shared)
    if other_words(asked, known):
        yield "words"


def _nearly_equal(asked: Sketch, known: Sketch, shared: float) -> Iterator[Conflict]:
    """Texts of nearly the same words: what little differs carries the meaning."""
    if (asked.negations > 0) != (known.negations > 0):
        yield "negation"
    if asked.names - known.names and known.names - asked.names:
        yield "names"
    # One step back is a clause moved as a whole; two are words that changed places.
    steps = inversions(asked, known)
    if (steps and asked.bag == known.bag) or (steps > 1 and shared >= 0.75):
        yield "order"


def other_words(one: Sketch, two: Sketch) -> bool:
    """Whether one sentence has a few words that the other has not, or has others in their place.

    "the capital of france" and "of germany", "enter" and "leave the country", "the fee" and "the
    fee abroad": no list holds all words that tell things apart. Words that serve the sentence alone
    (`FILLERS`) do not count.
    """
    mine, theirs = one.telling - two.distinct, two.telling - one.distinct
    if not mine and not theirs:
        return False
    return max(len(mine), len(theirs)) <= _OTHERS and not one.distinct.isdisjoint(two.distinct)


def reworded(one: Sketch | None, two: Sketch | None) -> bool:
    """Whether one has telling words that the other has not."""
    if one is None or two is None:
        return False
    return not (one.telling <= two.distinct and two.telling <= one.distinct)


def opposites(one: Sketch, two: Sketch) -> set[int]:
    """The sets of words that exclude each other of which each has one that the other has not."""
    mine, theirs = one.exclusive, two.exclusive
    return {
        number
        for number, places in mine.items()
        if number in theirs and places - theirs[number] and theirs[number] - places
    }


def inversions(one: Sketch, two: Sketch) -> int:
    """How many words that stand once in both follow each other the other way round."""
    place = two.once
    order = [place[word] for word in one.once if word in place]
    return sum(1 for first, second in pairwise(order) if first > second)


def jaccard(one: frozenset[object], two: frozenset[object]) -> float:
    """Shared by either; 1 for two empty sets."""
    shared = len(one & two)
    either = len(one) + len(two) - shared
    return shared / either if either else 1.0
