"""Two hundred thousand mixed calls with faults: memory stays flat, and the ledger is the bill.

Usage: soak.py [--calls N] [--connections N] [--seed N] [--json FILE]. Chat, messages, responses and
embeddings, whole and streamed, new and repeated, every fault of the simulator, clients that leave.
Ten times on the way it waits until all is quiet and looks at memory, tasks, sockets and both books.
Ends with 1 when a promise is broken.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from rich.console import Console
from rich.table import Table

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file, not as a module

from benchmarks.common import Running, facts, pinned, write_json
from benchmarks.gateway.soak_books import Books, LedgerFile
from benchmarks.gateway.soak_traffic import Client, ask_of

HERE = Path(__file__).parent
CACHE_BYTES = 2 * 1024 * 1024
"""Full within the first tenth of a long run, so that a cache that fills is not taken for a leak."""

_WARM_SHARE = 5  # a fifth of the run: then caches, vocabularies and pools are what they stay
_FLAT_FROM_CALLS = 20_000  # shorter runs are all warming up
_GROWTH_SHARE = 0.05
_QUIET_LIMIT_S = 30.0
_STILL_S = 0.3
_ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")
_SETTINGS = """
state_dir = "{folder}/state"
[exact_cache]
max_bytes = {cache_bytes}
[retry]
attempts = 2
base_s = 0.001
max_wait_s = 0.002
[providers.openai]
base_url = "{url}/v1"
dialects = ["openai.chat", "openai.responses"]
key_env = "SOAK_KEY"
timeouts = {{ first_byte_s = 4, idle_s = 3 }}
[providers.anthropic]
base_url = "{url}/v1"
dialects = ["anthropic.messages"]
key_env = "SOAK_KEY"
timeouts = {{ first_byte_s = 4, idle_s = 3 }}
"""


@dataclass(frozen=True, slots=True)
class Look:
    """What stands when all is quiet, after `calls` calls."""

    calls: int
    rate: float
    cpu_us: float
    rss_mb: float
    tasks: int
    objects: int
    client_sockets: int
    files: int
    wrong: int


@dataclass(slots=True)
class Soak:
    """One run and what it found."""

    url: str
    sim_url: str
    running: Running
    ledger: LedgerFile
    seed: int
    connections: int
    books: Books = field(default_factory=Books)
    looks: list[Look] = field(default_factory=list)
    asked: dict[str, int] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    async def run(self, calls: int, looks: int = 10) -> None:
        """All of it, in so many parts with a look after each."""
        client = Client(self.url, self.seed)
        await client.run(iter(range(-self.connections, 0)), self.connections)
        await self._settle(client, range(-self.connections, 0))
        await self._look(0, 0.0, 0.0)
        for number in range(looks):
            part = range(calls * number // looks, calls * (number + 1) // looks)
            began, cpu_ns = time.perf_counter(), self.running.cpu_ns()
            await client.run(iter(part), self.connections)
            rate = len(part) / (time.perf_counter() - began)
            cpu_us = (self.running.cpu_ns() - cpu_ns) / 1000 / len(part)
            await self._settle(client, part)
            await self._look(part.stop, rate, cpu_us)
        self.asked, self.seen = dict(client.kinds), dict(client.seen)

    async def _settle(self, client: Client, part: range) -> None:
        """Wait until nothing moves, then compare the books of these calls."""
        async with aiohttp.ClientSession() as session:
            await _until(lambda: self._sockets() == 0, "clients' connections end")
            await _simulator_idle(session, self.sim_url)
            async with session.get(f"{self.sim_url}/_sim/bill") as answer:
                rows = msgspec.json.decode(await answer.read())["rows"]
            async with session.post(f"{self.sim_url}/_sim/reset"):
                pass
        bill: dict[int, int] = {}
        for row in rows:
            number = int(row["client_id"])
            bill[number] = bill.get(number, 0) + row["billed_nanousd"]
        left = frozenset(n for n in part if ask_of(n, self.seed).leaving)
        await self._booked(frozenset(part) - left | bill.keys())
        self.books.compare(self.ledger.new(), bill, part, left)
        self.wrong = [*client.wrong, *self.books.wrong]

    async def _booked(self, owed: frozenset[int]) -> None:
        """Until these calls are in the ledger, and it stands still; what never comes is found out.

        An estimate waits for its vocabulary, so nothing may move for a while and come after all.
        """
        count, since = -1, time.perf_counter()
        end_s = since + _QUIET_LIMIT_S
        while time.perf_counter() < end_s:
            numbers = self.ledger.numbers()
            if len(numbers) != count:
                count, since = len(numbers), time.perf_counter()
            if owed <= numbers and time.perf_counter() - since > _STILL_S:
                return
            await asyncio.sleep(0.1)

    async def _look(self, calls: int, rate: float, cpu_us: float) -> None:
        told = self.running.log.read_text().count("WITNESS ")
        os.kill(self.running.pid, signal.SIGUSR1)
        await _until(
            lambda: self.running.log.read_text().count("WITNESS ") > told, "the gateway tells"
        )
        tasks, objects = self.running.log.read_text().rsplit("WITNESS ", 1)[1].split()[:2]
        look = Look(
            calls=calls,
            rate=rate,
            cpu_us=cpu_us,
            rss_mb=self.running.rss_mb(),
            tasks=int(tasks),
            objects=int(objects),
            client_sockets=self._sockets(),
            files=self.running.files(),
            wrong=len(self.wrong),
        )
        self.looks.append(look)
        print(f"{calls:,} calls: {look}", file=sys.stderr)

    def _sockets(self) -> int:
        return self.running.sockets_at(int(self.url.rsplit(":", 1)[1]))

    def broken_promises(self) -> list[str]:
        """What did not hold, in words; empty when all did."""
        found = list(self.wrong)
        first, last = self.looks[0], self.looks[-1]
        if last.tasks > first.tasks:
            found.append(f"{last.tasks - first.tasks} tasks were left ({first.tasks} at the start)")
        if last.client_sockets:
            found.append(f"{last.client_sockets} connections of clients were left")
        if last.files > first.files + self.connections:
            found.append(f"{last.files} open files, {first.files} at the start")
        grown_mb, long = self.grown_mb(), last.calls >= _FLAT_FROM_CALLS
        if long and grown_mb > _GROWTH_SHARE * last.rss_mb:
            found.append(f"memory grew by {grown_mb:.1f} MB after a fifth of the run")
        return found

    def grown_mb(self) -> float:
        """How much memory the last four fifths took."""
        warm = max(1, (len(self.looks) - 1) // _WARM_SHARE)
        return self.looks[-1].rss_mb - self.looks[warm].rss_mb

    def result(self) -> dict[str, Any]:
        """For the record."""
        return {
            "looks": [asdict(look) for look in self.looks],
            "books": {**asdict(self.books), "unseen": sorted(self.books.unseen)},
            "asked": self.asked,
            "seen": self.seen,
            "grown_mb": self.grown_mb(),
            "broken_promises": self.broken_promises(),
        }


async def _until(true: Callable[[], bool], what: str) -> None:
    end_s = time.perf_counter() + _QUIET_LIMIT_S
    while not true():
        if time.perf_counter() > end_s:
            raise TimeoutError(f"not within {_QUIET_LIMIT_S:g} s: {what}")
        await asyncio.sleep(0.02)


async def _simulator_idle(session: aiohttp.ClientSession, sim_url: str) -> None:
    """Until it answers nobody any more but the one who asks this."""
    async with asyncio.timeout(_QUIET_LIMIT_S):
        while True:
            async with session.get(f"{sim_url}/_sim/connections") as answer:
                seen = msgspec.json.decode(await answer.read())["connections"]
            if sum(one["in_flight"] and one["closed_s"] is None for one in seen) <= 1:
                return
            await asyncio.sleep(0.05)


@contextmanager
def stage(folder: Path, seed: int, connections: int) -> Iterator[Soak]:
    """Simulator and gateway as processes, a core each."""
    python = sys.executable
    wait = ["--first-token-ms", "2", "--per-token-ms", "0"]
    sim = [python, "-m", "scrimp", "simulate", "--port", "0", *wait]
    with pinned(sim, 1, folder / "simulator.log") as simulator:
        sim_url = _address(simulator)
        config = folder / "scrimp.toml"
        config.write_text(_SETTINGS.format(folder=folder, url=sim_url, cache_bytes=CACHE_BYTES))
        words = ["serve", "--config", str(config), "--port", "0"]
        env = {"SOAK_KEY": "sk-simulated", "PYTHONUNBUFFERED": "1"}
        command = [python, str(HERE / "soak_gateway.py"), *words]
        with pinned(command, 0, folder / "gateway.log", env) as running:
            url = _address(running)
            ledger = LedgerFile(folder / "state" / "ledger.sqlite")
            yield Soak(url, sim_url, running, ledger, seed, connections)


def _address(running: Running) -> str:
    """What a process prints once it serves."""
    end_s = time.perf_counter() + 30
    while time.perf_counter() < end_s and running.alive():
        if found := _ADDRESS.search(running.log.read_text()):
            return found[0]
        time.sleep(0.02)
    raise SystemExit(f"a server did not start: {running.last_words()}")


def show(soak: Soak) -> None:
    """The table, the books, and what did not hold."""
    table = Table(title=f"soak: {soak.looks[-1].calls:,} calls", title_justify="left")
    headings = ("calls", "calls/s", "CPU µs", "RSS MB", "tasks", "objects", "sockets", "files")
    for heading in (*headings, "wrong"):
        table.add_column(heading, justify="right")
    for look in soak.looks:
        table.add_row(
            *(f"{look.calls:,}", f"{look.rate:,.0f}", f"{look.cpu_us:,.0f}", f"{look.rss_mb:.1f}"),
            *(f"{look.tasks}", f"{look.objects:,}", f"{look.client_sockets}", f"{look.files}"),
            f"{look.wrong}",
        )
    console = Console()
    console.print(table)
    for line in _said(soak, soak.books):
        console.print(line)
    broken = soak.broken_promises()
    for promise in broken[:20]:
        console.print(f"[bold red]BROKEN:[/] {promise}")
    console.print(f"{len(broken)} promises broken" if broken else "every promise held")


def _said(soak: Soak, books: Books) -> Iterator[str]:
    told, owed = _usd(books.exact_ledger_nanousd), _usd(books.exact_bill_nanousd)
    yield f"{books.exact_calls:,} calls told their usage: ledger {told}, bill {owed}"
    low, high = _usd(books.bounded_low_nanousd), _usd(books.bounded_high_nanousd)
    owed = _usd(books.bounded_bill_nanousd)
    yield f"{books.bounded_calls:,} could not: ledger {low} to {high}, bill {owed}"
    yield f"{books.never_seen:,} left before the gateway had read them"
    for title, counts in (
        ("asked", soak.asked),
        ("served by", books.served_by),
        ("clients saw", soak.seen),
    ):
        yield f"{title}: {', '.join(f'{count:,} {name}' for name, count in counts.items())}"
    yield (
        f"memory after a fifth of the run: {soak.grown_mb():+.1f} MB "
        f"(the exact cache is bounded to {CACHE_BYTES / 1e6:.1f} MB: its filling up is not in it)"
    )


def _usd(nanousd: int) -> str:
    return f"${nanousd // 10**9}.{nanousd % 10**9:09d}"


def main() -> int:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=200_000)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, default=HERE / "results" / "soak.json")
    options = parser.parse_args()
    about = facts()
    with (
        tempfile.TemporaryDirectory(prefix="scrimp-soak-") as folder,
        stage(Path(folder), options.seed, options.connections) as soak,
    ):
        asyncio.run(soak.run(options.calls))
    show(soak)
    asked = {"calls": options.calls, "connections": options.connections, "seed": options.seed}
    write_json(options.json, {"facts": about, "options": asked, **soak.result()})
    return 1 if soak.broken_promises() else 0


if __name__ == "__main__":
    sys.exit(main())
