"""How `scrimp advise` looks: a table by dollars, then each finding with what to paste."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from scrimp.advice.advising import Advice
from scrimp.advice.words import DAY_US, MONTH_DAYS, Finding, System, per_month
from scrimp.cli.console import dim, heading, out
from scrimp.cli.report_view import amount
from scrimp.money import NANO_PER_USD, decimal_usd, format_usd

_MOST_PROMPTS = 5


def show(advice: Advice, top: int, least: int, *, of_log: bool) -> None:
    """All of it, for people."""
    console, facts = out(), advice.facts
    spent = dollars(facts.cost)
    calls = "1 paid call" if facts.calls == 1 else f"{facts.calls:,} paid calls"
    console.print(heading(f"{calls}, {spent}, in {_days(advice)}"))
    console.print()
    found = advice.findings[:top]
    if found:
        console.print(_table(advice, found))
        for number, one in enumerate(found, 1):
            _finding(console, advice, one, number)
        console.print(Text.assemble((_total(advice), "bold")))
    else:
        console.print(f"Nothing was missed that {least} calls or more would show.")
    for line in _remarks(advice, top):
        console.print(dim(line))
    if advice.prompts:
        console.print()
        console.print(heading("Instructions before the first turn, by what they cost"))
        console.print(_prompts(advice))
        for prompt, _ in advice.prompts[:_MOST_PROMPTS]:
            example = prompt.example
            place = f"line {UUID(example).int}" if of_log else f"scrimp explain {example}"
            console.print(dim(f"#{prompt.number}: {place}"))


def _days(advice: Advice) -> str:
    days = advice.facts.days
    if days >= 1:
        return f"{days:.1f} days"
    minutes = days * 24 * 60
    return f"{minutes / 60:.1f} hours" if minutes >= 60 else f"{max(1, round(minutes))} min"


def _table(advice: Advice, found: tuple[Finding, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", justify="right", style="dim")
    table.add_column("a month", justify="right", no_wrap=True)
    table.add_column("missed", overflow="fold")
    table.add_column("calls", justify="right", no_wrap=True)
    table.add_column("effort", overflow="fold")
    for number, one in enumerate(found, 1):
        month = dollars(per_month(one.nanousd, advice.facts))
        table.add_row(str(number), month, one.title, f"{one.calls:,}", one.effort)
    return table


def _finding(console: Console, advice: Advice, one: Finding, number: int) -> None:
    console.print(Text.assemble((f"{number}  {one.title}", "bold")))
    console.print(f"   {one.why}.")
    console.print(Text.assemble("   ", _worth(advice, one)))
    console.print(Text.assemble(("   risk: ", "dim"), one.risk))
    if one.todo:
        console.print(Text.assemble(("   do:   ", "dim"), one.todo))
    if others := advice.overlaps.get(one.kind):
        names = ", ".join(_title(advice, kind) for kind in others)
        console.print(Text.assemble(("   about the same calls as: ", "dim"), names))
    for line in one.toml.splitlines():
        console.print(Text(f"       {line}".rstrip(), "cyan"), soft_wrap=True)
    console.print()


def _title(advice: Advice, kind: str) -> str:
    return next(str(n) for n, one in enumerate(advice.findings, 1) if one.kind == kind)


def _worth(advice: Advice, one: Finding) -> str:
    facts = advice.facts
    said = f"{dollars(one.nanousd)} in {_days(advice)}"
    month = dollars(per_month(one.nanousd, facts))
    if one.low == one.nanousd == one.high:
        return f"{said}: {month} a month"
    low, high = (dollars(per_month(part, facts)) for part in (one.low, one.high))
    return f"about {said}: {month} a month, between {low} and {high}"


def _total(advice: Advice) -> str:
    month = dollars(per_month(advice.nanousd, advice.facts))
    parts = sum(one.nanousd for one in advice.findings)
    said = f"Together about {month} a month"
    if parts > advice.nanousd:
        said += ", less than the sum: what two findings would save in one call counts once"
    return said + "."


def _remarks(advice: Advice, top: int) -> Iterator[str]:
    if advice.findings:
        days = advice.facts.days
        known = f"{_days(advice)} of calls" + ("" if days >= 1 else ", taken as one day")
        yield f"A month is {MONTH_DAYS} days, reckoned from {known}."
    if (more := len(advice.findings) - top) > 0:
        yield f"{more} more: --top {len(advice.findings)}."
    for line in advice.unseen:
        yield f"Not seen: {line}."


def _prompts(advice: Advice) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("", "a month", "calls", "tokens each", "cached", "spellings"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("model", overflow="fold")
    for one, nanousd in advice.prompts[:_MOST_PROMPTS]:
        month = dollars(per_month(nanousd, advice.facts))
        tokens = amount(one.tokens // max(1, one.calls))
        name = f"#{one.number}"
        shown = (month, f"{one.calls:,}", tokens, _cached(one), f"{one.forms:,}", one.model)
        table.add_row(name, *shown)
    return table


def _cached(one: System) -> str:
    return f"{one.was_read / one.tokens:.0%}" if one.tokens else ""


def dollars(nanousd: int) -> str:
    """As many places as tell it apart from nothing."""
    size = abs(nanousd)
    places = 2 if size >= NANO_PER_USD else 4 if size >= NANO_PER_USD // 100 else 6
    return format_usd(nanousd, places=places)


def document(advice: Advice, top: int) -> dict[str, Any]:
    """The same facts for machines."""
    facts = advice.facts
    return {
        "calls": facts.calls,
        "calls_with_traits": facts.known,
        "cost_nanousd": facts.cost,
        "days": round(facts.days, 4),
        "days_reckoned_with": round(max(facts.last_us - facts.first_us, DAY_US) / DAY_US, 4),
        "total": _money(advice.nanousd, advice),
        "findings": [_fields(one, advice) for one in advice.findings[:top]],
        "prompts": [
            {
                "number": one.number,
                "provider": one.provider,
                "model": one.model,
                "digest": f"{one.digest & (1 << 64) - 1:016x}",
                "calls": one.calls,
                "tokens": one.tokens,
                "cache_read_tokens": one.was_read,
                "spellings": one.forms,
                "example": one.example,
                "cost": _money(nanousd, advice),
            }
            for one, nanousd in advice.prompts[:top]
        ],
        "not_seen": list(advice.unseen),
    }


def _fields(one: Finding, advice: Advice) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "title": one.title,
        "why": one.why,
        "calls": one.calls,
        "saving": _money(one.nanousd, advice),
        "low": _money(one.low, advice),
        "high": _money(one.high, advice),
        "estimate": one.low != one.high,
        "effort": one.effort,
        "risk": one.risk,
        "todo": one.todo,
        "toml": one.toml,
        "overlaps": list(advice.overlaps.get(one.kind, ())),
    }


def _money(nanousd: int, advice: Advice) -> dict[str, int | str]:
    month = per_month(nanousd, advice.facts)
    return {"nanousd": nanousd, "per_month_nanousd": month, "per_month_usd": decimal_usd(month)}
