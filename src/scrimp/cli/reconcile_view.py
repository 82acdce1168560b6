"""How `scrimp reconcile` looks: both numbers side by side, then why they are likely to differ."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from scrimp.cli.console import dim, heading, out
from scrimp.money import format_usd
from scrimp.reconcile.compare import Row, Verdict
from scrimp.reconcile.result import Judged, Reconciliation
from scrimp.reconcile.words import KINDS

_MARKS: dict[Verdict, str] = {"equal": "=", "within": "~", "differs": "!"}
_STYLES: dict[Verdict, str] = {"equal": "green", "within": "yellow", "differs": "bold red"}
_NONE = "-"
_WIDE = 100


def waiting(what: str) -> AbstractContextManager[object]:
    """A sign of life on stderr while something takes long; nothing in a pipe."""
    return Console(stderr=True).status(f"{what} ...")


def show(found: Sequence[Reconciliation], *, only_differences: bool) -> None:
    """One table per vendor, its causes, and the verdict."""
    console = out()
    for one in found:
        console.print(heading(_title(one)))
        console.print(dim("; ".join(shape.name for shape in one.bill.shapes)))
        rows = [row for row in one.rows if not only_differences or row.verdict != "equal"]
        for tokens, dollars in _parts(rows, wide=console.width >= _WIDE):
            console.print(_table(one, rows, tokens=tokens, dollars=dollars))
        for judged in rows:
            if judged.verdict != "equal":
                console.print(_explained(judged))
        console.print(_verdict(one))
        console.print()


def _title(one: Reconciliation) -> str:
    return f"{one.vendor}, {one.since:%Y-%m-%d %H:%M} to {one.until:%Y-%m-%d %H:%M} UTC"


def _parts(rows: Sequence[Judged], *, wide: bool) -> list[tuple[bool, bool]]:
    """Tables of tokens, of dollars, or of both; a narrow terminal has one after the other."""
    tokens = any(judged.row.tokens is not None for judged in rows)
    dollars = any(judged.row.dollars is not None for judged in rows)
    if tokens and dollars and not wide:
        return [(True, False), (False, True)]
    return [(tokens, dollars)] if rows else []


def _table(one: Reconciliation, rows: Sequence[Judged], *, tokens: bool, dollars: bool) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        show_footer=one.total is not None,
    )
    total = _cells(one.total, tokens=tokens, dollars=dollars) if one.total else {}
    table.add_column("")
    table.add_column("day", "all", no_wrap=True)
    table.add_column("model", overflow="fold")
    for title in _titles(tokens=tokens, dollars=dollars):
        table.add_column(title, total.get(title, ""), justify="right", no_wrap=True)
    for judged in rows:
        mark = Text(_MARKS[judged.verdict], _STYLES[judged.verdict])
        cells = _cells(judged.row, tokens=tokens, dollars=dollars)
        table.add_row(mark, judged.row.day.isoformat(), judged.row.model, *cells.values())
    return table


def _titles(*, tokens: bool, dollars: bool) -> list[str]:
    return [
        *(("tokens billed", "ledger") if tokens else ()),
        *(("billed", "in the ledger", "difference") if dollars else ()),
    ]


def _cells(row: Row, *, tokens: bool, dollars: bool) -> dict[str, str]:
    cells: dict[str, str] = {}
    if tokens:
        cells["tokens billed"] = _NONE if row.tokens is None else _count(row.tokens.tokens.each)
        cells["ledger"] = _NONE if row.tokens is None else _count(row.booked.tokens.each)
    if dollars:
        known = row.dollars is not None
        cells["billed"] = format_usd(row.dollars.nanousd) if row.dollars else _NONE
        cells["in the ledger"] = format_usd(row.booked.nanousd) if known else _NONE
        cells["difference"] = _signed(row.gap_nanousd)
    return cells


def _count(each: tuple[int, ...]) -> str:
    return f"{sum(each):,}"


def _signed(nanousd: int | None) -> str:
    if nanousd is None:
        return _NONE
    return ("+" if nanousd > 0 else "") + format_usd(nanousd) if nanousd else "0"


def _explained(judged: Judged) -> Text:
    """Which kinds of tokens are apart, and why."""
    row = judged.row
    said = Text(f"{_MARKS[judged.verdict]} {row.day} {row.model}", _STYLES[judged.verdict])
    if row.token_gap is not None and row.tokens is not None:
        sides = zip(KINDS, row.tokens.tokens.each, row.booked.tokens.each, strict=True)
        for kind, billed, ours in sides:
            if billed != ours:
                name = kind.replace("_", " ")
                said.append(f"\n  {name}: billed {billed:,}, in the ledger {ours:,}", "")
    if row.gap_nanousd:
        said.append(f"\n  dollars: {_signed(row.gap_nanousd)} on the bill", "")
    for at, cause in enumerate(judged.causes):
        said.append(f"\n  {'likely' if not at else 'or'}: {cause.text}", "")
    if not judged.causes:
        said.append("\n  no cause is known for this", "")
    return said


def _rows(number: int) -> str:
    return "1 row" if number == 1 else f"{number:,} rows"


def _verdict(one: Reconciliation) -> Text:
    counted = {verdict: sum(judged.verdict == verdict for judged in one.rows) for verdict in _MARKS}
    if not one.rows:
        return Text("Nothing to compare: neither side has calls in this period.", "yellow")
    if one.reconciled:
        exact = counted["within"] == 0
        how = (
            "to the token and the nano-dollar" if exact and one.total else "within what is allowed"
        )
        rest = "" if exact else f", {counted['within']:,} of them not exactly"
        return Text(f"Reconciled {how}: {_rows(len(one.rows))}{rest}.", "green")
    return Text(
        f"Not reconciled: {counted['differs']:,} of {_rows(len(one.rows))} with a difference.",
        "bold red",
    )
