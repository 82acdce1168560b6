"""One `scrimp jobs submit`: read all, say what it costs, hand it in, and see it sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from scrimp.cli.agreeing import agree
from scrimp.cli.jobs_answered import Answered
from scrimp.cli.jobs_lines import FEW, Looking, Wanted, look
from scrimp.cli.jobs_place import queue_at
from scrimp.cli.jobs_purse import Worth, check_place, gone_told, left_of, pocket_of, show_gone
from scrimp.cli.jobs_queue import Handed, Here, Named, Queue
from scrimp.cli.jobs_view import (
    HandedIn,
    handed_in_told,
    show_handed_in,
    show_wanted,
    wanted_told,
)
from scrimp.cli.progress import bar
from scrimp.cli.run_cost import Estimator
from scrimp.cli.run_scan import Source
from scrimp.cli.run_view import show_reading
from scrimp.cli.run_words import shown
from scrimp.cli.stopping import Stop
from scrimp.client.lanes import Lanes, Means, reasons
from scrimp.client.wrapping import Labels
from scrimp.errors import InvalidRequest
from scrimp.ledger.waited import BATCH
from scrimp.many.asked import Reading
from scrimp.settings import Loaded, Settings

if TYPE_CHECKING:
    from scrimp.cli.jobs_options import SubmitOptions

_SHOWN = 5
_LOOK_S = 1.0
_PATIENCE_S = 900.0
"""So long a provider may take nothing of what is to be sent."""


async def submit(loaded: Loaded, options: SubmitOptions) -> dict[str, Any]:
    """All of it, as it is told to machines. Raises ScrimpError and what click knows."""
    check_place(options["budget"], options["url"])
    source = Source(
        options["file"],
        Reading(options["model"], options["column"]),
        loaded.settings.server.max_body_bytes,
    )
    labels = Labels(options["user"], options["task"], options["tag"]).headers()
    try:
        async with queue_at(loaded, options["url"], options["max_wait"], labels) as queue:
            answered = await asyncio.to_thread(Answered, options["output"], source)
            looking = _looking(loaded.settings, (queue, answered), options)
            return await _submit(looking, source, options)
    finally:
        source.close()


def _looking(settings: Settings, given: tuple[Queue, Answered], options: SubmitOptions) -> Looking:
    queue, answered = given
    tell = (lambda lines: None) if options["as_json"] else show_reading  # noqa: ARG005 (nobody looks)
    worth = None if options["budget"] is None else Worth(settings)
    retry = options["retry_failed"]
    return Looking(queue, Estimator(settings, BATCH), worth, answered, retry, tell)


async def _submit(looking: Looking, source: Source, options: SubmitOptions) -> dict[str, Any]:
    quiet, queue, budget = options["as_json"], looking.queue, options["budget"]
    wanted = await look(source, options["name"], looking)
    if not wanted.lines:
        raise InvalidRequest(f"{source.name}: holds no calls (one JSON object per line, or a CSV)")
    found = {"file": source.name, **wanted_told(wanted), **gone_told(budget, wanted.gone)}
    if not quiet:
        show_wanted(wanted)
        show_gone(budget, wanted.gone)
    if options["estimate"]:
        return found
    _agree(wanted, options)
    if budget is not None and isinstance(queue, Here):
        queue.purses = (await pocket_of(budget, wanted.gone),)
    work = _Work(queue, source, wanted, options)
    handed_in = await work.through()
    if not quiet:
        show_handed_in(handed_in, wanted, options)
    return found | handed_in_told(handed_in, wanted)


def _agree(wanted: Wanted, options: SubmitOptions) -> None:
    """Ask before much is spent. Raises click.UsageError and click.Abort."""
    if not wanted.new:
        return
    money, priced = wanted.forecast.expected_nanousd, not wanted.forecast.unpriced
    if options["budget"] is not None:
        money = min(money, left_of(options["budget"], wanted.gone))
    agree(money, options["ask_above"], priced=priced, yes=options["yes"])


class _Work:
    """Hands the lines in, then waits until those that wait here are sent."""

    def __init__(
        self, queue: Queue, source: Source, wanted: Wanted, options: SubmitOptions
    ) -> None:
        self._queue = queue
        self._source = source
        self._wanted = wanted
        self._options = options
        self._going = list(wanted.going)
        self._found = HandedIn()
        self._show: Callable[[], None] = lambda: None

    async def through(self) -> HandedIn:
        """All of it; Ctrl-C leaves what was handed in where it is."""
        queue = self._queue
        lanes = Lanes(Means(queue.put, self._keep, queue.clock, _nothing, queue.at_once))
        asked = asyncio.Event()

        def stopping() -> None:
            lanes.stop()
            asked.set()

        def line() -> str:
            return f"{found.jobs:,} of {total:,} handed in"

        found, total = self._found, self._wanted.new
        quiet = self._options["as_json"]
        with Stop(stopping) as stop:
            with bar(total, line(), quiet=quiet) as show:
                self._show = lambda: show(found.jobs, line)
                unasked = await lanes.run(self._wanted.names(self._source, self._options["name"]))
            found.not_handed_in = total - found.jobs - found.refused
            found.reasons = [*reasons(unasked), *([unasked.no_room] if unasked.no_room else [])]
            if not asked.is_set():
                await self._sent(asked, quiet=quiet)
        if stop.asked:
            found.ended = "interrupted"
        elif found.not_handed_in:
            found.ended = "budget" if unasked.no_room else "unavailable"
        elif found.unsent:
            found.ended = "unsent"
        elif found.refused or self._wanted.bad:
            found.ended = "refused"
        return found

    def _keep(self, named: Named, handed: Handed) -> None:
        found = self._found
        if handed.id:
            found.jobs += 1
            self._going.append(named.name)
        else:
            found.refused += 1
            if len(found.wrong) < _SHOWN:
                where = f"{self._wanted.file}, line {named.item.line}"
                found.wrong.append(shown(f"{where}: {handed.why}"))
        self._show()

    async def _sent(self, asked: asyncio.Event, *, quiet: bool) -> None:
        """Wait until the providers have all of it."""
        left = await self._unsent(self._going)
        total, clock = len(left), self._queue.clock
        changed_s = clock.monotonic()

        def line() -> str:
            return f"{total - len(left):,} of {total:,} sent"

        with bar(total, line(), quiet=quiet) as show:
            while left and not asked.is_set() and clock.monotonic() - changed_s < _PATIENCE_S:
                await _pause(asked, _LOOK_S)
                before, left = len(left), await self._unsent(left)
                if len(left) < before:
                    changed_s = clock.monotonic()
                show(total - len(left), line)
        self._found.unsent = len(left)

    async def _unsent(self, names: Sequence[str]) -> list[str]:
        left: list[str] = []
        for first in range(0, len(names), FEW):
            found = await self._queue.named(names[first : first + FEW])
            left += sorted(await self._queue.unsent(list(found.values())))
        return left


async def _nothing() -> None:
    """Nobody has to be waited for."""


async def _pause(asked: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await asked.wait()
    except TimeoutError:
        return
