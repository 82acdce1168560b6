"""Prompts that hold several numbered messages behind marks: each is answered as if it stood alone.

A mark is `[word number]` on a line of its own, the last one `[word end]`. Such a prompt is answered
in the same form, as a model does that follows what it is told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

_SCHEMA: Final = re.compile(r"\bJSON schema:\n(\{.*\})$", re.MULTILINE)
_OBJECT: Final = re.compile(r"\bEach answer is one JSON object\b")
_FIRST: Final = re.compile(r"^\[([a-z0-9]{4,16}) 1\]$", re.MULTILINE)


def items_of(text: str) -> tuple[str, Sequence[str]]:
    """The word of the marks and what stands behind each; nothing where there are none."""
    found = _FIRST.search(text)
    if found is None:
        return "", ()
    word, rest = found[1], text[found.end() :]
    items: list[str] = []
    while f"\n[{word} end]" in rest:
        following = f"\n[{word} {len(items) + 2}]\n"
        item, there, after = rest.partition(following)
        if not there:
            items.append(rest.partition(f"\n[{word} end]")[0].strip())
            return word, items
        items.append(item.strip())
        rest = after
    return "", ()


def form_of(text: str) -> Mapping[str, Any] | None:
    """The schema that each answer shall have by the words before the items; {} for any object."""
    first = _FIRST.search(text)
    order = text[: first.start()] if first else ""
    if found := _SCHEMA.search(order):
        try:
            schema = msgspec.json.decode(found[1])
        except msgspec.DecodeError:
            return None
        return schema if isinstance(schema, dict) else None
    return {} if _OBJECT.search(order) else None


def answered(word: str, items: Sequence[str], answer: Callable[[str], str]) -> str:
    """All answers, each behind its mark."""
    lines = [f"[{word} {number}] {answer(item)}" for number, item in enumerate(items, 1)]
    return "\n".join([*lines, f"[{word} end]"])
