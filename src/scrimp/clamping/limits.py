"""How many tokens an answer may have, by which field a model is told, and what thinking needs.

Pure. A limit on the output of a model that thinks bounds its thoughts, too: what it needs for them
is never taken from it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

THINKING_TOKENS = 25_000
"""Kept free for the thoughts of a model that nobody has measured (OpenAI's guide to reasoning
advises to reserve at least so many; checked 2026-11)."""
LEAST_TOKENS = 16
"""OpenAI's responses take no smaller limit."""

_NEW_NAME = ("gpt-", "chatgpt-", "o1", "o3", "o4")
"""Models of OpenAI's, of which some refuse `max_tokens`; others' servers may know nothing else."""
_NEVER_THINKS = re.compile(
    r"gpt-3\.5|gpt-4(?:$|[-.o])|chatgpt-4o|claude-(?:2|3|instant)|claude-(?:opus|sonnet|haiku)-4"
    r"|mistral-|ministral|codestral|llama|deepseek-chat$"
)
"""Names whose models think only where a field of the request asks them to, if at all."""


def limit_names(fields: Mapping[str, Any], dialect: str, model: str) -> tuple[str, ...]:
    """The fields of the limit: those that the client uses, else the one that the model knows."""
    match dialect:
        case "openai.chat":
            own = [name for name in ("max_tokens", "max_completion_tokens") if fields.get(name)]
            new = model.rpartition("/")[2].startswith(_NEW_NAME)
            return tuple(own) or (("max_completion_tokens",) if new else ("max_tokens",))
        case "openai.responses":
            return ("max_output_tokens",)
        case _:
            return ("max_tokens",)


def effort_of(fields: Mapping[str, Any]) -> str:
    """How much thinking is asked for, in one word; empty where the call says nothing of it."""
    thinking, reasoning = fields.get("thinking"), fields.get("reasoning")
    if isinstance(thinking, dict) and (kind := thinking.get("type")) is not None:
        return f"{kind}"[:16]
    if isinstance(reasoning, dict) and reasoning.get("effort") is not None:
        return f"{reasoning['effort']}"[:16]
    if (effort := fields.get("reasoning_effort")) is not None:
        return f"{effort}"[:16]
    config = fields.get("output_config")
    effort = config.get("effort") if isinstance(config, dict) else None
    return "" if effort is None else f"{effort}"[:16]


def thinking_budget(fields: Mapping[str, Any]) -> int:
    """Tokens that a call sets aside for thoughts (Anthropic), which its limit must be above."""
    thinking = fields.get("thinking")
    budget = thinking.get("budget_tokens") if isinstance(thinking, dict) else None
    return budget if type(budget) is int and budget > 0 else 0


def may_think(fields: Mapping[str, Any], model: str) -> bool:
    """False only where a model surely thinks nothing before it answers."""
    effort = effort_of(fields)
    if effort in ("none", "disabled"):
        return False
    if effort and isinstance(fields.get("thinking"), dict):
        return True
    return _NEVER_THINKS.match(model.rpartition("/")[2].lower()) is None


def rounded(tokens: int) -> int:
    """Up to a whole multiple of 16: a limit that moves a little stays the same."""
    return max(LEAST_TOKENS, -(-tokens // 16) * 16)
