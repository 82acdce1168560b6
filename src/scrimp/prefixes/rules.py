"""What each provider's prefix cache asks and offers, by model, as dated data. Pure.

Prices of writing and reading are in the price book. A provider that is not here gets no fields.

Anthropic: platform.claude.com/docs/en/build-with-claude/prompt-caching, types of its SDK 2.12.
OpenAI: developers.openai.com/api/docs/guides/prompt-caching, types of its SDK 3.54.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Literal

from msgspec.structs import replace

from scrimp.values import Value

Marks = Literal["cache_control", "prompt_cache_breakpoint"]


class Life(Value, frozen=True):
    """How long a written prefix lives after it was last used. `bucket` prices the write."""

    name: str
    seconds: float
    bucket: Literal["cache_write_5m", "cache_write_1h"]


class Rules(Value, frozen=True):
    """`most_marks` is how many a call may have that write; `lookback` is in blocks (0: no limit).

    `by_itself`: the provider writes the end of each prompt unless it is told not to.
    """

    provider: str
    marks: Marks
    least_tokens: int
    lives: tuple[Life, ...]
    most_marks: int
    lookback: int
    by_itself: bool
    source: str
    checked: date


FIVE_MINUTES = Life("5m", 300.0, "cache_write_5m")
ONE_HOUR = Life("1h", 3600.0, "cache_write_1h")
THIRTY_MINUTES = Life("30m", 1800.0, "cache_write_5m")
_CHECKED = date(2026, 11, 22)

ANTHROPIC = Rules(
    provider="anthropic",
    marks="cache_control",
    least_tokens=1024,
    lives=(FIVE_MINUTES, ONE_HOUR),
    most_marks=4,
    lookback=20,
    by_itself=False,
    source="https://platform.claude.com/docs/en/build-with-claude/prompt-caching",
    checked=_CHECKED,
)
OPENAI = Rules(
    provider="openai",
    marks="prompt_cache_breakpoint",
    least_tokens=1024,
    lives=(THIRTY_MINUTES,),
    most_marks=4,
    lookback=0,
    by_itself=True,
    source="https://developers.openai.com/api/docs/guides/prompt-caching",
    checked=_CHECKED,
)
"""GPT-5.6 and later. Before that OpenAI caches by itself and a write costs nothing: no marks."""

_LEAST: tuple[tuple[str, int], ...] = (
    ("claude-opus-5-", 1024),  # not told of later ones of the family: the usual least
    ("claude-opus-5", 512),
    ("claude-fable-5-1", 512),
    ("claude-mythos-5-1", 512),
    ("claude-opus-4-7", 2048),
    ("claude-3-5-haiku", 2048),
    ("claude-opus-4-6", 4096),
    ("claude-opus-4-5", 4096),
    ("claude-haiku-4-5", 4096),
)
_GPT = re.compile(r"gpt-(\d+)(?:\.(\d+))?(?:-|\Z)")


def rules_of(provider: str, model: str) -> Rules | None:
    """The rules of a model, `provider` as in the price book; None where nothing is to be marked."""
    if provider == "anthropic":
        least = next((tokens for start, tokens in _LEAST if model.startswith(start)), 1024)
        return ANTHROPIC if least == ANTHROPIC.least_tokens else _CLAUDE[least]
    if provider == "openai" and (found := _GPT.match(model)) is not None:
        version = (int(found[1]), int(found[2] or 0))
        return OPENAI if version >= (5, 6) else None
    return None


_CLAUDE = {
    tokens: replace(ANTHROPIC, least_tokens=tokens)
    for tokens in sorted({least for _, least in _LEAST})
}
