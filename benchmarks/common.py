"""What benchmarks share: pinned processes, their exact CPU and memory, and facts for the record."""

from __future__ import annotations

import json
import os
import platform
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]  # ships no types

ROOT = Path(__file__).resolve().parents[1]
_END_LIMIT_S = 30


@dataclass(frozen=True, slots=True)
class Running:
    """A process and its children, as the kernel accounts for them."""

    pid: int
    log: Path

    def cpu_ns(self) -> int:
        """Nanoseconds on a core so far, all threads of the whole tree."""
        return sum(_cpu_ns(process) for process in self._tree())

    def rss_mb(self) -> float:
        """Resident memory of the whole tree, in MB of 10**6 bytes."""
        sizes = [process.memory_info().rss for process in self._tree()]
        return float(sum(sizes)) / 1e6

    def sockets_at(self, port: int) -> int:
        """Open TCP connections of its clients; the listening socket is not one."""
        found = [one for process in self._tree() for one in process.net_connections("tcp")]
        return sum(one.laddr.port == port and one.status != psutil.CONN_LISTEN for one in found)

    def files(self) -> int:
        """Open descriptors."""
        return int(sum(process.num_fds() for process in self._tree()))

    def alive(self) -> bool:
        """False once the first process has ended."""
        return bool(psutil.pid_exists(self.pid) and psutil.Process(self.pid).status() != "zombie")

    def last_words(self, lines: int = 12) -> str:
        """The end of what it printed."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _tree(self) -> list[psutil.Process]:
        top = psutil.Process(self.pid)
        return [top, *top.children(recursive=True)]


def _cpu_ns(process: psutil.Process) -> int:
    """The scheduler's own nanoseconds; where there are none, clock ticks (10 ms each)."""
    tasks = Path(f"/proc/{process.pid}/task")
    try:
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir())
    except (OSError, ValueError):
        times = process.cpu_times()
        return int((times.user + times.system) * 1e9)


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """What is started in the block stays on one core, where the system can do that."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(before)[core % len(before)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def pinned(
    command: Sequence[str], core: int, log: Path, env: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """A process on one core; it and its children have ended when the block ends."""
    with log.open("wb") as out, on_core(core):
        child = subprocess.Popen(
            command,
            env={**os.environ, "NO_COLOR": "1", **(env or {})},
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        yield Running(child.pid, log)
    finally:
        _end(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    """Ask it to stop; what has not ended in time is killed, its own children with it."""
    child.send_signal(signal.SIGTERM)
    try:
        child.wait(_END_LIMIT_S)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)  # a session of its own: nobody else is in it
        child.wait()


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def output_of(command: Sequence[str]) -> str:
    """What a command prints, in one line; nothing when there is no such command."""
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
    except OSError:
        return ""
    return " ".join((done.stdout or done.stderr).split())


def facts() -> dict[str, Any]:
    """What was measured, on what, and when: the head of every result file."""
    return {
        "commit": output_of(["git", "describe", "--always", "--dirty"]) or "unknown",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_mb": round(psutil.virtual_memory().total / 1e6),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_before": [round(one, 2) for one in os.getloadavg()],
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if "model name" in line), "unknown")


def busy_note(given: Mapping[str, Any]) -> str:
    """A warning when others had used the cores just before; empty on a quiet machine."""
    load = float(given["load_before"][0])
    if load < 0.5:
        return ""
    return f"the machine was not quiet (load {load:g} before the run): read ratios, not absolutes"


def write_json(path: Path, result: Mapping[str, Any]) -> None:
    """Keep a result."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(f"written: {path}", file=sys.stderr)
