"""What a wrapped SDK call costs more than the bare one, in the same process, call beside call.

Usage: run.py [--pairs N] [--json FILE] [--anywhere]. A mock upstream that answers at once has one
core, the SDK and the engine share the other. Bare and wrapped calls take turns, so that whatever
else the machine does falls on both; the figures are medians. `miss` asks something new each time,
`hit` the same, `stream` reads 23 events. CPU is that of the whole process, engine and ledger too.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import openai
from rich.console import Console
from rich.table import Table

import scrimp

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

from benchmarks.common import busy_note, facts, free_port, on_core, pinned, write_json  # noqa: E402

KINDS = ("miss", "hit", "stream")
TARGET_US = 250
WARM_UP = 60
Ask = Callable[[int], None]
AsyncAsk = Callable[[int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Figure:
    """Medians over all pairs, in microseconds."""

    bare_us: float
    wrapped_us: float
    added_us: float
    added_cpu_us: float


@contextmanager
def upstream(folder: Path, core: int) -> Iterator[str]:
    """A mock provider; its base URL."""
    port = free_port()
    command = [sys.executable, str(HERE.parent / "gateway" / "mock_upstream.py"), str(port)]
    with pinned(command, core, folder / "mock.log"):
        url = f"http://127.0.0.1:{port}"
        end_s = time.monotonic() + 20
        while True:
            try:
                urllib.request.urlopen(f"{url}/_mock", timeout=1).close()  # noqa: S310 (ours)
            except OSError:
                if time.monotonic() > end_s:
                    raise
                time.sleep(0.01)
            else:
                break
        yield f"{url}/v1"


def words(face: str, kind: str, number: int) -> dict[str, Any]:
    """One request; only a hit asks what was asked before."""
    text = f"How do I pair lamp {'1' if kind == 'hit' else number}? ({face} {kind})"
    return {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": text}],
        "stream": kind == "stream",
    }


def blocking(client: openai.OpenAI, kind: str) -> Ask:
    """One call by a thread that waits."""

    def ask(number: int) -> None:
        answer: Any = client.chat.completions.create(**words("sync", kind, number))
        if kind == "stream":
            for _ in answer:
                pass

    return ask


def awaited(client: openai.AsyncOpenAI, kind: str) -> AsyncAsk:
    """One call by a task."""

    async def ask(number: int) -> None:
        answer: Any = await client.chat.completions.create(**words("async", kind, number))
        if kind == "stream":
            async for _ in answer:
                pass

    return ask


def measure(bare: Ask, wrapped: Ask, pairs: int) -> Figure:
    """Pairs of calls, in turn."""
    rows: list[tuple[float, float, float, float]] = []
    for number in range(-WARM_UP, pairs):
        times: list[float] = []
        for ask in (bare, wrapped):
            cpu, wall = time.process_time(), time.perf_counter()
            ask(number)
            times += (time.perf_counter() - wall, time.process_time() - cpu)
        if number >= 0:
            rows.append((times[0], times[1], times[2], times[3]))
    return figure(rows)


async def measure_awaited(bare: AsyncAsk, wrapped: AsyncAsk, pairs: int) -> Figure:
    """The same on one event loop."""
    rows: list[tuple[float, float, float, float]] = []
    for number in range(-WARM_UP, pairs):
        times: list[float] = []
        for ask in (bare, wrapped):
            cpu, wall = time.process_time(), time.perf_counter()
            await ask(number)
            times += (time.perf_counter() - wall, time.process_time() - cpu)
        if number >= 0:
            rows.append((times[0], times[1], times[2], times[3]))
    return figure(rows)


def figure(rows: list[tuple[float, float, float, float]]) -> Figure:
    """Medians; what was added is the median over pairs, not the difference of two medians."""
    median = statistics.median
    return Figure(
        bare_us=median(row[0] for row in rows) * 1e6,
        wrapped_us=median(row[2] for row in rows) * 1e6,
        added_us=median(row[2] - row[0] for row in rows) * 1e6,
        added_cpu_us=median(row[3] - row[1] for row in rows) * 1e6,
    )


def run(url: str, state: Path, pairs: int) -> dict[str, Figure]:
    """Every kind by either face."""
    found: dict[str, Figure] = {}
    with scrimp.Scrimp({"state_dir": str(state)}) as engine:
        bare = openai.OpenAI(base_url=url, api_key="sk-made-up", max_retries=0)
        ours = engine.wrap(bare, prices_as="openai")
        for kind in KINDS:
            found[f"sync {kind}"] = measure(blocking(bare, kind), blocking(ours, kind), pairs)

        async def on_a_loop() -> None:
            async with openai.AsyncOpenAI(base_url=url, api_key="sk-made-up", max_retries=0) as one:
                other = engine.wrap(one, prices_as="openai")
                for kind in KINDS:
                    found[f"async {kind}"] = await measure_awaited(
                        awaited(one, kind), awaited(other, kind), pairs
                    )

        asyncio.run(on_a_loop())
        bare.close()
    return found


def show(found: dict[str, Figure], note: str) -> None:
    """The table."""
    table = Table(title=f"wrapped SDK call in process (asked for: at most {TARGET_US} µs added)")
    for name in ("", "bare µs", "wrapped µs", "added µs", "added CPU µs"):
        table.add_column(name, justify="left" if not name else "right")
    for name, one in found.items():
        values = (one.bare_us, one.wrapped_us, one.added_us, one.added_cpu_us)
        table.add_row(name, *(f"{value:,.0f}" for value in values))
    console = Console()
    console.print(table)
    if note:
        console.print(note)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=1500)
    parser.add_argument("--json", type=Path, default=HERE / "results" / "latest.json")
    parser.add_argument("--anywhere", action="store_true", help="do not pin to cores")
    options = parser.parse_args()
    about = facts()
    with (
        tempfile.TemporaryDirectory(prefix="scrimp-bench-") as folder,
        upstream(Path(folder), 1) as url,
        nullcontext() if options.anywhere else on_core(0),
    ):
        found = run(url, Path(folder) / "state", options.pairs)
    show(found, busy_note(about))
    figures = {name: asdict(one) for name, one in found.items()}
    pinned_to_one = not options.anywhere
    write_json(
        options.json,
        {"facts": about, "pairs": options.pairs, "pinned": pinned_to_one, "figures": figures},
    )


if __name__ == "__main__":
    main()
