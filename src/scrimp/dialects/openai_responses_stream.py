"""Reads OpenAI response streams while they pass through, with as little work as can be.

Events reach the client byte for byte. What counts stands in the last event, which holds the whole
response: `response.completed`, `response.incomplete` or `response.failed`. Some providers leave the
output out of it; so the items that were done on the way are remembered by their kind.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec.structs import replace

from scrimp.calls import Finish, ReplyFacts
from scrimp.dialects.json_body import parse_object
from scrimp.dialects.openai_responses_usage import read_usage
from scrimp.dialects.openai_words import error_message
from scrimp.dialects.sse import EventSplitter, event_fields

CLIENT_RUN_CALLS = frozenset(
    {
        "function_call",
        "custom_tool_call",
        "local_shell_call",
        "shell_call",
        "apply_patch_call",
        "computer_call",
        "mcp_approval_request",
    }
)
"""Output items that the client has to answer."""

_ENDS: dict[str, Finish] = {"max_output_tokens": "truncated", "content_filter": "refused"}
_LAST = frozenset({"response.completed", "response.incomplete", "response.failed"})
_NO_MESSAGE = "the provider gave no message"

# All other named events only build up what the last one says.
_NAMED = b"event: response."
_READ = (
    b"event: response.created",
    b"event: response.output_item.done",
    b"event: response.completed",
    b"event: response.incomplete",
    b"event: response.failed",
)


class Part(msgspec.Struct):
    """A part of a message's content."""

    type: Any = None


class Item(msgspec.Struct):
    """An output item; the decoder skips what is not read without building it."""

    type: Any = None
    content: list[Part] | None = None
    action: Any = None


class Response(msgspec.Struct):
    """A response, whole or at the start of its stream."""

    model: Any = None
    status: Any = None
    service_tier: Any = None
    usage: Any = None
    tool_usage: Any = None
    error: Any = None
    incomplete_details: Any = None
    output: list[Item] | None = None


class _Event(msgspec.Struct):
    type: Any = None
    error: Any = None
    message: Any = None
    item: Item | None = None
    response: Response | None = None


_decode_event = msgspec.json.Decoder(_Event).decode
_decode_response = msgspec.json.Decoder(Response).decode


