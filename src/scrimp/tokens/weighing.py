"""What each message of a request weighs in tokens, in one pass over all of it. Pure.

The sum of what messages add is what the whole request has, as far as it is no framing of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import accumulate, pairwise
from typing import Any, Protocol

from scrimp.ports import Count
from scrimp.tokens.encodings import EncodingChoice, scale
from scrimp.tokens.request import add_request, total_request
from scrimp.tokens.tally import Tally
from scrimp.weights import Left, Weighed

_LISTS = {
    "openai.chat": "messages",
    "openai.responses": "input",
    "anthropic.messages": "messages",
}

_Sum = tuple[int, int, int, int]
"""Up to the end of a message: raw tokens, and of what is no text low, likely and high."""


class Texts(Protocol):
    """Counts texts in raw tokens, and remembers what it counted."""

    def count_text(self, text: str) -> int:
        """One."""
        ...

    def most_of_each(self, texts: Sequence[str]) -> tuple[list[int], list[int]]:
        """What every one has at most, without counting any that is new; which of them are."""
        ...


def weigh_request(
    fields: Mapping[str, Any],
    dialect: str,
    model: str,
    counted: Texts,
    *,
    choice: EncodingChoice,
    enough: int,
) -> Weighed | None:
    """None where it has surely no more than `enough`. Raises ValueError for an unknown dialect."""
    tally = Tally(counted.count_text, marks=[])
    add_request(tally, fields, dialect, model)
    texts = tally.texts
    tokens, new = counted.most_of_each(texts)
    if scale(tally.raw + sum(tokens), choice).high + tally.high <= enough:
        return None
    for at in new:
        tokens[at] = counted.count_text(texts[at])
    tally.raw += sum(tokens)
    upto = [0, *accumulate(tokens)]
    sums = [(raw + upto[at], low, likely, high) for at, raw, low, likely, high in tally.marks or ()]
    each = _each(sums, tally.around[2], choice)
    left: Left | None = partial(_left, tally, sums, dialect, choice)
    items = fields.get(_LISTS.get(dialect, ""))
    if isinstance(items, list | tuple) and len(each) < len(items):  # what is no object is nothing
        known = iter(each)
        each = [next(known, 0) if isinstance(item, dict) else 0 for item in items]
        left = None
    return Weighed(total_request(tally, dialect, choice), tuple(each), left)


def _each(sums: Sequence[_Sum], around: int, choice: EncodingChoice) -> list[int]:
    """Between each two sums."""
    if choice.exact:
        highs = [raw + high + around * at for at, (raw, _, _, high) in enumerate(sums)]
        return [now - before for before, now in pairwise(highs)]
    ratio = choice.ratio_high
    return [
        -int(-(now[0] - before[0]) * ratio // 1) + now[3] - before[3] + around
        for before, now in pairwise(sums)
    ]


def _left(
    tally: Tally,
    sums: Sequence[_Sum],
    dialect: str,
    choice: EncodingChoice,
    spans: Sequence[tuple[int, int]],
) -> Count:
    """The whole without the messages of these spans, with what goes around each of them."""
    raw, (low, likely, high) = tally.raw, tally.others
    around = tally.around
    for first, past in spans:
        before, now, gone = sums[first], sums[past], past - first
        raw -= now[0] - before[0]
        low -= now[1] - before[1] + gone * around[0]
        likely -= now[2] - before[2] + gone * around[1]
        high -= now[3] - before[3] + gone * around[2]
    return total_request(Tally(tally.count_text, raw, low, likely, high), dialect, choice)
