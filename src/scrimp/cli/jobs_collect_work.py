"""One `scrimp jobs collect`: see which jobs are over, write what came of them, await the rest."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from scrimp.cli.console import note
from scrimp.cli.jobs_lines import FEW, latest, lines
from scrimp.cli.jobs_place import queue_at
from scrimp.cli.jobs_queue import Found, Queue
from scrimp.cli.jobs_view import Collected, collected_told, show_collected, standing
from scrimp.cli.progress import Show, bar
from scrimp.cli.run_cost import Forecast
from scrimp.cli.run_file import Kept
from scrimp.cli.run_scan import ASK, BAD, Scan, Scanner, Source
from scrimp.cli.run_view import show_reading
from scrimp.cli.stopping import Stop
from scrimp.client.mapping import unreadable
from scrimp.errors import InvalidRequest, ScrimpError
from scrimp.many.asked import Item, Reading
from scrimp.many.results import written
from scrimp.money import format_usd
from scrimp.settings import Loaded

if TYPE_CHECKING:
    from scrimp.cli.jobs_options import CollectOptions

_FETCHED_AT_ONCE = 8
_MOST_PAUSE_S = 30.0
_PER_PAUSE_S = 2000
"""So many jobs that are waited for make a pause longer by a second."""
_NO_TIME = "24h"
"""Nothing is handed in: how long it may wait does not matter."""


class _NoEstimates:
    """Implements `Estimates`: nothing is to be paid."""

    def add(self, item: Item) -> None:
        """Do nothing."""

    def forecast(self, to_ask: int) -> Forecast:
        """Nothing is known."""
        return Forecast(calls=to_ask)


async def collect(loaded: Loaded, options: CollectOptions) -> dict[str, Any]:
    """All of it, as it is told to machines. Raises ScrimpError and what click knows."""
    source = Source(
        options["file"],
        Reading(options["model"], options["column"]),
        loaded.settings.server.max_body_bytes,
    )
    try:
        with Kept(options["output"]) as kept:
            async with queue_at(loaded, options["url"], _NO_TIME, {}) as queue:
                found = await _collected(queue, source, kept, options)
            kept.finish()
    finally:
        source.close()
    if not options["as_json"]:
        show_collected(found, options)
    return collected_told(found)


def _unchecked(item: Item) -> None:
    """What cannot wait was said when it was handed in: it has no job."""


async def _collected(
    queue: Queue, source: Source, kept: Kept, options: CollectOptions
) -> Collected:
    quiet = options["as_json"]
    tell = (lambda lines: None) if quiet else show_reading  # noqa: ARG005 (nobody looks)
    scanner = Scanner(source, kept, _NoEstimates(), _unchecked, tell)
    try:
        scan = await asyncio.to_thread(scanner.run, retry_failed=True, forget=options["forget"])
    except asyncio.CancelledError:
        scanner.stop()
        raise
    if not scan.lines:
        raise InvalidRequest(f"{source.name}: holds no calls (one JSON object per line, or a CSV)")
    found = Collected(source.name, kept.out, scan.lines, scan.known, scan.bad)
    work = _Work(queue, kept, found)
    await asyncio.to_thread(work.begin, source, scan, options["name"])
    asked = asyncio.Event()

    def stopping() -> None:
        asked.set()
        sys.stderr.write("\nWriting what is here.\n")

    total = len(work.pending)
    with Stop(stopping) as stop, bar(total, "looking", quiet=quiet) as show:
        await work.through(asked, show, wait=not options["no_wait"])
        found.interrupted = stop.asked
    return found


class _Work:
    """`pending` are the lines without a result, by the names of their jobs."""

    def __init__(self, queue: Queue, kept: Kept, found: Collected) -> None:
        self._queue = queue
        self._kept = kept
        self._found = found
        self._told_of = False
        self.pending: dict[str, Item] = {}

    def begin(self, source: Source, scan: Scan, label: str) -> None:
        """Read which lines there are; the failure of what cannot be asked is written down."""
        for line, item, name in lines(source, label):
            wanted = scan.wanted[line] if line < len(scan.wanted) else 0
            if wanted == BAD:
                error = item if isinstance(item, InvalidRequest) else None
                result = unreadable(error or InvalidRequest("it cannot wait for a batch"))
                self._kept.put(written(result, (line, "", ""), plain=False, earlier=0))
                self._found.tally.add("", result)
            elif wanted == ASK and isinstance(item, Item):
                self.pending[name] = replace(item, body=b"")
        self._found.tally.failures += scan.shown

    async def through(self, asked: asyncio.Event, show: Show, *, wait: bool) -> None:
        """Until all are here; or once, where nobody waits. Raises as the queue does at first."""
        total, found = len(self.pending), self._found
        first = True
        while self.pending and not asked.is_set():
            try:
                await self._look(asked)
            except ScrimpError as error:
                if first:
                    raise
                self._complain(error)
            first = False
            show(total - len(self.pending), lambda: self._line(total))
            if not wait or not found.waiting:
                return
            more_s = len(self.pending) / _PER_PAUSE_S
            try:
                async with asyncio.timeout(min(_MOST_PAUSE_S, self._queue.pause_s + more_s)):
                    await asked.wait()
            except TimeoutError:
                continue

    async def _look(self, asked: asyncio.Event) -> None:
        names, counts, without = list(self.pending), Counter[str](), 0
        for first in range(0, len(names), FEW):
            few = names[first : first + FEW]
            jobs = await latest(self._queue, few)
            without += len(few) - len(jobs)
            counts.update(one.status for one in jobs.values() if not _is_here(one))
            await self._fetch([one for one in jobs.values() if _is_here(one)])
            if asked.is_set():  # what was not looked at may still wait
                break
        self._found.without = without
        self._found.waiting = len(self.pending) - without
        self._found.standing = dict(counts)

    async def _fetch(self, jobs: list[Found]) -> None:
        left = iter(jobs)

        async def fetch() -> None:
            for one in left:
                item = self.pending[one.name]
                result = await self._queue.result(item, one)
                about = (item.line, item.key.hex(), item.name)
                earlier = one.earlier_nanousd
                self._kept.put(written(result, about, plain=item.plain, earlier=earlier))
                self._found.tally.add(f"{self._found.file}, line {item.line}", result)
                del self.pending[one.name]

        async with asyncio.TaskGroup() as group:
            for _ in range(min(_FETCHED_AT_ONCE, len(jobs))):
                group.create_task(fetch())

    def _line(self, total: int) -> str:
        found = self._found
        tally = found.tally
        waits = standing(found.standing)
        saved = sum(tally.saved.values())
        return (
            f"{total - len(self.pending):,} of {total:,} here{f', {waits}' if waits else ''}; "
            f"{format_usd(tally.spent_nanousd, places=4)} spent, "
            f"{format_usd(saved, places=4)} saved"
        )

    def _complain(self, error: ScrimpError) -> None:
        """Once: a gateway that restarts must not end a wait of hours."""
        if not self._told_of:
            self._told_of = True
            note(f"{error} (still waiting)")


def _is_here(found: Found) -> bool:
    """An answer is when it is booked: its cost is known then."""
    return found.over and found.booked
