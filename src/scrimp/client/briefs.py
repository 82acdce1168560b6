"""`scrimp.brief`: a line in a prompt that asks for a short answer, or for a form of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from scrimp.clamping.presets import PRESETS, brief_of
from scrimp.client.said import said
from scrimp.errors import InvalidRequest

P = TypeVar("P", str, list[Any])

_INSTRUCTIONS = ("system", "developer")


def brief(prompt: P, preset: str = "concise") -> P:
    """The prompt (a text, or messages) with one line more; what is given is not changed.

    `preset` is `concise`, `json`, `json object`, `code`, `one paragraph` or `N sentences`. In
    messages the line stands behind the last of the leading instructions, else behind what the user
    said last; so it is good for OpenAI's chat and responses and for Anthropic. Raises
    InvalidRequest for what is no preset, and for messages without a place for it.
    """
    if not isinstance(preset, str):
        raise InvalidRequest(f"brief: {preset!r} is no preset ({', '.join(PRESETS)})")
    try:
        found = brief_of(preset)
    except ValueError as error:
        raise InvalidRequest(f"brief: {error}") from None
    if found is None:
        raise InvalidRequest(f"brief: a preset is needed ({', '.join(PRESETS)})")
    if isinstance(prompt, str):
        return f"{prompt}\n\n{found.text}"
    given = said(prompt)
    items = given.items
    at = _place(items)
    if at is None:
        raise InvalidRequest(
            f"brief: none of {len(items)} messages is an instruction or the user's, with a text"
        )
    items[at] = {**items[at], "content": _longer(items[at]["content"], found.text)}
    return given.back(items)


def _place(items: Sequence[Any]) -> int | None:
    last = None
    for number, item in enumerate(items):
        if not isinstance(item, dict) or item.get("role") not in _INSTRUCTIONS:
            break
        last = number if _has_text(item) else last
    if last is not None:
        return last
    users = [
        number
        for number, item in enumerate(items)
        if isinstance(item, dict) and item.get("role") == "user" and _has_text(item)
    ]
    return users[-1] if users else None


def _has_text(item: dict[str, Any]) -> bool:
    content = item.get("content")
    return isinstance(content, str) or (isinstance(content, list) and bool(content))


def _longer(content: Any, text: str) -> Any:
    if isinstance(content, str):
        return f"{content}\n\n{text}"
    responses = any(
        isinstance(one, dict) and str(one.get("type")).startswith("input_") for one in content
    )
    return [*content, {"type": "input_text" if responses else "text", "text": text}]
