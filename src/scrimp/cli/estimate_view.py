"""How `scrimp estimate` shows a forecast: as tables for people, as a document for machines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from rich import box
from rich.table import Table

from scrimp.cli.console import dim, heading, out
from scrimp.money import decimal_usd, format_usd
from scrimp.prices.forecast import (
    CHEAP_SHARES,
    HIT_RATES,
    Plan,
    Workload,
    forecast,
    scenarios,
    tokens_of,
)

_USUAL_DISCOUNT = Fraction(94, 100)
"""What the table of scenarios takes where nobody said: GPT-4o mini beside GPT-4o."""


@dataclass(frozen=True, slots=True)
class Basis:
    """Where a forecast starts: the untouched month, and what is known of its calls."""

    baseline_nanousd: int
    source: str
    days: int
    hit_rate: Fraction = Fraction(0)
    unpriced_calls: int = 0
    load: Workload | None = None


def document(basis: Basis, plan: Plan) -> dict[str, Any]:
    """For machines: money as exact decimal dollars and as integers."""
    found = forecast(basis.baseline_nanousd, plan)
    amounts = {
        "baseline": found.baseline_nanousd,
        "after_caching": found.after_caching_nanousd,
        "after_tiering": found.after_tiering_nanousd,
        "saving": found.saving_nanousd,
    }
    load = basis.load
    return {
        "source": basis.source,
        "days": basis.days,
        "tokens": dict(zip(("input", "output"), tokens_of(load), strict=True)) if load else None,
        "unpriced_calls": basis.unpriced_calls,
        "plan": {
            "hit_rate": float(plan.hit_rate),
            "cheap_share": float(plan.cheap_share),
            "cheap_discount": float(plan.cheap_discount),
        },
        **{f"{name}_usd": decimal_usd(nanousd) for name, nanousd in amounts.items()},
        **{f"{name}_nanousd": nanousd for name, nanousd in amounts.items()},
        "saving_percent": float(_percent(found.saving_share)),
        "scenarios": list(_scenarios(basis, plan.cheap_discount or _USUAL_DISCOUNT)),
    }


def _scenarios(basis: Basis, discount: Fraction) -> Iterator[dict[str, Any]]:
    """The table of other hit rates and shares, a row for each month."""
    rows = scenarios(basis.baseline_nanousd, discount)
    for hits, row in zip(HIT_RATES, rows, strict=True):
        for share, one in zip(CHEAP_SHARES, row, strict=True):
            yield {
                "hit_rate": float(hits),
                "cheap_share": float(share),
                "cheap_discount": float(discount),
                "month_usd": decimal_usd(one.after_tiering_nanousd),
                "month_nanousd": one.after_tiering_nanousd,
            }


def show(basis: Basis, plan: Plan) -> None:
    """The month in four lines, and what other hit rates and shares would make of it."""
    found = forecast(basis.baseline_nanousd, plan)
    console = out()
    console.print(heading(f"A month of {basis.days} days, at {basis.source}"))
    if basis.load is not None:
        inputs, outputs = tokens_of(basis.load)
        console.print(dim(f"{inputs:,} input and {outputs:,} output tokens"))
    if basis.unpriced_calls:
        console.print(dim(f"calls without a known price, not in it: {basis.unpriced_calls:,}"))
    console.print()
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column(style="dim")
    for name, nanousd, why in (
        ("baseline", found.baseline_nanousd, "untouched"),
        ("after caching", found.after_caching_nanousd, f"{_share(plan.hit_rate)} hits"),
        (
            "after tiering",
            found.after_tiering_nanousd,
            f"{_share(plan.cheap_share)} of the rest {_share(plan.cheap_discount)} cheaper"
            if plan.cheap_share
            else "all on this model",
        ),
        ("saving", found.saving_nanousd, f"{_percent(found.saving_share)} %"),
    ):
        table.add_row(name, format_usd(nanousd, places=2), why)
    console.print(table)
    console.print()
    console.print(_grid(basis, plan.cheap_discount or _USUAL_DISCOUNT))
    if not plan.cheap_discount:
        console.print(dim("--cheap-discount says how much cheaper the other model is."))


def _grid(basis: Basis, discount: Fraction) -> Table:
    table = Table(
        title=f"the month by hits and share of calls on a {_share(discount)} cheaper model",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("hits")
    for share in CHEAP_SHARES:
        table.add_column(f"{_share(share)} on it", justify="right")
    rows = scenarios(basis.baseline_nanousd, discount)
    for hits, row in zip(HIT_RATES, rows, strict=True):
        cells = (format_usd(one.after_tiering_nanousd, places=2) for one in row)
        table.add_row(_share(hits), *cells)
    return table


def _share(share: Fraction) -> str:
    return f"{_percent(share)} %".replace(".0 %", " %")


def _percent(share: Fraction) -> str:
    """Percent with one decimal, rounded half up."""
    tenths = (share.numerator * 2000 + share.denominator) // (2 * share.denominator)
    return f"{tenths // 10}.{tenths % 10}"
