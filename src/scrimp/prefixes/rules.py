"""What each provider's prefix cache asks and offers, by model, as dated data. Pure.

Prices of writing and reading are in the price book. A provider that is not here gets no fields.

Anthropic: platform.claude.com/docs/en/build-with-claude/prompt-caching, types of its SDK 2.12.
OpenAI: developers.openai.com/api/docs/guides/prompt-caching, types of its SDK 3.54. Twelve hours
of life, which its Responses API takes, have no price in any list: they are not asked for.
Mistral: docs.mistral.ai/studio-api/conversations/advanced/prompt-caching.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Literal

from msgspec.structs import replace

from scrimp.values import Value

Marks = Literal["cache_control", "prompt_cache_breakpoint", ""]


class Life(Value, frozen=True):
    """How long a written prefix lives after it was last used. `bucket` prices the write."""

    name: str
    seconds: float
    bucket: Literal["cache_write_5m", "cache_write_1h"]


class Rules(Value, frozen=True):
    """`most_marks` is how many a call may have that write; `lookback` is in blocks (0: no limit).

    `by_itself`: the provider writes the end of each prompt unless it is told not to. `lives` is
    empty where writes cost nothing, so that nothing has to be marked; `kept_s` is how long what
    was sent may be read there. `key`: it knows `prompt_cache_key`; `retention`: it takes `24h`.
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
    key: bool = False
    retention: bool = False
    kept_s: float = 300.0

    @property
    def lives_s(self) -> tuple[float, ...]:
        """How long each of the lives is."""
        return tuple([life.seconds for life in self.lives])


FIVE_MINUTES = Life("5m", 300.0, "cache_write_5m")
ONE_HOUR = Life("1h", 3600.0, "cache_write_1h")
THIRTY_MINUTES = Life("30m", 1800.0, "cache_write_5m")
_CHECKED = date(2026, 11, 22)
_OPENAI_PAGE = "https://developers.openai.com/api/docs/guides/prompt-caching"

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
    source=_OPENAI_PAGE,
    checked=_CHECKED,
    key=True,
)
"""GPT-5.6 and later: writes cost, and hits are told to be reliable with a key only."""
OPENAI_FREE = Rules(
    provider="openai",
    marks="",
    least_tokens=1024,
    lives=(),
    most_marks=0,
    lookback=0,
    by_itself=True,
    source=_OPENAI_PAGE,
    checked=_CHECKED,
    key=True,
)
"""Before that: it caches by itself, a write costs nothing, and it refuses what marks."""
MISTRAL = Rules(
    provider="mistral",
    marks="",
    least_tokens=1024,
    lives=(),
    most_marks=0,
    lookback=0,
    by_itself=False,
    source="https://docs.mistral.ai/studio-api/conversations/advanced/prompt-caching",
    checked=date(2026, 11, 23),
    key=True,
)
"""It looks for a prefix where a key is given, in steps that it does not tell."""

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
_GPT = re.compile(r"gpt-(\d+)(?:\.(\d+))?(o)?(?:-|\Z)")
_REASONING = re.compile(r"o[134](?:-|\Z)")
_UNCACHED = ("gpt-4o-2024-05-13",)
_MARKS_SINCE = (5, 6)
_CACHES_SINCE = (4, 1)
_DAY_LONG = re.compile(
    r"gpt-5(?:\.[1-4])?(?:-codex\S*|-pro\S*|-chat-latest)?(?:-\d{4}-\d\d-\d\d)?\Z"
)
"""Models of which OpenAI's page (or its echo in clients) says that they take `24h`."""


def rules_of(provider: str, model: str) -> Rules | None:
    """The rules of a model, `provider` as in the price book; None where none are known."""
    if provider == "anthropic":
        least = next((tokens for start, tokens in _LEAST if model.startswith(start)), 1024)
        return ANTHROPIC if least == ANTHROPIC.least_tokens else _CLAUDE[least]
    if provider == "openai":
        return _openai(model)
    return MISTRAL if provider == "mistral" else None


def _openai(model: str) -> Rules | None:
    if _REASONING.match(model):
        return OPENAI_FREE
    found = _GPT.match(model)
    if found is None or model in _UNCACHED:
        return None
    version = (int(found[1]), int(found[2] or 0))
    if version >= _MARKS_SINCE:
        return OPENAI
    if version < _CACHES_SINCE and not found[3]:
        return None
    return _OPENAI_DAY if _DAY_LONG.match(model) else OPENAI_FREE


_OPENAI_DAY = replace(OPENAI_FREE, retention=True)
_CLAUDE = {
    tokens: replace(ANTHROPIC, least_tokens=tokens)
    for tokens in sorted({least for _, least in _LEAST})
}
