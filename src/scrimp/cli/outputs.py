"""`scrimp outputs`: how long answers are, and which limits would do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scrimp.cli.options import config_option, examples, json_option, load_settings

if TYPE_CHECKING:
    from scrimp.clamping.outputs import Key, Lengths


@click.command(
    name="outputs",
    short_help="Show how long answers are.",
    epilog=examples("scrimp outputs", "scrimp outputs --newest 50000 --json"),
)
@click.option(
    "--newest",
    type=click.IntRange(1, 1_000_000),
    default=10_000,
    show_default=True,
    help="How many of the newest calls are read.",
)
@click.option("--tenant", default="", help="Of this tenant alone, such as key:ci.")
@config_option
@json_option
def outputs_command(newest: int, tenant: str, config: Path | None, *, as_json: bool) -> None:
    """Show how long answers are, by task and model, and which limits would do.

    A limit is the 99th percentile (with a certainty of 95 %, from 300 answers on) and a quarter:
    what [clamp_output] advises, and sets with `enforce`. Answers that were cut count as longer than
    all others; they are known where [clamp_output] was on.
    """
    from scrimp.app import open_ledger_reader
    from scrimp.clamping.outputs import LEAST_CALLS
    from scrimp.cli.console import note, out, print_json, say
    from scrimp.ledger.lengths import lengths_of

    settings = load_settings(config).settings
    found = lengths_of(open_ledger_reader(settings).recent(newest), tenant)
    rows = [_row(key, lengths, settings.clamp_output.headroom) for key, lengths in found.items()]
    if as_json:
        print_json({"newest": newest, "outputs": rows})
        return
    if not rows:
        say(f"no answers of providers among the newest {newest:,} calls")
        return
    from rich.table import Table

    table = Table()
    for name in ("task", "model", "preset"):
        table.add_column(name)
    for name in ("answers", "mean", "half", "99 %", "cut", "limit"):
        table.add_column(name, justify="right")
    for row in rows:
        counts = ("answers", "mean", "half", "p99", "cut", "max_tokens")
        numbers = ["-" if row[name] is None else f"{row[name]:,}" for name in counts]
        table.add_row(row["task"], row["model"], row["preset"], *numbers)
    out().print(table)
    if any(row["max_tokens"] is None for row in rows):
        note(f"no limit (-): fewer than {LEAST_CALLS} answers, or more than 1 % were cut")


def _row(key: Key, lengths: Lengths, headroom: int) -> dict[str, Any]:
    from scrimp.ledger.lengths import advised

    return {
        "task": key.task,
        "provider": key.provider,
        "model": key.model,
        "preset": key.brief,
        "answers": lengths.calls,
        "mean": round(lengths.mean),
        "half": lengths.about(0.5),
        "p99": lengths.about(0.99),
        "cut": lengths.cut,
        "max_tokens": advised(lengths, headroom),
    }
