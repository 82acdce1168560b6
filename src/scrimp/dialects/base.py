"""What every dialect can do: bytes to words and back, with no I/O.

A dialect is one wire API of one vendor. The gateway and the terminal of the pipeline know only
this protocol, so that a new dialect is one new module and one line in `scrimp.dialects.DIALECTS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol

from scrimp.calls import Headers, ReplyFacts, Request

ErrorKind = Literal[
    "invalid_request",
    "unauthenticated",
    "forbidden",
    "unknown_model",
    "not_found",
    "rate_limited",
    "budget_exceeded",
    "too_large",
    "upstream",
    "timeout",
    "internal",
]
"""Scrimp's words for what went wrong; each dialect renders them in its vendor's own types."""


class StreamReader(Protocol):
    """Reads one event stream fed in pieces of any size."""

    @property
    def facts(self) -> ReplyFacts:
        """What is known so far; final once `facts.complete` or the stream has ended."""
        ...

    @property
    def complete(self) -> bool:
        """`facts.complete`, cheap enough to be asked after every piece."""
        ...

    def feed(self, data: bytes) -> bytes:
        """Take a piece, return the bytes that the client may have now.

        They are whole events, byte for byte as the provider sent them, without the events that
        only Scrimp asked for (`hide_usage`).
        """
        ...

    def close(self) -> bytes:
        """The stream has ended: return what is left of an unfinished event, if anything."""
        ...


class Dialect(Protocol):
    """One wire API, sans-IO."""

    @property
    def name(self) -> str:
        """Such as `openai.chat`."""
        ...

    def read_request(self, body: bytes) -> Request:
        """Raises InvalidRequest with the field at fault, never with its content."""
        ...

    def upstream_body(self, request: Request, *, model: str, want_usage: bool) -> bytes:
        """The bytes to send: `request.body` itself when nothing has to change.

        `want_usage` asks for usage at the end of a stream where the dialect needs to ask.
        """
        ...

    def cache_fields(self, request: Request) -> Mapping[str, Any]:
        """All fields that can change an answer: everything but the form of delivery."""
        ...

    def read_reply(self, body: bytes) -> ReplyFacts:
        """Facts of a whole JSON reply. `complete` is False when it is not what it should be."""
        ...

    def stream_reader(self, *, hide_usage: bool) -> StreamReader:
        """A fresh reader for one event stream."""
        ...

    def to_stream(self, body: bytes, *, include_usage: bool) -> bytes:
        """A whole JSON reply as the event stream that the vendor would have sent."""
        ...

    def from_stream(self, events: bytes) -> bytes:
        """A whole event stream as the JSON reply that the vendor would have sent."""
        ...

    def prompt_texts(self, request: Request) -> tuple[str, ...]:
        """Every text that goes in (system, messages, tool definitions), to be counted."""
        ...

    def reply_texts(self, body: bytes) -> tuple[str, ...]:
        """Every text that came out, of a JSON reply or of any piece of an event stream."""
        ...

    def last_user_text(self, request: Request) -> str:
        """The newest thing that a person asked, for the task classifier; may be empty."""
        ...

    def error_body(self, kind: ErrorKind, message: str) -> bytes:
        """A JSON error body in the vendor's own shape."""
        ...

    def error_event(self, kind: ErrorKind, message: str) -> bytes:
        """An error in the middle of an event stream, in the vendor's own shape."""
        ...

    def answer_headers(self, headers: Headers) -> Headers:
        """Of a client's headers, those that can change an answer (for the cache key)."""
        ...
