"""A whole OpenAI response as the stream of events that would have made it.

Items, parts and fields that nobody here knows are kept: they come whole, in the events that every
kind of item has. The last event holds the response itself, so nothing can be lost on the way.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scrimp.dialects.json_body import encode, parse_object
from scrimp.dialects.openai_words import UNREADABLE
from scrimp.dialects.sse import event

Fields = dict[str, Any]

_NOT_YET = ("error", "incomplete_details", "usage", "completed_at", "tool_usage")

# Of an item's fields, the one that is streamed as text, and the name of its events.
_SPELLED = {
    "function_call": ("arguments", "response.function_call_arguments"),
    "mcp_call": ("arguments", "response.mcp_call_arguments"),
    "custom_tool_call": ("input", "response.custom_tool_call_input"),
    "code_interpreter_call": ("code", "response.code_interpreter_call_code"),
}
# The same for the parts of an item's content.
_SPELLED_PARTS = {
    "output_text": ("text", "response.output_text"),
    "refusal": ("refusal", "response.refusal"),
    "reasoning_text": ("text", "response.reasoning_text"),
}


def to_stream(body: bytes) -> bytes:
    """The events that would have made this response. An error body becomes an error event."""
    fields = parse_object(body)
    try:
        if fields is not None and _is_response(fields):
            return b"".join(
                event(
                    encode({"type": made["type"], "sequence_number": number, **made}), made["type"]
                )
                for number, made in enumerate(_events(fields))
            )
        error = fields.get("error") if fields is not None else None
        return error_event(error if isinstance(error, dict) else UNREADABLE["error"])
    except RecursionError:  # nested more deeply than anything that a provider means
        return error_event(UNREADABLE["error"])


def error_event(error: Fields) -> bytes:
    """An error as an event of a response stream.

    OpenAI documents its fields at the top, but sends them inside `error`, and its SDKs raise on
    nothing else (openai-python issue 2487): both are there. Nobody here knows how many events came
    before; typed clients need a number.
    """
    fields = {
        "type": "error",
        "sequence_number": 0,
        "code": error.get("code"),
        "message": error.get("message"),
        "param": error.get("param"),
        "error": error,
    }
    return event(encode(fields), "error")


def _is_response(fields: Fields) -> bool:
    output = fields.get("output")
    return isinstance(output, list) and all(isinstance(item, dict) for item in output)


def _events(response: Fields) -> Iterator[Fields]:
    opening = {name: None if name in _NOT_YET else value for name, value in response.items()}
    opening |= {"status": "in_progress", "output": []}
    yield {"type": "response.created", "response": opening}
    yield {"type": "response.in_progress", "response": opening}
    for index, item in enumerate(response["output"]):
        yield from _item_events(index, item)
    end = response.get("status")
    last = end if end in ("incomplete", "failed") else "completed"
    yield {"type": f"response.{last}", "response": response}


def _item_events(index: int, item: Fields) -> Iterator[Fields]:
    place = {"item_id": _item_id(item), "output_index": index}
    start = dict(item)
    if "status" in item:
        start["status"] = "in_progress"
    parts, summary = _parts(item.get("content")), _parts(item.get("summary"))
    if parts:
        start["content"] = []
    if summary:
        start["summary"] = []
    field, name = _SPELLED.get(_kind(item), ("", ""))
    text = item.get(field)
    spelled = bool(field) and isinstance(text, str) and bool(text)
    if spelled:
        start[field] = ""
    yield {"type": "response.output_item.added", "output_index": index, "item": start}
    for number, part in enumerate(summary):
        yield from _summary_events(part, {**place, "summary_index": number})
    for number, part in enumerate(parts):
        yield from _part_events(part, {**place, "content_index": number})
    if spelled:
        yield {"type": f"{name}.delta", **place, "delta": text}
        yield {"type": f"{name}.done", **place, field: text}
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _part_events(part: Fields, place: Fields) -> Iterator[Fields]:
    field, name = _SPELLED_PARTS.get(_kind(part), ("", ""))
    text = part.get(field)
    start = dict(part)
    if isinstance(text, str):
        start[field] = ""
    annotations = _parts(part.get("annotations"))
    if annotations:
        start["annotations"] = []
    # Log probabilities are always there beside a text, as an empty list when nobody asked.
    logprobs = {"logprobs": part.get("logprobs") or []} if name == "response.output_text" else {}
    yield {"type": "response.content_part.added", **place, "part": start}
    if isinstance(text, str):
        if text:
            yield {"type": f"{name}.delta", **place, "delta": text, **logprobs}
        for number, annotation in enumerate(annotations):
            kind = "response.output_text.annotation.added"
            yield {"type": kind, **place, "annotation_index": number, "annotation": annotation}
        yield {"type": f"{name}.done", **place, field: text, **logprobs}
    yield {"type": "response.content_part.done", **place, "part": part}


def _summary_events(part: Fields, place: Fields) -> Iterator[Fields]:
    text = part.get("text")
    start = {**part, "text": ""} if isinstance(text, str) else part
    yield {"type": "response.reasoning_summary_part.added", **place, "part": start}
    if isinstance(text, str):
        name = "response.reasoning_summary_text"
        if text:
            yield {"type": f"{name}.delta", **place, "delta": text}
        yield {"type": f"{name}.done", **place, "text": text}
    yield {"type": "response.reasoning_summary_part.done", **place, "part": part}


def _item_id(item: Fields) -> str:
    """Calls of tools need no id; clients then know them by their call."""
    for name in ("id", "call_id"):
        if isinstance(item.get(name), str):
            return str(item[name])
    return ""


def _kind(fields: Fields) -> str:
    kind = fields.get("type")
    return kind if isinstance(kind, str) else ""


def _parts(value: object) -> list[Fields]:
    """A list of objects; what is anything else is not taken apart."""
    if isinstance(value, list) and all(isinstance(part, dict) for part in value):
        return value
    return []
