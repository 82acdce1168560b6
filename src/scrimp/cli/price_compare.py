"""`scrimp price --compare A,B FILE`: what one prompt costs with each of several models."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
from msgspec.structs import replace
from rich import box
from rich.table import Table

from scrimp.cli.console import dim, heading, out, print_json
from scrimp.cli.estimate_call import estimates_of, read_file
from scrimp.dialects.detect import dialect_of
from scrimp.money import format_usd
from scrimp.prices.quote import usual_output_tokens

if TYPE_CHECKING:
    from scrimp.prices import Estimate
    from scrimp.settings import Settings
    from scrimp.shell.quoting import Hints


@dataclass(frozen=True, slots=True)
class Comparison:
    """Estimates of one prompt, cheapest first, with the output that was assumed for all."""

    estimates: tuple[Estimate, ...]
    output_tokens: int
    told: bool
    what: str

    def factor(self, one: Estimate) -> float | None:
        """How many times as much as the cheapest; None when that costs nothing or is not known."""
        cheapest, cost = self.estimates[0].cost_nanousd, one.cost_nanousd
        return None if not cheapest or cost is None else cost / cheapest


def compare(models: str, path: Path, settings: Settings, hints: Hints) -> Comparison:
    """Estimate the prompt of a file with each model; all are taken to write equally much.

    Raises InvalidRequest, PriceUnknown, click.ClickException.
    """
    names = list(dict.fromkeys(name.strip() for name in models.split(",") if name.strip()))
    if not names:
        raise click.UsageError("--compare takes models with commas between (gpt-4o,gpt-4o-mini)")
    fields, what = _prompt(read_file(path), path)
    # as it is written, not as each model's own vendor would want it
    hints = replace(hints, dialect=dialect_of(fields))
    bodies = [_body(fields, name) for name in names]
    told = hints.output_tokens is not None
    if not told:
        # tokens of a text differ by model, and so would two thirds of them: one number for all
        (first,) = estimates_of(bodies[:1], settings, hints)
        usual = min(usual_output_tokens(first.input.tokens), first.output.high)
        hints = replace(hints, output_tokens=usual)
    found = estimates_of(bodies, settings, hints)
    found.sort(key=lambda one: (one.cost_nanousd is None, one.cost_nanousd))
    return Comparison(tuple(found), hints.output_tokens or 0, told, what)


def _prompt(data: bytes, path: Path) -> tuple[dict[str, Any], str]:
    """A request body when the file holds one, else its text as one user message."""
    from scrimp.dialects.json_body import parse_object

    fields = parse_object(data)
    if fields is not None and ("messages" in fields or "input" in fields):
        return fields, "a request body"
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{path} is not UTF-8 at byte {error.start:,}") from None
    if not text:
        raise click.ClickException(f"{path} is empty")
    return {"messages": [{"role": "user", "content": text}]}, "a text, as one user message"


def _body(fields: dict[str, Any], model: str) -> bytes:
    return msgspec.json.encode({**fields, "model": model})


def show_comparison(found: Comparison, *, as_json: bool) -> None:
    """Cheapest first."""
    if as_json:
        from scrimp.shell.quoting import shown_estimate

        print_json(
            {
                "prompt": found.what,
                "output_tokens": found.output_tokens,
                "output_tokens_assumed": not found.told,
                "models": [
                    {**shown_estimate(one), "factor": found.factor(one)} for one in found.estimates
                ],
            }
        )
        return
    console = out()
    console.print(heading(f"The prompt: {found.what}"))
    console.print(_table(found))
    told = "as you said" if found.told else "assumed; --output N says otherwise"
    console.print(dim(f"Output: {found.output_tokens:,} tokens for each ({told})."))
    for one in found.estimates:
        if one.output.tokens < found.output_tokens:
            console.print(dim(f"{one.model} writes {one.output.tokens:,} at most."))
    about = any(one.input.low != one.input.high for one in found.estimates)
    told = "~ is an estimate. " if about else ""
    console.print(dim(f"{told}At most is one attempt at full price."))
    console.print(dim(f"Book version: {found.estimates[0].price_version}"))


def _table(found: Comparison) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("model")
    table.add_column("at")
    for title in ("input", "output", "cost", "at most", "times"):
        table.add_column(title, justify="right")
    for one in found.estimates:
        cost, factor = one.cost_nanousd, found.factor(one)
        sign = "" if one.input.low == one.input.high else "~"
        table.add_row(
            one.model,
            one.provider,
            f"{sign}{one.input.tokens:,}",
            f"{one.output.tokens:,}",
            "unknown" if cost is None else format_usd(cost),
            format_usd(one.upper_nanousd),
            "" if factor is None else f"{factor:,.2f}",
        )
    return table
