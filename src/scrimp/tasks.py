"""Task types: what a call is for, how long its answer stays true, and who said so.

The times to live are the product's own defaults (facts a week, summaries a day, code an hour,
creative work never, vectors a month: a model gives the same ones for the same text); settings
override them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from scrimp.calls import Task
from scrimp.errors import InvalidRequest

HOUR_S = 3600
DAY_S = 24 * HOUR_S

TTL_S: Mapping[str, int] = MappingProxyType(
    {
        "factual_qa": 7 * DAY_S,
        "summarization": DAY_S,
        "translation": 7 * DAY_S,
        "classification": 7 * DAY_S,
        "extraction": DAY_S,
        "analysis": HOUR_S,
        "code_generation": HOUR_S,
        "code_review": HOUR_S,
        "complex_reasoning": HOUR_S,
        "architecture_design": HOUR_S,
        "multi_step_analysis": HOUR_S,
        "general": HOUR_S,
        "creative": 0,
        "embedding": 30 * DAY_S,
    }
)
"""Seconds that an answer may be remembered, by task type; 0 is never."""

_READ_CHARS = 400  # a person says what they want at the start or at the end
_WORD = re.compile(r"[^\W\d_]+")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_GREETINGS = _words("hi hello hey dear please hallo hola bonjour good morning there")
_QUESTION_WORDS = _words(
    "what who when where which how is are can could does do did will may why was were has have "
    "wer wann wo wie warum kann qué quién cuándo dónde cómo quel quelle comment où quand"
)
_MAKE = _words("write implement refactor fix debug create generate code")
_CODE = _words(
    "function class script test tests query regex program method bug module endpoint code "
    "traceback exception unittest sql python javascript typescript rust"
)
_INVENT = _words("write compose tell make invent imagine")
_ART = _words("poem story song lyrics haiku joke slogan tagline novel limerick")
_REVIEW = _words("review critique audit")
_PATCH = _words("code diff patch pr pull function class module")
_DESIGN = _words("architect architecture design")
_SYSTEM = _words("system service schema database api pipeline architecture")
_SORT = _words("classify categorize categorise classification sentiment label labels")
_WEIGH = _words("analyze analyse compare evaluate plan")

_SIGNS: tuple[tuple[str, tuple[frozenset[str], ...]], ...] = (
    # every group must have a word in the text; from the unmistakable to the vague
    ("translation", (_words("translate translation übersetze übersetzung traduce traduis"),)),
    ("summarization", (_words("summarize summarise summary tldr"),)),
    ("classification", (_SORT,)),
    ("extraction", (_words("extract extraction"),)),
    ("code_review", (_REVIEW, _PATCH)),
    ("architecture_design", (_DESIGN, _SYSTEM)),
    ("code_generation", (_MAKE, _CODE)),
    ("creative", (_INVENT, _ART)),
    ("creative", (_words("brainstorm"),)),
    ("multi_step_analysis", (_words("step steps"), _WEIGH)),
    ("complex_reasoning", (_words("prove derive solve deduce proof"),)),
    ("analysis", (_words("analyze analyse analysis compare evaluate tradeoffs pros"),)),
)


def _bits() -> dict[str, int]:
    """Each word of a sign with the bits of the groups that it stands in."""
    bits: dict[str, int] = {}
    shift = 0
    for _, groups in _SIGNS:
        for group in groups:
            for word in group:
                bits[word] = bits.get(word, 0) | 1 << shift
            shift += 1
    return bits


def _needed() -> tuple[tuple[str, int], ...]:
    """Each sign with the bits that must all be set for it."""
    needed: list[tuple[str, int]] = []
    shift = 0
    for name, groups in _SIGNS:
        needed.append((name, (1 << len(groups)) - 1 << shift))
        shift += len(groups)
    return tuple(needed)


_BITS = _bits()
_NEEDED = _needed()


def classify(text: str) -> str:
    """The likely task type of what a person asked, by its words; `general` when nothing tells.

    Only the start and the end of a long text are read. The first sign in the list wins.
    """
    if len(text) > 2 * _READ_CHARS:
        text = f"{text[:_READ_CHARS]} {text[-_READ_CHARS:]}"
    words = _WORD.findall(text.lower())
    if "```" in text:
        return "code_review" if "review" in words else "code_generation"
    found = 0
    for word in words:
        if word in _BITS:
            found |= _BITS[word]
    if found:
        for name, needed in _NEEDED:
            if found & needed == needed:
                return name
    opening = next((word for word in words if word not in _GREETINGS), "")
    return "factual_qa" if "?" in text and opening in _QUESTION_WORDS else "general"


def task_said(header: str, metadata: Mapping[str, object], key_default: str) -> Task | None:
    """The task type by the first that says one: header, metadata, the key's default.

    `metadata` may carry `task` or `scrimp_task`. Raises InvalidRequest when a header names an
    unknown type (a typo would silently change how long answers live).
    """
    if header:
        if header not in TTL_S:
            msg = f"x-scrimp-task {header[:40]!r} is not a task type (one of: {', '.join(TTL_S)})"
            raise InvalidRequest(msg)
        return Task(header, "header")
    for field in ("scrimp_task", "task"):
        value = metadata.get(field)
        if isinstance(value, str) and value in TTL_S:
            return Task(value, "metadata")
    return Task(key_default, "key") if key_default else None


def task_by_words(text: str) -> Task:
    """The task type of a call for which nobody says one."""
    return Task(classify(text), "classifier") if text else Task("general", "none")


def task_of(header: str, metadata: Mapping[str, object], key_default: str, text: str) -> Task:
    """The task type by the first that says one, else by the words of the text.

    Raises InvalidRequest as `task_said` does.
    """
    return task_said(header, metadata, key_default) or task_by_words(text)
