"""One run of `scrimp run`: look at all of it, say what it costs, ask, and put OUT in order."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import replace

from scrimp.app import open_app, system_clock
from scrimp.calls import Call
from scrimp.cli.agreeing import agree
from scrimp.cli.run_cost import Estimator
from scrimp.cli.run_file import Kept
from scrimp.cli.run_purse import budget_of
from scrimp.cli.run_remote import Remote, root_of, session
from scrimp.cli.run_scan import BAD, Scan, Scanner, Source
from scrimp.cli.run_view import (
    Ended,
    Tally,
    Tell,
    document,
    forecast_document,
    progress,
    show,
    show_forecast,
    show_reading,
)
from scrimp.cli.stopping import Stop
from scrimp.client.calling import Book, Way
from scrimp.client.lanes import Lanes, Means, Turn, reasons
from scrimp.client.mapping import unreadable
from scrimp.client.wrapping import Labels
from scrimp.errors import ConfigError, InvalidRequest
from scrimp.many.asked import Item, Reading
from scrimp.many.results import Result, written
from scrimp.money import parse_usd
from scrimp.ports import Clock
from scrimp.settings import Loaded, Settings
from scrimp.shell.intake import Intake

if TYPE_CHECKING:
    from scrimp.cli.run_options import RunOptions


Ask = Callable[[Item], Awaitable[Turn[Result]]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where calls are made: an engine of this process, or a gateway elsewhere.

    `check` raises Rejected for what cannot be asked, `asking` is given who writes down what is
    begun and who pays.
    """

    clock: Clock
    check: Callable[[Item], None]
    asking: Callable[[Book, Callable[[Call], Call]], Ask]
    settled: Callable[[], Awaitable[None]]


async def work(
    loaded: Loaded, options: RunOptions, kept: Kept | None
) -> tuple[dict[str, Any], Ended | None]:
    """All of it; without a `kept` only the estimate. Raises ScrimpError and what click knows."""
    source = Source(
        options["file"],
        Reading(options["model"], options["column"]),
        loaded.settings.server.max_body_bytes,
    )
    try:
        async with _place(loaded, options) as place:
            return await _work(place, loaded.settings, source, options, kept)
    finally:
        source.close()


@asynccontextmanager
async def _place(loaded: Loaded, options: RunOptions) -> AsyncIterator[Place]:
    labels = Labels(options["user"], options["task"], options["tag"]).headers()
    if options["url"]:
        if options["budget"] is not None:
            raise click.UsageError(
                "--budget holds in an engine of this process: with --url set it at the gateway "
                "(scrimp budget set)"
            )
        url, clock = root_of(options["url"]), system_clock()
        async with session() as open_session:

            def there(book: Book, _: Callable[[Call], Call]) -> Ask:
                return Remote(open_session, url, labels, clock, book)

            yield Place(clock, lambda item: None, there, _nothing)  # noqa: ARG005 (it says itself)
        return
    async with open_app(loaded) as app:
        intake = Intake(app, tenant_secret=b"")

        def here(book: Book, pay: Callable[[Call], Call]) -> Ask:
            return Way(app, intake, labels, pay, book)

        check = Way(app, intake, labels, lambda call: call).check
        yield Place(app.clock, check, here, app.outbox.drained)


async def _nothing() -> None:
    """Nobody has to be waited for."""


async def _work(
    place: Place, settings: Settings, source: Source, options: RunOptions, kept: Kept | None
) -> tuple[dict[str, Any], Ended | None]:
    quiet = options["as_json"]
    tell = (lambda lines: None) if quiet else show_reading  # noqa: ARG005 (nobody looks)
    scanner = Scanner(source, kept, Estimator(settings), place.check, tell)
    scan = await _scanned(scanner, options)
    if not scan.lines:
        raise InvalidRequest(f"{source.name}: holds no calls (one JSON object per line, or a CSV)")
    if not quiet:
        show_forecast(scan, kept)
    if options["estimate"] or kept is None:
        return {"file": source.name, **forecast_document(scan)}, None
    pay = await _payer(scan, options, kept)
    _agree(scan, options, kept.spent_nanousd)
    run = _Run(source, scan, kept, Tally())
    ended = await run.through(place, place.asking(run, pay), options)
    await place.settled()
    kept.finish()
    why = reasons(ended.unasked)
    if not quiet:
        show(ended, why, kept.out)
    return document(ended, why, (source.name, str(kept.out))), ended


