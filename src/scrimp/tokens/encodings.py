"""Which tokenizer a model uses, and how far a count by another one may be from the truth.

Exact: OpenAI's own models, by the mapping of tiktoken 0.14. Everybody else is counted with
o200k_base and a ratio measured on English, code, JSON and fourteen languages (2026-11): Claude 2's
public vocabulary 1.02 to 1.49, DeepSeek 1.03 to 1.13, Gemma 3 1.04 to 1.27, Qwen 3 1.00 to 1.16,
Llama 3 0.99 to 1.06. Claude from Opus 4.7 and Sonnet 5 on has a new tokenizer: "approximately 30
percent more" (Anthropic's documentation), 1.00 (CJK) to 1.46 (German) times the old one measured.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache

from scrimp.ports import Count

O200K = "o200k_base"
CL100K = "cl100k_base"
NEW_CLAUDE = re.compile(r"claude-(opus-(4[-.][789]|[5-9])|sonnet-[5-9]|haiku-[5-9]|fable|mythos)")


@dataclass(frozen=True, slots=True)
class EncodingChoice:
    """A vocabulary and the ratio of the model's own tokens to it, with its measured range."""

    name: str
    exact: bool
    ratio_low: float
    ratio: float
    ratio_high: float
    method: str


def _exactly(name: str) -> EncodingChoice:
    return EncodingChoice(name, exact=True, ratio_low=1, ratio=1, ratio_high=1, method=name)


def _about(who: str, low: float, ratio: float, high: float) -> EncodingChoice:
    method = f"{O200K} x {ratio:g} ({who}, estimate)"
    return EncodingChoice(O200K, False, low, ratio, high, method)  # noqa: FBT003 - a plain record


_EXACT_O200K, _EXACT_CL100K = _exactly(O200K), _exactly(CL100K)
_UNKNOWN = EncodingChoice(
    O200K,
    exact=False,
    ratio_low=0.9,
    ratio=1.1,
    ratio_high=1.6,
    method=f"{O200K} x 1.1 (unknown model, assumed)",
)

_RULES: tuple[tuple[re.Pattern[str], EncodingChoice], ...] = tuple(
    (re.compile(pattern), choice)
    for pattern, choice in (
        (r"^(gpt-4o|chatgpt-4o|gpt-4\.[15]|gpt-5|gpt-oss|o1|o3|o4)(?![a-z0-9])", _EXACT_O200K),
        (r"^(gpt-4|gpt-3\.5|gpt-35)(?![a-z0-9.])", _EXACT_CL100K),
        (r"^(text-embedding-(3-|ada-002)|davinci-002|babbage-002)", _EXACT_CL100K),
        (r"^gpt-\d", _about("newer OpenAI model", 0.9, 1.0, 1.2)),
        (NEW_CLAUDE.pattern, _about("new Claude tokenizer", 1.0, 1.5, 2.2)),
        (r"claude", _about("Claude", 0.95, 1.12, 1.5)),
        (r"gemini|gemma", _about("Gemini", 0.95, 1.12, 1.3)),
        (r"deepseek", _about("DeepSeek", 0.98, 1.06, 1.2)),
        (r"qwen|qwq", _about("Qwen", 0.97, 1.05, 1.2)),
        (r"llama", _about("Llama", 0.97, 1.01, 1.1)),
    )
)
_ROUTE = re.compile(r"^(?:[a-z0-9_.-]+/)*(?:ft:)?")


@lru_cache(maxsize=1024)
def encoding_for(model: str) -> EncodingChoice:
    """The vocabulary for a model id; for an unknown one o200k_base with a wide range."""
    bare = _ROUTE.sub("", model.lower(), count=1)
    for pattern, choice in _RULES:
        if pattern.search(bare):
            return choice
    return _UNKNOWN


def scale(raw_tokens: int, choice: EncodingChoice) -> Count:
    """Tokens of the model, from tokens counted with the chosen vocabulary."""
    if choice.exact:
        return Count(raw_tokens, raw_tokens, raw_tokens, choice.method)
    return Count(
        round(raw_tokens * choice.ratio),
        math.floor(raw_tokens * choice.ratio_low),
        math.ceil(raw_tokens * choice.ratio_high),
        choice.method,
    )
