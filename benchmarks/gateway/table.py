"""From turns to medians, and from medians to what people read."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.gateway.loading import KINDS, KindName
from benchmarks.gateway.measuring import Figure, Turn
from benchmarks.gateway.verdicts import Medians, verdicts

TITLES: Mapping[KindName, str] = {
    "miss": "pass-through: 32 connections, each call new",
    "hit": "exact hit: 32 connections, the same call",
    "stream": "stream of 23 events: 32 connections, each call new",
    "one": "one connection, each call new",
    "wait16": "provider answers after 21 ms: 16 connections",
    "wait64": "provider answers after 21 ms: 64 connections",
}
_LOAD_BOUND = 0.9
_ANSWERED_UPSTREAM = {"hit": 0.0}  # the share of calls that should reach the provider; else 1
_TOLERANCE = 0.05
_FIELDS = ("rps", "cpu_us", "p50_ms", "p99_ms", "upstream_share", "load_busy")


def medians(turns: Mapping[str, Sequence[Turn]]) -> Medians:
    """The middle of all rounds; errors are added up, `spread` is the range of the rates."""
    return {name: _medians_of(run) for name, run in turns.items() if any(t.figures for t in run)}


def _medians_of(run: Sequence[Turn]) -> dict[str, Any]:
    whole = [turn for turn in run if turn.figures]
    kinds: dict[KindName, list[Figure]] = {}
    for turn in whole:
        for kind, figure in (turn.figures or {}).items():
            kinds.setdefault(kind, []).append(figure)
    return {
        "first_reply_s": statistics.median(turn.first_reply_s for turn in whole),
        "rss_start_mb": statistics.median(turn.rss_start_mb for turn in whole),
        "rss_end_mb": statistics.median(turn.rss_end_mb for turn in whole),
        "kinds": {kind: _one_kind(figures) for kind, figures in kinds.items()},
    }


def _one_kind(figures: Sequence[Figure]) -> dict[str, float]:
    found = {name: statistics.median(getattr(one, name) for one in figures) for name in _FIELDS}
    rates = [one.rps for one in figures]
    found["spread"] = (max(rates) - min(rates)) / max(found["rps"], 1e-9)
    found["errors"] = sum(one.errors for one in figures)
    found["calls"] = sum(one.calls for one in figures)
    return found


def show(
    found: Medians, versions: Mapping[str, str], absent: Mapping[str, str], notes: Sequence[str]
) -> None:
    """Print everything; who is absent comes last, where it is seen."""
    console = Console(width=None if Console().is_terminal else 120)
    for kind in KINDS:
        rows = {name: one["kinds"][kind] for name, one in found.items() if kind in one["kinds"]}
        if rows:
            console.print(_kind_table(kind, rows))
    console.print(_start_table(found, versions))
    if "scrimp" in found:
        console.print(_verdict_table(found))
    for note in notes:
        console.print(f"[yellow]{note}")
    for name, reason in absent.items():
        console.print(f"[bold red]NOT MEASURED: {name}[/] {reason}")


def _table(title: str, left: Sequence[str], right: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left")
    for heading in left:
        table.add_column(heading)
    for heading in right:
        table.add_column(heading, justify="right")
    return table


def _kind_table(kind: KindName, rows: Mapping[str, Mapping[str, float]]) -> Table:
    waits = kind.startswith("wait")
    compared = ("% direct", "p99 + ms") if waits else ("x litellm", "CPU x floor")
    columns = ("calls/s", "±%", "CPU µs", *compared, "p50 ms", "p99 ms", "load core")
    table = _table(TITLES[kind], ["contender"], columns)
    table.add_column("remarks")
    for name, row in rows.items():
        table.add_row(
            name,
            f"{row['rps']:,.0f}",
            f"{row['spread'] * 50:.0f}",
            "" if name == "direct" else f"{row['cpu_us']:,.0f}",
            *(_beside_direct(row, rows) if waits else _beside_peers(name, rows)),
            f"{row['p50_ms']:.2f}",
            f"{row['p99_ms']:.2f}",
            f"{row['load_busy']:.0%}",
            "; ".join(_remarks(name, kind, row)),
        )
    return table


def _beside_peers(name: str, rows: Mapping[str, Mapping[str, float]]) -> tuple[str, str]:
    """Rate beside LiteLLM's, CPU beside the floor's."""
    row, litellm, floor = rows[name], rows.get("litellm"), rows.get("floor")
    rate = f"{row['rps'] / litellm['rps']:.1f}" if litellm else "?"
    if name == "direct":
        return rate, ""
    return rate, f"{row['cpu_us'] / floor['cpu_us']:.1f}" if floor else "?"


def _beside_direct(
    row: Mapping[str, float], rows: Mapping[str, Mapping[str, float]]
) -> tuple[str, str]:
    direct = rows.get("direct")
    if direct is None:
        return "?", "?"
    added_ms = row["p99_ms"] - direct["p99_ms"]
    return f"{row['rps'] / direct['rps']:.1%}".rstrip("%"), f"{added_ms:.2f}"


def _remarks(name: str, kind: KindName, row: Mapping[str, float]) -> list[str]:
    found = []
    if row["errors"]:
        found.append(f"{row['errors']:.0f} ERRORS in {row['calls']:,.0f} calls")
    wanted = _ANSWERED_UPSTREAM.get(kind, 1.0)
    if abs(row["upstream_share"] - wanted) > _TOLERANCE:
        found.append(f"{row['upstream_share']:.0%} of the calls reached the provider")
    if row["load_busy"] > _LOAD_BOUND and name != "direct":
        found.append("bound by the load: a lower bound")
    return found


def _start_table(found: Medians, versions: Mapping[str, str]) -> Table:
    right = ["first reply s", "RSS at start MB", "after load MB"]
    table = _table("start and memory", ["contender"], right)
    table.add_column("version")
    for name, one in found.items():
        started = one["first_reply_s"] > 0
        table.add_row(
            name,
            f"{one['first_reply_s']:.2f}" if started else "",
            f"{one['rss_start_mb']:.0f}" if started else "",
            f"{one['rss_end_mb']:.0f}" if started else "",
            versions.get(name, ""),
        )
    return table


def _verdict_table(found: Medians) -> Table:
    marks = {True: "[green]holds", False: "[bold red]NOT REACHED", None: "?"}
    table = _table("asked of scrimp", ["what", "asked", "found", ""], [])
    for one in verdicts(found):
        table.add_row(one.what, one.asked, one.found, marks[one.holds])
    return table
