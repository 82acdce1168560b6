"""The OpenAI response that a stream of events makes.

The last event holds it whole. Where it does not (a stream that broke off, a provider that leaves
the output out), what the events before it built is put together.
"""

from __future__ import annotations

from typing import Any

import msgspec

from scrimp.dialects.json_body import encode, parse_object
from scrimp.dialects.openai_responses_stream import parse_response
from scrimp.dialects.openai_words import UNREADABLE
from scrimp.dialects.sse import event_fields, split

Fields = dict[str, Any]

_LAST = frozenset({"response.completed", "response.incomplete", "response.failed"})
_NAMED_LAST = tuple(f"event: {name}".encode() for name in sorted(_LAST))
_SNAPSHOTS = frozenset({"response.created", "response.queued", "response.in_progress"})
_ADDED = {
    "response.content_part.added": ("content", "content_index"),
    "response.reasoning_summary_part.added": ("summary", "summary_index"),
}
DELTAS = {
    "response.output_text.delta": ("content", "content_index", "text"),
    "response.refusal.delta": ("content", "content_index", "refusal"),
    "response.reasoning_text.delta": ("content", "content_index", "text"),
    "response.reasoning_summary_text.delta": ("summary", "summary_index", "text"),
    "response.function_call_arguments.delta": ("", "", "arguments"),
    "response.mcp_call_arguments.delta": ("", "", "arguments"),
    "response.custom_tool_call_input.delta": ("", "", "input"),
    "response.code_interpreter_call_code.delta": ("", "", "code"),
}
"""Events that carry text: a list of parts, the field with the place in it, the field to grow."""


def from_stream(events: bytes) -> bytes:
    """The response that these events make; an error event makes an error body.

    An unfinished stream gives what had arrived. Events that are not JSON objects are passed over.
    """
    try:
        return _last_word(events) or encode(_Gathering().gather(events))
    except RecursionError:  # nested more deeply than anything that a provider means
        return encode(UNREADABLE)


class _End(msgspec.Struct):
    type: str = ""
    response: msgspec.Raw = msgspec.Raw(b"")


_decode_end = msgspec.json.Decoder(_End).decode


def _last_word(events: bytes) -> bytes:
    """The response in the last event, byte for byte; empty where more has to be looked at.

    Most of a stream only builds up what its end says again, so the rest need not be parsed.
    """
    start = events.rfind(b"\nevent: response.") + 1
    if not events.startswith(_NAMED_LAST, start) or b"event: error" in events:
        return b""
    data = event_fields(split(events[start:])[0])[1]
    try:
        end = _decode_end(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return b""
    response = parse_response(bytes(end.response)) if end.type in _LAST else None
    return bytes(end.response) if response is not None and response.output else b""


class _Gathering:
    """A response while its events come in."""

    def __init__(self) -> None:
        self._response: Fields = {}
        self._items: dict[int, Fields] = {}

    def gather(self, events: bytes) -> Fields:
        """The response, or the error that came instead."""
        for raw in split(events):
            name, data = event_fields(raw)
            fields = parse_object(data)
            if fields is None:
                continue
            kind = fields.get("type")
            if kind == "error" or name == b"error" or (kind is None and fields.get("error")):
                return {"error": _error(fields)}
            response = fields.get("response")
            if kind in _LAST and isinstance(response, dict):
                return self._with_items(response)
            if kind in _SNAPSHOTS and isinstance(response, dict):
                self._response = response
            elif isinstance(kind, str) and isinstance(fields.get("output_index"), int):
                self._add(kind, fields)
        return self._with_items(self._response) if self._response else UNREADABLE

    def _with_items(self, response: Fields) -> Fields:
        if not response.get("output"):
            response["output"] = [self._items[index] for index in sorted(self._items)]
        return response

    def _add(self, kind: str, fields: Fields) -> None:
        index: int = fields["output_index"]
        if kind in ("response.output_item.added", "response.output_item.done"):
            if isinstance(fields.get("item"), dict):
                self._items[index] = fields["item"]
            return
        item = self._items.get(index)
        if item is None:
            return
        if kind in _ADDED:
            into, where = _ADDED[kind]
            _place(item, into, fields.get(where), fields.get("part"))
        elif kind in DELTAS and isinstance(fields.get("delta"), str):
            _grow(item, kind, fields)


def _place(item: Fields, into: str, where: object, part: object) -> None:
    """A new part; one that would leave a gap has no place."""
    parts = item.get(into)
    if not isinstance(parts, list):
        parts = item[into] = []
    if where == len(parts) and isinstance(part, dict):
        parts.append(part)


def _grow(item: Fields, kind: str, fields: Fields) -> None:
    into, where, field = DELTAS[kind]
    grown: Any = item
    if into:
        parts, at = item.get(into), fields.get(where)
        if not isinstance(parts, list) or not isinstance(at, int) or not 0 <= at < len(parts):
            return
        grown = parts[at]
    known = grown.get(field) if isinstance(grown, dict) else None
    if isinstance(grown, dict):
        grown[field] = (known if isinstance(known, str) else "") + fields["delta"]


def _error(fields: Fields) -> Fields:
    """An error's inside, wherever the provider put it."""
    inner = fields.get("error")
    if isinstance(inner, dict):
        return inner
    message = fields.get("message")
    if not isinstance(message, str):
        inside: Fields = UNREADABLE["error"]
        return inside
    told = {name: fields.get(name) for name in ("code", "param")}
    return {"message": message, "type": "server_error", **told}
