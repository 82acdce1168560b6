"""A provider that streams for ever, until its client breaks the connection."""

from __future__ import annotations

import json
import socket
import threading
import time
from types import TracebackType
from typing import Self

_PIECE = "word " * 200


def _openai() -> bytes:
    chunk = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-4o-mini",
        "choices": [{"index": 0, "delta": {"content": _PIECE}, "finish_reason": None}],
    }
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


class Endless:
    """Serves OpenAI chunks on a free port; `ended_s` is when each connection broke."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self.ended_s: list[float] = []
        self.sent_bytes = 0

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._stream, args=(connection,), daemon=True).start()

    def _stream(self, connection: socket.socket) -> None:
        event = _openai()
        chunk = b"%x\r\n%s\r\n" % (len(event), event)
        with connection:
            connection.recv(1 << 20)
            head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
            try:
                connection.sendall(head + b"transfer-encoding: chunked\r\n\r\n")
                while True:
                    connection.sendall(chunk)
                    self.sent_bytes += len(chunk)
            except OSError:
                self.ended_s.append(time.monotonic())
