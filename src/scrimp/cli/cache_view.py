"""How `scrimp cache stats` looks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from scrimp.cli.console import dim, heading, out

_STEP = 1024
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def show(told: Mapping[str, Any]) -> None:
    """Totals, then a line for each tenant and task type."""
    console = out()
    console.print(heading(f"Exact cache in {told['place']}"))
    console.print()
    limit = f" of {size(told['max_bytes'])}" if told["max_bytes"] else ""
    kept = f"{told['entries']:,}, {size(told['size_bytes'])}{limit}"
    looked = told["hits"] + told["misses"]
    answered = f"{told['hits']:,} of {looked:,} look-ups answered ({share(told)})"
    for name, text in (("replies", kept), ("hits", answered)):
        console.print(Text.assemble((f"  {name:<9}", "dim"), text))
    console.print()
    if not told["scopes"]:
        console.print(dim("Nothing was looked up yet."))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("tenant", overflow="fold")
    table.add_column("task type", overflow="fold")
    for title in ("replies", "bytes", "hits", "misses", "hit %"):
        table.add_column(title, justify="right", no_wrap=True)
    for one in told["scopes"]:
        table.add_row(
            one["tenant"],
            one["task"],
            f"{one['entries']:,}",
            size(one["size_bytes"]),
            f"{one['hits']:,}",
            f"{one['misses']:,}",
            share(one),
        )
    console.print(table)


def share(counts: Mapping[str, int]) -> str:
    """Per cent of look-ups that were answered."""
    looked = counts["hits"] + counts["misses"]
    return f"{counts['hits'] / looked:.1%}" if looked else "–"  # noqa: RUF001 - a dash


def size(number: int) -> str:
    """A number of bytes: exact below 1024, then with one decimal."""
    if number < _STEP:
        return f"{number} B"
    amount, unit = float(number), 0
    while amount >= _STEP and unit < len(_UNITS) - 1:
        amount, unit = amount / _STEP, unit + 1
    return f"{amount:.1f} {_UNITS[unit]}"
