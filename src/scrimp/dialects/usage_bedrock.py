"""Usage of Bedrock Converse in disjoint buckets.

Source: `TokenUsage` and `CacheDetail` in the Bedrock API reference (docs.aws.amazon.com, checked
2026-11-22). There, `inputTokens` excludes cache reads and writes, and the total is the sum of all;
`cacheDetails` splits the writes by time to live. Writes that no breakdown covers, and those of a
provider's only kind (30 minutes), are short ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scrimp.calls import Usage
from scrimp.dialects.counts import NotACountError, count, details, part

_LONG = "1h"


def read_usage(reported: object) -> Usage | None:
    """The usage that a reply reports; None when it reports none that can be read."""
    if not isinstance(reported, dict):
        return None
    try:
        return _usage(reported)
    except NotACountError:
        return None


def _usage(reported: Mapping[str, Any]) -> Usage:
    fresh, made = count(reported, "inputTokens"), count(reported, "outputTokens")
    cached = _either(reported, "cacheReadInputTokens")
    short, long, write_note = _cache_writes(reported)
    total_note = _check_total(reported, fresh + made + cached + short + long)
    return Usage(
        input_tokens=fresh,
        cache_read_tokens=cached,
        cache_write_5m_tokens=short,
        cache_write_1h_tokens=long,
        output_tokens=made,
        suspect="; ".join(note for note in (write_note, total_note, _tools(reported)) if note),
    )


def _either(reported: Mapping[str, Any], name: str) -> int:
    """A count under its name or, in older replies, under that with `Count` at its end."""
    return part(reported, name if reported.get(name) is not None else f"{name[:-1]}Count")


def _cache_writes(reported: Mapping[str, Any]) -> tuple[int, int, str]:
    total = _either(reported, "cacheWriteInputTokens")
    listed = reported.get("cacheDetails")
    if listed is None:
        return total, 0, ""
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise NotACountError("cacheDetails")
    long = sum(part(one, "inputTokens") for one in listed if one.get("ttl") == _LONG)
    short = sum(part(one, "inputTokens") for one in listed) - long
    if not listed or total == short + long:
        return total - long, long, ""
    note = f"cache writes: {total} tokens reported, {short} + {long} by time to live"
    return max(total - long, short), long, note


def _check_total(reported: Mapping[str, Any], parts: int) -> str:
    if reported.get("totalTokens") is None:
        return ""
    total = count(reported, "totalTokens")
    return "" if total == parts else f"total: {total} tokens reported, the parts make {parts}"


def _tools(reported: Mapping[str, Any]) -> str:
    """A note when hosted tools were called: the book has no fee for them."""
    told = details(reported, "serverToolUsage")
    calls = sum(part(told, name) for name in told)
    return f"hosted tools: {calls} calls, whose fee is not known" if calls else ""
