"""What holding and settling costs in each engine, with 1, 8 and 64 callers at once.

Usage: run.py [--quick] [--seconds S] [--json FILE]. A pair is one hold of ten limits (five scopes,
day and month) and one settlement; callers belong to twelve organisations. One process on uvloop;
engines take turns. CPU is the whole process's per pair, the thread that writes the file included.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a file, not as a module

import uuid_utils
import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks.budgets.engines import MEASURED, Engine
from benchmarks.common import busy_note, facts, write_json
from scrimp.limits import Amounts, BudgetStore, Limit, Scope, ScopeKind, Window

HERE = Path(__file__).parent
CALLERS = (1, 8, 64)
ASKED = {("bare", 1): "≥ 50,000; hold ≤ 10 µs", ("sqlite", 64): "≥ 3,000"}
_ORGS = 12
_KINDS: tuple[ScopeKind, ...] = ("org", "team", "user", "key", "tag")


@dataclass(frozen=True, slots=True)
class Figure:
    """One engine under so many callers."""

    pairs_per_s: float
    hold_p50_us: float
    hold_p99_us: float
    cpu_us_per_pair: float


def limits_of(org: int) -> tuple[Limit, ...]:
    """Ten roomy limits."""
    return tuple(
        Limit(f"{kind}{org}", Scope(kind, f"{kind}{org}"), "usd", 10**15, Window(window))
        for kind in _KINDS
        for window in ("day", "month")
    )


async def measured(store: BudgetStore, callers: int, seconds: float) -> Figure:
    """Hold and settle for so long."""
    worst, actual = Amounts(3_000_000, 900), Amounts(1_200_000, 500)
    waits: list[int] = []
    begin, cpu = time.perf_counter(), time.process_time()
    end = begin + seconds

    async def caller(number: int) -> None:
        limits = limits_of(number % _ORGS)
        while time.perf_counter() < end:
            for _ in range(32):  # an engine that never waits would let nobody else in
                hold_id = str(uuid_utils.uuid7())
                asked = time.perf_counter_ns()
                await store.hold(hold_id, limits, worst, lease_s=600)
                waits.append(time.perf_counter_ns() - asked)
                store.settle(hold_id, actual)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for number in range(callers):
            group.create_task(caller(number))
    await store.flush()
    took, used = time.perf_counter() - begin, time.process_time() - cpu
    cuts = statistics.quantiles(waits, n=100)
    return Figure(len(waits) / took, cuts[49] / 1e3, cuts[98] / 1e3, used / len(waits) * 1e6)


@contextmanager
def folder() -> Iterator[Path]:
    """On the disk of this project: a folder for passing files may be in memory."""
    home = HERE / "results"
    home.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home) as name:
        yield Path(name)


async def one_round(engine: Engine, callers: int, seconds: float) -> Figure:
    """On an empty store."""
    with folder() as place:
        store = engine.open(place)
        try:
            return await measured(store, callers, seconds)
        finally:
            await store.close()


def fsync_ms() -> float:
    """What the disk takes to keep 4 kB, appended: what no durable engine can be faster than."""
    with folder() as place:
        descriptor = os.open(place / "probe", os.O_CREAT | os.O_WRONLY)
        took = []
        for number in range(100):
            os.pwrite(descriptor, bytes(4096), 4096 * number)
            begin = time.perf_counter()
            os.fdatasync(descriptor)
            took.append(time.perf_counter() - begin)
        os.close(descriptor)
    return statistics.median(took) * 1e3


def show(found: dict[str, dict[int, list[Figure]]]) -> None:
    """The table: medians over the rounds."""
    table = Table()
    for words in ("engine", "callers", "pairs/s", "asked", "hold p50", "hold p99", "CPU"):
        table.add_column(words, justify="left" if words in ("engine", "asked") else "right")
    for name, by_callers in found.items():
        for callers, rounds in by_callers.items():
            table.add_row(
                MEASURED[name].name,
                str(callers),
                f"{statistics.median(one.pairs_per_s for one in rounds):,.0f}",
                ASKED.get((name, callers), ""),
                _time(statistics.median(one.hold_p50_us for one in rounds)),
                _time(statistics.median(one.hold_p99_us for one in rounds)),
                f"{statistics.median(one.cpu_us_per_pair for one in rounds):.0f} µs",
                end_section=callers == CALLERS[-1],
            )
    Console().print(table)


def _time(us: float) -> str:
    return f"{us:.1f} µs" if us < 1000 else f"{us / 1000:.1f} ms"


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of a second: a look")
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, default=HERE / "results" / "budgets.json")
    options = parser.parse_args()
    rounds, seconds = (1, 1.0) if options.quick else (options.rounds, options.seconds)
    given = facts()
    if note := busy_note(given):
        print(note, file=sys.stderr)
    sys.setswitchinterval(0.001)  # as the gateway does: a thread beside the loop gets its turn
    found: dict[str, dict[int, list[Figure]]] = {
        name: {callers: [] for callers in CALLERS} for name in MEASURED
    }
    for _ in range(rounds):
        for name, engine in MEASURED.items():
            for callers in CALLERS:
                figure = uvloop.run(one_round(engine, callers, seconds))
                found[name][callers].append(figure)
    probe_ms = fsync_ms()
    show(found)
    print(f"one fsync of 4 kB here: {probe_ms:.1f} ms")
    told = {
        name: {callers: [asdict(one) for one in ones] for callers, ones in by_callers.items()}
        for name, by_callers in found.items()
    }
    write_json(options.json, {**given, "fsync_ms": probe_ms, "engines": told})


if __name__ == "__main__":
    main()