def parse_response(body: bytes) -> Response | None:
    """A whole response as far as it is read here; None when it is no JSON object."""
    try:
        return _decode_response(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        fields = parse_object(body)
        return None if fields is None else _response(fields)


def facts_of(response: Response, items: Iterable[Item] = ()) -> ReplyFacts:
    """Facts of a response. `items` are the output where the response itself has none.

    It is complete when it has ended with an answer, be it a cut one.
    """
    status = response.status
    error = error_message(response.error)
    if status == "failed" and not error:
        error = _NO_MESSAGE
    ended = status in ("completed", "incomplete")
    hosted = _hosted(response.output or items)
    return ReplyFacts(
        usage=read_usage(response.usage, response.tool_usage, hosted),
        model=_text(response.model),
        finish=_finish(response, response.output or items) if ended else "unknown",
        complete=ended and not error,
        service_tier=_tier(response.service_tier),
        error=error,
    )


def _finish(response: Response, items: Iterable[Item]) -> Finish:
    if response.status == "incomplete":
        details = response.incomplete_details
        reason = details.get("reason") if isinstance(details, dict) else None
        return _ENDS.get(reason, "unknown") if isinstance(reason, str) else "unknown"
    kinds: set[Any] = set()
    for item in items:
        if any(part.type == "refusal" for part in item.content or ()):
            return "refused"
        if isinstance(item.type, str):
            kinds.add(item.type)
    return "tool_calls" if kinds & CLIENT_RUN_CALLS else "complete"


def _hosted(items: Iterable[Item]) -> dict[str, int]:
    """How often hosted tools with a fee of their own were called, by the kind of the item.

    Opening a page or searching in it is no web search (OpenAI's web search guide, checked 2026-11).
    """
    calls: dict[str, int] = {}
    for item in items:
        kind = item.type
        if kind == "file_search_call" or (kind == "web_search_call" and _searched(item.action)):
            calls[kind] = calls.get(kind, 0) + 1
    return calls


def hosted_calls(output: object) -> dict[str, int]:
    """The same of output items as they stand in JSON."""
    items = output if isinstance(output, list) else ()
    return _hosted(_item(item) for item in items if isinstance(item, dict))


def _searched(action: object) -> bool:
    return not isinstance(action, dict) or action.get("type", "search") == "search"


class OpenAIResponsesReader:
    """A StreamReader for one stream of response events."""

    __slots__ = ("_complete", "_facts", "_items", "_splitter")

    def __init__(self) -> None:
        self._splitter = EventSplitter()
        self._items: list[Item] = []
        self._facts = ReplyFacts()
        self._complete = False

    @property
    def facts(self) -> ReplyFacts:
        """What is known so far."""
        return self._facts

    @property
    def complete(self) -> bool:
        """True once the response has ended with an answer, and no error was told."""
        return self._complete

    def feed(self, data: bytes) -> bytes:
        """Take a piece, return the whole events in it; nothing is ever taken out."""
        events = self._splitter.feed(data)
        if not events:
            return b""
        for raw in events:
            if raw.startswith(_READ) or not raw.startswith(_NAMED):
                self._read(raw)
        return events[0] if len(events) == 1 else b"".join(events)

    def close(self) -> bytes:
        """What is left of an unfinished event. It is not read: it is not what it should be."""
        return self._splitter.close()

    def _read(self, raw: bytes) -> None:
        name, data = event_fields(raw)
        if not data or self._complete or data[:6] == b"[DONE]":
            return
        event = _parsed(data)
        if event is None:
            if name == b"error":
                self._fail(_NO_MESSAGE)
        elif event.error or event.type == "error" or name == b"error":
            self._fail(error_message(event.error or event.message or True))
        elif event.item is not None and event.type == "response.output_item.done":
            self._items.append(event.item)
        elif event.response is not None:
            self._hear(event.type, event.response)

    def _hear(self, kind: object, response: Response) -> None:
        if isinstance(kind, str) and kind in _LAST:
            if not isinstance(response.status, str):
                response.status = kind.removeprefix("response.")
            self._end(response)
        elif kind == "response.created" and not self._facts.error:
            self._facts = ReplyFacts(model=_text(response.model))

    def _end(self, response: Response) -> None:
        """Take over the last word; an error that was told before stays told."""
        told, facts = self._facts.error, facts_of(response, self._items)
        self._facts = replace(facts, error=told, complete=False) if told else facts
        self._complete = self._facts.complete

    def _fail(self, message: str) -> None:
        known = self._facts
        self._facts = ReplyFacts(model=known.model, usage=known.usage, error=message)


def _parsed(data: bytes) -> _Event | None:
    try:
        return _decode_event(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass
    # An odd type somewhere: read what has the right one.
    fields = parse_object(data)
    if fields is None:
        return None
    item, response = fields.get("item"), fields.get("response")
    return _Event(
        type=fields.get("type"),
        error=fields.get("error"),
        message=fields.get("message"),
        item=_item(item) if isinstance(item, dict) else None,
        response=_response(response) if isinstance(response, dict) else None,
    )


def _response(fields: dict[str, Any]) -> Response:
    known = {name: fields.get(name) for name in Response.__struct_fields__ if name != "output"}
    output = fields.get("output")
    if not isinstance(output, list):
        return Response(**known)
    return Response(**known, output=[_item(item) for item in output if isinstance(item, dict)])


def _item(fields: dict[str, Any]) -> Item:
    content = fields.get("content")
    parts = content if isinstance(content, list) else ()
    read = [Part(part.get("type")) for part in parts if isinstance(part, dict)]
    return Item(fields.get("type"), read, fields.get("action"))


def _tier(value: object) -> str:
    """The tier that served. `auto` is what was asked: it says nothing of what it became."""
    return "" if value == "auto" else _text(value)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
