"""Usage of OpenAI responses, and of providers that speak them, in disjoint buckets.

Source: the `ResponseUsage` and `ToolUsage` schemas of OpenAI's API reference (as the SDK 3.54 has
them, checked 2026-11). There, `input_tokens` includes cached and cache-write tokens and
`output_tokens` includes reasoning. Writes kept for twelve hours stand in the bucket of long writes,
so that they are never billed at the price of short ones. What hosted tools use is reported beside
the model's own: web searches are counted, image tokens of another model only mark the usage. Where
it is not reported, the calls in the output are counted, and file searches always are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scrimp.calls import Usage
from scrimp.dialects.counts import NotACountError, count, details, part, rest
from scrimp.dialects.reported_cost import terms_of
from scrimp.terms import Terms

_NO_CALLS: Mapping[str, int] = {}


def read_usage(
    reported: object, tools: object = None, calls: Mapping[str, int] = _NO_CALLS
) -> Usage | None:
    """The usage that a reply reports, with that of hosted tools; None when none can be read.

    `calls` are the hosted tools' calls in its output, by the kind of the item.
    """
    if not isinstance(reported, dict):
        return None
    try:
        return _usage(reported, tools if isinstance(tools, dict) else {}, calls)
    except NotACountError:
        return None


def _usage(
    reported: Mapping[str, Any], tools: Mapping[str, Any], calls: Mapping[str, int]
) -> Usage:
    given, made = count(reported, "input_tokens"), count(reported, "output_tokens")
    into = details(reported, "input_tokens_details")
    out = details(reported, "output_tokens_details")
    cached = part(into, "cached_tokens")
    short, long, write_note = _cache_writes(into)
    reasoning = part(out, "reasoning_tokens")

    fresh, input_note = rest(given, cached + short + long, "input")
    beside, total_note = _check_total(reported, given + made, reasoning)
    visible, output_note = (made, "") if beside else rest(made, reasoning, "output")
    terms, cost_note = terms_of(reported)
    if (found := calls.get("file_search_call", 0)) and terms is None:
        terms = Terms(tool_calls=(("file_search", found),))
    images_note = _images(tools, given + made)
    notes = (input_note, write_note, output_note, total_note, images_note, cost_note)
    return Usage(
        input_tokens=fresh,
        cache_read_tokens=cached,
        cache_write_5m_tokens=short,
        cache_write_1h_tokens=long,
        output_tokens=visible,
        reasoning_tokens=reasoning,
        web_search_requests=_searches(tools, calls),
        suspect="; ".join(note for note in notes if note),
        terms=terms,
    )


def _searches(tools: Mapping[str, Any], calls: Mapping[str, int]) -> int:
    told = details(tools, "web_search").get("num_requests")
    if told is None:
        return calls.get("web_search_call", 0)
    return part(details(tools, "web_search"), "num_requests")


def _cache_writes(into: Mapping[str, Any]) -> tuple[int, int, str]:
    """Short and long writes. Writes that no breakdown covers are short ones, the default."""
    total = part(into, "cache_write_tokens")
    by_ttl = details(into, "cache_write_tokens_details")
    long = part(by_ttl, "ttl_12h_tokens")
    short = part(by_ttl, "ttl_30m_tokens")
    if total == short + long or not by_ttl:
        return total - long, long, ""
    note = f"cache writes: {total} tokens reported, {short} + {long} by time to live"
    return max(total - long, short), long, note


def _check_total(reported: Mapping[str, Any], both: int, reasoning: int) -> tuple[bool, str]:
    """Whether reasoning stands beside the output, and a note when no reading adds up."""
    if reported.get("total_tokens") is None:
        return False, ""
    total = count(reported, "total_tokens")
    if total == both:
        return False, ""
    if reasoning and total == both + reasoning:
        return True, ""
    return False, f"total: {total} tokens reported, input and output make {both}"


def _images(tools: Mapping[str, Any], both: int) -> str:
    """A note when another model made images: its tokens have a price of their own."""
    tokens = part(details(tools, "image_gen"), "total_tokens")
    return f"image generation: {tokens} tokens beside the reply's {both}" if tokens else ""
