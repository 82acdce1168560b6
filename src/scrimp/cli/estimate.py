"""`scrimp estimate`: what a plan will cost in a month, before it is launched."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import click

from scrimp.cli.options import config_option, examples, given, json_option, load_settings
from scrimp.prices.forecast import Plan, Workload

if TYPE_CHECKING:
    from scrimp.cli.estimate_view import Basis
    from scrimp.settings import Settings

_MEASURED_DAYS = 30
_OF_A_MONTH = (
    *("users", "queries", "tokens", "input_share", "days", "input_price", "output_price"),
    *("hit_rate", "cheap_share", "cheap_discount", "from_ledger"),
)

_ASSUMED = ("users", "queries", "tokens", "input_share", "model", "input_price", "output_price")


class EstimateOptions(TypedDict):
    """The arguments of the command."""

    file: Path | None
    output: int | None
    tier: str
    provider: str | None
    users: int | None
    queries: Fraction | None
    tokens: int | None
    input_share: Fraction
    days: int
    model: str | None
    input_price: Fraction | None
    output_price: Fraction | None
    hit_rate: Fraction | None
    cheap_share: Fraction
    cheap_discount: Fraction
    from_ledger: bool
    config: Path | None
    as_json: bool


class _Number(click.ParamType[Fraction]):
    """A plain decimal number that is not negative, kept exact."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Fractions of decimals have no rounding."""
        if isinstance(value, Fraction):
            return value
        text = str(value).strip().removeprefix("$")
        if not text.replace(".", "", 1).isdecimal() or not text.isascii():
            self.fail(f"{value!r} is not a number of 0 or more (like 0.4 or 2.50)", param, ctx)
        return Fraction(text)


_NUMBER = _Number()
_COUNT = click.IntRange(0)


@click.command(
    name="estimate",
    short_help="Say what a plan will cost in a month.",
    epilog=examples(
        "scrimp estimate --users 10000 --queries 5 --tokens 1500 --model gpt-4o",
        "scrimp estimate --users 10000 --queries 5 --tokens 1500 --input-price 2.5 "
        "--output-price 10 --hit-rate 0.4 --cheap-share 0.5 --cheap-discount 0.94",
        "scrimp estimate --from-ledger --cheap-share 0.5 --cheap-discount 0.94",
        "scrimp estimate call.json --output 500",
    ),
)
@click.argument("file", type=Path, required=False)
@click.option("--users", type=_COUNT, metavar="N", help="How many users.")
@click.option("--queries", type=_NUMBER, metavar="N", help="Queries of each user in a day.")
@click.option("--tokens", type=_COUNT, metavar="N", help="Tokens of a query, in and out together.")
@click.option(
    "--input-share", type=_NUMBER, default="0.6", show_default=True, help="Input's share of them."
)
@click.option("--days", type=_COUNT, default=30, show_default=True, help="Days of the month.")
@click.option("--model", help="Take this model's prices of today.")
@click.option("--input-price", type=_NUMBER, metavar="USD", help="Dollars per 1M input tokens.")
@click.option("--output-price", type=_NUMBER, metavar="USD", help="Dollars per 1M output tokens.")
@click.option(
    "--hit-rate",
    type=_NUMBER,
    metavar="SHARE",
    help="Share of calls that a cache answers [default: 0, or what was measured].",
)
@click.option(
    "--cheap-share",
    type=_NUMBER,
    default="0",
    metavar="SHARE",
    help="Share of the rest that a cheaper model serves.",
)
@click.option(
    "--cheap-discount",
    type=_NUMBER,
    default="0",
    metavar="SHARE",
    help="How much cheaper that model is.",
)
@click.option(
    "--from-ledger", is_flag=True, help="Start from the calls, prices and hits of 30 days past."
)
@click.option("--output", type=_COUNT, metavar="N", help="Of FILE: tokens that it will write.")
@click.option("--tier", default="", metavar="NAME", help="Of FILE: service tier, such as batch.")
@click.option("--provider", metavar="NAME", help="Of FILE: who serves it.")
@config_option
@json_option
def estimate_command(**options: Unpack[EstimateOptions]) -> None:
    """Say what a plan will cost in a month, and what caching and a cheaper model would save.

    Shares are between 0 and 1. Nothing is guessed: prices come from --model, from --input-price and
    --output-price, or with --from-ledger from what your calls have cost.

    With a FILE (the JSON body of one call; - is standard input): what that call will cost,
    expected, at least and at most.
    """
    from scrimp.cli.console import print_json
    from scrimp.cli.estimate_view import document, show

    settings = load_settings(options["config"]).settings
    if options["file"] is not None:
        _one_call(options["file"], options, settings)
        return
    if extra := given(("output", "tier", "provider")):
        raise click.UsageError(f"{extra[0]} is for the call of a FILE, and none was named")
    try:
        basis = (
            _measured(options, settings) if options["from_ledger"] else _planned(options, settings)
        )
        hit_rate = options["hit_rate"]
        plan = Plan(
            basis.hit_rate if hit_rate is None else hit_rate,
            options["cheap_share"],
            options["cheap_discount"],
        )
        if options["as_json"]:
            print_json(document(basis, plan))
        else:
            show(basis, plan)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _one_call(path: Path, options: EstimateOptions, settings: Settings) -> None:
    """What the call of a file will cost. Raises click.UsageError for options of a month."""
    from scrimp.cli.estimate_call import show_call
    from scrimp.shell.quoting import Hints

    if extra := given(_OF_A_MONTH):
        raise click.UsageError(f"{extra[0]} is for a month; a FILE is one call")
    hints = Hints(
        output_tokens=options["output"],
        service_tier=options["tier"],
        provider=options["provider"] or "",
    )
    show_call(path, settings, hints, options["model"] or "", as_json=options["as_json"])


