"""Reads Anthropic message streams while they pass through, with as little work as can be.

Usage comes twice: `message_start` knows the input and a first guess of the output,
`message_delta` the cumulative truth. Of every field the last value that is not null counts.
Until a `message_delta` with usage has come, and the message has ended, usage is unknown: neither
the guess nor a count on the way is ever reported. A stream that begins again (who sent it has
tried again) has the usage of its last message, marked: what the others cost was not told.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from scrimp.calls import Finish, ReplyFacts, Usage
from scrimp.dialects.anthropic_usage import read_tier, read_usage
from scrimp.dialects.json_body import parse_object
from scrimp.dialects.sse import EventSplitter, event_fields
from scrimp.dialects.usage_running import take_over

FINISHES: dict[str, Finish] = {
    "end_turn": "complete",
    "stop_sequence": "complete",
    "tool_use": "tool_calls",
    "max_tokens": "truncated",
    "model_context_window_exceeded": "truncated",
    "refusal": "refused",
}

# Most events say nothing about cost or end; their bytes are looked at no further than this.
_SILENT = (b"event: content_block_", b"event: ping")


def finish_of(reason: object) -> Finish:
    """How a message ended. A paused turn (`pause_turn`) is none of the known ends."""
    return FINISHES.get(reason, "unknown") if isinstance(reason, str) else "unknown"


def error_message(error: object) -> str:
    """The message of a provider's error; empty when there is none."""
    if not error:
        return ""
    message = error.get("message") if isinstance(error, dict) else error
    return message if isinstance(message, str) and message else "the provider gave no message"


class AnthropicReader:
    """A StreamReader for one stream of message events; complete with `message_stop`."""

    __slots__ = (
        "_counted",
        "_ended",
        "_error",
        "_facts",
        "_finish",
        "_model",
        "_splitter",
        "_started",
        "_stopped",
        "_usage",
    )

    def __init__(self) -> None:
        self._splitter = EventSplitter()
        self._usage: dict[str, Any] = {}
        self._counted = False
        self._ended = False
        self._finish: Finish = "unknown"
        self._model = ""
        self._error = ""
        self._started = 0
        self._stopped = False
        self._facts: ReplyFacts | None = None

    @property
    def facts(self) -> ReplyFacts:
        """What is known so far."""
        if self._facts is None:
            self._facts = ReplyFacts(
                usage=self._read_usage(),
                model=self._model,
                finish=self._finish,
                complete=self.complete,
                service_tier=read_tier(self._usage),
                error=self._error,
            )
        return self._facts

    @property
    def complete(self) -> bool:
        """True once the message has stopped, and no error was told."""
        return self._started > 0 and self._stopped and not self._error

    def feed(self, data: bytes) -> bytes:
        """Take a piece, return the whole events in it; nothing is ever taken out."""
        events = self._splitter.feed(data)
        if not events:
            return b""
        for raw in events:
            if not raw.startswith(_SILENT):
                self._read(raw)
        return events[0] if len(events) == 1 else b"".join(events)

    def close(self) -> bytes:
        """What is left of an unfinished event. It is not read: it is not what it should be."""
        return self._splitter.close()

    def _read(self, raw: bytes) -> None:
        name, data = event_fields(raw)
        if not data or self._stopped:
            return
        fields = parse_object(data)
        if fields is None:
            if name == b"error":
                self._fail("the provider gave no message")
            return
        self._facts = None
        match fields.get("type"):
            case "message_start":
                self._start(fields.get("message"))
            case "message_delta":
                self._delta(fields)
            case "message_stop":
                self._stopped = True
            case "error":
                self._fail(error_message(fields.get("error") or True))
            case _:
                if name == b"error":
                    self._fail(error_message(fields.get("error") or True))

    def _fail(self, message: str) -> None:
        self._facts = None
        self._error = message

    def _start(self, message: object) -> None:
        if not isinstance(message, dict):
            return
        self._started += 1
        if self._started > 1:
            self._usage, self._counted, self._ended = {}, False, False
        take_over(self._usage, message.get("usage"))
        if isinstance(message.get("model"), str):
            self._model = message["model"]

    def _delta(self, fields: dict[str, Any]) -> None:
        usage = fields.get("usage")
        if isinstance(usage, dict):
            take_over(self._usage, usage)
            self._counted = True
        delta = fields.get("delta")
        if isinstance(delta, dict) and delta.get("stop_reason") is not None:
            self._ended = True
            self._finish = finish_of(delta["stop_reason"])

    def _read_usage(self) -> Usage | None:
        if not self._counted or not (self._ended or self._stopped):
            return None
        usage = read_usage(self._usage)
        if usage is None or self._started < 2:
            return usage
        note = f"stream: {self._started} messages begun, the usage is that of the last"
        return replace(usage, suspect="; ".join(one for one in (usage.suspect, note) if one))
