"""At most k of the examples in a prompt: those that differ the most. Lossy, so only when asked.

Found as `<example>` tags, as lines that begin with `Example 1:` and the like, as pairs of `Input:`
and `Output:` (`Q:`, `A:`), or below a heading `Examples` as items of a list or lines with an arrow.
The last one always stays: where it ends is not always told.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

K = 3
_TAGS = re.compile(r"<example\b[^>]*>.*?</example>[ \t]*\n?", re.DOTALL | re.IGNORECASE)
_TITLES = re.compile(r"^(?:#{1,6} |\*\*)?example +\d+\b", re.IGNORECASE)
_ASKED = re.compile(r"^(?:input|q|question|user|text):", re.IGNORECASE)
_ANSWERED = re.compile(r"^(?:output|a|answer|assistant|label):\s*\S", re.IGNORECASE | re.MULTILINE)
_HEADING = re.compile(r"^#{1,6} ")
_SECTION = re.compile(r"^(?:#{1,6} +|\*\*)?(?:few-shot +)?examples?:?(?:\*\*)?:?$", re.IGNORECASE)
_ITEM = re.compile(r"^(?:[-*•] +|\d{1,3}[.)] +)\S|^\S.*(?:->|=>|→)")
_WORD = re.compile(r"\w+")


def fewer_examples(text: str, k: int = K) -> str:
    """The prompt with at most `k` of its examples, in their order."""
    spans = _by_tags(text) or _by_lines(text) or _by_section(text)
    if k < 1 or len(spans) <= k:
        return text
    kept = set(most_diverse([text[first:past] for first, past in spans], k))
    found, at = [], 0
    for number, (first, past) in enumerate(spans):
        if number not in kept:
            found.append(text[at:first])
            at = past
    return "".join([*found, text[at:]])


def most_diverse(texts: Sequence[str], k: int) -> list[int]:
    """The last, and k - 1 others that are each as far as can be from all before; in their order.

    Far is what shares few words (Jaccard's distance); of equals the first is taken.
    """
    words = [frozenset(_WORD.findall(text.lower())) for text in texts]
    kept = [len(texts) - 1] if k > 0 and texts else []
    far = [_distance(one, words[-1]) for one in words]
    while len(kept) < min(k, len(texts)):
        best = max((n for n in range(len(texts)) if n not in kept), key=lambda n: (far[n], -n))
        kept.append(best)
        far = [min(old, _distance(one, words[best])) for old, one in zip(far, words, strict=True)]
    return sorted(kept)


def fewer_turns(messages: Sequence[Any], k: int = K) -> list[Any]:
    """A conversation with at most `k` of the exemplary turns before its last message.

    They are alternating messages of a user and an assistant, of text alone; anything else among
    them and nothing is left out.
    """
    first = next((n for n, one in enumerate(messages) if _role(one) == "user"), len(messages))
    turns = list(messages[first:-1])
    roles = [_role(one) for one in turns]
    if len(turns) <= 2 * k or len(turns) % 2 or roles != ["user", "assistant"] * (len(turns) // 2):
        return list(messages)
    if _role(messages[-1]) != "user" or not all(map(_is_plain, turns)):
        return list(messages)
    pairs = [turns[n : n + 2] for n in range(0, len(turns), 2)]
    texts = [f"{one['content']} {other['content']}" for one, other in pairs]
    kept = [message for number in most_diverse(texts, k) for message in pairs[number]]
    return [*messages[:first], *kept, messages[-1]]


def _by_tags(text: str) -> list[tuple[int, int]]:
    return [match.span() for match in _TAGS.finditer(text)]


def _by_lines(text: str) -> list[tuple[int, int]]:
    """Each example from its first line to that of the next; a heading between ends the section."""
    titles, asked, starts_at = [], [], 0
    fenced = False
    for line in text.splitlines(keepends=True):
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        elif not fenced:
            if _TITLES.match(line):
                titles.append(starts_at)
            elif _ASKED.match(line):
                asked.append(starts_at)
            elif _HEADING.match(line) and (titles or asked):
                break
        starts_at += len(line)
    starts = titles or _answered(text, asked)
    return [*pairwise(starts), (starts[-1], len(text))] if starts else []


def _by_section(text: str) -> list[tuple[int, int]]:
    """Items of the first section of examples, up to a line that neither is one nor goes on one."""
    starts: list[int] = []
    inside, at = False, 0
    for line in text.splitlines(keepends=True):
        if not inside:
            inside = _SECTION.match(line.strip()) is not None
        elif _ITEM.match(line):
            starts.append(at)
        elif line.strip() and not line[0].isspace():
            break
        at += len(line)
    return [*pairwise(starts), (starts[-1], at)] if starts else []


def _answered(text: str, starts: Sequence[int]) -> list[int]:
    """Those questions that have their answers: the last may be the one that is asked."""
    if not all(_ANSWERED.search(text, *span) for span in pairwise(starts)):
        return []
    last_is_open = bool(starts) and _ANSWERED.search(text, starts[-1]) is None
    return list(starts[:-1] if last_is_open else starts)


def _role(message: Any) -> str:
    return str(message.get("role")) if isinstance(message, dict) else ""


def _is_plain(message: Any) -> bool:
    return isinstance(message.get("content"), str) and message.keys() <= {"role", "content", "name"}


def _distance(one: frozenset[str], other: frozenset[str]) -> float:
    union = len(one | other)
    return 1 - len(one & other) / union if union else 0.0
