"""The texts in OpenAI response requests and replies, to be counted or classified."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scrimp.dialects.json_body import parse_object
from scrimp.dialects.openai_responses_gather import DELTAS
from scrimp.dialects.sse import event_fields, split
from scrimp.dialects.texts import definition_texts, encode_text, part_texts, strings

_PARTS = ("content", "summary", "output")
_STRINGS = ("name", "arguments", "input", "code")


def prompt_texts(fields: Mapping[str, Any]) -> tuple[str, ...]:
    """Instructions, input with tool calls and their results, tools, the schema of the answer."""
    found = part_texts(fields.get("instructions"))
    given = fields.get("input")
    if isinstance(given, str):
        found += part_texts(given)
    for item in given if isinstance(given, list) else ():
        found += item_texts(item)
    found += definition_texts(fields.get("tools"))
    schema = answer_schema(fields)
    if schema is not None:
        found.append(encode_text(schema))
    return tuple(found)


def answer_schema(fields: Mapping[str, Any]) -> dict[str, Any] | None:
    """What `text.format` says of a structured answer; None when it says nothing."""
    text = fields.get("text")
    form = text.get("format") if isinstance(text, dict) else None
    return form if isinstance(form, dict) and form.get("type") == "json_schema" else None


def last_user_text(fields: Mapping[str, Any]) -> str:
    """The texts of the last user message that has any."""
    given = fields.get("input")
    if isinstance(given, str):
        return given
    for item in reversed(given) if isinstance(given, list) else ():
        if item.get("role") == "user" and (texts := part_texts(item.get("content"))):
            return "\n".join(texts)
    return ""


def item_texts(item: object) -> list[str]:
    """The texts of one item of input or output."""
    if not isinstance(item, dict):
        return []
    found: list[str] = []
    for name in _PARTS:
        found += part_texts(item.get(name))
    return found + strings(item, *_STRINGS)


def reply_texts(body: bytes) -> tuple[str, ...]:
    """Every text of a reply; of a stream, the fragments of one text are put together."""
    whole = parse_object(body)
    if whole is not None:
        output = whole.get("output")
        items = output if isinstance(output, list) else ()
        return tuple(text for item in items for text in item_texts(item))
    heard: dict[tuple[object, ...], list[str]] = {}
    names: dict[object, list[str]] = {}
    done: dict[object, list[str]] = {}
    for raw in split(body):
        fields = parse_object(event_fields(raw)[1])
        if fields is None:
            continue
        where = fields.get("output_index")
        where = where if isinstance(where, int) else 0
        kind, item = fields.get("type"), fields.get("item")
        if kind == "response.output_item.added" and isinstance(item, dict):
            names[where] = strings(item, "name")
        elif kind == "response.output_item.done":
            done[where] = item_texts(item)
        elif isinstance(kind, str) and kind in DELTAS and isinstance(fields.get("delta"), str):
            place = fields.get(DELTAS[kind][1])
            place = place if isinstance(place, int) else 0
            heard.setdefault((where, kind, place), []).append(fields["delta"])
    return _joined(heard, names, done)


def _joined(
    heard: dict[tuple[object, ...], list[str]],
    names: dict[object, list[str]],
    done: dict[object, list[str]],
) -> tuple[str, ...]:
    """What was spelled out, with the names of tools; items that only came whole as they are."""
    spelled = {place[0] for place in heard}
    found = [text for where, texts in names.items() if where not in done for text in texts]
    for where, texts in done.items():
        if where not in spelled:
            found += texts
        else:
            found += names.get(where, [])
    return (*("".join(texts) for texts in heard.values()), *found)
