"""`scrimp reprice`: what a period would cost at other prices, and adding that to the books."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

from scrimp.cli.options import config_option, examples, json_option, load_settings, moment

if TYPE_CHECKING:
    from scrimp.ledger.adjustment import Period
    from scrimp.ledger.reprice import Tally
    from scrimp.prices import PriceBook
    from scrimp.repricing import Books
    from scrimp.settings import Settings

_WHOLE_DAYS = ("today", "yesterday")


class RepriceOptions(TypedDict):
    """The options of the command."""

    since: str
    until: str
    book: Path | None
    current: bool
    model: str
    apply: bool
    config: Path | None
    as_json: bool


@click.command(
    name="reprice",
    short_help="Show what past calls cost at other prices.",
    epilog=examples(
        "scrimp reprice --from 2026-11-01 --to 2026-11-30",
        "scrimp reprice --from 7d --model gpt-4o",
        "scrimp reprice --from 2026-11-01 --to 2026-11-30 --book next/book.json",
        "scrimp reprice --from 2026-11-01 --to 2026-11-30 --apply",
    ),
)
@click.option(
    "--from",
    "since",
    required=True,
    metavar="TIME",
    help="First day or time: 2026-11-01, yesterday, 7d or an ISO time (UTC).",
)
@click.option(
    "--to",
    "until",
    default="now",
    show_default=True,
    metavar="TIME",
    help="Last day (it is part of the period), or the time before which it ends.",
)
@click.option("--book", type=Path, metavar="FILE", help="Prices of this book (book.json).")
@click.option("--current", is_flag=True, help="Prices of the book in use [default].")
@click.option("--model", default="", metavar="MODEL", help="Calls of this model only.")
@click.option("--apply", is_flag=True, help="Add adjusting entries to the ledger.")
@config_option
@json_option
def reprice_command(**options: Unpack[RepriceOptions]) -> None:
    """Show what past calls cost at other prices, and, when asked, add that to the books.

    Every call is priced by what it used, at the prices of its own time. Without --apply nothing is
    written. With it, the ledger gets an adjusting entry for each call whose amounts differ: what
    was booked is never changed, and doing it twice adds nothing. Your own prices ([prices] in
    scrimp.toml) hold over any book. A gateway may be running.
    """
    from scrimp.app import open_ledger_adjuster
    from scrimp.cli.console import print_json
    from scrimp.cli.reprice_view import document, show
    from scrimp.errors import StoreError

    if options["book"] is not None and options["current"]:
        raise click.UsageError("--book FILE or --current, not both")
    settings = load_settings(options["config"]).settings
    period = _period(options, datetime.now(UTC))
    book = _book(settings, options["book"])
    if not settings.ledger_path.exists():
        msg = f"there is no ledger at {settings.ledger_path} (it is made by the first scrimp serve)"
        raise StoreError(msg)
    tally = _run(open_ledger_adjuster(settings), period, book, settings, apply=options["apply"])
    if options["as_json"]:
        print_json(document(tally, period, book, applied=options["apply"]))
    else:
        show(tally, period, book, applied=options["apply"])


def _period(options: RepriceOptions, now: datetime) -> Period:
    """Raises click's error with both times when nothing can lie between them."""
    from scrimp.ledger.adjustment import Period

    since, until = moment(options["since"], now), moment(options["until"], now)
    if _is_day(options["until"]):
        until += timedelta(days=1)
    if since >= until:
        told = f"--from {since:%Y-%m-%d %H:%M} is not before --to {until:%Y-%m-%d %H:%M} (UTC)"
        raise click.UsageError(told)
    return Period(since, until, options["model"])


def _is_day(text: str) -> bool:
    if text.lower() in _WHOLE_DAYS:
        return True
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return "T" not in text and " " not in text


def _book(settings: Settings, named: Path | None) -> PriceBook:
    """The book that was named, or the one in use, with the user's own prices over it."""
    from scrimp.billing import book_of
    from scrimp.prices.book import read_book

    if named is None:
        return book_of(settings)
    return book_of(settings, read_book(named.read_bytes(), source=str(named)))


def _run(
    books: Books, period: Period, book: PriceBook, settings: Settings, *, apply: bool
) -> Tally:
    """Look at the whole period; a terminal shows how far it is."""
    from rich.console import Console

    from scrimp.repricing import BookPrices, reprice_period

    prices, at = BookPrices(book, settings), datetime.now(UTC)
    with Console(stderr=True).status("Looking at the calls") as status:
        tally = reprice_period(
            books,
            period,
            prices,
            at=at,
            apply=apply,
            watch=lambda calls: status.update(f"{calls:,} calls"),
        )
    if not tally.total.calls:
        raise click.ClickException(_nothing(books, period))
    return tally


def _nothing(books: Books, period: Period) -> str:
    of = f" of {period.model}" if period.model else ""
    told = f"no calls{of} from {period.since:%Y-%m-%d %H:%M} to {period.until:%Y-%m-%d %H:%M} UTC"
    span = books.span()
    if span is None:
        return f"{told}: the ledger is empty"
    first, last = span
    return f"{told} (the ledger has calls from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M})"
