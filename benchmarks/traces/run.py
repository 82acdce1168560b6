"""Recorded traffic priced end to end: a table of spend by kind, for some models.

Usage: run.py [--data DIR] [--model NAME...] [--json FILE]. Prompts become calls, calls become the
usage that the provider would report (with its own prefix cache), usage is read by Scrimp's readers
and priced by its book. A trace that is not there is left out, loudly.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.common import facts, write_json  # noqa: E402
from benchmarks.traces.loads import Conversations, mooncake  # noqa: E402
from benchmarks.traces.rules import Asked, Vendor, cache_of  # noqa: E402
from scrimp.calls import Cost, Usage  # noqa: E402
from scrimp.dialects.anthropic_usage import read_usage as read_anthropic  # noqa: E402
from scrimp.dialects.openai_usage import read_usage as read_openai  # noqa: E402
from scrimp.errors import PriceUnknown  # noqa: E402
from scrimp.money import decimal_usd, format_usd  # noqa: E402
from scrimp.prices import load_book, price  # noqa: E402

MODELS: dict[str, Vendor] = {
    "gpt-4o": "openai",
    "gpt-4.1": "openai",
    "gpt-5-mini": "openai",
    "claude-sonnet-5": "anthropic",
    "claude-haiku-4-5": "anthropic",
}
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
KINDS = ("input", "cache_read", "cache_write_5m", "output")
TRACES = {
    "mooncake conversation": Path("mooncake") / "conversation_trace.jsonl",
    "mooncake synthetic": Path("mooncake") / "synthetic_trace.jsonl",
    "τ-bench airline": Path("tau-bench") / "gpt-4o-airline.json",
}
_READERS = {"openai": read_openai, "anthropic": read_anthropic}


@dataclass(frozen=True, slots=True)
class Spend:
    """What a trace costs with one model. `too_long` calls do not fit its window and are left out.

    `plain_nanousd` is the same without a prefix cache.
    """

    trace: str
    model: str
    calls: int
    too_long: int
    tokens: dict[str, int]
    nanousd: dict[str, int]
    total_nanousd: int
    plain_nanousd: int


def spend(trace: str, model: str, calls: Iterable[Asked]) -> Spend:
    """Price every call, and add up its line items. Raises PriceUnknown."""
    vendor, book = MODELS[model], load_book()
    cache, read = cache_of(vendor, model), _READERS[vendor]
    known = book.find(model, vendor)
    window = known.context_window if known else None
    tokens: defaultdict[str, int] = defaultdict(int)
    nanousd: defaultdict[str, int] = defaultdict(int)
    priced = too_long = total = plain = 0
    for asked in calls:
        if window and asked.input_tokens + asked.output_tokens > window:
            too_long += 1
            continue
        usage = read(cache.usage(asked))
        if usage is None or usage.suspect:
            raise PriceUnknown(f"{model}: a usage that Scrimp's own reader cannot read")
        cost = price(usage, model, vendor, AT, book=book)
        for line in cost.lines:
            tokens[line.what] += line.quantity
            nanousd[line.what] += line.nanousd
        priced += 1
        total += _known(cost)
        fresh = Usage(input_tokens=asked.input_tokens, output_tokens=asked.output_tokens)
        plain += _known(price(fresh, model, vendor, AT, book=book))
    if sum(nanousd.values()) != total:
        raise PriceUnknown(f"{model}: line items add up to {sum(nanousd.values())}, not {total}")
    return Spend(trace, model, priced, too_long, dict(tokens), dict(nanousd), total, plain)


def _known(cost: Cost) -> int:
    if cost.nanousd is None:
        raise PriceUnknown("a call has no price")
    return cost.nanousd


def measured(folder: Path, models: list[str]) -> tuple[list[Spend], list[str]]:
    """All traces that are there with all models; and what is missing."""
    found, missing = [], []
    for name, place in TRACES.items():
        path = folder / place
        if not path.is_file():
            missing.append(f"{name}: {path} is not there")
            continue
        print(f"{name} ...", file=sys.stderr)
        runs = Conversations(path) if path.suffix == ".json" else None
        for model in models:
            calls = (
                asyncio.run(runs.calls(MODELS[model], model))
                if runs is not None
                else mooncake(path)
            )
            found.append(spend(name, model, calls))
    return found, missing


def show(found: list[Spend]) -> None:
    """One table per trace: dollars by kind, and what the prefix cache saved."""
    console = Console()
    for trace in dict.fromkeys(one.trace for one in found):
        table = Table(title=trace, box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        table.add_column("", no_wrap=True)
        for title in ("calls", "input", "read", "write", "output", "in all"):
            table.add_column(title, justify="right", no_wrap=True)
        table.add_column("uncached", justify="right", no_wrap=True)
        for one in (each for each in found if each.trace == trace):
            amounts = (one.nanousd.get(kind, 0) for kind in KINDS)
            shown = [format_usd(amount, places=2) if amount else "-" for amount in amounts]
            sums = (format_usd(each, places=2) for each in (one.total_nanousd, one.plain_nanousd))
            table.add_row(one.model, f"{one.calls:,}", *shown, *sums)
        console.print(table)


def document(found: list[Spend], missing: list[str]) -> dict[str, Any]:
    """Everything as integers, and as exact decimal dollars."""
    return {
        "priced_at": AT.isoformat(),
        "book": load_book().version,
        "missing": missing,
        "spend": [
            {
                "trace": one.trace,
                "model": one.model,
                "calls": one.calls,
                "too_long": one.too_long,
                "tokens": one.tokens,
                "nanousd": one.nanousd,
                "total_nanousd": one.total_nanousd,
                "total_usd": decimal_usd(one.total_nanousd),
                "without_prefix_cache_nanousd": one.plain_nanousd,
            }
            for one in found
        ],
    }


def main() -> None:
    """Price, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=HERE / "data", help="folder of the traces")
    parser.add_argument("--model", action="append", choices=list(MODELS), help="only these")
    parser.add_argument("--json", type=Path, default=HERE / "results" / "latest.json")
    options = parser.parse_args()
    about = facts()
    found, missing = measured(options.data, options.model or list(MODELS))
    show(found)
    for one in found:
        if one.too_long:
            print(f"{one.trace}, {one.model}: {one.too_long:,} calls do not fit its window")
    for line in missing:
        print(f"SKIPPED, NOT MEASURED: {line} (README.md says where to get it)", file=sys.stderr)
    write_json(options.json, {"facts": about, **document(found, missing)})


if __name__ == "__main__":
    main()
