"""The demo while it plays: one live line on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from scrimp.demo.player import Progress
from scrimp.ledger.report import ReportRow
from scrimp.money import format_usd

_LIVE_EVERY_S = 0.2
_PLAIN_EVERY_S = 3.0

Total = Callable[[], ReportRow]
"""Asks the ledger for the sums so far. May block."""


class _Face(Protocol):
    every_s: float

    def show(self, progress: Progress, total: ReportRow) -> None: ...


class _Live:
    every_s = _LIVE_EVERY_S

    def __init__(self, bar: Bar, planned: int) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=planned, clock="00:00", figures="")

    def show(self, progress: Progress, total: ReportRow) -> None:
        self._bar.update(
            self._task,
            completed=progress.done,
            clock=clock(progress.at_s),
            figures=figures(progress, total),
        )


class _Plain:
    every_s = _PLAIN_EVERY_S

    def __init__(self, console: Console) -> None:
        self._console = console

    def show(self, progress: Progress, total: ReportRow) -> None:
        line = f"{clock(progress.at_s)}  {figures(progress, total)}"
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)


@asynccontextmanager
async def shown(console: Console | None, progress: Progress, total: Total) -> AsyncIterator[None]:
    """Show the progress while the block runs; with no console, nothing."""
    if console is None:
        yield
    elif console.is_terminal and not console.is_dumb_terminal:
        columns = (
            TextColumn("[bold]{task.fields[clock]}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[figures]}"),
        )
        with Bar(*columns, console=console, transient=True) as bar:
            async with _refreshed(_Live(bar, progress.planned), progress, total):
                yield
    else:
        async with _refreshed(_Plain(console), progress, total):
            yield


@asynccontextmanager
async def _refreshed(face: _Face, progress: Progress, total: Total) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(_refresh(face, progress, total))
        yield
        task.cancel()


async def _refresh(face: _Face, progress: Progress, total: Total) -> None:
    while True:
        await asyncio.sleep(face.every_s)
        face.show(progress, await asyncio.to_thread(total))


def clock(at_s: int) -> str:
    """A second of the virtual day as hours and minutes."""
    return f"{at_s // 3600:02d}:{at_s % 3600 // 60:02d}"


def figures(progress: Progress, total: ReportRow) -> str:
    """The numbers of the line, with widths that do not jump."""
    planned = f"{progress.planned:,}"
    failed = f"   {len(progress.failures)} failed" if progress.failures else ""
    return (
        f"{progress.done:>{len(planned)},}/{planned} calls   "
        f"spend {format_usd(total.cost_nanousd, places=4)}   "
        f"saved {format_usd(total.saved_nanousd, places=4)}   "
        f"hits {total.hit_rate:>4.0%}{failed}"
    )
