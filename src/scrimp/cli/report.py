"""`scrimp report`: what calls cost, what they would have cost, and who saved it."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, get_args

import click

from scrimp.cli.options import config_option, examples, json_option, load_settings, moment
from scrimp.ledger.report import (
    Adjusted,
    By,
    LatencyAdded,
    Report,
    ReportRow,
    adjusted_fields,
    row_fields,
    to_csv,
    to_json,
)

if TYPE_CHECKING:
    from scrimp.settings import Loaded, Settings

EMPTY = "No calls{when} in {where}: point a client at `scrimp serve`, or watch `scrimp demo`."
_NO_LATENCY = LatencyAdded(0, 0.0, 0.0)


class ReportOptions(TypedDict):
    """The options of the command."""

    since: str
    until: str
    by: By | None
    config: Path | None
    as_json: bool
    as_csv: bool


@click.command(
    name="report",
    short_help="Show what calls cost, and what was saved.",
    epilog=examples(
        "scrimp report",
        "scrimp report --since 7d --by day",
        "scrimp report --since 2026-11-01 --until 2026-12-01 --by key --csv",
    ),
)
@click.option(
    "--since",
    default="today",
    show_default=True,
    metavar="TIME",
    help="today, yesterday, 24h, 7d, 2026-11-01 or an ISO time (UTC).",
)
@click.option("--until", default="now", show_default=True, metavar="TIME", help="The same forms.")
@click.option(
    "--by",
    type=click.Choice(get_args(By)),
    help="One table by this alone [default: totals, models and levers].",
)
@config_option
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="CSV for spreadsheets (by model, or --by).")
def report_command(**options: Unpack[ReportOptions]) -> None:
    """Show what calls cost, what they would have cost, and what each lever saved.

    Sums are over whole hours, days are UTC. Calls whose price is not known are counted and named,
    never added as $0.
    """
    from scrimp.cli.cache_semantic import show_semantic
    from scrimp.cli.console import note, print_json, say, short_path
    from scrimp.cli.report_view import overview, table_of

    if options["as_json"] and options["as_csv"]:
        raise click.UsageError("--json or --csv, not both")
    now = datetime.now(UTC)
    since, until = moment(options["since"], now), moment(options["until"], now)
    if until <= since:
        given = f"--since {_hour(since)} is not before --until {_hour(until)} (UTC)"
        raise click.UsageError(given)
    loaded = load_settings(options["config"])
    settings = loaded.settings
    by = options["by"]
    wanted: tuple[By, ...] = (
        (by,) if by else ("model",) if options["as_csv"] else ("model", "lever")
    )
    reports, latency = gather(settings, (since, until), wanted)
    adjusted = corrections(settings, reports[0])
    empty = not reports[0].total.calls
    if empty:
        when = f" between {_hour(since)} and {_hour(until)} UTC"
        remark = EMPTY.format(when=when, where=short_path(settings.ledger_path))
        (note if options["as_json"] or options["as_csv"] else say)(remark)
    if options["as_json"]:
        document = to_json(reports[0]) if by else _document(reports, latency)
        document |= _by_meaning(loaded, (since, until)) if not by else {}
        print_json({**document, "adjusted": dict(adjusted_fields(adjusted))})
    elif options["as_csv"]:
        sys.stdout.write(to_csv(reports[0]))
    elif by and not empty:
        table_of(reports[0], adjusted)
    elif not empty:
        overview(reports, latency, adjusted)
        for told in _by_meaning(loaded, (since, until)).values():
            show_semantic(told)


def _by_meaning(loaded: Loaded, period: tuple[datetime, datetime]) -> dict[str, Any]:
    """How answers by meaning do; nothing where they are off, or nobody can be asked."""
    from scrimp.cli.cache import semantic_of
    from scrimp.errors import ScrimpError

    try:
        told = semantic_of(loaded, {}, None, period)
    except ScrimpError:
        return {}
    return {} if told is None else {"semantic_cache": told}


def gather(
    settings: Settings, period: tuple[datetime, datetime], wanted: tuple[By, ...]
) -> tuple[list[Report], LatencyAdded]:
    """The reports; without a ledger no call was ever made, so they are empty. Raises StoreError."""
    from scrimp.app import open_ledger_reader

    since, until = period
    if not settings.ledger_path.exists():
        return [Report(by, since, until, (), ReportRow("")) for by in wanted], _NO_LATENCY
    reader = open_ledger_reader(settings)
    reports = [reader.report(since, until, by) for by in wanted]
    return reports, reader.latency_added(reports[0].since, reports[0].until)


def corrections(settings: Settings, report: Report) -> Adjusted:
    """What was added to these sums after their calls were booked. Raises StoreError."""
    from scrimp.app import open_ledger_reader

    if not settings.ledger_path.exists():
        return Adjusted()
    return open_ledger_reader(settings).adjusted(report.since, report.until)


def _document(reports: list[Report], latency: LatencyAdded) -> dict[str, Any]:
    """Totals, models and levers in one."""
    first = reports[0]
    return {
        "since": first.since.isoformat(),
        "until": first.until.isoformat(),
        "total": dict(row_fields(first.total, "total")),
        "latency_added_ms": {"p50": latency.p50_ms, "p95": latency.p95_ms, "calls": latency.calls},
        **{one.by: [dict(row_fields(row, one.by)) for row in one.rows] for one in reports},
    }


def _hour(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
