"""What passes through a lever take at two sizes of a call: measured, printed, written."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.common import busy_note, facts, write_json

HERE = Path(__file__).parent
SIZES = (10_000, 200_000)
"""Bytes of a call."""
TARGETS_US = {10_000: 50, 200_000: 1_000}
Figures = dict[str, dict[int, float]]
"""Microseconds, by case and size."""


def run(
    what: str, doc: str | None, name: str, measure: Callable[[int], Awaitable[Figures]]
) -> None:
    """The command line of one benchmark; `measure` is given how many rounds."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--json", type=Path, default=HERE / "results" / f"{name}.json")
    options = parser.parse_args()
    about = facts()

    async def measured() -> Figures:
        return await measure(options.rounds)

    found = asyncio.run(measured())
    asked = ", ".join(f"{us:,} µs at {size // 1000} KB" for size, us in TARGETS_US.items())
    table = Table(title=f"one pass through {what}, median µs (asked for: at most {asked})")
    table.add_column("")
    for size in SIZES:
        table.add_column(f"{size // 1000} KB", justify="right")
    for case, values in found.items():
        table.add_row(case, *(f"{values[size]:,.0f}" for size in SIZES))
    console = Console()
    console.print(table)
    if note := busy_note(about):
        console.print(note)
    write_json(options.json, {"facts": about, "rounds": options.rounds, "figures": found})
