"""Finds the texts inside message parts and tool definitions, whatever shape they have.

Images, sounds and files are not text: their base64 must never be counted as words.
"""

from __future__ import annotations

from typing import Any

from scrimp.dialects.json_body import encode

_TEXT_KEYS = ("text", "thinking", "refusal", "title", "context")
_PART_KEYS = ("content", "source")
_MAX_DEPTH = 12
"""Twice what the deepest known shape needs (a document in a tool result in a message)."""


def part_texts(content: object, depth: int = _MAX_DEPTH) -> list[str]:
    """The texts of a message's content: a string, one part, or a list of parts, nested or not."""
    if isinstance(content, str):
        return [content] if content else []
    if depth == 0:
        return []
    found: list[str] = []
    if isinstance(content, list):
        for part in content:
            found += part_texts(part, depth - 1)
    elif isinstance(content, dict):
        found += strings(content, *_TEXT_KEYS)
        if content.get("type") == "text":
            found += strings(content, "data")  # the source of a plain text document
        for key in _PART_KEYS:
            found += part_texts(content.get(key), depth - 1)
    return found


def encode_text(value: object) -> str:
    """A JSON value as the text that a model would read; empty when nested beyond all sense."""
    try:
        return encode(value).decode()
    except RecursionError:
        return ""


def definition_texts(definitions: object) -> list[str]:
    """One text per tool definition."""
    if not isinstance(definitions, list):
        return []
    return [encode_text(definition) for definition in definitions]


def strings(fields: dict[str, Any], *names: str) -> list[str]:
    """Those of these fields that are non-empty strings."""
    return [fields[name] for name in names if isinstance(fields.get(name), str) and fields[name]]
