"""What a line that asks for a shorter answer is expected to save, in pico-dollars. Pure.

It costs its own tokens of input, and, where an earlier turn of the conversation was sent without
it (or with another), the prefix that the provider has cached behind it. It saves what the answer is
expected to be shorter by. Until both lengths are measured, it is assumed how much that is.
"""

from __future__ import annotations

from scrimp.clamping.outputs import Lengths
from scrimp.clamping.presets import Brief
from scrimp.values import Value

ASSUMED_TOKENS = 250
"""Of an answer to a question of which nothing is known."""
MEASURED_FROM = 20
"""So many answers make a mean that is better than what is assumed."""
_FRAMING_TOKENS = 4
_CHARACTERS_PER_TOKEN = 4
_CONCISE_PERCENT = 75
"""Half of what was found for answers with reasoning (Renze and Guven, "The Benefits of a Concise
Chain of Thought", arXiv 2401.05618: 49 % shorter on average)."""
_CODE_PERCENT = 60
_AROUND_JSON_TOKENS = 40
_SENTENCE_TOKENS = 30
_PARAGRAPH_TOKENS = 130


class Prices(Value, frozen=True):
    """Pico-dollars for a token: fresh input, output, and what reading from the cache is cheaper."""

    fresh: int
    output: int
    cached_less: int = 0


class Expected(Value, frozen=True):
    """Tokens of the answer without and with the line, and what the line is worth."""

    before: int
    after: int
    picousd: int


def expected(
    brief: Brief,
    prices: Prices,
    lengths: tuple[Lengths | None, Lengths | None],
    *,
    limit: int | None,
    broken_tokens: int = 0,
) -> Expected:
    """`lengths` are those measured without and with the line, `limit` bounds the answer anyway.

    `broken_tokens` stand behind the line and were cached without it.
    """
    without, with_it = lengths
    before = _mean(without)
    before = ASSUMED_TOKENS if before is None else before
    after = _mean(with_it)
    after = _assumed(brief, before) if after is None else after
    if limit is not None:
        before, after = min(before, limit), min(after, limit)
    costs = line_tokens(brief) * prices.fresh + broken_tokens * prices.cached_less
    return Expected(before, after, (before - after) * prices.output - costs)


def line_tokens(brief: Brief) -> int:
    """About how many tokens the line itself takes."""
    return len(brief.text) // _CHARACTERS_PER_TOKEN + 1 + _FRAMING_TOKENS


def _mean(lengths: Lengths | None) -> int | None:
    if lengths is None or lengths.calls < MEASURED_FROM:
        return None
    return round(lengths.mean)


def _assumed(brief: Brief, before: int) -> int:
    match brief.kind:
        case "concise":
            return before * _CONCISE_PERCENT // 100
        case "code":
            return before * _CODE_PERCENT // 100
        case "json" | "object":
            return max(before // 2, before - _AROUND_JSON_TOKENS)
        case "sentences":
            return min(before, brief.number * _SENTENCE_TOKENS)
        case _:
            return min(before, _PARAGRAPH_TOKENS)
