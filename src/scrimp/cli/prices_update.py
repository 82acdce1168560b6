"""`scrimp prices update`: newer prices from an installed package or a file, dated, shown first."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

from scrimp.cli.options import config_option, examples, json_option, load_settings
from scrimp.errors import ConfigError

if TYPE_CHECKING:
    from scrimp.prices import PriceBook
    from scrimp.settings import Settings

_PACKAGE = "genai-prices"
_MOST = 8
_KEPT = "no longer listed, kept"


class UpdateOptions(TypedDict):
    """The options of the command."""

    file: Path | None
    since: str
    dry_run: bool
    yes: bool
    config: Path | None
    as_json: bool


@dataclass(frozen=True, slots=True)
class _Update:
    """The book in use, the one that would be written, and what the new source lacks."""

    old: PriceBook
    new: PriceBook
    data: bytes
    kept: tuple[str, ...]
    notes: tuple[str, ...]
    damaged: str = ""


@click.command(
    name="update",
    short_help="Take newer prices, dated, from a package or a file.",
    epilog=examples(
        "scrimp prices update --dry-run",
        "scrimp prices update next/book.json",
        "scrimp prices update --yes --since 2026-11-01",
    ),
)
@click.argument("file", type=Path, required=False, metavar="[FILE]")
@click.option(
    "--since",
    default="",
    metavar="DATE",
    help="When changes began that the source does not date [default: the day of its book].",
)
@click.option("--dry-run", is_flag=True, help="Show what would change, write nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@config_option
@json_option
def update_command(**options: Unpack[UpdateOptions]) -> None:
    """Take newer prices: from FILE, or from the genai-prices package that is installed here.

    FILE is a book (book.json) or the data file of genai-prices. Nothing is fetched. What differs is
    shown first. The book is written into the state folder and used instead of the one that ships
    until that one is newer. A price that changed gets the day of its change, a model that is no
    longer listed keeps its prices, so past calls can still be priced.
    """
    from scrimp.bookfile import book_path
    from scrimp.cli.console import note, print_json, say, short_path
    from scrimp.cli.prices_diff import document, show
    from scrimp.prices.book import differences
    from scrimp.prices.changes import changes

    settings = load_settings(options["config"]).settings
    update = _prepared(settings, options)
    path = book_path(settings)
    found = dict(differences(update.old, update.new))
    found["removed"] = update.kept
    told = list(changes(update.old, update.new, _day(options["since"], update.new.compiled_on)))
    differs = update.new.version != update.old.version or bool(update.damaged)
    if update.damaged:
        note(update.damaged)
    if differs and not options["as_json"]:
        shown = {kind if kind != "removed" else _KEPT: names for kind, names in found.items()}
        show(shown, told, update.old, update.new)
        _remarks(update)
    written = differs and not options["dry_run"] and _agreed(options)
    if written:
        _write(path, update.data)
    if options["as_json"]:
        print_json(
            {
                **document(found, told, update.old, update.new),
                "source": update.new.source,
                "notes": list(update.notes),
                "written": str(path) if written else None,
            }
        )
    elif not differs:
        say(f"No price differs: {update.old.version} stays in use.")
    elif written:
        say(
            f"Wrote {short_path(path)}: {update.new.version} is in use from now on. A running "
            "gateway takes it when it is started again (SIGHUP replaces workers).",
        )
    else:
        say("Nothing is written.")


def _agreed(options: UpdateOptions) -> bool:
    """Whether to write. Raises click's error where nobody can be asked."""
    if options["yes"]:
        return True
    if options["as_json"] or not sys.stdin.isatty():
        raise click.UsageError("nobody can be asked here (say --yes, or --dry-run to look only)")
    return click.confirm("Use these prices?", default=False)


def _prepared(settings: Settings, options: UpdateOptions) -> _Update:
    """Both books. Raises ConfigError, or click's error when there is no newer source."""
    from scrimp.prices.book import differences, read_book
    from scrimp.prices.merge import merged

    before, damaged = _in_use(settings)
    old = read_book(before, source="the book in use")
    today = datetime.now(UTC).date()
    file = options["file"]
    data = _from_package(old, today) if file is None else _from_file(file, old, today)
    source = read_book(data, source=str(file or _PACKAGE))
    if source.compiled_on > today:
        msg = f"{file}: compiled on {source.compiled_on}, and today is {today} (UTC)"
        raise ConfigError(f"{msg}: mend its compiled_on")
    newer = json.loads(data)
    since = _day(options["since"], source.compiled_on)
    told = merged(json.loads(before), newer, since)
    new = read_book(told, source="the merged book")
    known = set(json.loads(before).get("notes", ()))
    notes = tuple(one for one in newer.get("notes", ()) if one not in known)
    kept = differences(old, source)["removed"]
    return _Update(old, new, told, kept, notes, damaged)


def _in_use(settings: Settings) -> tuple[bytes, str]:
    """The file of the book in use; of a damaged one nothing can be kept, which is said."""
    from scrimp.bookfile import base_file
    from scrimp.prices.book import shipped_file

    try:
        return base_file(settings), ""
    except ConfigError as error:
        said = str(error).partition(" (")[0]
        return shipped_file(), f"{said}: it is made anew from the book that ships"


def _from_package(old: PriceBook, today: date) -> bytes:
    try:
        from scrimp.prices.source import compiled
    except ModuleNotFoundError as error:
        msg = f"{_PACKAGE} is not installed here (pip install -U {_PACKAGE}, or name a FILE)"
        raise click.ClickException(msg) from error
    installed = version(_PACKAGE)
    name, _, known = old.source.partition(",")[0].rpartition(" ")
    if name == _PACKAGE and _numbers(installed) < _numbers(known):
        msg = (
            f"{_PACKAGE} {installed} is installed, the book in use is from {known}, which is newer "
            f"(pip install -U {_PACKAGE})"
        )
        raise click.ClickException(msg)
    return compiled(today, strict=False)


def _from_file(file: Path, old: PriceBook, today: date) -> bytes:
    from scrimp.prices.book import read_book

    data = file.read_bytes()
    if data.lstrip()[:1] == b"[":
        try:
            from scrimp.prices.source import compiled, providers_of
        except ModuleNotFoundError as error:
            msg = f"{file} is data of {_PACKAGE}: to read it, install it (pip install {_PACKAGE})"
            raise click.ClickException(msg) from error
        return compiled(today, providers_of(data, str(file)), strict=False)
    made = read_book(data, source=str(file)).compiled_on
    if made < old.compiled_on:
        msg = (
            f"{file} was compiled on {made}, the book in use on {old.compiled_on}: an older book "
            "is not taken (scrimp prices diff and scrimp reprice --book compare with it)"
        )
        raise click.ClickException(msg)
    return data


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdecimal())


def _day(text: str, otherwise: date) -> date:
    if not text:
        return otherwise
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise click.UsageError(
            f"--since: not a date: {text!r} (write it like 2026-11-01)"
        ) from None


def _remarks(update: _Update) -> None:
    from scrimp.cli.console import dim, say

    for one in update.notes[:_MOST]:
        say(dim(one))
    if len(update.notes) > _MOST:
        say(dim(f"and {len(update.notes) - _MOST:,} more remarks (--json has all)"))


def _write(path: Path, data: bytes) -> None:
    """At once or not at all, for the owner alone."""
    from scrimp.cli.price_file import write_text

    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists():
        path.chmod(0o600)
    write_text(path, data.decode())
