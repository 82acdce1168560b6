"""How `scrimp report` looks: totals in sentences, tables that fit 80 columns."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from scrimp.cli.console import dim, heading, out
from scrimp.ledger.report import Adjusted, LatencyAdded, Report, ReportRow
from scrimp.money import NANO_PER_USD, format_usd

_WIDE = 100
_THOUSAND = 1000
_NAMELESS = "(none)"
NOT_ADJUSTED = Adjusted()


def overview(
    reports: list[Report], latency: LatencyAdded, adjusted: Adjusted = NOT_ADJUSTED
) -> None:
    """Totals, then the table of models, then what each lever saved."""
    console, (models, levers) = out(), reports
    console.print(heading(_period(models)))
    console.print()
    for name, text in _totals(models.total, latency):
        console.print(Text.assemble((f"  {name:<9}", "dim"), text))
    console.print()
    console.print(_calls_table(models, console))
    console.print(_lever_table(levers))
    _remarks(console, models.total, adjusted)


def table_of(report: Report, adjusted: Adjusted = NOT_ADJUSTED) -> None:
    """One table, by what was asked for."""
    console = out()
    console.print(heading(f"{_period(report)}, by {report.by.replace('_', ' ')}"))
    match report.by:
        case "lever":
            console.print(_lever_table(report))
        case "breaker":
            console.print(_breaker_table(report))
        case _:
            console.print(_calls_table(report, console))
    _remarks(console, report.total, adjusted)


def _period(report: Report) -> str:
    since, until = report.since, report.until
    if since.date() == until.date():
        return f"{since:%Y-%m-%d}, {since:%H:%M} to {until:%H:%M} UTC"
    return f"{since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC"


def _totals(total: ReportRow, latency: LatencyAdded) -> Iterator[tuple[str, str]]:
    answered = f"{total.hits:,} answered by a lever ({share(total.hit_rate)})"
    failed = f", {total.errors:,} failed" if total.errors else ""
    yield "calls", f"{total.calls:,}, of them {answered}{failed}"
    cached = f" ({amount(total.cache_read_tokens)} of them from the providers' prefix caches)"
    went_in = amount(total.input_tokens) + " in" + (cached if total.cache_read_tokens else "")
    yield "tokens", f"{went_in}, {amount(total.output_tokens)} out"
    places = places_of(total)
    yield from _prefixes(total, places)
    yield "spend", spend(total, places) + bounds(total)
    part = "" if total.saved_share is None else f" ({share(total.saved_share)})"
    without = f"of the {untouched(total, places)} that it would have cost"
    yield "saved", f"{dollars(total.saved_nanousd, places)}{part} {without}"
    if latency.calls:
        yield "added", f"{latency.p50_ms:.1f} ms of latency (median), {latency.p95_ms:.1f} ms (p95)"


def _prefixes(total: ReportRow, places: int) -> Iterator[tuple[str, str]]:
    """What prefix caches did, and what that cost; nothing where they only read, or nothing."""
    written = total.cache_write_5m_tokens + total.cache_write_1h_tokens
    if not (written or total.broken_nanousd):
        return
    parts = [f"{amount(total.fresh_tokens)} fresh"]
    parts += [f"{amount(total.cache_read_tokens)} read ({share(total.cached_share or 0)})"]
    for tokens, long in (
        (total.cache_write_5m_tokens, ""),
        (total.cache_write_1h_tokens, " (1 h)"),
    ):
        parts += [f"{amount(tokens)} written{long}"] if tokens else []
    yield "prefixes", ", ".join(parts)
    money = [f"{dollars(total.premium_nanousd, places)} more for what was written"]
    if total.broken_nanousd:
        lost = dollars(total.broken_nanousd, places)
        money.append(f"{lost} lost where prefixes broke (--by breaker)")
    yield "premium", "; ".join(money)


def _calls_table(report: Report, console: Console) -> Table:
    """Calls by one dimension; a narrow terminal goes without what the others imply."""
    wide, places = console.width >= _WIDE, places_of(report.total)
    table = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1) if wide else (0, 1, 0, 0),
        show_footer=len(report.rows) > 1,
    )
    table.add_column(report.by.replace("_", " "), "all", overflow="fold")
    titles = [title for title, always, _ in _columns(report.total, places) if always or wide]
    for title, footer in zip(titles, _cells(report.total, places, wide=wide), strict=True):
        table.add_column(title, footer, justify="right", no_wrap=True)
    for row in report.rows:
        table.add_row(
            row.value or ("all" if report.by == "total" else _NAMELESS),
            *_cells(row, places, wide=wide),
        )
    return table


def _cells(row: ReportRow, places: int, *, wide: bool) -> list[str]:
    return [cell for _, always, cell in _columns(row, places) if always or wide]


def _columns(row: ReportRow, places: int) -> Iterator[tuple[str, bool, str]]:
    """Title, whether a narrow terminal has it too, and what the row says there."""
    yield "calls", True, f"{row.calls:,}"
    yield "hits", False, f"{row.hits:,}"
    yield "hit %", True, share(row.hit_rate)
    yield "in", True, amount(row.input_tokens)
    yield "out", True, amount(row.output_tokens)
    yield "spend", True, spend(row, places)
    yield "would have cost", False, untouched(row, places)
    yield "saved", True, dollars(row.saved_nanousd, places)
    yield "saved %", True, "–" if row.saved_share is None else share(row.saved_share)  # noqa: RUF001 - a dash


def _lever_table(report: Report) -> Table | Text:
    if not report.rows:
        return dim("No lever saved anything yet.")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("lever")
    for title in ("calls", "answered", "saved", "of what it would have cost"):
        table.add_column(title, justify="right")
    base, places = report.total.baseline_nanousd, places_of(report.total)
    for row in report.rows:
        part = share(row.saved_nanousd / base) if base else ""
        saved = dollars(row.saved_nanousd, places)
        table.add_row(row.value, f"{row.calls:,}", f"{row.hits:,}", saved, part)
    return table


def _breaker_table(report: Report) -> Table | Text:
    if not report.rows:
        return dim("No prefix broke, or nobody looked ([prefix_cache] looks).")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("where, and what it holds")
    for title in ("calls", "lost"):
        table.add_column(title, justify="right")
    places = places_of(report.total)
    for row in report.rows:
        table.add_row(row.value, f"{row.calls:,}", dollars(row.broken_nanousd, places))
    return table


def _remarks(console: Console, total: ReportRow, adjusted: Adjusted) -> None:
    if adjusted.calls:
        many = "1 call was" if adjusted.calls == 1 else f"{adjusted.calls:,} calls were"
        moved = format_usd(adjusted.cost_nanousd)
        more = f"{'+' if adjusted.cost_nanousd > 0 else ''}{moved}"
        said = f"{many} re-priced since, which the spend holds: {more} (scrimp explain ID)."
        console.print(dim(said))
    if total.unpriced_calls:
        one = total.unpriced_calls == 1
        said = f"{total.unpriced_calls:,} {'call has' if one else 'calls have'} no known price: "
        said += "≥ is without them (a model gets one by a [prices] table in scrimp.toml; paths "
        said += "that are passed on unread have none)."
        console.print(Text(said, "yellow"))
    if total.cost_low_nanousd != total.cost_high_nanousd:
        console.print(dim("~ is an estimate: some replies broke off before their usage was told."))


def spend(row: ReportRow, places: int) -> str:
    """What is known of it: `~` for an estimate, `≥` where calls without a price are missing."""
    if row.unpriced_calls and row.unpriced_calls == row.calls:
        return "unknown"
    if row.unpriced_calls:
        return "≥" + dollars(row.cost_nanousd, places)
    exact = row.cost_low_nanousd == row.cost_high_nanousd
    return dollars(row.cost_nanousd, places) if exact else "~" + dollars(row.cost_nanousd, places)


def untouched(row: ReportRow, places: int) -> str:
    """What calls would have cost; calls without a price have no such amount either."""
    if row.unpriced_calls and not row.baseline_nanousd:
        return "unknown"
    return ("≥" if row.unpriced_calls else "") + dollars(row.baseline_nanousd, places)


def bounds(row: ReportRow) -> str:
    """What is known of a spend that is not known exactly."""
    if row.cost_low_nanousd == row.cost_high_nanousd:
        return ""
    places = places_of(row)
    low = dollars(row.cost_low_nanousd, places)
    return f", estimated in part: between {low} and {dollars(row.cost_high_nanousd, places)}"


def places_of(total: ReportRow) -> int:
    """How many decimals all amounts of one report have: fewer, the larger the sum."""
    size = max(abs(total.cost_nanousd), abs(total.baseline_nanousd), abs(total.saved_nanousd))
    if size >= 100 * NANO_PER_USD:
        return 2
    return 4 if size >= NANO_PER_USD // 10 else 6


def dollars(nanousd: int, places: int) -> str:
    """For people; an amount too small for these places is not shown as $0."""
    if not nanousd:
        return "$0"
    if abs(nanousd) * 2 < 10 ** (9 - places):
        return f"<{format_usd(10 ** (9 - places), places=places)}"
    return format_usd(nanousd, places=places)


def share(part: float) -> str:
    """Per cent."""
    return f"{part:.1%}"


def amount(number: int) -> str:
    """A number of tokens: exact below 10,000, then 12.3k, 4.56M."""
    if number < 10 * _THOUSAND:
        return f"{number:,}"
    if number < _THOUSAND**2:
        return f"{number / _THOUSAND:.1f}k"
    if number < _THOUSAND**3:
        return f"{number / _THOUSAND**2:.2f}M"
    return f"{number / _THOUSAND**3:.2f}B"
