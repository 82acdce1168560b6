"""JSON in answers: read strictly, bounded in size and depth. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from scrimp.dialects.json_body import parse

MOST_CHARS = 512 * 1024
_FENCED = re.compile(r"\s*```(?:json)?[ \t]*\n(.*)\n[ \t]*```\s*", re.DOTALL | re.IGNORECASE)


class Value:
    """A parsed value, so that JSON's own null is told from nothing."""

    __slots__ = ("it",)

    def __init__(self, it: Any) -> None:
        self.it = it


def parsed(text: str, *, fenced: bool = False) -> Value | None:
    """The value; None where it is not JSON. `fenced` takes one block of code around it, too."""
    if len(text) > MOST_CHARS:
        return None
    if fenced:
        text = unfenced(text)
    value = parse(text.encode("utf-8", "surrogatepass"))
    if value is None and text.strip() != "null":
        return None
    return Value(value)


def unfenced(text: str) -> str:
    """What stands in the one block of code that a text is; another text as it is."""
    if len(text) > MOST_CHARS or (found := _FENCED.fullmatch(text)) is None:
        return text
    return found.group(1)


def measured(value: object, *, most: int) -> tuple[int, int]:
    """How many values there are (it stops counting beyond `most`), and how deep they are nested."""
    count = deepest = 0
    level = [value]
    while level and count <= most:
        deepest += 1
        count += len(level)
        level = [child for one in level for child in children(one)]
    return count, deepest


def children(value: object) -> Iterator[Any]:
    """The values directly inside."""
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value
