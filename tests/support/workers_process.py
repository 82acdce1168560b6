"""`scrimp serve --workers N` as its users run it, and clients that ask it without a pause."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import psutil  # type: ignore[import-untyped]  # it ships no types

from scrimp.stores.sqlite_ledger_read import LedgerReader
from tests.support.spoken import Spoken
from tests.support.stage import until

_ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")
_SAMPLE = re.compile(r"^(\S+?)(\{.*\})? (\S+)$", re.MULTILINE)
_LIMIT_S = 60.0


class WorkersProcess:
    """Runs the command in front of a provider. What it prints goes to files, as it comes."""

    def __init__(
        self, upstream: str, folder: Path, *, workers: int = 2, more: str = "", port: int = 0
    ) -> None:
        self._folder = folder
        self._upstream = upstream
        self._options = ("--port", str(port), "--workers", str(workers))
        self.config = folder / "scrimp.toml"
        self.write(more)
        self.ledger_path = folder / "state" / "ledger.sqlite"
        self.url = ""
        self._process: subprocess.Popen[bytes]

    def write(self, more: str = "") -> None:
        """Settings for the next start, or for a rolling restart."""
        self.config.write_text(
            f'state_dir = "{self._folder / "state"}"\n{more}\n'
            f'[providers.openai]\nbase_url = "{self._upstream}/v1"\nkey_env = "OPENAI_KEY"\n'
            f'[providers.anthropic]\nbase_url = "{self._upstream}/v1"\nkey_env = "ANTHROPIC_KEY"\n'
        )

    def __enter__(self) -> Self:
        command = [
            *(sys.executable, "-m", "scrimp", "serve", "--config", str(self.config)),
            *self._options,
        ]
        with self._file("out").open("wb") as out, self._file("err").open("wb") as err:
            self._process = subprocess.Popen(
                command,
                env={**os.environ, "OPENAI_KEY": "sk-provider", "ANTHROPIC_KEY": "sk-provider"},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        until(lambda: "settings " in self.said or not self.running, limit_s=_LIMIT_S)
        found = _ADDRESS.search(self.said)
        assert found, self.complained
        self.url = found[0]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        workers = self.workers() if self.running else []
        if self.running:
            self._process.kill()
            self._process.wait()
        for worker in workers:
            if worker.is_running():
                worker.kill()
        psutil.wait_procs(workers, timeout=_LIMIT_S)

    def _file(self, name: str) -> Path:
        return self._folder / f"serve.{name}"

    @property
    def said(self) -> str:
        """What it printed so far."""
        return self._file("out").read_text()

    @property
    def complained(self) -> str:
        """What it logged so far."""
        return self._file("err").read_text()

    @property
    def running(self) -> bool:
        """True until the parent has ended."""
        return self._process.poll() is None

    def workers(self) -> list[psutil.Process]:
        """The workers that run now."""
        found: list[psutil.Process] = psutil.Process(self._process.pid).children()
        return found

    def pids(self) -> set[int]:
        """Their ids."""
        return {worker.pid for worker in self.workers()}

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the parent; returns at once."""
        self._process.send_signal(number)

    def ended(self) -> int:
        """Wait for the end of the parent; its exit code."""
        return self._process.wait(_LIMIT_S)

    def rolled(self) -> None:
        """Restart all workers, and wait until only new ones are left."""
        before = self.pids()
        self.signal(signal.SIGHUP)
        until(lambda: not before & self.pids(), limit_s=_LIMIT_S)

    def metrics(self) -> Mapping[str, float]:
        """All series of a scrape on a connection of its own, by name and labels."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=10)
        try:
            connection.request("GET", "/metrics")
            answer = connection.getresponse()
            assert answer.status == 200
            text = answer.read().decode()
        finally:
            connection.close()
        return {name + labels: float(value) for name, labels, value in _SAMPLE.findall(text)}

    def calls(self) -> int:
        """How many calls the workers have counted."""
        counts = self.metrics()
        return int(sum(count for name, count in counts.items() if "calls_total{" in name))

    def reader(self) -> LedgerReader:
        """The ledger."""
        return LedgerReader(self.ledger_path)


@dataclass(frozen=True, slots=True)
class Broken:
    """A call that got no whole answer: on which port of its client, and what was wrong."""

    port: int
    why: str


class Asking(threading.Thread):
    """A client on one kept connection, which never repeats a call that failed."""

    def __init__(self, url: str, spoken: Spoken, number: int) -> None:
        super().__init__(name=f"client {number}")
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
        self._spoken = spoken
        self._number = number
        self._over = threading.Event()
        self.whole = 0
        self.broken: list[Broken] = []

    @property
    def port(self) -> int:
        """Of this end of the connection, 0 while there is none."""
        sock = self._connection.sock
        return int(sock.getsockname()[1]) if sock is not None else 0

    def run(self) -> None:
        """Ask until told to stop, every other time for a stream."""
        asked = 0
        while not self._over.is_set():
            asked += 1
            port = self.port
            try:
                port = self._ask(asked, stream=asked % 2 == 0) or port
            except (OSError, http.client.HTTPException, AssertionError) as error:
                self.broken.append(Broken(port, repr(error)))
                self._connection.close()
        self._connection.close()

    def _ask(self, asked: int, *, stream: bool) -> int:
        if self._connection.sock is None:
            self._connection.connect()
        port = self.port
        spoken = self._spoken
        text = f"Client {self._number} asks {asked}?"
        body = spoken.body(stream=stream, messages=spoken.question(text))
        headers = {**spoken.headers, "content-type": "application/json"}
        self._connection.request("POST", spoken.path, body, headers)
        answer = self._connection.getresponse()
        data = answer.read()
        assert answer.status == 200, f"{answer.status} {data[:200]!r}"
        if stream:
            end = b"[DONE]" if spoken.name == "openai" else b"message_stop"
            assert end in data, f"a stream without its end: {data[-200:]!r}"
        else:
            json.loads(data)
        self.whole += 1
        return port

    def stop(self) -> None:
        """Let it finish what it asks now."""
        self._over.set()
        self.join(_LIMIT_S)
        assert not self.is_alive()
