"""The classic four rungs, simple to expert, by words and form: a prior for routes without evidence.

Keywords are no better than a coin where they were measured (APGR .48 on MMLU, random .50), so they
only choose where nothing was learned yet, and never past a filter. Words are matched whole: "list"
is not in "listen". Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from scrimp.choosing import RUNGS, Rung
from scrimp.values import Value

WORDS: Final[Mapping[Rung, tuple[str, ...]]] = {
    "simple": (
        *("what is", "who is", "when", "where", "define", "list", "translate", "spell", "capital"),
        *("convert", "yes or no", "classify", "label", "extract", "name of", "how many"),
    ),
    "medium": (
        *("explain", "summarize", "summarise", "describe", "rewrite", "compare", "why", "how do"),
        *("how does", "outline", "draft", "email", "difference between"),
    ),
    "complex": (
        *("analyze", "analyse", "debug", "refactor", "implement", "algorithm", "step by step"),
        *("evaluate", "design", "optimize", "optimise", "trade-offs", "strategy", "calculate"),
    ),
    "expert": (
        *("prove", "proof", "theorem", "derive", "formal verification", "novel", "research"),
        *("architecture review", "security audit", "differential equation", "peer review"),
    ),
}
"""Written for this; settings add to them or replace a rung's."""

TASKS: Final[Mapping[str, Rung]] = {
    "factual_qa": "simple",
    "classification": "simple",
    "extraction": "simple",
    "translation": "simple",
    "summarization": "medium",
    "general": "medium",
    "creative": "medium",
    "code_generation": "complex",
    "code_review": "complex",
    "analysis": "complex",
    "complex_reasoning": "complex",
    "multi_step_analysis": "expert",
    "architecture_design": "expert",
}
"""Every task type that chats have."""
_LONG_CHARS: Final = 2_000
_VERY_LONG_CHARS: Final = 12_000
_CODE: Final = "```"
_MOST_CHARS: Final = 20_000
_MIDDLE: Final = RUNGS.index("medium")


class Complexity(Value, frozen=True):
    """Which rung, and what spoke for it."""

    rung: Rung
    reasons: tuple[str, ...] = ()


def complexity(
    text: str,
    task: str = "",
    *,
    words: Mapping[Rung, tuple[str, ...]] | None = None,
    tasks: Mapping[str, Rung] | None = None,
) -> Complexity:
    """The rung of a question.

    The highest rung whose words stand in it; without any, the task's; without that, medium. Long
    texts and code are at least medium and complex. `words` replace those of the rungs that they
    name, `tasks` go before the usual map.
    """
    seen = text[:_MOST_CHARS].lower()
    reasons: list[str] = []
    found: list[Rung] = []
    for rung in reversed(RUNGS):
        given = words.get(rung) if words is not None else None
        if hit := _pattern(WORDS[rung] if given is None else given).search(seen):
            found.append(rung)
            reasons.append(f"word:{hit.group(0)}")
            break
    if not found and (known := {**TASKS, **(tasks or {})}.get(task)) is not None:
        found.append(known)
        reasons.append(f"task:{task}")
    if _CODE in text:
        found.append("complex")
        reasons.append("code")
    if len(text) > _LONG_CHARS:
        found.append("complex" if len(text) > _VERY_LONG_CHARS else "medium")
        reasons.append(f"length:{len(text)}")
    return Complexity(max(found or ["medium"], key=RUNGS.index), tuple(reasons))


def capped(rung: Rung, *, constrained: bool) -> Rung:
    """The rung under a tight budget: medium at most."""
    return RUNGS[min(RUNGS.index(rung), _MIDDLE)] if constrained else rung


def stands_in(words: tuple[str, ...], text: str) -> bool:
    """Whether any of the words stands in a text, whole, upper and lower case alike."""
    return _pattern(words).search(text[:_MOST_CHARS].lower()) is not None


@lru_cache(maxsize=64)
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    """Any of the words, whole. Words are escaped: none of them is a pattern."""
    if not words:
        return re.compile(r"(?!)")
    longest_first = sorted((re.escape(word.lower()) for word in words if word), key=len)[::-1]
    return re.compile(rf"(?<!\w)(?:{'|'.join(longest_first)})(?!\w)")
