"""How `scrimp route explain` looks."""

from __future__ import annotations

from typing import Any, Final

from rich.table import Table

from scrimp.cli.console import dim, heading, out, say
from scrimp.money import format_usd

WHY: Final = {
    "not_routed": "the call names a model of its own, or routing is off for it",
    "only_one": "it is the only candidate that is left",
    "no_evidence": "nothing was learned, so the call stays where it was headed",
    "gathering": "the first calls of a route all go to the reference, and make its rungs",
    "novel": "the question is unlike those that were learned from, so it goes to the reference",
    "none_cheaper": "no candidate costs less than the reference",
    "within_loss": "the cheapest whose chance is near enough to the reference's",
    "above_floor": "the cheapest whose chance is high enough",
    "within_budget": "the best that the budget buys",
    "best": "no chance is high enough: the best",
}


def show_explained(told: dict[str, Any]) -> None:
    """What was seen, who could answer, who would, and why."""
    if not told["enabled"]:
        say(dim("Routing is off ([route] enabled): this is what it would do."))
    reasons = f" ({', '.join(told['rung_reasons'])})" if told["rung_reasons"] else ""
    say(
        f"Asked for {told['asked']}, headed for {told['headed_for']}; depth {told['depth']}, "
        f"{_dial(told['dial'])}.",
        f"About {told['input_tokens']:,} input tokens, task {told['task']}, rung {told['rung']}"
        f"{reasons}.",
    )
    if told["candidates"]:
        out().print(_table(told))
    for removed in told["removed"]:
        name, _, why = removed.rpartition(":")
        say(f"  {name} was removed: {why}")
    numbers = ", ".join(f"{name} {value}" for name, value in told["numbers"].items())
    say(heading(f"{told['choice']}: {WHY.get(told['why'], told['why'].replace('_', ' '))}"))
    if numbers:
        say(dim(numbers))


def _dial(dial: dict[str, Any]) -> str:
    if dial["budget_nanousd"] is not None:
        return f"at most {format_usd(dial['budget_nanousd'])} for the call"
    if dial["floor"] is not None:
        return f"a chance of {dial['floor']:g} at least"
    return f"at most {dial['max_loss'] or 0:g} of quality lost"


def _table(told: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("candidate")
    for title in ("chance of a good answer", "expected cost"):
        table.add_column(title, justify="right")
    for name, one in told["candidates"].items():
        mark = " (reference)" if name == told["reference"] else ""
        chance, cost = one["chance"], one["expected_nanousd"]
        table.add_row(
            f"{name}{mark}",
            "not learned" if chance is None else f"{chance:.3f}",
            "unknown" if cost is None else format_usd(cost, places=6),
        )
    return table
