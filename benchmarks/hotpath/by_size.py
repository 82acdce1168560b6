"""What passes through a lever take at two sizes of a call: measured, printed, written.

Each case is a call that is seen for the first time, and the call after it. Time is that of the
thread on a core, of the best of many batches: whatever else the machine does only adds to it.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks.common import busy_note, facts, write_json
from scrimp.calls import Call
from scrimp.dialects import DIALECTS
from scrimp.ports import Lever, Next

HERE = Path(__file__).parent
SIZES = (10_000, 200_000)
"""Bytes of a call."""
TARGETS_US = {10_000: 50, 200_000: 1_000}
PARSED = "read by the gateway before all levers"
_BATCH = 20

Make = Callable[[int], tuple[Lever, Call]]
"""A pass by its number: the lever and a call that no pass has had."""


class Pair(NamedTuple):
    """Microseconds, of a call at first sight and of the next one; None where there is no such."""

    first: float | None = None
    next: float | None = None


Figures = dict[str, dict[int, Pair]]
"""By case and size."""


async def pass_us(make: Make, below: Next, rounds: int) -> float:
    """Of a pass, its answer included, right after the call was read: the best median of batches."""
    batches = []
    for start in range(0, max(rounds, _BATCH), _BATCH):
        times = []
        for number in range(start, start + _BATCH):
            lever, call = make(number)
            began_ns = time.thread_time_ns()
            await lever(call, below)
            times.append(time.thread_time_ns() - began_ns)
        batches.append(statistics.median(times))
    return max(0.0, min(batches) - _clock_ns()) / 1e3


def parsed_us(call: Call, rounds: int) -> float:
    """What reading the call's body takes, which the gateway does whatever levers follow."""
    read, times = DIALECTS[call.target.dialect].read_request, []
    for _ in range(rounds):
        body = bytes(bytearray(call.request.body))
        began_ns = time.thread_time_ns()
        read(body)
        times.append(time.thread_time_ns() - began_ns)
    batches = [statistics.median(times[at : at + _BATCH]) for at in range(0, rounds, _BATCH)]
    return max(0.0, min(batches) - _clock_ns()) / 1e3


def _clock_ns() -> int:
    """What asking the clock takes, which stands in every time."""
    return min(-(time.thread_time_ns() - time.thread_time_ns()) for _ in range(1000))


def run(
    what: str, doc: str | None, name: str, measure: Callable[[int], Awaitable[Figures]]
) -> None:
    """The command line of one benchmark; `measure` is given how many rounds."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--json", type=Path, default=HERE / "results" / f"{name}.json")
    options = parser.parse_args()
    about = facts()

    async def measured() -> Figures:
        return await measure(options.rounds)

    found = asyncio.run(measured())
    asked = ", ".join(f"{us:,} µs at {size // 1000} KB" for size, us in TARGETS_US.items())
    table = Table(title=f"one pass through {what}, µs of CPU (asked for: at most {asked})")
    table.add_column("")
    for size in SIZES:
        for when in ("first", "next"):
            table.add_column(f"{size // 1000} KB, {when}", justify="right")
    for case, values in found.items():
        cells = [one for size in SIZES for one in values[size]]
        table.add_row(case, *("" if one is None else f"{one:,.0f}" for one in cells))
    console = Console()
    console.print(table)
    if note := busy_note(about):
        console.print(note)
    told = {case: {size: pair._asdict() for size, pair in by.items()} for case, by in found.items()}
    write_json(options.json, {"facts": about, "rounds": options.rounds, "figures": told})
