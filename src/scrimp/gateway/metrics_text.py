"""Counts as Prometheus reads them (text format 0.0.4): names, help, units, and adding up. Pure.

A count is an integer in a small unit (nano-dollars, microseconds, one), so that the counts of many
processes add up exactly; it becomes dollars and seconds as decimal text, never as a float.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

from scrimp.money import decimal_usd

Counts = dict[str, int]
"""A count by the full name of its series, labels included."""

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS_MS = (
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0),
    *(1_000.0, 2_500.0, 5_000.0, 10_000.0, 30_000.0, 60_000.0, 120_000.0),
)
"""Upper bounds: what Scrimp adds is below the first seconds, what a model takes is above."""

_PREFIX = "scrimp_"


@dataclass(frozen=True, slots=True)
class Family:
    """What is said of all series of one name."""

    kind: Literal["counter", "gauge", "histogram"]
    help: str
    unit: Literal["", "nanousd", "us"] = ""


FAMILIES: Mapping[str, Family] = {
    "calls_total": Family("counter", "Calls that are in the ledger."),
    "unpriced_calls_total": Family("counter", "Calls whose cost is not known."),
    "cost_usd_total": Family("counter", "US dollars spent, by how it is known.", "nanousd"),
    "saved_usd_total": Family("counter", "US dollars not spent, by lever.", "nanousd"),
    "extra_cost_usd_total": Family("counter", "US dollars that a lever cost.", "nanousd"),
    "tokens_total": Family("counter", "Tokens used upstream, in disjoint kinds."),
    "attempts_total": Family("counter", "Tries upstream; status 0: none arrived."),
    "retries_total": Family("counter", "Tries after the first of a call."),
    "upstream_latency_seconds": Family("histogram", "Time that calls spent upstream.", "us"),
    "added_latency_seconds": Family("histogram", "Time that calls spent elsewhere.", "us"),
    "http_requests_total": Family("counter", "HTTP requests answered, refused ones too."),
    "in_flight_requests": Family("gauge", "Requests being served; a scrape is one."),
    "connections": Family("gauge", "Open connections of clients."),
    "ledger_ok": Family("gauge", "Workers whose ledger commits entries as they come."),
    "ledger_pending_entries": Family("gauge", "Entries not committed yet."),
    "ledger_spilled_entries": Family("gauge", "Entries set aside in the spill file."),
    "ledger_dropped_entries_total": Family("counter", "Entries lost; should be 0 for ever."),
    "outbox_pending": Family("gauge", "Calls whose cost is still being counted."),
    "budget_holds_total": Family("counter", "Attempts whose worst case was held."),
    "budget_denials_total": Family("counter", "Calls that a budget or a limit denied."),
    "budget_breaches_total": Family("counter", "Attempts over their hold; should be 0 for ever."),
    "budget_unheld_total": Family("counter", "Attempts let pass while the store was down."),
    "budget_held_usd": Family("gauge", "US dollars held for attempts in the air.", "nanousd"),
    "fallbacks_total": Family("counter", "Calls that went elsewhere after an error."),
    "circuit_skips_total": Family("counter", "Targets left out as their circuit was open."),
    "circuits_open": Family("gauge", "Open circuits, in all workers, by provider."),
    "broken_prefixes_total": Family("counter", "Prompts that parted from ones sent before."),
    "broken_prefixes_usd_total": Family("counter", "US dollars lost to these.", "nanousd"),
    "jobs": Family("gauge", "Calls that were put off, and are kept, by state."),
    "jobs_oldest_wait_seconds": Family("gauge", "Age of the oldest job not over.", "us"),
    "jobs_overdue": Family("gauge", "Jobs not over though their time is; should be 0."),
    "jobs_untold": Family("gauge", "Jobs that are over, and whose webhook does not know yet."),
    "workers": Family("gauge", "Processes that serve."),
    "worker_deaths_total": Family("counter", "Workers that ended without being told to."),
    "cpu_seconds_total": Family("counter", "CPU time of all workers.", "us"),
    "resident_memory_bytes": Family("gauge", "Memory of all workers."),
}
_SUFFIXES = ("_bucket", "_sum", "_count")


def series(name: str, **labels: str) -> str:
    """The full name of a series."""
    if not labels:
        return _PREFIX + name
    pairs = ",".join(f'{label}="{_escaped(value)}"' for label, value in labels.items())
    return f"{_PREFIX}{name}{{{pairs}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


@cache
def bucket_names() -> tuple[str, ...]:
    """The `le` of each bucket, in seconds."""
    return (*(f"{bound / 1000:g}" for bound in BUCKETS_MS), "+Inf")


def added_up(parts: Iterable[Counts]) -> Counts:
    """The counts of several processes together."""
    total: Counts = {}
    for part in parts:
        for name, count in part.items():
            total[name] = total.get(name, 0) + count
    return total


def lasting(counts: Counts) -> Counts:
    """What stays of the counts of a process that has ended: counters, not what is true now."""
    return {
        name: count for name, count in counts.items() if FAMILIES[_family(name)].kind != "gauge"
    }


def _family(full: str) -> str:
    name = full.partition("{")[0].removeprefix(_PREFIX)
    if name in FAMILIES:
        return name
    return next(name.removesuffix(end) for end in _SUFFIXES if name.endswith(end))


def exposition(counts: Counts) -> bytes:
    """What a scrape is answered with."""
    by_family: dict[str, list[str]] = {}
    for full, count in counts.items():
        name = _family(full)
        family = FAMILIES[name]
        counted = family.kind == "histogram" and not full.startswith(f"{_PREFIX}{name}_sum")
        by_family.setdefault(name, []).append(
            f"{full} {_value(count, '' if counted else family.unit)}"
        )
    lines: list[str] = []
    for name, family in FAMILIES.items():
        if found := by_family.get(name):
            lines += [
                f"# HELP {_PREFIX}{name} {family.help}",
                f"# TYPE {_PREFIX}{name} {family.kind}",
            ]
            lines += found
    return "\n".join([*lines, ""]).encode()


def _value(count: int, unit: str) -> str:
    match unit:
        case "nanousd":
            return decimal_usd(count)
        case "us":
            return decimal_usd(count * 1000)
        case _:
            return str(count)
