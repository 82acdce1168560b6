"""Where in a request a line of instructions goes, and the fields that shape an answer. Pure.

A line goes behind all other instructions, in front of the conversation: whatever a provider has
cached of the instructions, marks of the client's included, stays what it was. Nothing that the
client said is changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scrimp.shrinking.blocks import list_name

SHAPES = ("openai.chat", "openai.responses", "anthropic.messages")
"""Dialects whose answers can be shaped."""
_SYSTEM = ("system", "developer")
_STOPS = {"openai.chat": "stop", "anthropic.messages": "stop_sequences"}
MOST_STOPS = 4
"""OpenAI's chat takes no more (API reference, checked 2026-11)."""


def instructed(fields: Mapping[str, Any], dialect: str, text: str) -> dict[str, Any] | None:
    """The fields with one more line of instructions; None where there is no place for it."""
    if dialect == "anthropic.messages":
        system = _longer(fields.get("system"), text, {"type": "text", "text": text})
        return None if system is None else {**fields, "system": system}
    items = fields.get(list_name(dialect))
    if dialect == "openai.chat":
        if not isinstance(items, list):
            return None
        part = {"type": "text", "text": text}
        return _in_items(fields, "messages", items, part) or {
            **fields,
            "messages": [{"role": "system", "content": text}, *items],
        }
    part = {"type": "input_text", "text": text}
    if isinstance(items, list) and (found := _in_items(fields, "input", items, part)) is not None:
        return found
    said = _longer(fields.get("instructions"), text, None)
    return None if said is None else {**fields, "instructions": said}


def _in_items(
    fields: Mapping[str, Any], name: str, items: Sequence[Any], part: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Behind the last of the leading system messages; None where there is none to add to."""
    last = -1
    for number, item in enumerate(items):
        if not isinstance(item, dict) or item.get("role") not in _SYSTEM:
            break
        last = number
    if last < 0:
        return None
    content = _longer(items[last].get("content"), str(part["text"]), part)
    if content is None:
        return None
    return {
        **fields,
        name: [*items[:last], {**items[last], "content": content}, *items[last + 1 :]],
    }


def _longer(content: Any, text: str, part: Mapping[str, Any] | None) -> Any:
    """A text, or a list of parts, with one more line; None for anything else."""
    if not content and (content is None or isinstance(content, str)):
        return text
    if isinstance(content, str):
        return f"{content}\n\n{text}"
    if isinstance(content, list) and part is not None:
        return [*content, part]
    return None


def stopped(fields: Mapping[str, Any], dialect: str, stops: Sequence[str]) -> dict[str, Any] | None:
    """The fields with stop sequences; None where the client has its own, or there are none."""
    name = _STOPS.get(dialect)
    if name is None or fields.get(name):
        return None
    return {**fields, name: list(stops[:MOST_STOPS])}


def stop_name(dialect: str) -> str:
    """The field of stop sequences; empty where a dialect has none."""
    return _STOPS.get(dialect, "")


def in_json_mode(fields: Mapping[str, Any], dialect: str) -> tuple[dict[str, Any], str] | None:
    """The fields with a provider's JSON mode, and the name of the field; None where it has none.

    Anthropic has none without a schema, which only the client can give. OpenAI will read the word
    JSON in what is asked (responses: in the input itself).
    """
    if fields.get("tools"):
        return None
    form = {"type": "json_object"}
    if dialect == "openai.chat" and fields.get("response_format") is None:
        return {**fields, "response_format": form}, "response_format"
    if dialect == "openai.responses":
        text = fields.get("text")
        text = {} if text is None else text
        if isinstance(text, dict) and text.get("format") is None and _speaks_of_json(fields):
            return {**fields, "text": {**text, "format": form}}, "format"
    return None


def has_form(fields: Mapping[str, Any]) -> bool:
    """True for a call that says itself which form its answer has."""
    text, config = fields.get("text"), fields.get("output_config")
    return any(
        isinstance(form, dict) and form.get("type") not in (None, "text")
        for form in (
            fields.get("response_format"),
            text.get("format") if isinstance(text, dict) else None,
            config.get("format") if isinstance(config, dict) else None,
            fields.get("output_format"),
        )
    )


def opening(fields: Mapping[str, Any], dialect: str) -> tuple[str, bool]:
    """What the user said first, and whether the model has answered since: it is no first turn."""
    items = fields.get(list_name(dialect))
    if isinstance(items, str):
        return items, False
    first, answered = "", False
    for item in items if isinstance(items, list) else ():
        role = item.get("role") if isinstance(item, dict) else None
        if role == "user" and not first:
            first = _plain(item.get("content"))
        elif role == "assistant":
            answered = True
            break
    return first, answered


def _plain(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    return "\n".join([text for text in texts if isinstance(text, str)])


def _speaks_of_json(fields: Mapping[str, Any]) -> bool:
    """Whether the input itself has the word, which OpenAI demands of its JSON mode."""
    items = fields.get("input")
    if isinstance(items, str):
        return "json" in items.lower()
    return any(
        "json" in _plain(item.get("content")).lower()
        for item in (items if isinstance(items, list) else ())
        if isinstance(item, dict)
    )
