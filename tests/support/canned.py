"""A provider that gives every request the same bytes, the last ones a little late, and closes."""

from __future__ import annotations

import socket
import threading
import time
from types import TracebackType
from typing import Self


class Canned:
    """Serves `answer`, then `tail`, on a free port; `requests` are the first bytes of what came."""

    def __init__(self, answer: bytes, *, tail: bytes = b"", after_s: float = 0.0) -> None:
        self.requests: list[bytes] = []
        self._answer = answer
        self._tail = tail
        self._after_s = after_s
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._accept, daemon=True)

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
            with connection:
                self.requests.append(connection.recv(1 << 20))
                try:
                    connection.sendall(self._answer)
                    if self._tail:
                        time.sleep(self._after_s)
                        connection.sendall(self._tail)
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(1 << 16):
                        pass
                except OSError:
                    continue


def answer(body: bytes, *lines: bytes, status: bytes = b"200 OK") -> bytes:
    """An HTTP answer with these header lines and its length."""
    head = [b"HTTP/1.1 " + status, *lines, b"content-length: %d" % len(body)]
    return b"\r\n".join(head) + b"\r\n\r\n" + body
