"""OpenAI embeddings: `POST /v1/embeddings`, and every provider that speaks it.

One call may hold many inputs; its reply has a vector for each. There is no stream, nothing that a
model says, and no output to pay for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from scrimp.calls import Headers, ReplyFacts, Request, Usage
from scrimp.dialects import checks, openai_words, sse
from scrimp.dialects.base import ErrorKind, StreamReader
from scrimp.dialects.counts import NotACountError, count
from scrimp.dialects.json_body import encode, parse_object, read_object
from scrimp.dialects.openai_words import ANSWER_HEADERS, UNREADABLE, error_message
from scrimp.errors import InvalidRequest


class _Vector(msgspec.Struct):
    """One vector of a reply. Its numbers are skipped: nobody here reads them."""

    index: Any = None


class _Reply(msgspec.Struct):
    data: list[_Vector] | None = None
    model: Any = None
    usage: Any = None
    error: Any = None


_decode = msgspec.json.Decoder(_Reply).decode


@dataclass(frozen=True, slots=True)
class OpenAIEmbeddings:
    """The dialect `openai.embeddings`."""

    name: str = "openai.embeddings"

    def read_request(self, body: bytes) -> Request:
        """Raises InvalidRequest with the field at fault, never with its content."""
        fields = read_object(body)
        model = checks.model(fields)
        given = fields.get("input")
        if given is None:
            raise InvalidRequest("missing 'input'")
        if not isinstance(given, str | list):
            raise InvalidRequest("'input' must be a string or a list")
        return Request(
            body=body,
            fields=fields,
            model=model,
            max_output_tokens=0,
            user=checks.text(fields, "user"),
        )

    def upstream_body(self, request: Request, *, model: str, want_usage: bool) -> bytes:  # noqa: ARG002 - the protocol's; there is no stream
        """The bytes to send: `request.body` itself unless another model is asked."""
        if model == request.model:
            return request.body
        return encode({**request.fields, "model": model})

    def cache_fields(self, request: Request) -> Mapping[str, Any]:
        """All fields: `encoding_format` decides what the vectors look like."""
        return request.fields

    def read_reply(self, body: bytes) -> ReplyFacts:
        """Facts of a reply; complete when it holds vectors."""
        try:
            reply = _decode(body)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            fields = parse_object(body) or {}
            return ReplyFacts(error=error_message(fields.get("error")))
        error = error_message(reply.error)
        complete = bool(reply.data) and not error
        return ReplyFacts(
            usage=_read_usage(reply.usage),
            model=reply.model if isinstance(reply.model, str) else "",
            finish="complete" if complete else "unknown",
            complete=complete,
            error=error,
        )

    def stream_reader(self, *, hide_usage: bool) -> StreamReader:  # noqa: ARG002 - the protocol's
        """A reader that is never complete: no provider streams vectors."""
        return _NoStream()

    def to_stream(self, body: bytes, *, include_usage: bool) -> bytes:  # noqa: ARG002 - the protocol's
        """The reply as one event; nobody can ask for it."""
        fields = parse_object(body)
        return sse.event(encode(UNREADABLE if fields is None else fields))

    def from_stream(self, events: bytes) -> bytes:
        """The first event that is a JSON object."""
        parsed = (parse_object(sse.event_fields(raw)[1]) for raw in sse.split(events))
        return encode(next((fields for fields in parsed if fields is not None), UNREADABLE))

    def prompt_texts(self, request: Request) -> tuple[str, ...]:
        """Every input that is a text; the others are token ids already."""
        given = request.fields["input"]
        inputs = given if isinstance(given, list) else [given]
        return tuple(text for text in inputs if isinstance(text, str) and text)

    def reply_texts(self, body: bytes) -> tuple[str, ...]:  # noqa: ARG002 - the protocol's
        """Nothing: vectors are no text."""
        return ()

    def last_user_text(self, request: Request) -> str:  # noqa: ARG002 - the protocol's
        """Nothing: what is embedded asks for nothing."""
        return ""

    def error_body(self, kind: ErrorKind, message: str) -> bytes:
        """A JSON error body as OpenAI words it."""
        return openai_words.error_body(kind, message)

    def error_event(self, kind: ErrorKind, message: str) -> bytes:
        """The same as an event."""
        return sse.event(self.error_body(kind, message))

    def answer_headers(self, headers: Headers) -> Headers:
        """Of a client's headers, those that can change an answer."""
        return tuple(header for header in headers if header[0] in ANSWER_HEADERS)


class _NoStream:
    """Passes events on and never calls them an answer."""

    __slots__ = ("_splitter",)

    facts = ReplyFacts()
    complete = False

    def __init__(self) -> None:
        self._splitter = sse.EventSplitter()

    def feed(self, data: bytes) -> bytes:
        """The whole events in it."""
        return b"".join(self._splitter.feed(data))

    def close(self) -> bytes:
        """What is left of an unfinished event."""
        return self._splitter.close()


def _read_usage(reported: object) -> Usage | None:
    """Tokens that went in; None when none can be read.

    Source: the `CreateEmbeddingResponse` schema of OpenAI's API reference (SDK 3.54, checked
    2026-11). Both totals are the same there; some providers report only one of them.
    """
    if not isinstance(reported, dict):
        return None
    names = [n for n in ("prompt_tokens", "total_tokens") if reported.get(n) is not None]
    try:
        counts = [count(reported, name) for name in names]
    except NotACountError:
        return None
    if not counts:
        return None
    note = f"total: {counts[-1]} tokens reported for an input of {counts[0]}"
    return Usage(input_tokens=counts[0], suspect=note if counts[0] != counts[-1] else "")
