"""`scrimp reconcile`: the ledger beside the provider's own usage and cost exports."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import click

from scrimp.cli.options import config_option, examples, json_option, load_settings, moment

if TYPE_CHECKING:
    from scrimp.reconcile.bill import Bill
    from scrimp.reconcile.compare import Tolerance
    from scrimp.reconcile.names import Names
    from scrimp.reconcile.result import Ledger, Reconciliation
    from scrimp.reconcile.words import Vendor
    from scrimp.settings import Settings

_MARGIN = timedelta(days=1)  # days of another time zone, and attempts after their call's begin
_ALWAYS = (datetime(2015, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))


class ReconcileOptions(TypedDict):
    """The options of the command."""

    provider: str | None
    since: str | None
    until: str | None
    tolerance: Tolerance
    differences: bool
    config: Path | None
    as_json: bool


class _Tolerance(click.ParamType["Tolerance"]):
    """Dollars (`0.01`) or a share of the bill (`0.5%`)."""

    name = "tolerance"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Kept exact."""
        from scrimp.money import parse_usd
        from scrimp.reconcile.compare import Tolerance

        if isinstance(value, Tolerance):
            return value
        text = str(value).strip()
        number = text.removesuffix("%")
        try:
            if number == text:
                found = Tolerance(nanousd=parse_usd(text))
            else:
                found = Tolerance(share=Fraction(parse_usd(number), 100 * 10**9))
        except ValueError:
            self.fail(f"{value!r} is neither dollars (0.01) nor a share (0.5%)", param, ctx)
        if found.nanousd < 0 or found.share < 0:
            self.fail(f"{value!r} is less than nothing", param, ctx)
        return found


@click.command(
    name="reconcile",
    short_help="Compare the ledger with a provider's bill.",
    epilog=examples(
        "scrimp reconcile costs.json usage.json",
        "scrimp reconcile claude_api_tokens_2026_11.csv --differences",
        "scrimp reconcile cost_2026-11.csv --from 2026-11-01 --to 2026-12-01 --tolerance 0.1%",
        "scrimp reconcile eu.json --provider openai-eu --json",
    ),
)
@click.argument("files", nargs=-1, required=True, type=Path, metavar="FILE...")
@click.option(
    "--provider",
    metavar="NAME",
    help="openai, anthropic, or a provider of scrimp.toml: compare its calls alone.",
)
@click.option("--from", "since", metavar="DAY", help="Begin later than the export does (UTC).")
@click.option("--to", "until", metavar="DAY", help="End before this day (UTC).")
@click.option(
    "--tolerance",
    type=_Tolerance(),
    default="0",
    show_default=True,
    metavar="USD|%",
    help="How far a row may be apart: dollars, or a share of what is billed.",
)
@click.option("--differences", is_flag=True, help="Leave out rows that are equal.")
@config_option
@json_option
@click.pass_context
def reconcile_command(
    ctx: click.Context, files: tuple[Path, ...], **options: Unpack[ReconcileOptions]
) -> None:
    """Lay the ledger beside a provider's own usage and cost exports, by UTC day and model.

    FILEs are answers of OpenAI's usage and costs APIs or of Anthropic's usage and cost reports
    (JSON), or exports of their dashboards (CSV); what they are is found out. Exit code 0 when every
    row agrees, 1 when one does not, 2 when a file cannot be read.
    """
    from scrimp.billing import book_of
    from scrimp.cli.console import note, print_json
    from scrimp.cli.reconcile_view import show, waiting
    from scrimp.reconcile.names import Names
    from scrimp.reconcile.result import reconcile, to_json

    settings = load_settings(options["config"]).settings
    vendors = _vendors(settings, options["provider"])
    book = book_of(settings)
    names = Names(book)
    period = _period(options["since"], options["until"])
    with waiting("reading the exports"):
        bills = _bills(files, names, set(vendors.values()), options["provider"])
    if not bills:
        raise click.UsageError("the exports hold no rows")
    with waiting("reading the ledger"):
        ledger = _ledger(settings, names, vendors, _widest(bills, period))
        found = [reconcile(bill, ledger, period, book, options["tolerance"]) for bill in bills]
    for line in _remarks(found):
        note(line)
    if options["as_json"]:
        print_json(to_json(found))
    else:
        show(found, only_differences=options["differences"])
    ctx.exit(0 if all(one.reconciled for one in found) else 1)


