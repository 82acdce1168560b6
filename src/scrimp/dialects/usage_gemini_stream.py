"""What Gemini's replies and streams tell of usage and end, with as little work as can be.

`streamGenerateContent` is an event stream with `alt=sse`, else a JSON array; both hold the same
objects. Usage is cumulative, in nearly every object: of each field the last value counts, and none
of it before the answer has ended, since it would be too little. Sources: `GenerateContentResponse`
in the Gemini API reference (ai.google.dev, checked 2026-11-22).
"""

from __future__ import annotations

from typing import Any

import msgspec

from scrimp.calls import Finish, ReplyFacts
from scrimp.dialects.json_body import encode, parse, parse_object
from scrimp.dialects.openai_words import error_message
from scrimp.dialects.sse import BOM, EventSplitter, event_fields
from scrimp.dialects.usage_gemini import read_usage, searches_of
from scrimp.dialects.usage_json_array import ObjectSplitter
from scrimp.dialects.usage_running import take_over

_FINISHES: dict[str, Finish] = {
    "STOP": "complete",
    "MAX_TOKENS": "truncated",
    "SAFETY": "refused",
    "RECITATION": "refused",
    "LANGUAGE": "refused",
    "BLOCKLIST": "refused",
    "PROHIBITED_CONTENT": "refused",
    "SPII": "refused",
    "IMAGE_SAFETY": "refused",
    "IMAGE_PROHIBITED_CONTENT": "refused",
    "IMAGE_RECITATION": "refused",
}
_BADNESS: tuple[Finish, ...] = ("complete", "tool_calls", "unknown", "truncated", "refused")
_BLANKS = b" \t\r\n"
_UNSAID = "BLOCK_REASON_UNSPECIFIED"


class _Part(msgspec.Struct):
    function_call: Any = msgspec.field(default=None, name="functionCall")


class _Content(msgspec.Struct):
    parts: list[_Part] | None = None


class _Candidate(msgspec.Struct):
    index: int = 0
    finish: Any = msgspec.field(default=None, name="finishReason")
    grounding: Any = msgspec.field(default=None, name="groundingMetadata")
    content: _Content | None = None


class _Chunk(msgspec.Struct):
    """What is read of an object; the decoder skips everything else without building it."""

    usage: Any = msgspec.field(default=None, name="usageMetadata")
    model: Any = msgspec.field(default=None, name="modelVersion")
    feedback: Any = msgspec.field(default=None, name="promptFeedback")
    candidates: list[_Candidate] | None = None
    error: Any = None


_decode = msgspec.json.Decoder(_Chunk).decode


def read_reply(body: bytes) -> ReplyFacts:
    """Facts of a whole reply; of an array of objects, what they say together."""
    reader = GeminiReader()
    if body.lstrip(_BLANKS)[:1] == b"[":
        listed = parse(body)
        for one in listed if isinstance(listed, list) else ():
            reader.take(encode(one))
    else:
        reader.take(body)
    reader.closed = True
    return reader.facts


class GeminiReader:
    """A StreamReader for one stream of either form; complete once every candidate has ended.

    An event stream is handed on in whole events, an array as it comes.
    """

    __slots__ = (
        "_array",
        "_blocked",
        "_called",
        "_error",
        "_finishes",
        "_grounding",
        "_head",
        "_model",
        "_sse",
        "_usage",
        "closed",
    )

    def __init__(self) -> None:
        self._head = b""
        self._array: ObjectSplitter | None = None
        self._sse: EventSplitter | None = None
        self._usage: dict[str, Any] = {}
        self._finishes: dict[int, Finish | None] = {}
        self._grounding: dict[int, Any] = {}
        self._model = ""
        self._error = ""
        self._blocked = False
        self._called = False
        self.closed = False

    @property
    def facts(self) -> ReplyFacts:
        """What is known so far."""
        final = self._ended or self.closed
        return ReplyFacts(
            usage=read_usage(self._usage, self._searches()) if final else None,
            model=self._model,
            finish=self._finish(),
            complete=self.complete,
            error=self._error,
        )

    @property
    def complete(self) -> bool:
        """True once every candidate has ended, usage was told, and no error was."""
        return self._ended and bool(self._usage) and not self._error

    @property
    def _ended(self) -> bool:
        return self._blocked or (bool(self._finishes) and None not in self._finishes.values())

    def feed(self, data: bytes) -> bytes:
        """Take a piece, return what the client may have now."""
        if self._sse is None and self._array is None:
            self._head += data
            begun = self._head.removeprefix(BOM).lstrip(_BLANKS)
            if not begun or BOM.startswith(self._head):
                return b""
            data, self._head = self._head, b""
            if begun[:1] in b"[{":
                self._array = ObjectSplitter()
            else:
                self._sse = EventSplitter()
        if self._array is not None:
            for one in self._array.feed(data):
                self.take(one)
            self.closed = self._array.closed
            return data
        return b"" if self._sse is None else self._events(self._sse.feed(data))

    def close(self) -> bytes:
        """What is left of an unfinished event. It is not read: it is not what it should be."""
        return self._head if self._sse is None else self._sse.close()

    def take(self, data: bytes) -> None:
        """Read one whole object."""
        chunk = _chunk(data)
        if chunk is None:
            return
        if chunk.error:
            self._error = error_message(chunk.error)
        take_over(self._usage, chunk.usage)
        if isinstance(chunk.model, str):
            self._model = chunk.model
        feedback = chunk.feedback
        if isinstance(feedback, dict) and feedback.get("blockReason") not in (None, _UNSAID):
            self._blocked = True
        for candidate in chunk.candidates or ():
            self._hear(candidate)

    def _events(self, events: list[bytes]) -> bytes:
        for raw in events:
            if data := event_fields(raw)[1]:
                self.take(data)
        return events[0] if len(events) == 1 else b"".join(events)

    def _hear(self, candidate: _Candidate) -> None:
        finish = candidate.finish
        if isinstance(finish, str):
            self._finishes[candidate.index] = _FINISHES.get(finish, "unknown")
        else:
            self._finishes.setdefault(candidate.index, None)
        if candidate.grounding is not None:
            self._grounding[candidate.index] = candidate.grounding
        if candidate.content is not None and not self._called:
            parts = candidate.content.parts or ()
            self._called = any(part.function_call is not None for part in parts)

    def _finish(self) -> Finish:
        if self._blocked:
            return "refused"
        told: list[Finish] = [finish or "unknown" for finish in self._finishes.values()]
        found: Finish = max(told, key=_BADNESS.index, default="unknown")
        return "tool_calls" if self._called and found == "complete" else found

    def _searches(self) -> int:
        if not self._grounding:
            return 0
        grounded = [{"groundingMetadata": one} for one in self._grounding.values()]
        return searches_of({"candidates": grounded, "modelVersion": self._model})


def _chunk(data: bytes) -> _Chunk | None:
    try:
        return _decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass
    # An odd type somewhere: read what has the right one.
    fields = parse_object(data)
    if fields is None:
        return None
    return _Chunk(
        usage=fields.get("usageMetadata"),
        model=fields.get("modelVersion"),
        feedback=fields.get("promptFeedback"),
        candidates=_candidates(fields.get("candidates")),
        error=fields.get("error"),
    )


def _candidates(listed: object) -> list[_Candidate]:
    found = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return [
        _Candidate(
            index=one["index"] if type(one.get("index")) is int else 0,
            finish=one.get("finishReason"),
            grounding=one.get("groundingMetadata"),
        )
        for one in found
    ]
