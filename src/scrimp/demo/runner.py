"""The whole demo: raise the stage, play the day, read the books, compare the bills."""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.console import Console

from scrimp.app import open_ledger_reader
from scrimp.demo.broken import break_one
from scrimp.demo.display import shown
from scrimp.demo.findings import Books, Findings, Played, gather
from scrimp.demo.guarded import spend_too_much
from scrimp.demo.player import Player, Progress
from scrimp.demo.routed import leave_it_to_scrimp
from scrimp.demo.stage import Stage, open_stage
from scrimp.demo.traffic import PlannedCall, day
from scrimp.errors import StoreError
from scrimp.ledger.report import ReportRow


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the user asked for."""

    seed: int = 7
    scale: float = 1.0
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Show:
    """A day that was played; the servers are still up."""

    findings: Findings
    stage: Stage


@dataclass(frozen=True, slots=True)
class _Seat:
    """Where the day is played from: the module `demo.clients`, and who watches."""

    clients: Any
    console: Console | None


@asynccontextmanager
async def performed(wanted: Wanted, console: Console | None) -> AsyncIterator[Show]:
    """Play the day; inside the block both servers still run.

    Progress goes to `console`. Raises ScrimpError and StoreError, and ModuleNotFoundError where an
    SDK is missing.
    """
    # The SDKs take seconds to load, as long as the servers take to start. They are an optional
    # extra, so that everything else can be imported without them.
    loading = asyncio.get_running_loop().run_in_executor(
        None, importlib.import_module, "scrimp.demo.clients"
    )
    calls = day(wanted.seed, wanted.scale)
    async with open_stage(keep=wanted.keep) as stage:
        await stage.plan_faults()
        findings = await _play(wanted, calls, stage, _Seat(await loading, console))
        yield Show(findings, stage)


async def _play(
    wanted: Wanted, calls: tuple[PlannedCall, ...], stage: Stage, seat: _Seat
) -> Findings:
    books = open_ledger_reader(stage.settings)
    began, clock_s = datetime.now(UTC), time.monotonic()
    progress = Progress(len(calls))
    async with (
        shown(seat.console, progress, lambda: _total(books, began)),
        seat.clients.open_clients(stage.gateway_url) as sdks,
    ):
        await Player(sdks.ask, progress, errors=seat.clients.SDK_ERRORS).play(calls)
        played_s = time.monotonic() - clock_s
    played = Played(
        seed=wanted.seed,
        scale=wanted.scale,
        planned=len(calls),
        streamed=sum(call.stream for call in calls),
        played_s=played_s,
        failures=tuple(progress.failures),
        gateway_log=stage.gateway_log(),
    )
    await stage.settled()
    findings = gather(books, began, played, await stage.billed_nanousd())
    async with seat.clients.open_clients(stage.gateway_url) as sdks:
        findings = replace(findings, broken=await break_one(calls, stage, books, sdks))
        findings = replace(findings, guarded=await spend_too_much(stage, books, sdks))
        return replace(findings, routed=await leave_it_to_scrimp(stage, books, sdks))


def _total(books: Books, began: datetime) -> ReportRow:
    try:
        return books.report(began, began + timedelta(days=1), "total").total
    except StoreError:  # the report will say so; a line of progress is no reason to stop
        return ReportRow("")
