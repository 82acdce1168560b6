"""The strict reader of a packed answer: exactly one text for an item, or none at all. Pure.

A text counts as an item's answer only where its mark, the one before it and the one after it stand
once each, at the beginning of a line, one behind the other. So a mark that is missing, doubled, or
in the wrong place takes the answers beside it away, and no answer ever moves to another item.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from scrimp.packing.prompt import END


def read_answers(text: str, word: str, count: int) -> tuple[str | None, ...]:
    """The answer to each of `count` items, in their order; None where there is no certain one."""
    marks = list(re.finditer(rf"^\[{re.escape(word)} ([0-9]{{1,4}}|{END})\]", text, re.MULTILINE))
    names = [found[1] for found in marks]
    order = ["", *map(str, range(1, count + 1)), END, ""]
    around = ["", *names, ""]
    edges = [0, *(found.start() for found in marks), len(text)]
    outside = _outside(text, edges, names)
    answers: list[str | None] = [None] * count
    for at, found in enumerate(marks):
        number = int(name) if (name := names[at]) != END else 0
        if not 1 <= number <= count or order[number] != name:
            continue
        if around[at : at + 3] != order[number - 1 : number + 2]:
            continue
        if any(names.count(near) > 1 for near in order[number - 1 : number + 2]):
            continue
        if (number == 1 and outside[0]) or (number == count and outside[1]):
            continue
        answers[number - 1] = _whole(text[found.end() : edges[at + 2]], word)
    return tuple(answers)


def _outside(text: str, edges: Sequence[int], names: Sequence[str]) -> tuple[bool, bool]:
    """Whether something is said before the first mark, and behind the end."""
    before = bool(text[: edges[1]].strip())
    if not names or names[-1] != END:
        return before, False
    return before, bool(text[edges[-2] :].partition("]")[2].strip())


def _whole(text: str, word: str) -> str | None:
    """An answer without what parts it from its marks; None when it is empty or holds a mark."""
    answer = text.strip()
    return answer if answer and word not in answer else None
