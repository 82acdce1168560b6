"""`scrimp price --vectors FILE`: recorded bills beside ours, each miss with both numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from scrimp.cli.console import dim, out, print_json
from scrimp.ledger.explain import price_line
from scrimp.money import decimal_usd, format_usd
from scrimp.prices.book import PriceBook
from scrimp.prices.vectors import Verdict, check


def read_vectors(path: Path) -> list[Any]:
    """The vectors of a file: a JSON list, or an object with a list of `vectors`."""
    try:
        found = msgspec.json.decode(path.read_bytes())
    except msgspec.DecodeError as error:
        raise click.BadParameter(f"{path}: not JSON: {error}") from error
    if isinstance(found, dict):
        found = found.get("vectors")
    if not isinstance(found, list) or not found:
        raise click.BadParameter(f"{path}: neither a list of vectors nor an object with one")
    return found


def verdicts_of(path: Path, book: PriceBook) -> list[Verdict]:
    """How each vector of a file fares."""
    verdicts = []
    for position, vector in enumerate(read_vectors(path)):
        try:
            verdicts.append(check(vector, book))
        except ValueError as error:
            raise click.BadParameter(f"{path}: entry {position}: {error}") from error
    return verdicts


def show_verdicts(verdicts: Sequence[Verdict], book: PriceBook, *, as_json: bool) -> int:
    """Print them; how many missed."""
    missed = [one for one in verdicts if not one.exact]
    if as_json:
        print_json(
            {
                "vectors": len(verdicts),
                "exact": len(verdicts) - len(missed),
                "price_version": book.version,
                "misses": [_document(one) for one in missed],
            }
        )
        return len(missed)
    console = out()
    console.print(f"{len(verdicts) - len(missed)} of {len(verdicts)} exact")
    for one in missed:
        expected = "unknown" if one.expected_usd is None else f"${one.expected_usd}"
        console.print(f"{one.id}: expected {expected}, got {_got(one)}")
        for line in one.cost.lines if one.cost else ():
            console.print(f"  {price_line(line)}", soft_wrap=True)
        if one.cost and one.why:
            console.print(f"  suspect: {one.why}", soft_wrap=True)
    console.print(dim(f"Book version: {book.version}"))
    return len(missed)


def _got(one: Verdict) -> str:
    if one.cost is None or one.cost.nanousd is None:
        return f"unknown: {one.why}"
    return format_usd(one.cost.nanousd)


def _document(one: Verdict) -> dict[str, Any]:
    cost = one.cost
    return {
        "id": one.id,
        "expected_usd": one.expected_usd,
        "cost_usd": None if cost is None or cost.nanousd is None else decimal_usd(cost.nanousd),
        "why": one.why,
        "lines": [
            {
                "what": line.what,
                "quantity": line.quantity,
                "picousd_per_unit": line.pico_per_unit,
                "nanousd": line.nanousd,
            }
            for line in (cost.lines if cost else ())
        ],
    }
