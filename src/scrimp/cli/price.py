"""`scrimp price`: what a model costs at a time, and what given usage costs, exactly."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import click

from scrimp.cli.options import config_option, examples, given, json_option, load_settings, moment

if TYPE_CHECKING:
    from scrimp.settings import Settings

KINDS = {
    "input": ("input_tokens", "Fresh input tokens (neither cached nor written to the cache)."),
    "cached": ("cache_read_tokens", "Input tokens read from the provider's prefix cache."),
    "cache-write": ("cache_write_5m_tokens", "Input tokens written to it (5 minutes, or any)."),
    "cache-write-1h": ("cache_write_1h_tokens", "Input tokens written to it for an hour."),
    "output": ("output_tokens", "Output tokens without reasoning."),
    "reasoning": ("reasoning_tokens", "Reasoning tokens."),
    "searches": ("web_search_requests", "Web searches."),
}


class PriceOptions(TypedDict, total=False):
    """The options of the command; one more for each of `KINDS`."""

    provider: str | None
    at: str
    tier: str
    config: Path | None
    as_json: bool
    vectors: Path | None
    compare: str | None
    input: int
    cached: int
    cache_write: int
    cache_write_1h: int
    output: int
    reasoning: int
    searches: int
    seconds: float


def _quantities(command: Callable[..., Any]) -> Callable[..., Any]:
    for name, (_, text) in reversed(KINDS.items()):
        kind = click.IntRange(0)
        command = click.option(f"--{name}", type=kind, default=0, metavar="N", help=text)(command)
    return command


@click.command(
    name="price",
    short_help="Show what a model costs.",
    epilog=examples(
        "scrimp price gpt-4o-mini",
        "scrimp price claude-sonnet-4-5 --input 1200 --cached 30000 --output 400",
        "scrimp price gpt-4o --tier batch --at 2026-11-01 --json",
        "scrimp price --compare gpt-4o,gpt-4o-mini prompt.txt --output 500",
        "scrimp price --vectors recorded_bills.json",
    ),
)
@click.argument("model", required=False, metavar="MODEL | FILE")
@click.option("--provider", help="Who sells it [default: who is known for it].")
@_quantities
@click.option(
    "--seconds",
    type=click.FloatRange(0, 86_400),
    default=0,
    metavar="N",
    help="How long the call took, for models that are priced by the second.",
)
@click.option("--tier", default="", metavar="NAME", help="Service tier, such as batch or flex.")
@click.option("--at", default="now", metavar="DATE", help="The price of another day.")
@click.option(
    "--vectors",
    type=Path,
    metavar="FILE",
    help="Price the recorded usage of a file; exit code 1 when a bill is not matched exactly.",
)
@click.option(
    "--compare",
    metavar="MODELS",
    help="What the prompt of FILE (a text, or a request body in JSON) costs with each of them.",
)
@config_option
@json_option
@click.pass_context
def price_command(ctx: click.Context, model: str | None, **options: Unpack[PriceOptions]) -> None:
    """Show what a model costs: the rates in force, their source, and the bill of given usage.

    Every line is exact to the nano-dollar; a price that is not known is an error, never $0. With
    --compare, the argument is a FILE (- is standard input) and --output the tokens expected.
    """
    from scrimp.billing import book_of, sold_as
    from scrimp.calls import Usage
    from scrimp.cli.console import print_json
    from scrimp.cli.price_view import Quote, document, show
    from scrimp.prices.pricing import price_with, resolve
    from scrimp.terms import Terms

    settings = load_settings(options["config"]).settings
    book = book_of(settings)
    if (path := options["vectors"]) is not None:
        from scrimp.cli.price_vectors import show_verdicts, verdicts_of

        missed = show_verdicts(verdicts_of(path, book), book, as_json=options["as_json"])
        ctx.exit(1 if missed else 0)
    if model is None:
        raise click.UsageError("which MODEL? (or --compare MODELS FILE, or --vectors FILE)", ctx)
    if (models := options["compare"]) is not None:
        _compare(models, Path(model), options, settings)
        return
    at = moment(options["at"], datetime.now(UTC))
    name, provider = sold_as(model, options["provider"], settings, book)
    rates = resolve(name, provider, at, book=book, service_tier=options["tier"])
    used = {field: options[kind.replace("-", "_")] for kind, (field, _) in KINDS.items()}  # type: ignore[literal-required]  # names of KINDS
    took_ms = math.ceil(options["seconds"] * 1000)
    usage = Usage(**used, terms=Terms(compute_ms=took_ms) if took_ms else None)
    bill = price_with(usage, rates) if took_ms or any(used.values()) else None
    quote = Quote(rates, at, rates.source, bill)
    if options["as_json"]:
        print_json(document(quote))
    else:
        show(quote)


def _compare(models: str, path: Path, options: PriceOptions, settings: Settings) -> None:
    """One prompt with several models."""
    from scrimp.cli.price_compare import compare, show_comparison
    from scrimp.shell.quoting import Hints

    counted = given(name.replace("-", "_") for name in (*KINDS, "seconds") if name != "output")
    if counted:
        raise click.UsageError(f"--compare counts the file itself: leave out {counted[0]}")
    hints = Hints(
        provider=options["provider"] or "",
        service_tier=options["tier"],
        output_tokens=options["output"] if given(("output",)) else None,
        at=moment(options["at"], datetime.now(UTC)),
    )
    show_comparison(compare(models, path, settings, hints), as_json=options["as_json"])
