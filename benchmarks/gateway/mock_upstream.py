"""A provider that costs next to nothing: fixed OpenAI answers from a bare protocol.

Usage: mock_upstream.py PORT. Answers whole calls with one JSON document and streaming calls with 23
events, usage included, in one write. `/_mock` tells how many calls were answered, `/_mock/21` lets
each answer wait for 21 ms from then on.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvloop

_TEXT = "The lamp pairs again after you hold its button for five seconds. " * 3
_HEAD = (
    b'{"id":"chatcmpl-1","object":"%s","created":1790000000,"model":"gpt-4o-mini-2024-07-18",'
    b'"service_tier":"default","system_fingerprint":"fp_1","choices":['
)
_USAGE = (
    b'"usage":{"prompt_tokens":94,"completion_tokens":42,"total_tokens":136,'
    b'"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},'
    b'"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0}}'
)


def _http(kind: bytes, body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\nx-request-id: req_1\r\n" % kind
    return head + b"content-length: %d\r\n\r\n" % len(body) + body


def _whole() -> bytes:
    choice = (
        b'{"index":0,"message":{"role":"assistant","content":"%s","refusal":null},'
        b'"logprobs":null,"finish_reason":"stop"}],' % _TEXT.encode()
    )
    return _http(b"application/json", _HEAD % b"chat.completion" + choice + _USAGE + b"}")


def _stream() -> bytes:
    chunk = _HEAD % b"chat.completion.chunk"
    words = [
        chunk + b'{"index":0,"delta":{"content":" word"},"finish_reason":null}],"usage":null}'
        for _ in range(20)
    ]
    last = chunk + b'{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}'
    usage = chunk + b"]," + _USAGE + b"}"
    events = b"".join(b"data: %s\n\n" % data for data in (*words, last, usage, b"[DONE]"))
    return b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n" + (
        b"transfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(events), events)
    )


WHOLE, STREAM = _whole(), _stream()


class State:
    """What all connections share."""

    answered = 0
    delay_s = 0.0


class Provider(asyncio.Protocol):
    """One connection: finds each request's end by its length, answers it."""

    def __init__(self, state: State, loop: asyncio.AbstractEventLoop) -> None:
        self._state = state
        self._loop = loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop has a class of its own
        self._data = b""

    def data_received(self, data: bytes) -> None:
        """Answer every whole request."""
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:end].lower()
            at = head.find(b"content-length:") + len(b"content-length:")
            sent = int(head[at:].split(b"\r\n", 1)[0]) if at >= len(b"content-length:") else 0
            size = end + 4 + sent
            if len(self._data) < size:
                return
            body, self._data = self._data[end + 4 : size], self._data[size:]
            path = head.split(b" ", 2)[1]
            if path.startswith(b"/_mock"):
                self._transport.write(self._told(path))
            else:
                self._answer(STREAM if b'"stream":true' in body else WHOLE)

    def _answer(self, answer: bytes) -> None:
        self._state.answered += 1
        if self._state.delay_s:
            self._loop.call_later(self._state.delay_s, self._write, answer)
        else:
            self._transport.write(answer)

    def _write(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)

    def _told(self, path: bytes) -> bytes:
        if given := path.removeprefix(b"/_mock").strip(b"/"):
            self._state.delay_s = int(given) / 1000
        return _http(b"application/json", b'{"answered":%d}' % self._state.answered)


async def main() -> None:
    """Serve until killed."""
    loop = asyncio.get_running_loop()
    state = State()
    server = await loop.create_server(lambda: Provider(state, loop), "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
