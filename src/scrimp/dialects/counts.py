"""Careful reading of the token counts that providers report: wrong types are never guessed at.

A part that is greater than its whole cannot be a part of it. It is then counted beside the whole:
no token stands in two buckets, none is dropped, nothing is clamped or negative, and the note
holds both numbers, so that nobody takes the figures for exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MAX_COUNT = 1_000_000_000
"""No call has that many tokens; a greater number is not a count."""


class NotACountError(ValueError):
    """A reported number is not a whole number between 0 and MAX_COUNT."""


def count(fields: Mapping[str, Any], name: str) -> int:
    """A count that must be there. Raises NotACountError."""
    value = fields.get(name)
    if type(value) is not int or not 0 <= value <= MAX_COUNT:
        raise NotACountError(name)
    return value


def part(fields: Mapping[str, Any], name: str) -> int:
    """A count that is 0 when absent or null. Raises NotACountError."""
    return 0 if fields.get(name) is None else count(fields, name)


def details(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A breakdown that is empty when absent or null. Raises NotACountError."""
    value = fields.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise NotACountError(name)
    return value


def rest(whole: int, parts: int, what: str) -> tuple[int, str]:
    """What is left of a whole without its parts, and a note when they do not fit into it."""
    if parts <= whole:
        return whole - parts, ""
    return whole, f"{what}: parts of {parts} tokens in a whole of {whole}"
