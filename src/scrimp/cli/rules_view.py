"""How `scrimp budget` and `scrimp tier` look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from scrimp.budgets.tables import AllowanceTable, TierTable
from scrimp.budgets.words import amount_text, plain_amount, resets_text, window_text
from scrimp.cli.console import dim, heading, out
from scrimp.limits import SCOPE_KINDS, Standing
from scrimp.money import format_usd, parse_usd
from scrimp.shell.forms import BudgetView, TierView

_NEARLY = 0.9
_OF_RATES = ("minute", "1m", "60s")


def whose(budget: BudgetView) -> str:
    """`team 'ci'`, `each end user`, `all calls`."""
    for kind in SCOPE_KINDS:
        if name := getattr(budget, kind):
            word = kind.replace("_", " ")
            return f"each {word}" if name == "*" else f"{word} {name!r}"
    return "all calls"


def allowance_lines(table: TierTable) -> Iterator[str]:
    """What it allows, a line for each limit and cap."""
    for one in (table, *table.also):
        yield from _amounts(one)
    if table.parallel is not None:
        yield f"{table.parallel:,} calls at once"
    if table.call_usd is not None:
        yield f"at most {_dollars(table.call_usd)} for one call"
    if table.call_input_tokens is not None:
        yield f"at most {table.call_input_tokens:,} input tokens in one call"
    if tier := getattr(table, "tier", ""):
        yield f"what tier {tier!r} allows"


def show_budgets(found: Sequence[BudgetView]) -> None:
    """A row for each."""
    console = out()
    if not found:
        console.print(dim("There is no budget: nothing is limited."))
        console.print(dim("Set one with: scrimp budget set NAME --team … --usd 5 --per day"))
        return
    table = _table("name", "whose", "allows", "where")
    for one in found:
        table.add_row(one.name, whose(one), "\n".join(allowance_lines(one)), _where(one))
    console.print(table)


def show_tiers(found: Sequence[TierView]) -> None:
    """A row for each."""
    console = out()
    if not found:
        console.print(dim("There is no tier (make one: scrimp tier set free --usd 1 --per day)."))
        return
    table = _table("name", "allows", "where")
    for one in found:
        table.add_row(one.name, "\n".join(allowance_lines(one)), _where(one))
    console.print(table)


def show_budget(budget: BudgetView, standings: Sequence[Standing]) -> None:
    """Its limits, and how they stand."""
    console = out()
    console.print(heading(f"Budget {budget.name}: {whose(budget)}"))
    for line in allowance_lines(budget):
        console.print(Text(f"  {line}"))
    if not standings:
        if "*" in {getattr(budget, kind) for kind in SCOPE_KINDS}:
            console.print(dim(f"Whose numbers? scrimp budget show {budget.name} --whose NAME"))
        else:
            _say_of_rates(budget)
        return
    table = _table("window", "limit", "used", "held", "left", "")
    for one in standings:
        unit = one.limit.unit
        full = one.used + one.held >= _NEARLY * one.limit.amount
        table.add_row(
            window_text(one.limit.window),
            amount_text(unit, one.limit.amount),
            amount_text(unit, one.used),
            amount_text(unit, one.held),
            Text(amount_text(unit, one.remaining), "bold red" if full else ""),
            resets_text(one) if one.used or one.held or one.limit.window.kind != "rolling" else "",
        )
    console.print(table)
    _say_of_rates(budget)


def _say_of_rates(budget: BudgetView) -> None:
    """What comes within a minute, and at once, is counted where calls are answered."""
    if budget.parallel or any(
        one.per in _OF_RATES and not one.usd for one in (budget, *budget.also)
    ):
        where = f"GET /v1/scrimp/admin/budgets/{budget.name}/standing"
        out().print(dim(f"How many come a minute, and at once, the gateway counts: {where}"))


def standing_views(standings: Sequence[Standing]) -> list[dict[str, Any]]:
    """The same for machines, as the admin API shows it."""
    return [
        {
            "scope": str(one.limit.scope),
            "unit": one.limit.unit,
            "window": window_text(one.limit.window),
            "limit": plain_amount(one.limit.unit, one.limit.amount),
            "used": plain_amount(one.limit.unit, one.used),
            "held": plain_amount(one.limit.unit, one.held),
            "remaining": plain_amount(one.limit.unit, one.remaining),
            "hard": one.limit.hard,
            "resets_at": one.resets_at,
        }
        for one in standings
    ]


def _amounts(one: AllowanceTable) -> Iterator[str]:
    part = "".join(
        f" of {kind} {name}"
        for kind, name in (("model", one.model), ("provider", one.provider))
        if name
    )
    zone = f" in {one.zone}" if one.zone != "UTC" else ""
    rolling = one.per[:1].isdigit()
    window = f" in any {one.per}" if rolling else f" per {one.per}{zone}"
    window = " in all" if one.per == "lifetime" else window
    burst = f", at once {one.burst} x the even share of {one.burst_window}" if one.burst else ""
    soft = " (soft)" if one.hard is False else ""
    amounts = (
        None if one.usd is None else _dollars(one.usd),
        None if one.tokens is None else f"{one.tokens:,} tokens",
        None if one.calls is None else f"{one.calls:,} calls",
    )
    for amount in amounts:
        if amount is not None:
            yield f"{amount}{window}{part}{burst}{soft}"


def _dollars(usd: object) -> str:
    """A view has dollars as exact text."""
    return format_usd(parse_usd(str(usd)))


def _where(one: BudgetView | TierView) -> str:
    return "scrimp.toml" if one.source == "settings" else ""


def _table(*titles: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in titles:
        table.add_column(title, overflow="fold")
    return table