def _planned(options: EstimateOptions, settings: Settings) -> Basis:
    """A workload that somebody has in mind. Raises click.UsageError for what is missing."""
    from scrimp.cli.estimate_view import Basis
    from scrimp.prices.forecast import baseline_nanousd

    users, queries, tokens = options["users"], options["queries"], options["tokens"]
    if users is None or queries is None or tokens is None:
        named = (("--users", users), ("--queries", queries), ("--tokens", tokens))
        missing = ", ".join(name for name, value in named if value is None)
        raise click.UsageError(f"{missing} missing (or say --from-ledger)")
    load = Workload(users, queries, tokens, options["input_share"], options["days"])
    input_pico, output_pico, source = _prices(options, settings)
    return Basis(baseline_nanousd(load, input_pico, output_pico), source, load.days, load=load)


def _prices(options: EstimateOptions, settings: Settings) -> tuple[int, int, str]:
    """Pico-dollars per input and output token, and where they come from."""
    stated = (options["input_price"], options["output_price"])
    if options["model"] is not None:
        if stated != (None, None):
            raise click.UsageError("--model, or --input-price and --output-price, not both")
        return _prices_of(options["model"], settings)
    if stated[0] is None or stated[1] is None:
        raise click.UsageError("prices missing (--model, or --input-price and --output-price)")
    picos = [price * 1_000_000 for price in stated if price is not None]
    if any(pico.denominator != 1 for pico in picos):
        raise click.UsageError("a price has at most six decimals per 1M tokens")
    return int(picos[0]), int(picos[1]), "the prices given"


def _prices_of(model: str, settings: Settings) -> tuple[int, int, str]:
    from scrimp.billing import book_of, sold_as
    from scrimp.errors import PriceUnknown
    from scrimp.prices.pricing import explain

    book = book_of(settings)
    name, provider = sold_as(model, None, settings, book)
    rates = dict(explain(name, provider, datetime.now(UTC), book))
    if "input" not in rates or "output" not in rates:
        raise PriceUnknown(f"model {name!r} of {provider} has no price for input and output tokens")
    return rates["input"], rates["output"], f"{name} of {provider} today ({book.version})"


def _measured(options: EstimateOptions, settings: Settings) -> Basis:
    """The last 30 days of the ledger, stretched to the days asked for."""
    from scrimp.app import open_ledger_reader
    from scrimp.cli.console import short_path
    from scrimp.cli.estimate_view import Basis

    if extra := given(_ASSUMED):
        raise click.UsageError(f"--from-ledger measures what {', '.join(extra)} would assume")
    now = datetime.now(UTC)
    reader = open_ledger_reader(settings)
    report = reader.report(now - timedelta(days=_MEASURED_DAYS), now, "day")
    total, days = report.total, len(report.rows)
    if not total.calls:
        where = short_path(settings.ledger_path)
        raise click.UsageError(f"no calls in the last {_MEASURED_DAYS} days in {where}")
    per_month = Fraction(options["days"], days)
    source = (
        f"{total.calls:,} calls on {days} days with calls, in the ledger "
        f"({total.input_tokens:,} input and {total.output_tokens:,} output tokens paid for)"
    )
    return Basis(
        -(-total.baseline_nanousd * per_month.numerator // per_month.denominator),
        source,
        options["days"],
        hit_rate=Fraction(total.hits, total.calls),
        unpriced_calls=total.unpriced_calls,
    )