def _vendors(settings: Settings, asked: str | None) -> dict[str, Vendor]:
    """Whose bill each configured provider is on. Raises click.UsageError for one that has none."""
    from scrimp.billing import price_names
    from scrimp.reconcile.words import VENDORS

    priced_as = price_names(settings)
    known = VENDORS | {name: VENDORS[one] for name, one in priced_as.items() if one in VENDORS}
    if asked is None:
        return known
    if asked not in known:
        listed = ", ".join(sorted(known))
        raise click.UsageError(f"--provider {asked!r} is not one of {listed}")
    if asked in ("openai", "anthropic"):
        return {name: vendor for name, vendor in known.items() if vendor == asked}
    return {asked: known[asked]}


def _period(since: str | None, until: str | None) -> tuple[datetime, datetime]:
    now = datetime.now(UTC)
    first = _ALWAYS[0] if since is None else moment(since, now)
    end = _ALWAYS[1] if until is None else moment(until, now)
    if end <= first:
        raise click.UsageError(f"--from {since} is not before --to {until}")
    return first, end


def _bills(
    files: tuple[Path, ...], names: Names, wanted: set[Vendor], provider: str | None
) -> tuple[Bill, ...]:
    """All exports together. Raises ConfigError for a file that cannot be read."""
    from scrimp.cli.reconcile_files import rows_of
    from scrimp.errors import ConfigError
    from scrimp.reconcile.bill import Gathering

    gathering = Gathering(names)
    for path in files:
        for found in rows_of(path):
            if found.shape.vendor not in wanted:
                said = f"{path.name} is the {found.shape.name}"
                raise ConfigError(f"{said}, and --provider says {provider}")
            gathering.add(found, path.name)
    return gathering.bills()


def _widest(
    bills: tuple[Bill, ...], period: tuple[datetime, datetime]
) -> tuple[datetime, datetime]:
    since = max(period[0], min(bill.since for bill in bills))
    until = min(period[1], max(bill.until for bill in bills))
    if until <= since:
        covered = min(bill.since for bill in bills), max(bill.until for bill in bills)
        days = " to ".join(f"{at:%Y-%m-%d}" for at in covered)
        raise click.UsageError(f"the exports cover {days} (UTC), which --from and --to leave out")
    return since - _MARGIN, until + _MARGIN


def _ledger(
    settings: Settings, names: Names, vendors: dict[str, Vendor], period: tuple[datetime, datetime]
) -> Ledger:
    """What was booked in a period. Raises StoreError."""
    from scrimp.app import open_ledger_reader
    from scrimp.cli.console import note, short_path
    from scrimp.reconcile.books import Books
    from scrimp.reconcile.result import Ledger

    books = Books(names, vendors)
    if not settings.ledger_path.exists():
        note(f"no calls yet: there is no ledger at {short_path(settings.ledger_path)}")
        return Ledger({}, None)
    reader = open_ledger_reader(settings).attempts
    for attempts in reader.between(*period):
        books.add(attempts)
    return Ledger(books.sums(), reader.first())


def _remarks(found: list[Reconciliation]) -> list[str]:
    """What a reader of the tables should know first."""
    lines = []
    for one in found:
        lines += [
            f"{source}: the provider has further pages; ask for the next one too"
            for source in one.bill.unfinished
        ]
        if times := one.bill.twice:
            rows = "1 row stands" if times == 1 else f"{times:,} rows stand"
            lines.append(
                f"{one.vendor}: {rows} twice in what was given, and what stands twice counts twice "
                "(the same file or page again?)"
            )
    return lines
