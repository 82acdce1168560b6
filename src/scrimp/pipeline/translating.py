"""Calls for providers that speak another dialect, around the end of the way.

What goes upstream, is recorded as an attempt, and is learned from is in the provider's dialect;
what comes back, chunk by chunk too, is in the client's. All other calls pass untouched.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import ClassVar, Protocol

from msgspec.structs import replace

from scrimp.calls import Call, Headers, HeldSink, Reply, Sink
from scrimp.errors import UpstreamError
from scrimp.pipeline.attempt_log import Kept
from scrimp.ports import Next
from scrimp.translation import errors, replies
from scrimp.translation.stream_to_chat import ToChat
from scrimp.translation.stream_to_messages import ToMessages
from scrimp.translation.translator import Translator

_HELD = HeldSink()
_MOST_KEPT_BYTES = 48 * 1024 * 1024
"""What is kept of a translated stream: chunks of the other dialect may be some times as long."""
_NEVER_AGAIN = ("x-should-retry", "false")


class StreamTranslator(Protocol):
    """One event stream from one dialect to another."""

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """What the client may have now, and what the whole reply holds of it."""
        ...


class Translating:
    """Implements `ports.Next` over the end of the way."""

    name: ClassVar[str] = "translate"

    def __init__(self, end: Next, translator: Translator) -> None:
        self._end = end
        self._translator = translator

    def __call__(self, call: Call) -> Awaitable[Reply]:
        """Raises InvalidRequest for what has no counterpart in the provider's dialect.

        No coroutine of its own stands between a call that needs no translation and the end.
        """
        sent, left_out = self._translator.across(call)
        return self._end(call) if sent is call else self._across(call, sent, left_out)

    async def _across(self, call: Call, sent: Call, left_out: tuple[str, ...]) -> Reply:
        spoken, said = sent.target.dialect, call.target.dialect
        call.trace.note(self.name, spoken, dict.fromkeys(left_out, "left out"))
        sink: Sink = _HELD
        stream = _stream(call)
        if call.sink.live and call.request.stream:
            sink = TranslatedSink(call.sink, stream, said)
        try:
            reply = await self._end(replace(sent, sink=sink))
        except UpstreamError as error:
            raise _told(error, said) from error
        return _translated(reply, call, sink, stream)


class TranslatedSink:
    """Implements `calls.Sink`: chunks in the provider's dialect go on in the client's."""

    __slots__ = ("_kept", "_outer", "_said", "_stream")

    live = True

    def __init__(self, outer: Sink, stream: StreamTranslator, said: str) -> None:
        self._outer = outer
        self._stream = stream
        self._said = said
        self._kept = Kept(_MOST_KEPT_BYTES)

    @property
    def begun(self) -> bool:
        """True once bytes have left for the client."""
        return self._outer.begun

    @property
    def whole(self) -> bytes | None:
        """All that was written, as the whole reply holds it; None when it was too much to keep."""
        return self._kept.whole

    async def start(self, status: int, headers: Headers) -> None:
        """Send the status. Raises UpstreamError for a document that is too large to be kept."""
        kind = next((value for name, value in headers if name == "content-type"), "")
        if "text/event-stream" not in kind.lower():
            msg = "a reply that large, and not in events, cannot be translated"
            raise UpstreamError(msg, status=502)
        await self._outer.start(status, errors.told_headers(headers, self._said))

    async def write(self, chunk: bytes) -> None:
        """Send what follows from one more piece, if anything does."""
        shown, whole = self._stream.feed(chunk)
        self._kept.add(whole)
        if shown:
            await self._outer.write(shown)


def _stream(call: Call) -> StreamTranslator:
    """For a stream that the client will read."""
    if call.target.dialect == "openai.chat":
        created_s = int(call.started_at.timestamp())
        return ToChat(created_s=created_s, include_usage=call.request.include_usage)
    return ToMessages()


def _translated(reply: Reply, call: Call, sink: Sink, stream: StreamTranslator) -> Reply:
    """The reply in the client's dialect; its facts stay those that the provider told."""
    said, body = call.target.dialect, reply.body
    if isinstance(sink, TranslatedSink) and sink.begun and reply.framing == "sse":
        body = None if body is None else sink.whole
    elif body is not None and reply.framing == "sse":
        body = stream.feed(body)[1]
    elif body is not None and said == "openai.chat":
        body = replies.to_chat(body, created_s=int(call.started_at.timestamp()))
    elif body is not None:
        body = replies.to_messages(body)
    return replace(
        reply,
        headers=errors.told_headers(reply.headers, said),
        body=body,
        cacheable=reply.cacheable and body is not None,
    )


def _told(error: UpstreamError, said: str) -> UpstreamError:
    """The provider's error in the client's dialect; empty where it cannot be read: we word it."""
    headers = errors.told_headers(error.headers, said)
    if errors.is_out_of_money(error.body):
        headers = (*(pair for pair in headers if pair[0] != _NEVER_AGAIN[0]), _NEVER_AGAIN)
    return UpstreamError(
        str(error),
        status=error.status,
        headers=headers,
        body=errors.error_body(error.body, error.status, error.headers, said=said),
        sent=error.sent,
    )
