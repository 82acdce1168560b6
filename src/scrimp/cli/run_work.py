"""One run of `scrimp run`: look at all of it, say what it costs, ask, and put OUT in order."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import replace

from scrimp.app import App, open_app
from scrimp.calls import Call
from scrimp.cli.run_cost import Estimator
from scrimp.cli.run_file import Kept
from scrimp.cli.run_purse import budget_of
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
from scrimp.client.calling import Way
from scrimp.client.lanes import Lanes, Means, reasons
from scrimp.client.mapping import unreadable
from scrimp.client.wrapping import Labels
from scrimp.errors import ConfigError, InvalidRequest
from scrimp.many.asked import Item, Reading
from scrimp.many.results import Result, written
from scrimp.money import format_usd, parse_usd
from scrimp.settings import Loaded
from scrimp.shell.intake import Intake

if TYPE_CHECKING:
    from scrimp.cli.run_options import RunOptions


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
        async with open_app(loaded) as app:
            return await _work(app, source, options, kept)
    finally:
        source.close()


async def _work(
    app: App, source: Source, options: RunOptions, kept: Kept | None
) -> tuple[dict[str, Any], Ended | None]:
    labels = Labels(options["user"], options["task"], options["tag"]).headers()
    way = Way(app, Intake(app, tenant_secret=b""), labels, lambda call: call)
    quiet = options["as_json"]
    tell = (lambda lines: None) if quiet else show_reading  # noqa: ARG005 (nobody looks)
    scanner = Scanner(source, kept, Estimator(app.settings), way.check, tell)
    scan = await _scanned(scanner, options)
    if not scan.lines:
        raise InvalidRequest(f"{source.name}: holds no calls (one JSON object per line, or a CSV)")
    if not options["as_json"]:
        show_forecast(scan, kept)
    if options["estimate"] or kept is None:
        return {"file": source.name, **forecast_document(scan)}, None
    spent = kept.spent_nanousd
    if options["budget"] is None:
        pay = way.pay
    else:
        _check_priced(scan)
        pocket = await budget_of(options["budget"], kept)

        def pay(call: Call) -> Call:
            return replace(call, caller=replace(call.caller, purses=(pocket,)))

    _agree(scan, options, spent)
    run = _Run(source, scan, kept, Tally())
    ended = await run.through(Way(app, way.intake, labels, pay, run), options)
    await app.outbox.drained()
    kept.finish()
    why = reasons(ended.unasked)
    if not options["as_json"]:
        show(ended, why, kept.out)
    return document(ended, why, (source.name, str(kept.out))), ended


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

    async def through(self, way: Way, options: RunOptions) -> Ended:
        """Ask all that is to be asked."""
        means = Means(way, self.keep, way.app.clock, way.app.outbox.drained, options["concurrency"])
        lanes = Lanes(means)
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
    if money <= parse_usd(options["ask_above"]) and not found.unpriced:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(
            f"this spends money, about {format_usd(money, places=4)}: say --yes, or look first "
            "with --estimate"
        )
    click.confirm("Go on?", abort=True, err=True)
