"""What each message of a request weighs in tokens, in one pass over all of it. Pure.

The sum of what messages add is what the whole request has, as far as it is no framing of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any, Protocol

from scrimp.tokens.encodings import EncodingChoice, scale
from scrimp.tokens.request import add_request, total_request
from scrimp.tokens.tally import Tally
from scrimp.weights import Weighed

_LISTS = {
    "openai.chat": "messages",
    "openai.responses": "input",
    "anthropic.messages": "messages",
}


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
    each = _each(tally, tokens, choice)
    tally.raw += sum(tokens)
    items = fields.get(_LISTS.get(dialect, ""))
    if isinstance(items, list | tuple) and len(each) < len(items):  # what is no object is nothing
        known = iter(each)
        each = [next(known, 0) if isinstance(item, dict) else 0 for item in items]
    return Weighed(total_request(tally, dialect, choice), tuple(each))


def _each(tally: Tally, tokens: list[int], choice: EncodingChoice) -> list[int]:
    """Between each two marks."""
    upto = list(accumulate(tokens, initial=0))
    marks, around, ratio = pairwise(tally.marks or ()), tally.around, choice.ratio_high
    both = [
        (raw_now - raw + upto[ended] - upto[began], high_now - high + around)
        for (began, raw, high), (ended, raw_now, high_now) in marks
    ]
    if choice.exact:
        return list(map(sum, both))
    return [-int(-own * ratio // 1) + more for own, more in both]
