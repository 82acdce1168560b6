"""What is asked of Scrimp, what was found, whether it holds; and a README's table. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.gateway.loading import KindName

Medians = dict[str, dict[str, Any]]
"""By contender: `first_reply_s`, `rss_start_mb`, `rss_end_mb`, and `kinds` by name."""

_BARE_MB, _VOCABULARY_MB = 80, 160
_TIMES: tuple[tuple[KindName, str, int], ...] = (
    ("miss", "pass-through", 50),
    ("hit", "exact hit", 80),
    ("stream", "stream of 23 events", 80),
)
_CPU: tuple[tuple[KindName, str, int], ...] = (
    ("miss", "pass-through", 300),
    ("hit", "exact hit", 160),
)
_BUDGETS_CPU_US, _BUDGETS_SHARE = 350, 0.9
_WAITS: tuple[tuple[KindName, str], ...] = (
    ("wait16", "21 ms provider, 16 connections"),
    ("wait64", "21 ms provider, 64 connections"),
)
_ROWS: tuple[tuple[KindName, str], ...] = (
    ("miss", "pass-through"),
    ("hit", "exact hit"),
    ("stream", "stream of 23 events"),
    ("one", "one connection"),
    *_WAITS,
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One promise. `holds` is None when it could not be looked at."""

    what: str
    asked: str
    found: str
    holds: bool | None


def verdicts(found: Medians) -> list[Verdict]:
    """Every promise about speed and size, in the order of the tables."""
    beside = (*_beside_litellm(found), *_cpu(found), *_beside_direct(found))
    return [*beside, *_with_budgets(found), *_size(found)]


def _figure(found: Medians, name: str, kind: KindName, field: str) -> float | None:
    one = found.get(name, {}).get("kinds", {}).get(kind)
    return None if one is None else float(one[field])


def _beside_litellm(found: Medians) -> Iterator[Verdict]:
    for kind, what, times in _TIMES:
        asked = f"≥ {times} x LiteLLM's rate"
        ours = _figure(found, "scrimp", kind, "rps")
        theirs = _figure(found, "litellm", kind, "rps")
        if ours is None or not theirs:
            yield Verdict(what, asked, "not measured", None)
        else:
            ratio = ours / theirs
            text = f"{ratio:.1f} x ({ours:,.0f} to {theirs:,.0f} calls/s)"
            yield Verdict(what, asked, text, ratio >= times)


def _cpu(found: Medians) -> Iterator[Verdict]:
    for kind, what, limit_us in _CPU:
        asked = f"≤ {limit_us} µs CPU"
        ours = _figure(found, "scrimp", kind, "cpu_us")
        if ours is None:
            yield Verdict(what, asked, "not measured", None)
        else:
            yield Verdict(what, asked, f"{ours:.0f} µs", ours <= limit_us)


def _beside_direct(found: Medians) -> Iterator[Verdict]:
    for kind, what in _WAITS:
        asked = "≥ 96 % of direct"
        ours, direct = (_figure(found, name, kind, "rps") for name in ("scrimp", "direct"))
        if ours is None or not direct:
            yield Verdict(what, asked, "not measured", None)
            continue
        yield Verdict(what, asked, f"{ours / direct:.1%}", ours / direct >= 0.96)
    ours, direct = (_figure(found, name, "wait16", "p99_ms") for name in ("scrimp", "direct"))
    if ours is not None and direct is not None:
        added_ms = ours - direct
        yield Verdict(_WAITS[0][1], "p99 + ≤ 5 ms", f"{added_ms:+.2f} ms", added_ms <= 5)


def _with_budgets(found: Medians) -> Iterator[Verdict]:
    """With keys, two budgets and a rate limit on, by the engine; nothing where none was run."""
    for name in ("scrimp-memory", "scrimp-sqlite"):
        engine = name.removeprefix("scrimp-")
        cpu_us = _figure(found, name, "miss", "cpu_us")
        if cpu_us is not None:
            holds = cpu_us <= _BUDGETS_CPU_US
            asked = f"≤ {_BUDGETS_CPU_US} µs CPU"
            yield Verdict(f"pass-through, budgets in {engine}", asked, f"{cpu_us:.0f} µs", holds)
        ours, direct = (_figure(found, one, "wait64", "rps") for one in (name, "direct"))
        if ours is not None and direct:
            share = ours / direct
            what = f"{_WAITS[1][1]}, budgets in {engine}"
            yield Verdict(what, "≥ 90 % of direct", f"{share:.1%}", share >= _BUDGETS_SHARE)


def _size(found: Medians) -> Iterator[Verdict]:
    one = found.get("scrimp")
    if one is None:
        return
    first_s, start_mb, end_mb = (
        one[name] for name in ("first_reply_s", "rss_start_mb", "rss_end_mb")
    )
    yield Verdict("first reply", "≤ 1 s", f"{first_s:.2f} s", first_s <= 1)
    yield Verdict("memory at start", f"≤ {_BARE_MB} MB", f"{start_mb:.0f} MB", start_mb <= _BARE_MB)
    yield Verdict(
        "memory after load, a vocabulary in it",
        f"≤ {_VOCABULARY_MB} MB",
        f"{end_mb:.0f} MB",
        end_mb <= _VOCABULARY_MB,
    )


def markdown(found: Medians) -> str:
    """All contenders in one table: calls/s (µs CPU per call), start and memory below."""
    names = list(found)
    lines = [f"| | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    for kind, title in _ROWS:
        cells = [_cell(found, name, kind) for name in names]
        if any(cells):
            lines.append(f"| {title} | {' | '.join(cell or '-' for cell in cells)} |")
    for title, field, digits in (
        ("first reply, s", "first_reply_s", 2),
        ("RSS at start, MB", "rss_start_mb", 0),
        ("RSS after load, MB", "rss_end_mb", 0),
    ):
        values = [found[name][field] for name in names]
        cells = [f"{value:.{digits}f}" if value else "-" for value in values]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(found: Medians, name: str, kind: KindName) -> str:
    rate, cpu_us = (_figure(found, name, kind, field) for field in ("rps", "cpu_us"))
    if rate is None or cpu_us is None:
        return ""
    if kind == "one":
        return f"p50 {_figure(found, name, kind, 'p50_ms'):.2f} ms"
    cpu = f"{cpu_us / 1000:.1f} ms" if cpu_us >= 1000 else f"{cpu_us:.0f} µs"
    return f"{rate:,.0f}" if name == "direct" else f"{rate:,.0f} ({cpu})"
