"""How `scrimp reprice` looks: a line for each day and model, and what could not be priced again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table
from rich.text import Text

from scrimp.cli.console import dim, heading, out
from scrimp.ledger.reprice import REMARKS, Row, Tally
from scrimp.money import NANO_PER_USD, decimal_usd, format_usd

if TYPE_CHECKING:
    from scrimp.ledger.adjustment import Period
    from scrimp.prices import PriceBook

_LARGE = 100 * NANO_PER_USD


def document(tally: Tally, period: Period, book: PriceBook, *, applied: bool) -> dict[str, Any]:
    """All of it for machines."""
    return {
        "from": period.since.isoformat(),
        "to": period.until.isoformat(),
        "model": period.model or None,
        "book_version": book.version,
        "book_source": book.source,
        "booked_versions": sorted(tally.versions),
        "applied": applied,
        "rows": [
            {"day": day.isoformat(), "model": model, **_fields(row)}
            for day, model, row in tally.ordered()
        ],
        "total": _fields(tally.total),
        "newly_priced": [
            {
                "model": model,
                "calls": found.calls,
                "cost_nanousd": found.nanousd,
                "cost_usd": decimal_usd(found.nanousd),
                "ids": found.ids,
            }
            for model, found in sorted(tally.found.items())
        ],
        "remarks": [
            {"kind": kind, "calls": tally.remarks[kind], "said": REMARKS[kind]}
            for kind in REMARKS
            if kind in tally.remarks
        ],
    }


def _fields(row: Row) -> dict[str, Any]:
    return {
        "calls": row.calls,
        "adjusted_calls": row.changed,
        "newly_priced_calls": row.found,
        "unpriced_calls": row.unknown,
        "cost_nanousd": row.old_nanousd,
        "repriced_nanousd": row.new_nanousd,
        "difference_nanousd": row.difference_nanousd,
        "saved_nanousd": row.old_saved_nanousd,
        "repriced_saved_nanousd": row.new_saved_nanousd,
        "cost_usd": decimal_usd(row.old_nanousd),
        "repriced_usd": decimal_usd(row.new_nanousd),
        "difference_usd": decimal_usd(row.difference_nanousd),
    }


def show(tally: Tally, period: Period, book: PriceBook, *, applied: bool) -> None:
    """For people."""
    console = out()
    of = f", {period.model}" if period.model else ""
    console.print(
        heading(f"{period.since:%Y-%m-%d %H:%M} to {period.until:%Y-%m-%d %H:%M} UTC{of}")
    )
    console.print(dim(f"at the prices of {book.version}"), soft_wrap=True)
    booked = ", ".join(sorted(tally.versions)) or "no price"
    console.print(dim(f"in the books at {booked}"), soft_wrap=True)
    console.print(_table(tally))
    for line in _remarks(tally):
        console.print(line, soft_wrap=True)
    console.print(_ending(tally, applied=applied), soft_wrap=True)


def _table(tally: Tally) -> Table:
    total = tally.total
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_footer=len(tally.rows) > 1)
    table.add_column("day", "in all", no_wrap=True)
    table.add_column("model", overflow="fold")
    cells = _cells(total, total)
    for title, footer in zip(("calls", "in the books", "re-priced"), cells, strict=False):
        table.add_column(title, footer, justify="right", no_wrap=True)
    table.add_column("difference", cells[3], justify="right", no_wrap=True)
    for day, model, row in tally.ordered():
        table.add_row(day.isoformat(), model, *_cells(row, total))
    return table


def _cells(row: Row, total: Row) -> tuple[str, str, str, str]:
    places = 4 if max(total.old_nanousd, total.new_nanousd) >= _LARGE else 6
    old, new = (format_usd(amount, places=places) for amount in (row.old_nanousd, row.new_nanousd))
    before = row.found + row.unknown
    return (
        f"{row.calls:,}",
        "unknown" if before == row.calls else f"≥{old}" if before else old,
        "unknown" if row.unknown == row.calls else f"≥{new}" if row.unknown else new,
        signed(row.difference_nanousd),
    )


def signed(nanousd: int) -> str:
    """A difference, exact: with its sign, and 0 as a dash."""
    if not nanousd:
        return "–"  # noqa: RUF001 - a dash
    return ("+" if nanousd > 0 else "") + format_usd(nanousd)


def calls(number: int) -> str:
    """Such as `1 call`, `1,200 calls`."""
    return "1 call" if number == 1 else f"{number:,} calls"


def _remarks(tally: Tally) -> Iterator[Text | str]:
    for model, found in sorted(tally.found.items()):
        yield (
            f"{calls(found.calls)} of {model} had no price and now cost "
            f"{format_usd(found.nanousd)}, such as {', '.join(found.ids)}"
        )
    for kind, said in REMARKS.items():
        if number := tally.remarks.get(kind):
            yield dim(f"{calls(number)} {said}.")
    total = tally.total
    saved = total.new_saved_nanousd - total.old_saved_nanousd
    if saved:
        yield f"What levers saved changes by {signed(saved)}."


def _ending(tally: Tally, *, applied: bool) -> str:
    changed = tally.total.changed
    if not changed:
        return "The books say so already: nothing to adjust."
    if applied:
        return f"{calls(changed)} adjusted in the ledger (scrimp explain ID tells of each)."
    return f"{calls(changed)} would be adjusted. Nothing is written yet: --apply does it."
