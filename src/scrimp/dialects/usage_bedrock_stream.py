"""What Bedrock's Converse replies and streams tell of usage and end.

A stream is AWS event-stream frames; usage comes once, in the `metadata` event after the message has
stopped. Sources: `Converse`, `ConverseStreamOutput` and `ConverseStreamMetadataEvent` in the
Bedrock API reference (docs.aws.amazon.com, checked 2026-11-22).
"""

from __future__ import annotations

from typing import Any

from scrimp.calls import Finish, ReplyFacts
from scrimp.dialects.json_body import parse_object
from scrimp.dialects.usage_bedrock import read_usage
from scrimp.dialects.usage_frames import Frame, FrameSplitter, read_frame
from scrimp.dialects.usage_running import take_over

_FINISHES: dict[str, Finish] = {
    "end_turn": "complete",
    "stop_sequence": "complete",
    "tool_use": "tool_calls",
    "max_tokens": "truncated",
    "model_context_window_exceeded": "truncated",
    "guardrail_intervened": "refused",
    "content_filtered": "refused",
}
_NO_MESSAGE = "the provider gave no message"


def read_reply(body: bytes) -> ReplyFacts:
    """Facts of a whole reply. It does not name its model; an error has only a message."""
    fields = parse_object(body)
    if fields is None:
        return ReplyFacts()
    finish = fields.get("stopReason")
    if finish is None:
        return ReplyFacts(error=_message(fields) if "usage" not in fields else "")
    return ReplyFacts(
        usage=read_usage(fields.get("usage")),
        finish=_finish(finish),
        complete=True,
        service_tier=_tier(fields),
    )


class BedrockReader:
    """A StreamReader for one Converse stream; complete with the usage of a message that stopped."""

    __slots__ = ("_error", "_finish", "_splitter", "_stopped", "_tier", "_usage")

    def __init__(self) -> None:
        self._splitter = FrameSplitter()
        self._usage: dict[str, Any] = {}
        self._finish: Finish = "unknown"
        self._stopped = False
        self._tier = ""
        self._error = ""

    @property
    def facts(self) -> ReplyFacts:
        """What is known so far."""
        return ReplyFacts(
            usage=read_usage(self._usage) if self._usage else None,
            finish=self._finish,
            complete=self.complete,
            service_tier=self._tier,
            error=self._error,
        )

    @property
    def complete(self) -> bool:
        """True once the message has stopped and usage has come, without an error."""
        return self._stopped and bool(self._usage) and not self._error

    def feed(self, data: bytes) -> bytes:
        """Take a piece, return the whole frames in it; nothing is ever taken out."""
        frames = self._splitter.feed(data)
        for raw in frames:
            found = read_frame(raw)
            if found is not None:
                self._read(found)
        self._error = self._error or self._splitter.error
        rest = self._splitter.close() if self._splitter.error else b""
        return b"".join((*frames, rest))

    def close(self) -> bytes:
        """What is left of an unfinished frame. It is not read: it is not what it should be."""
        return self._splitter.close()

    def _read(self, found: Frame) -> None:
        headers = found.headers
        kind = headers.get(":message-type", "event")
        if kind != "event":
            fields = parse_object(found.payload) or {}
            what = headers.get(":exception-type") or headers.get(":error-code", "")
            told = headers.get(":error-message") or _message(fields)
            self._error = f"{what}: {told}" if what else told
            return
        match headers.get(":event-type"):
            case "messageStop":
                self._stopped = True
                self._finish = _finish((parse_object(found.payload) or {}).get("stopReason"))
            case "metadata":
                fields = parse_object(found.payload) or {}
                take_over(self._usage, fields.get("usage"))
                self._tier = _tier(fields) or self._tier


def _finish(reason: object) -> Finish:
    return _FINISHES.get(reason, "unknown") if isinstance(reason, str) else "unknown"


def _message(fields: dict[str, Any]) -> str:
    told = fields.get("message") or fields.get("Message")
    return told if isinstance(told, str) and told else _NO_MESSAGE


def _tier(fields: dict[str, Any]) -> str:
    told = fields.get("serviceTier")
    tier = told.get("type") if isinstance(told, dict) else None
    return tier if isinstance(tier, str) else ""
