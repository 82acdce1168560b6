"""Usage of Anthropic messages in disjoint buckets.

Source: the `Usage` schema of Anthropic's API reference (checked 2026-11). There, `input_tokens`
excludes cache reads and cache writes, `output_tokens` includes thinking. Cache writes without a
breakdown by time to live are five-minute ones, the default. Compactions and advisors, listed in
`iterations` only, are not in the counts of the reply (advisors run another model): they are not
added, but the usage is marked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scrimp.calls import Usage
from scrimp.dialects.counts import NotACountError, count, details, part, rest
from scrimp.dialects.reported_cost import terms_of
from scrimp.terms import Terms

_ANYWHERE = frozenset({"", "global", "not_available"})
"""What stands for no residency: the standard price holds (platform.claude.com, Data residency)."""
_BESIDE = frozenset({"compaction", "advisor_message"})
_COUNTS = (
    "input_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "output_tokens",
)


def read_usage(reported: object) -> Usage | None:
    """The usage that a reply reports; None when it reports none that can be read."""
    if not isinstance(reported, dict):
        return None
    try:
        return _usage(reported)
    except NotACountError:
        return None


def read_tier(reported: object) -> str:
    """The service tier inside a usage; empty when there is none. Fast mode is a tier by itself."""
    if not isinstance(reported, dict):
        return ""
    tier = "fast" if reported.get("speed") == "fast" else reported.get("service_tier")
    return tier if isinstance(tier, str) else ""


def _usage(reported: Mapping[str, Any]) -> Usage:
    thinking = part(details(reported, "output_tokens_details"), "thinking_tokens")
    visible, output_note = rest(count(reported, "output_tokens"), thinking, "output")
    short, long, write_note = _cache_writes(reported)
    terms, cost_note = terms_of(reported)
    geo = reported.get("inference_geo")
    if terms is None and isinstance(geo, str) and geo not in _ANYWHERE:
        terms = Terms(geo=geo)
    notes = (output_note, write_note, _beside(reported), cost_note)
    return Usage(
        input_tokens=count(reported, "input_tokens"),
        cache_read_tokens=part(reported, "cache_read_input_tokens"),
        cache_write_5m_tokens=short,
        cache_write_1h_tokens=long,
        output_tokens=visible,
        reasoning_tokens=thinking,
        web_search_requests=part(details(reported, "server_tool_use"), "web_search_requests"),
        suspect="; ".join(note for note in notes if note) if any(notes) else "",
        terms=terms,
    )


def _cache_writes(reported: Mapping[str, Any]) -> tuple[int, int, str]:
    """Five-minute and one-hour writes. Writes that no breakdown covers are five-minute ones."""
    by_ttl = details(reported, "cache_creation")
    short = part(by_ttl, "ephemeral_5m_input_tokens")
    long = part(by_ttl, "ephemeral_1h_input_tokens")
    if reported.get("cache_creation_input_tokens") is None:
        return short, long, ""
    total = count(reported, "cache_creation_input_tokens")
    if not by_ttl or total == short + long:
        return total - long, long, ""
    note = f"cache writes: {total} tokens reported, {short} + {long} by time to live"
    return short + max(0, total - short - long), long, note


def _beside(reported: Mapping[str, Any]) -> str:
    """A note when the provider worked more than the counts of the reply say."""
    iterations = reported.get("iterations")
    if not isinstance(iterations, list):
        return ""
    beside = [one for one in iterations if isinstance(one, dict) and one.get("type") in _BESIDE]
    tokens = sum(part(one, name) for one in beside for name in _COUNTS)
    whole = sum(part(reported, name) for name in _COUNTS)
    return f"iterations: {tokens} tokens beside the reply's {whole}" if tokens else ""
