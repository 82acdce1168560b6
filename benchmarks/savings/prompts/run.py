"""Input dollars that compact and the provider's prefix cache save on recorded conversations.

Usage: run.py --trace FILE [--format messages] [--provider RULES] [--model NAME] [--tools all]
--json OUT. With --format mooncake: what marks in the right places save. RULES are openai,
anthropic, anthropic-5m, anthropic-1h, gpt-5.6, gpt-5, mistral, for both. A table for each file:
tokens of tools' results before and after, what each of the two saves alone and together, whether
all reads back equal, and prefixes broken.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2]))

from benchmarks.common import facts, write_json  # noqa: E402
from benchmarks.savings.prompts.compacting import (  # noqa: E402
    Result,
    by_rule,
    measure,
    to_all,
)
from benchmarks.savings.prompts.conversations import runs_of  # noqa: E402
from benchmarks.savings.prompts.mooncake import run_mooncake  # noqa: E402
from benchmarks.savings.prompts.providers import PROVIDERS  # noqa: E402
from scrimp.client.functions import now_encoder  # noqa: E402
from scrimp.errors import PriceUnknown  # noqa: E402
from scrimp.money import format_usd  # noqa: E402

USUAL = {"messages": ("openai", "anthropic"), "mooncake": ("anthropic-5m", "gpt-5.6")}
"""What is measured where no provider is named."""


def share(part: int, whole: int) -> str:
    """Such as `12.3 %`."""
    return f"{part / whole:.1%}" if whole else "-"


def show(title: str, found: list[Result]) -> None:
    """One table for a file."""
    table = Table(title=title, box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for one in found:
        table.add_column(one.model, justify="right")
    rows: list[tuple[str, Any]] = [
        ("calls", lambda r: f"{r.calls:,}"),
        ("results of tools (changed)", lambda r: f"{r.results:,} ({r.changed:,})"),
        ("their tokens, as sent", lambda r: f"{r.result_tokens:,}"),
        ("… less", lambda r: share(r.result_tokens - r.result_tokens_after, r.result_tokens)),
        ("all input tokens", lambda r: f"{r.input_tokens:,}"),
        ("… less", lambda r: share(r.input_tokens - r.input_tokens_after, r.input_tokens)),
        ("input, neither", lambda r: format_usd(r.plain, places=2)),
        ("marks at every end", lambda r: format_usd(r.naive, places=2)),
        ("prefix alone", lambda r: format_usd(r.cached, places=2)),
        ("compact alone", lambda r: format_usd(r.compact, places=2)),
        ("both", lambda r: format_usd(r.both, places=2)),
        ("prefix alone saves", lambda r: share(r.plain - r.cached, r.plain)),
        ("compact alone saves", lambda r: share(r.plain - r.compact, r.plain)),
        ("both together save", lambda r: share(r.plain - r.both, r.plain)),
        ("… of that prefix", lambda r: share(r.by_prefix, r.plain - r.both)),
        ("… of that compact", lambda r: share(r.by_compact, r.plain - r.both)),
        ("compact beside prefix saves", lambda r: share(r.cached - r.both, r.cached)),
        ("results not equal", lambda r: f"{r.not_equal:,}"),
        ("prefixes broken", lambda r: f"{r.prefixes_broken:,}"),
    ]
    for name, words in rows:
        table.add_row(name, *(words(one) for one in found))
    Console().print(table)


def _show_together(told: list[list[dict[str, Any]]]) -> None:
    """Results of tools of all files, as if they were one."""
    for every in zip(*told, strict=True):
        before = sum(one["result_tokens"] for one in every)
        less = before - sum(one["result_tokens_after"] for one in every)
        print(
            f"all files, {every[0]['model']}: {share(less, before)} of the tokens of results less"
        )


def main() -> int:
    """Measure, print, write; 1 when something was lost or a prefix broke."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trace", type=Path, action="append", required=True)
    parser.add_argument("--format", choices=["messages", "mooncake"], default="messages")
    parser.add_argument("--provider", choices=list(PROVIDERS), action="append", metavar="RULES")
    parser.add_argument("--model", action="append", help="of the one provider that is named")
    parser.add_argument("--tools", choices=["rule", "all"], default="rule")
    parser.add_argument("--json", type=Path, default=HERE / "results" / "latest.json")
    options = parser.parse_args()
    chosen = list(dict.fromkeys(options.provider or USUAL[options.format]))
    if options.format == "mooncake":
        try:
            return run_mooncake(options.trace, chosen, options.json)
        except (OSError, ValueError) as error:
            parser.error(str(error))
    if options.model and len(chosen) != 1:
        parser.error("--model needs one --provider")
    told: dict[str, list[dict[str, Any]]] = {}
    wrong = 0
    for path in options.trace:
        try:
            runs = runs_of(path)
        except (OSError, ValueError) as error:
            parser.error(str(error))
        by_tool = by_rule if options.tools == "rule" else to_all
        try:
            found = [
                measure(runs, PROVIDERS[name], model, now_encoder(), by_tool)
                for name in chosen
                for model in options.model or PROVIDERS[name].models
            ]
        except (ValueError, PriceUnknown) as error:
            parser.error(str(error))
        show(f"{path.name}: {len(runs):,} conversations", found)
        told[str(path.name)] = [
            {**asdict(one), "by_prefix": one.by_prefix, "by_compact": one.by_compact}
            for one in found
        ]
        wrong += sum(one.not_equal + one.prefixes_broken for one in found)
    if len(options.trace) > 1:
        _show_together(list(told.values()))
    write_json(options.json, {"facts": facts(), "tools": options.tools, "results": told})
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
