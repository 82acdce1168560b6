"""`scrimp prices`: what the book knows of a model, prices of one's own, two books, newer ones."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import click

from scrimp.cli.options import config_option, examples, json_option, load_settings
from scrimp.cli.prices_update import update_command


@click.group(
    name="prices",
    short_help="Show, set, compare and update prices.",
    epilog=examples(
        "scrimp prices show claude-opus-4-8",
        "scrimp prices set house-model input=0.10 output=0.40",
        "scrimp prices diff older/book.json",
        "scrimp prices update --dry-run",
    ),
)
def prices_command() -> None:
    """Show, set, compare and update prices. What usage costs is `scrimp price`."""


@prices_command.command(
    name="show",
    short_help="Show all that the book knows of a model.",
    epilog=examples("scrimp prices show deepseek-v4-pro", "scrimp prices show gpt-5.4 --json"),
)
@click.argument("model")
@click.option("--provider", help="Who sells it [default: who is known for it].")
@config_option
@json_option
def show_command(model: str, provider: str | None, config: Path | None, *, as_json: bool) -> None:
    """Show every dated price of a model, its tiers, fees and limits, each with its source."""
    from scrimp.billing import book_of, sold_as
    from scrimp.cli.console import print_json
    from scrimp.cli.prices_view import model_document, show_model

    settings = load_settings(config).settings
    book = book_of(settings)
    name, seller = sold_as(model, provider, settings, book)
    document = model_document(name, seller, book)
    if as_json:
        print_json(document)
    else:
        show_model(document)


@prices_command.command(
    name="set",
    short_help="Write a price into scrimp.toml.",
    epilog=examples(
        "scrimp prices set house-model input=0.10 output=0.40",
        "scrimp prices set local/llama3.2 free=true",
        "scrimp prices set gpt-4o cache_read=1.25 --config ./scrimp.toml",
    ),
)
@click.argument("model")
@click.argument("fields", nargs=-1, required=True, metavar="KIND=USD...")
@config_option
def set_command(model: str, fields: tuple[str, ...], config: Path | None) -> None:
    """Write a price into scrimp.toml: US dollars per million tokens, as `scrimp.toml` has them.

    The table of the model is made or changed; comments and all else stay. Tables inside it (tiers,
    tools, long_context) are written by hand.
    """
    from scrimp.billing import book_of
    from scrimp.cli.console import say
    from scrimp.cli.price_file import with_prices, write_text
    from scrimp.settings import complete, parse

    path = config or _found()
    values = dict(_field(text) for text in fields)
    before = path.read_bytes().decode() if path.exists() else ""
    changed = with_prices(before, model, values)
    made = complete(parse(changed.encode(), source=str(path)), os.environ, source=str(path))
    book_of(made.settings)  # refuses what cannot be used
    if changed == before:
        say(f"{path} says so already.")
        return
    write_text(path, changed)
    said = ", ".join(f"{kind} {value}" for kind, value in values.items())
    say(f"{path}: {model} has {said}.")


@prices_command.command(
    name="diff",
    short_help="Compare the book in use with another one.",
    epilog=examples("scrimp prices diff", "scrimp prices diff older/book.json"),
)
@click.argument("other", type=Path, metavar="[BOOK]", required=False)
@config_option
@json_option
def diff_command(other: Path | None, config: Path | None, *, as_json: bool) -> None:
    """Compare another book with the one in use: models that came or went, prices that changed.

    Without BOOK the book that ships is compared with the one in use.
    """
    from scrimp.bookfile import base_book
    from scrimp.cli.console import print_json
    from scrimp.cli.prices_diff import document, show
    from scrimp.prices.book import differences, load_book, read_book
    from scrimp.prices.changes import changes

    ours = base_book(load_settings(config).settings)
    theirs = load_book() if other is None else read_book(other.read_bytes(), source=str(other))
    found = differences(theirs, ours)
    told = list(changes(theirs, ours, datetime.now(UTC).date()))
    if as_json:
        print_json(document(found, told, theirs, ours))
    else:
        show(found, told, theirs, ours)


prices_command.add_command(update_command)


def _found() -> Path:
    """The settings file in use; ./scrimp.toml when there is none yet."""
    found = Path(load_settings(None).source)
    return found if found.is_file() else Path("scrimp.toml")


def _field(text: str) -> tuple[str, str | bool]:
    kind, equals, value = text.partition("=")
    if not equals or not kind or not value:
        raise click.UsageError(f"not KIND=USD: {text!r} (write it like input=0.10)")
    if kind == "free":
        if value not in ("true", "false"):
            raise click.UsageError(f"free is true or false, not {value!r}")
        return kind, value == "true"
    return kind, value
