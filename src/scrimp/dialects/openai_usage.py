"""Usage of OpenAI chat completions, and of providers that speak it, in disjoint buckets.

Source: the `CompletionUsage` schema of OpenAI's API reference (checked 2026-11). There,
`prompt_tokens` includes cached, cache-write and audio tokens, `completion_tokens` includes
reasoning and audio tokens, and predicted tokens (accepted or rejected) are plain output. Image
input is billed as text by chat models and stays in the input.

Two providers differ and are told apart by their numbers: xAI counts reasoning beside the
completion (docs.x.ai, "Consumption and rate limits"), so that its total is prompt + completion +
reasoning; DeepSeek reports `prompt_cache_hit_tokens` and `prompt_cache_miss_tokens`, which make up
the prompt (api-docs.deepseek.com, "Context Caching").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scrimp.calls import Usage
from scrimp.dialects.counts import NotACountError, count, details, part, rest
from scrimp.dialects.reported_cost import terms_of


def read_usage(reported: object) -> Usage | None:
    """The usage that a reply reports; None when it reports none that can be read."""
    if not isinstance(reported, dict):
        return None
    try:
        return _usage(reported)
    except NotACountError:
        return None


def _usage(reported: Mapping[str, Any]) -> Usage:
    prompt = count(reported, "prompt_tokens")
    completion = count(reported, "completion_tokens")
    into = details(reported, "prompt_tokens_details")
    out = details(reported, "completion_tokens_details")
    cached = part(into, "cached_tokens")
    hits_note = ""
    if "prompt_cache_hit_tokens" in reported:
        hits, hits_note = _hits(reported, prompt)
        if into.get("cached_tokens") is None:
            cached = hits
        elif hits != cached and not hits_note:
            hits_note = f"cache: {hits} hits, {cached} cached tokens"
    written = part(into, "cache_write_tokens")
    audio_in = part(into, "audio_tokens")
    reasoning = part(out, "reasoning_tokens")
    audio_out = part(out, "audio_tokens")

    fresh, input_note = rest(prompt, cached + written + audio_in, "input")
    additive, total_note = _check_total(reported, prompt, completion, reasoning)
    inside = audio_out if additive else reasoning + audio_out
    visible, output_note = rest(completion, inside, "output")
    terms, cost_note = terms_of(reported)
    notes = (input_note, hits_note, output_note, total_note, cost_note)
    return Usage(
        input_tokens=fresh,
        cache_read_tokens=cached,
        cache_write_5m_tokens=written,
        output_tokens=visible,
        reasoning_tokens=reasoning,
        input_audio_tokens=audio_in,
        output_audio_tokens=audio_out,
        suspect="; ".join(note for note in notes if note) if any(notes) else "",
        terms=terms,
    )


def _hits(reported: Mapping[str, Any], prompt: int) -> tuple[int, str]:
    """Tokens that DeepSeek read from its cache, and a note when hits and misses are no prompt."""
    hits = part(reported, "prompt_cache_hit_tokens")
    if reported.get("prompt_cache_miss_tokens") is None:
        return hits, ""
    misses = count(reported, "prompt_cache_miss_tokens")
    if hits + misses == prompt:
        return hits, ""
    return hits, f"input: {hits} hits + {misses} misses in a prompt of {prompt}"


def _check_total(
    reported: Mapping[str, Any], prompt: int, completion: int, reasoning: int
) -> tuple[bool, str]:
    """Whether reasoning stands beside the completion, and a note when no reading adds up."""
    if reported.get("total_tokens") is None:
        return False, ""
    total = count(reported, "total_tokens")
    if total == prompt + completion:
        return False, ""
    if total == prompt + completion + reasoning:
        return True, ""
    return False, f"total: {total} tokens reported, {prompt} + {completion} add up otherwise"
