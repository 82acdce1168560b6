"""What is asked, and by whom: wrk where it is, else a loader in Python. One run uses only one."""

from __future__ import annotations

import itertools
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.common import on_core

HERE = Path(__file__).parent
LOAD_CORE = 1
_MARK = "0" * 12
_SYSTEM = "You are the support assistant of a maker of smart lamps. Be brief and kind. " * 4
_HEADERS: Mapping[str, str] = {
    "accept": "application/json",
    "content-type": "application/json",
    "user-agent": "AsyncOpenAI/Python 3.54.0",
    "x-stainless-lang": "python",
    "x-stainless-package-version": "3.54.0",
    "x-stainless-os": "Linux",
    "x-stainless-arch": "x64",
    "x-stainless-runtime": "CPython",
    "x-stainless-runtime-version": "3.11.7",
    "x-stainless-async": "async:asyncio",
    "x-stainless-retry-count": "0",
    "x-stainless-read-timeout": "600",
}

KindName = Literal["miss", "hit", "stream", "one", "wait16", "wait64"]


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to load a gateway."""

    connections: int = 32
    same: bool = False
    stream: bool = False
    delay_ms: int = 0


KINDS: Mapping[KindName, Kind] = {
    "miss": Kind(),
    "hit": Kind(same=True),
    "stream": Kind(stream=True),
    "one": Kind(connections=1),
    "wait16": Kind(connections=16, delay_ms=21),
    "wait64": Kind(connections=64, delay_ms=21),
}


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the load saw. `cpu_s` is the loader's own time on its core."""

    calls: int
    seconds: float
    errors: int
    p50_ms: float
    p99_ms: float
    cpu_s: float


def body_of(kind: Kind, run: str) -> bytes:
    """About 480 bytes of JSON; a `same` one is the same in every run."""
    asked = "same" if kind.same else f"{run}-{_MARK}"
    messages = [
        {"role": "system", "content": _SYSTEM},
        {"role": "user", "content": f"How do I pair lamp {asked}?"},
    ]
    fields = {"messages": messages, "model": "gpt-4o-mini", "temperature": 0.2}
    if kind.stream:
        fields["stream"] = True
    return json.dumps(fields, separators=(",", ":")).encode()


def request_of(kind: Kind, run: str, headers: Mapping[str, str]) -> bytes:
    """The whole HTTP request, as the OpenAI SDK sends it."""
    body = body_of(kind, run)
    lines = ["POST /v1/chat/completions HTTP/1.1", "host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in {**_HEADERS, **headers}.items()]
    lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


class Loader:
    """Runs one load after another on the core beside the gateway's."""

    def __init__(self, folder: Path) -> None:
        self._wrk = shutil.which("wrk")
        self._request = folder / "request"
        self._runs = itertools.count(time.time_ns() // 1_000_000)

    @property
    def name(self) -> str:
        """For the record, and a loud word when wrk is not here."""
        return "wrk" if self._wrk else "PYTHON (no wrk on PATH: figures do not compare with wrk's)"

    def run(self, port: int, kind: Kind, headers: Mapping[str, str], seconds: float) -> Loaded:
        """Load `port` for so long. Raises SystemExit when the loader itself fails."""
        self._request.write_bytes(request_of(kind, str(next(self._runs)), headers))
        before = _children_cpu_s()
        with on_core(LOAD_CORE):
            done = subprocess.run(
                self._command(port, kind, seconds),
                check=False,
                capture_output=True,
                text=True,
                env={**os.environ, "LOAD_REQUEST": str(self._request), "LOAD_MARK": _MARK},
            )
        _, found, line = done.stdout.rpartition("RESULT ")
        if not found:
            raise SystemExit(f"the load on port {port} failed: {done.stdout}{done.stderr}")
        return Loaded(**json.loads(line), cpu_s=_children_cpu_s() - before)

    def _command(self, port: int, kind: Kind, seconds: float) -> list[str]:
        count = str(kind.connections)
        if self._wrk is None:
            return [sys.executable, str(HERE / "load.py"), str(port), count, str(seconds)]
        script, url = str(HERE / "load.lua"), f"http://127.0.0.1:{port}/"
        whole_s = f"{max(1, round(seconds))}s"
        # A slow gateway keeps a call for seconds; wrk would count that as lost after two.
        return [self._wrk, "-t1", f"-c{count}", f"-d{whole_s}", "--timeout=60s", "-s", script, url]


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
