"""CPU per call of the gateway on one core, beside the floor under it, in one run.

Usage: run.py [--calls N] [--rounds N] [--json FILE]. The gateway (ledger, prices and exact cache
on) runs on one core; mock upstream and load share another. CPU is read from the process
accounting, so it holds when a core is shared; medians over rounds, contenders in turn.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # ships no types
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
KINDS = {"floor": ("miss", "hit", "stream"), "scrimp": ("miss", "hit", "stream")}
TARGET_US = {("scrimp", "miss"): 300, ("scrimp", "hit"): 160}
CONNECTIONS = 32
WARM_UP_CALLS = 640


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured round."""

    cpu_us: float
    rps: float
    p50_ms: float
    p99_ms: float


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def process(arguments: list[str], port: int, core: int) -> Iterator[tuple[psutil.Process, float]]:
    """A Python process pinned to a core, with the seconds until it took a connection."""
    started = time.perf_counter()
    child = subprocess.Popen([sys.executable, *arguments], env={**os.environ, "NO_COLOR": "1"})
    try:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(child.pid, {core % (os.cpu_count() or 1)})
        seconds = wait_for(port, started)
        yield psutil.Process(child.pid), seconds
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(30)


def wait_for(port: int, started: float) -> float:
    """Seconds from `started` until the port takes connections."""
    while time.perf_counter() - started < 60:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.005)
        else:
            return time.perf_counter() - started
    raise SystemExit(f"nothing listens on port {port} after 60 s")


def load(port: int, kind: str, calls: int) -> dict[str, float]:
    """Run the load generator off the gateway's core."""
    arguments = [str(HERE / "load.py"), str(port), kind, str(CONNECTIONS), str(calls)]
    core = {1 % (os.cpu_count() or 1)}
    done = subprocess.run(
        [sys.executable, *arguments],
        check=True,
        capture_output=True,
        preexec_fn=lambda: os.sched_setaffinity(0, core),
    )
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def measure(server: psutil.Process, port: int, kind: str, calls: int) -> Figure:
    """One round: CPU seconds of the whole process, writer thread included, per call."""
    before = server.cpu_times()
    figures = load(port, kind, calls)
    time.sleep(0.2)  # the ledger's last group belongs to this round
    after = server.cpu_times()
    cpu_s = after.user + after.system - before.user - before.system
    return Figure(
        cpu_us=cpu_s / figures["calls"] * 1e6,
        rps=figures["calls"] / figures["seconds"],
        p50_ms=figures["p50_ms"],
        p99_ms=figures["p99_ms"],
    )


def scrimp_config(folder: Path, upstream: str) -> Path:
    """A gateway with everything of the base on."""
    path = folder / "scrimp.toml"
    path.write_text(
        f'state_dir = "{folder}"\n'
        f'[providers.openai]\nbase_url = "{upstream}"\ndialects = ["openai.chat"]\n'
    )
    return path


def first_reply_s(port: int, started: float) -> float:
    """Seconds from process start to the first whole answer."""
    body = b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hello"}]}'
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/chat/completions",
        data=body,
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310 (our own gateway)
        answer.read()
    return time.perf_counter() - started


def import_ms() -> float:
    """Median wall time of `import scrimp` in a fresh interpreter, interpreter start taken off."""
    code = "import time; t = time.perf_counter(); import scrimp; print(time.perf_counter() - t)"
    runs = [
        float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout)
        for _ in range(5)
    ]
    return statistics.median(runs) * 1000


def rounds(calls: int, count: int) -> tuple[dict[str, dict[str, list[Figure]]], dict[str, float]]:
    """All figures: contender → kind → rounds, and the one-off ones."""
    found: dict[str, dict[str, list[Figure]]] = {
        name: {kind: [] for kind in kinds} for name, kinds in KINDS.items()
    }
    once = {"import_ms": import_ms()}
    up_port, ports = free_port(), {name: free_port() for name in KINDS}
    upstream = f"http://127.0.0.1:{up_port}/v1"
    with (
        tempfile.TemporaryDirectory() as folder,
        process([str(HERE / "mock_upstream.py"), str(up_port)], up_port, 1),
        process([str(HERE / "floor.py"), str(ports["floor"]), upstream], ports["floor"], 0) as low,
    ):
        config = scrimp_config(Path(folder), upstream)
        command = ["-m", "scrimp", "serve", "--config", str(config), "--port", str(ports["scrimp"])]
        started = time.perf_counter()
        with process(command, ports["scrimp"], 0) as high:
            once["first_reply_s"] = first_reply_s(ports["scrimp"], started)
            once["rss_start_mb"] = high[0].memory_info().rss / 1e6
            servers = {"floor": low[0], "scrimp": high[0]}
            for name, kinds in KINDS.items():
                for kind in kinds:
                    load(ports[name], kind, WARM_UP_CALLS)
            for _ in range(count):
                for name, kinds in KINDS.items():
                    for kind in kinds:
                        figure = measure(servers[name], ports[name], kind, calls)
                        found[name][kind].append(figure)
            once["rss_end_mb"] = high[0].memory_info().rss / 1e6
    return found, once


def show(found: dict[str, dict[str, list[Figure]]], once: dict[str, float]) -> None:
    """The table."""
    table = Table(title="one worker on one core, medians", title_justify="left")
    left = ("contender", "kind")
    for heading in (*left, "CPU µs/call", "asked", "x floor", "calls/s", "p50 ms", "p99 ms"):
        table.add_column(heading, justify="left" if heading in left else "right")
    for name, kinds in found.items():
        for kind, figures in kinds.items():
            asked = TARGET_US.get((name, kind))
            cpu_us = statistics.median(f.cpu_us for f in figures)
            floor_us = statistics.median(f.cpu_us for f in found["floor"][kind])
            table.add_row(
                name,
                kind,
                f"{cpu_us:.0f}",
                f"≤ {asked}" if asked else "",
                f"{cpu_us / floor_us:.1f}",
                f"{statistics.median(f.rps for f in figures):,.0f}",
                f"{statistics.median(f.p50_ms for f in figures):.2f}",
                f"{statistics.median(f.p99_ms for f in figures):.2f}",
            )
    console = Console()
    console.print(table)
    console.print(
        f"import scrimp {once['import_ms']:.0f} ms (asked ≤ 100) · first reply "
        f"{once['first_reply_s']:.2f} s (≤ 1) · RSS {once['rss_start_mb']:.0f} MB at start, "
        f"{once['rss_end_mb']:.0f} MB at the end (≤ 80 at start)"
    )


def commit() -> str:
    """The commit that was measured, with a mark when the tree had changes."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], check=False, capture_output=True, cwd=HERE
    )
    return done.stdout.decode().strip() or "unknown"


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=6400, help="calls per round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, default=HERE / "results" / "gateway.json")
    options = parser.parse_args()
    found, once = rounds(options.calls, options.rounds)
    show(found, once)
    result = {
        "commit": commit(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "calls": options.calls,
        "once": once,
        "rounds": {
            name: {
                kind: [
                    {"cpu_us": f.cpu_us, "rps": f.rps, "p50_ms": f.p50_ms, "p99_ms": f.p99_ms}
                    for f in figures
                ]
                for kind, figures in kinds.items()
            }
            for name, kinds in found.items()
        },
    }
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(result, indent=2) + "\n")
    print(f"written: {options.json}")


if __name__ == "__main__":
    main()
