"""The benchmark's tables, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table

_TITLES: Final = {
    "known_tasks": "questions of tasks that were learned from",
    "few_labels": "the same, with few labels",
    "new_tasks": "questions of tasks that were never seen",
    "left_out_tasks": "each task by a router that never saw it",
}
_PUBLISHED: Final = (
    "RouteLLM's best on all of MMLU with 1,500 labels: APGR .603, CPT50 35.4 %, CPT80 70.3 %"
)


def tables(console: Console, result: Mapping[str, Any]) -> None:
    """Everything that was measured."""
    for name, title in _TITLES.items():
        if name in result:
            _routers(console, title, result[name])
    for name, found in result.get("by_source", {}).items():
        _routers(console, f"of them {name}", found)
    console.print(_PUBLISHED)
    if many := result.get("many_models"):
        console.print(
            f"{len(many['models'])} models: AIQ {many['aiq']:.3f} "
            f"(mixes {many['aiq_of_mixes']:.3f}), "
            f"95 % of {many['best_single']} at {many['cost95']:.1%} of its cost"
        )
    fast = result["speed"]
    console.print(
        f"a decision: {fast['p50_ms']:.2f} ms p50, {fast['p99_ms']:.2f} ms p99 of CPU "
        f"({fast['first_pass_p50_ms']:.2f} and {fast['first_pass_p99_ms']:.2f} in the first pass), "
        f"{fast['extra_rss_mb']:.0f} MB more memory ({fast['extra_rss_with_numpy_mb']:.0f} MB with "
        f"numpy and the code)"
    )
    if best := result.get("cascade", {}).get("contenders", {}).get("acceptance"):
        read = ", ".join(f"{name} {_three(best[name])}" for name in ("apgr", "cpt80", "cost95"))
        console.print(f"cascade, by the cheap answer: {read}")
    for bound, one in result.get("certificate", {}).get("traffic", {}).items():
        console.print(
            f"certificate at a loss of {float(bound):.0%}: violated at any time in "
            f"{one['violated_ever']:.1%} of replays, a fifth cheap after "
            f"{one['labels_to_a_fifth'] or 'more than all'} labels"
        )


def _routers(console: Console, title: str, found: Mapping[str, Any]) -> None:
    labels = f", {found['labels']} labels" if "labels" in found else ""
    count = f", {found['questions']} questions" if "questions" in found else ""
    drawn = Table("", "APGR", "CPT50", "CPT80", "cost at 95 %", "cost at 99 %", title=title)
    drawn.caption = f"95 % intervals{labels}{count}"
    drawn.add_column("points under the mix, at worst", justify="right")
    for name, one in found["routers"].items():
        drawn.add_row(
            name,
            _number(one["apgr"]),
            *(_share(one[measure]) for measure in ("cpt50", "cpt80", "cost95", "cost99")),
            f"{one['most_points_under_mix']:.2f}",
        )
    for name, one in found.get("as_served", {}).items():
        share = f"{one['sent_to_reference']:.0%} to the reference"
        drawn.add_row(f"{name}, as served", share, *[""] * 4, f"{one['most_points_under']:.2f}")
    console.print(drawn)


def _three(one: Sequence[float]) -> str:
    value, low, high = one
    return f"{value:.3f} ({low:.3f}-{high:.3f})"


def _number(one: Mapping[str, float]) -> str:
    return f"{one['value']:.3f} ({one['low']:.3f}-{one['high']:.3f})"


def _share(one: Mapping[str, float]) -> str:
    return f"{one['value']:.1%} ({one['low']:.0%}-{one['high']:.0%})"
