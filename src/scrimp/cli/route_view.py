"""How `scrimp route eval` and `train` look: tables, the picture, and what the gate says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from scrimp.cli.console import dim, heading, out, say, short_path
from scrimp.cli.picture import drawn

if TYPE_CHECKING:
    from scrimp.routing.picture_points import Picture

_TITLES = {
    "apgr": "APGR",
    "cpt50": "CPT50",
    "cpt80": "CPT80",
    "cost95": "cost at 95 %",
    "cost99": "cost at 99 %",
}


def show_eval(told: dict[str, Any], shown: Picture, png: Path | None) -> None:
    """Everything, for people."""
    say(heading(f"{told['questions']:,} questions, each decided without having been seen"))
    say("", *drawn(shown), "")
    show_tables(told)
    if png is not None:
        say(f"Drawn in {short_path(png)}.")


def show_tables(told: dict[str, Any]) -> None:
    """The numbers alone."""
    console = out()
    console.print(lines_table(told))
    if (pair := told["pair"]) is not None:
        console.print()
        console.print(heading(f"{pair['strong']} and {pair['weak']}, with 95 % of resamples"))
        console.print(_pair_table(pair))
        say(
            dim("APGR: share of the quality gap recovered, over all shares of strong calls."),
            dim("CPT: share of strong calls that recovers 50 or 80 % of it; costs as above."),
        )


def lines_table(told: dict[str, Any]) -> Table:
    """Models alone, and ways between them."""
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    titles = ("quality", "cost", "mean quality", "cost at 95 %", "cost at 99 %")
    for title in titles:
        table.add_column(title, justify="right")
    for name, one in told["models"].items():
        best = " (best single)" if name == told["best"] else ""
        table.add_row(f"{name}{best}", f"{one['quality']:.3f}", f"{one['cost']:.3f}", "", "", "")
    for name, one in told["lines"].items():
        numbers = (
            _number(one[key], 3 if key == "aiq" else 1) for key in ("aiq", "cost95", "cost99")
        )
        table.add_row(name, "", "", *numbers)
    return table


def _pair_table(pair: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for title in _TITLES.values():
        table.add_column(title, justify="right")
    for name in ("router", "blind mix", "prompt length", "oracle"):
        table.add_row(name, *(_span(measure, pair[name][measure]) for measure in _TITLES))
    return table


def _span(measure: str, told: dict[str, float | None]) -> str:
    value, low, high = (told[name] for name in ("value", "low", "high"))
    if value is None:
        return "never"
    if measure == "apgr":
        return f"{value:.3f} ({_number(low, 3)}-{_number(high, 3)})"
    ends = "-".join("?" if end is None else f"{end:.0%}" for end in (low, high))
    return f"{value:.1%} ({ends})"


def _number(value: float | None, places: int) -> str:
    if value is None:
        return "never"
    return f"{value:.3f}" if places == 3 else f"{value:.1%}"
