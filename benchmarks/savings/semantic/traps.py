"""Pairs that look alike and differ: what share of them would be served, after a warm-up.

Of each pair the first text is a question that was just answered; the second is then asked. Pairs
that are equal are asked too, so that a cache that serves nothing is not taken for a careful one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.savings.semantic.questions import rows
from benchmarks.savings.semantic.stream import Run
from scrimp.quality.sight import Vectors

_PLACES = ("Oslo", "Rome", "Lima", "Cairo", "Perth", "Quito")
_MEALS = ("gluten", "sugar", "milk", "nuts", "eggs", "salt")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two texts, and whether one answer does for both."""

    one: str
    two: str
    same: bool


def from_file(path: Path) -> list[Pair]:
    """Columns a, b, same (1, true, yes, same: equal)."""
    said = {"1", "1.0", "true", "yes", "same"}
    return [
        Pair(str(row["a"]), str(row["b"]), str(row["same"]).strip().lower() in said)
        for row in rows(path, "a", "b", "same")
    ]


def made() -> list[Pair]:
    """Ours: word order, numbers, years, with and without, denial, opposites, names; some equal."""
    pairs = []
    for at, place in enumerate(_PLACES):
        other = _PLACES[at - 1]
        year, meal = 2015 + at, _MEALS[at]
        pairs += [
            (f"flights from {place} to {other}", f"flights from {other} to {place}"),
            (
                f"how do I convert {place} time to {other} time",
                f"how do I convert {other} time to {place} time",
            ),
            (f"who beat {place} in the {other} final", f"who beat {other} in the {place} final"),
            (f"what was the tax rate in {year}", f"what was the tax rate in {year + 1}"),
            (f"what is {at + 3} times {at + 7}", f"what is {at + 3} times {at + 8}"),
            (
                f"who may park for {at + 2} hours in {place}",
                f"who may park for {at + 3} hours in {place}",
            ),
            (f"a cake recipe with {meal}", f"a cake recipe without {meal}"),
            (f"which soups have {meal} in them", f"which soups do not have {meal} in them"),
            (f"can I bring {meal} into {place}", f"can I not bring {meal} into {place}"),
            (f"how to enable {meal} alerts", f"how to disable {meal} alerts"),
            (f"opening hours of the museum in {place}", f"opening hours of the museum in {other}"),
            (f"trains to {place} before noon", f"trains to {place} after noon"),
        ]
    unequal = [Pair(one, two, same=False) for one, two in pairs]
    equal = [
        Pair(f"opening hours of the museum in {place}", f"{start} museum in {place}", same=True)
        for place in _PLACES
        for start in ("when is it open, the", "at what time opens the")
    ]
    return unequal + equal


def served(
    run: Run, pairs: Iterable[tuple[Pair, Vectors, Vectors, bytes, bytes]]
) -> dict[str, float]:
    """Shares of unequal and of equal pairs whose second text is served the first one's answer."""
    counts = {True: [0, 0], False: [0, 0]}
    cache, engine = run.cache, run.engine
    fresh = int(max(cache.answers, default=0)) + 1
    for pair, one, two, sketch_one, sketch_two in pairs:
        before = cache.total.copy()
        cache.add(one, sketch_one, None, fresh)
        group = len(cache.answers) - 1
        sight = cache.sight(two, sketch_two)
        counts[pair.same][1] += 1
        if sight is not None and sight.group == group:
            would = engine.decide(sight.features, 1.0, barred=sight.barred)
            counts[pair.same][0] += would.action == "serve"
        cache.forget_last(before)
    return {
        "unequal_served": counts[False][0] / max(1, counts[False][1]),
        "unequal": counts[False][1],
        "equal_served": counts[True][0] / max(1, counts[True][1]),
        "equal": counts[True][1],
    }
