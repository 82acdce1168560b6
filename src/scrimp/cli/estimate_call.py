"""`scrimp estimate FILE`: what one call will cost, before it is sent."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace
from rich.table import Table

from scrimp.cli.console import dim, heading, out, print_json
from scrimp.errors import ScrimpError
from scrimp.money import format_usd
from scrimp.ports import Count

if TYPE_CHECKING:
    from scrimp.prices import Estimate
    from scrimp.settings import Settings
    from scrimp.shell.quoting import Hints


def read_file(path: Path) -> bytes:
    """What a file holds, or standard input for `-`."""
    return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()


def with_model(body: bytes, model: str, source: Path) -> tuple[bytes, str]:
    """The body for this model, and the dialect that it is written in.

    Raises click.ClickException.
    """
    import msgspec

    from scrimp.dialects.detect import dialect_of
    from scrimp.dialects.json_body import read_object

    try:
        fields = read_object(body)
        dialect = dialect_of(fields)
    except ScrimpError as error:
        raise click.ClickException(f"{source}: {error}") from error
    return msgspec.json.encode({**fields, "model": model}) if model else body, dialect


def estimates_of(bodies: list[bytes], settings: Settings, hints: Hints) -> list[Estimate]:
    """What each call will cost. Raises InvalidRequest, PriceUnknown."""
    from scrimp.app import open_encoder
    from scrimp.billing import book_of
    from scrimp.shell.quoting import Quoter

    quoter, encoder = Quoter(settings, book_of(settings)), open_encoder(settings)
    found = []
    for body in bodies:
        prepared = quoter.prepare(body, hints, datetime.now(UTC))
        seller, fields = prepared.seller, prepared.request.fields
        inputs = encoder.request_now(seller.model, fields, seller.dialect)
        found.append(quoter.estimate(prepared, inputs))
    return found


def show_call(path: Path, settings: Settings, hints: Hints, model: str, *, as_json: bool) -> None:
    """Estimate the call of a file and print it."""
    from scrimp.shell.quoting import shown_estimate

    body, dialect = with_model(read_file(path), model, path)
    (found,) = estimates_of([body], settings, replace(hints, dialect=dialect))
    if as_json:
        print_json(shown_estimate(found))
    else:
        _show(found)


def _show(found: Estimate) -> None:
    console = out()
    seller = f" at {found.provider}" if found.provider else ""
    console.print(heading(f"{found.model}{seller}, {found.dialect}, {found.service_tier} tier"))
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for title in ("expected", "at least", "at most"):
        table.add_column(title, justify="right")
    for name, count in (("input tokens", found.input), ("output tokens", found.output)):
        table.add_row(name, *(f"{number:,}" for number in _three(count)))
    cost = found.cost_nanousd
    table.add_row(
        "cost",
        "unknown" if cost is None else format_usd(cost),
        format_usd(found.low_nanousd),
        format_usd(found.upper_nanousd),
    )
    console.print(table)
    if found.assumed:
        console.print(dim(f"Assumed: {'; '.join(found.assumed)}."), soft_wrap=True)
    if cost is None:
        console.print(dim("It is priced by the second: nobody knows how long it will take."))
    console.print(dim(f"Input counted by {found.input.method}."), soft_wrap=True)
    console.print(dim("At most is one attempt; what retries add is not in it."))
    console.print(dim(f"Book version: {found.price_version}"))


def _three(count: Count) -> tuple[int, int, int]:
    return count.tokens, count.low, count.high
