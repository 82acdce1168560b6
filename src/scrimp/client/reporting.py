"""What calls cost, as values: the same numbers as `scrimp report`, and text when printed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from scrimp.app import open_ledger_reader
from scrimp.ledger.report import By, LatencyAdded, Report, ReportRow
from scrimp.ledger.rollups import EPOCH
from scrimp.money import decimal_usd, format_usd
from scrimp.settings import Settings

Since = datetime | timedelta | None
"""An aware time, that long ago, or None."""


@dataclass(frozen=True, slots=True)
class Spend:
    """Calls from `since` until before `until` (whole hours, UTC). `str` of it is a table.

    `rows` are by the dimension `by`, the dearest first; `levers` are what each lever saved.
    Amounts are sums of what is known: `total.unpriced_calls` says of how many calls nothing is.
    """

    by: By
    since: datetime
    until: datetime
    total: ReportRow
    rows: tuple[ReportRow, ...]
    levers: tuple[ReportRow, ...]
    latency_added: LatencyAdded

    @property
    def cost(self) -> Decimal:
        """Exact US dollars."""
        return Decimal(decimal_usd(self.total.cost_nanousd))

    @property
    def baseline(self) -> Decimal:
        """What the calls would have cost untouched, in exact US dollars."""
        return Decimal(decimal_usd(self.total.baseline_nanousd))

    @property
    def saved(self) -> Decimal:
        """The difference that the levers made, in exact US dollars; may be negative."""
        return Decimal(decimal_usd(self.total.saved_nanousd))

    def __str__(self) -> str:
        """Sentences, then tables."""
        return "\n".join(_lines(self))


def spend_of(settings: Settings, since: datetime, until: datetime, by: By) -> Spend:
    """Without a ledger no call was ever made. Raises StoreError."""
    if not settings.ledger_path.exists():
        nothing = ReportRow("")
        return Spend(by, since, until, nothing, (), (), LatencyAdded(0, 0.0, 0.0))
    reader = open_ledger_reader(settings)
    rows = reader.report(since, until, by)
    levers = reader.report(since, until, "lever")
    latency = reader.latency_added(rows.since, rows.until)
    return Spend(by, rows.since, rows.until, rows.total, rows.rows, levers.rows, latency)


def period(since: Since, until: datetime | None, *, default: datetime) -> tuple[datetime, datetime]:
    """Both ends. Raises ValueError when the first is not before the second, or has no zone."""
    now = datetime.now(UTC)
    end = now if until is None else until
    start = default if since is None else now - since if isinstance(since, timedelta) else since
    for moment in (start, end):
        if moment.tzinfo is None:
            msg = f"a report needs aware times, got {moment.isoformat()} without a zone"
            raise ValueError(msg)
    if start >= end:
        msg = f"since {start.isoformat()} is not before until {end.isoformat()}"
        raise ValueError(msg)
    return start, end


def today() -> datetime:
    """The beginning of the day, UTC."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def row_of(report: Spend | Report, value: str) -> ReportRow:
    """The row of one value; an empty one when it made no call."""
    return next((row for row in report.rows if row.value == value), ReportRow(value))


BEGINNING = EPOCH


def _lines(spend: Spend) -> Iterator[str]:
    total = spend.total
    yield f"{spend.since:%Y-%m-%d %H:%M} to {spend.until:%Y-%m-%d %H:%M} UTC"
    yield (
        f"calls   {total.calls:,}, of them {total.hits:,} answered by a lever "
        f"({total.hit_rate:.1%}), {total.errors:,} failed"
    )
    yield f"tokens  {total.input_tokens:,} in, {total.output_tokens:,} out"
    bounds = ""
    if total.cost_low_nanousd != total.cost_high_nanousd:
        low, high = format_usd(total.cost_low_nanousd), format_usd(total.cost_high_nanousd)
        bounds = f" (the truth lies between {low} and {high})"
    yield f"spend   {format_usd(total.cost_nanousd)}{bounds}"
    share = "" if total.saved_share is None else f" ({total.saved_share:.1%})"
    untouched = format_usd(total.baseline_nanousd)
    yield f"saved   {format_usd(total.saved_nanousd)}{share} of {untouched} untouched"
    if total.unpriced_calls:
        yield f"        of {total.unpriced_calls:,} calls no price is known"
    if spend.rows:
        yield ""
        yield from _table((spend.by, "calls", "hits", "spend", "saved"), spend.rows)
    if spend.levers and spend.by != "lever":
        yield ""
        yield from _table(("lever", "calls", "hits", "", "saved"), spend.levers)


def _table(titles: tuple[str, ...], rows: tuple[ReportRow, ...]) -> Iterator[str]:
    """Columns as wide as they need; money to the right of its point as far as it goes."""
    lines = [titles]
    for row in rows:
        spent = format_usd(row.cost_nanousd) if titles[3] else ""
        saved = format_usd(row.saved_nanousd)
        lines.append((row.value or "(none)", f"{row.calls:,}", f"{row.hits:,}", spent, saved))
    widths = [max(len(line[column]) for line in lines) for column in range(len(titles))]
    for first, *others in lines:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        yield "  ".join([first.ljust(widths[0]), *(cell for cell in cells if cell)]).rstrip()
