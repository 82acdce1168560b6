"""`scrimp advise`: missed savings in dollars a month, each with the setting that takes it."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

from scrimp.advice.words import LEAST_CALLS
from scrimp.cli.options import config_option, examples, json_option, load_settings, moment

if TYPE_CHECKING:
    from scrimp.advice.advising import Advice
    from scrimp.settings import Settings

NO_CALLS = (
    "No paid calls{when} in {where}: point a client at `scrimp serve`, or give a log file "
    "(scrimp advise LOG.jsonl)."
)


class AdviseOptions(TypedDict):
    """The options of the command."""

    log: Path | None
    since: str
    until: str
    top: int
    least: int
    config: Path | None
    as_json: bool


@click.command(
    name="advise",
    short_help="List missed savings, with settings to paste.",
    epilog=examples(
        "scrimp advise",
        "scrimp advise --since 7d --top 3",
        "scrimp advise calls.jsonl",
        "scrimp advise --json | jq '.findings[].toml'",
    ),
)
@click.argument("log", type=Path, required=False)
@click.option(
    "--since",
    default="30d",
    show_default=True,
    metavar="TIME",
    help="Of the ledger: today, yesterday, 24h, 7d, 2026-11-01 or an ISO time (UTC).",
)
@click.option("--until", default="now", show_default=True, metavar="TIME", help="The same forms.")
@click.option("--top", type=click.IntRange(1), default=10, show_default=True, metavar="N")
@click.option(
    "--least",
    type=click.IntRange(1),
    default=LEAST_CALLS,
    show_default=True,
    metavar="CALLS",
    help="Advise nothing from less.",
)
@config_option
@json_option
def advise_command(**options: Unpack[AdviseOptions]) -> None:
    """List missed savings of the ledger (or of LOG), the largest first, with what takes them.

    Dollars a month are those of the time that was looked at, times 30 days. Findings may be about
    the same calls: the total counts each call once. The ledger keeps no words: it knows repeats and
    instructions by keyed digests.

    LOG (- is standard input) has JSON lines: the body of a call in `request`, its `usage` (or the
    whole `response`) and the time in `at`. Nothing of it is kept.
    """
    from scrimp.cli.advise_view import document, show
    from scrimp.cli.console import note, print_json, say, short_path

    settings = load_settings(options["config"]).settings
    if options["log"] is not None:
        advice, where = _of_log(settings, options["log"], options["least"]), str(options["log"])
        when = ""
    else:
        now = datetime.now(UTC)
        since, until = moment(options["since"], now), moment(options["until"], now)
        if until <= since:
            raise click.UsageError(f"--since {since:%Y-%m-%d %H:%M} is not before --until")
        advice = _of_ledger(settings, (since, until), options["least"])
        where, when = short_path(settings.ledger_path), f" since {since:%Y-%m-%d %H:%M} UTC"
    if options["as_json"]:
        print_json(document(advice, options["top"]))
    if not advice.facts.calls:
        (note if options["as_json"] else say)(NO_CALLS.format(when=when, where=where))
    elif not options["as_json"]:
        show(advice, options["top"], options["least"], of_log=options["log"] is not None)


def _of_ledger(settings: Settings, period: tuple[datetime, datetime], least: int) -> Advice:
    """Without a ledger no call was ever made. Raises StoreError."""
    from scrimp.missed_savings import advice_of_ledger, nothing

    if not settings.ledger_path.exists():
        return nothing()
    return advice_of_ledger(settings, *period, least=least)


def _of_log(settings: Settings, path: Path, least: int) -> Advice:
    """Raises InvalidRequest with the line at fault, OSError."""
    from scrimp.cli.console import note
    from scrimp.lines import each
    from scrimp.missed_savings import advice_of_log

    if str(path) == "-":
        rows = each(sys.stdin.buffer, "-", column="usage")
        advice, log = advice_of_log(settings, rows, "-", least=least)
    else:
        with path.open("rb") as file:
            rows = each(file, str(path), column="usage")
            advice, log = advice_of_log(settings, rows, str(path), least=least)
    if log.without_usage:
        many = f"{log.without_usage:,} of {log.lines:,} lines"
        note(f"{many} tell no usage (of the call or in its response), and are left out")
    return advice