async def _payer(scan: Scan, options: RunOptions, kept: Kept) -> Callable[[Call], Call]:
    """The same call with the budget of the run to pay for it, if there is one."""
    if options["budget"] is None:
        return lambda call: call
    _check_priced(scan)
    pocket = await budget_of(options["budget"], kept)

    def pay(call: Call) -> Call:
        return replace(call, caller=replace(call.caller, purses=(pocket,)))

    return pay


async def _scanned(scanner: Scanner, options: RunOptions) -> Scan:
    """In a thread, which ends soon when nobody waits any more."""
    retry, forget = options["retry_failed"], options["forget"]
    try:
        return await asyncio.to_thread(scanner.run, retry_failed=retry, forget=forget)
    except asyncio.CancelledError:
        scanner.stop()
        raise


@dataclass(slots=True)
class _Run:
    """Implements `Book`: what is begun and what came of it goes to the journal."""

    source: Source
    scan: Scan
    kept: Kept
    tally: Tally
    tell: Tell = lambda tally: None  # noqa: ARG005 (until somebody looks)

    def begun(self, item: Item, call_id: str) -> None:
        """A call is about to be made."""
        self.kept.begun(item.line, call_id)

    def put_off(self, item: Item, call_id: str, high_nanousd: int | None) -> None:
        """It was pushed back, and will be another call."""
        self.kept.put_off(item.line, call_id, high_nanousd)
        self.tally.spent_nanousd += high_nanousd or 0

    def most_of(self, call_id: str) -> int | None:
        """What a call may have cost, by what a budget has held for it."""
        return self.kept.most_of(call_id)

    def keep(self, item: Item, result: Result) -> None:
        """A result. Raises OSError."""
        self._put(item.line, (item.key.hex(), item.name), result, plain=item.plain)

    async def through(self, place: Place, ask: Ask, options: RunOptions) -> Ended:
        """Ask all that is to be asked."""
        most = options["concurrency"]
        lanes = Lanes(Means(ask, self.keep, place.clock, place.settled, most))
        in_air_before = self.kept.in_air
        total = self.scan.to_ask + self.scan.bad

        def stopping() -> None:
            lanes.stop()
            sys.stderr.write("\nWaiting for what is in the air (Ctrl-C again ends it at once).\n")

        with (
            progress(total, lambda: lanes.at_once, quiet=options["as_json"]) as self.tell,
            Stop(stopping) as stop,
        ):
            unasked = await lanes.run(self._items())
        not_asked = total - self.tally.done
        why = "provider" if not_asked else "done"
        why = "budget" if unasked.no_room else why
        why = "interrupted" if stop.asked and not_asked else why
        return Ended(
            why,
            self.scan,
            self.tally,
            unasked,
            not_asked,
            in_air_before,
            lanes.pushed_back,
            self.kept.spent_nanousd,
        )

    def _items(self) -> Iterator[Item]:
        """What is to be asked; the failure of what cannot be is written down on the way."""
        for line, found in self.source.items(self.scan.want):
            if isinstance(found, Item):
                yield found
            else:
                self._put(line, ("", ""), unreadable(found))

    def _put(
        self, line: int, about: tuple[str, str], result: Result, *, plain: bool = False
    ) -> None:
        earlier = self.kept.earlier(line)
        self.kept.put(written(result, (line, *about), plain=plain, earlier=earlier))
        told = line < len(self.scan.wanted) and self.scan.wanted[line] == BAD
        self.tally.add("" if told else f"{self.source.name}, line {line}", result)
        self.tell(self.tally)


def _check_priced(scan: Scan) -> None:
    if unpriced := scan.forecast.unpriced:
        raise ConfigError(
            f"no price is known for {', '.join(unpriced[:5])}, so --budget cannot hold "
            "(scrimp prices set, or run without it)"
        )


def _agree(scan: Scan, options: RunOptions, spent: int) -> None:
    """Ask before much is spent. Raises click.UsageError and click.Abort."""
    if options["yes"] or not scan.to_ask:
        return
    found = scan.forecast
    money = found.expected_nanousd
    if options["budget"] is not None:
        money = min(money, max(0, parse_usd(options["budget"]) - spent))
    agree(money, options["ask_above"], priced=not found.unpriced, yes=False)
