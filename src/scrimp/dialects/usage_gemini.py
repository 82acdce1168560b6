"""Usage of Gemini (`generateContent`, AI Studio and Vertex) in disjoint buckets.

Source: `UsageMetadata` in the Gemini API reference (ai.google.dev, checked 2026-11-22). There,
`promptTokenCount` includes cached tokens, `toolUsePromptTokenCount` and `thoughtsTokenCount` stand
beside prompt and candidates, and the total is the sum of the four. Where the total says so instead,
thoughts are a part of the candidates. Details by modality split each count; video and documents
are billed as text. In a stream each chunk's usage is cumulative: the last one counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scrimp.calls import Usage
from scrimp.dialects.counts import NotACountError, count, part, rest


def read_usage(reported: object, searches: int = 0) -> Usage | None:
    """The usage that a reply reports; None when it reports none that can be read.

    `searches` is how many web searches are billed, as `searches_of` finds them in the reply.
    """
    if not isinstance(reported, dict) or "promptTokenCount" not in reported:
        return None
    try:
        return _usage(reported, searches)
    except NotACountError:
        return None


def searches_of(reply: Mapping[str, Any]) -> int:
    """Web searches that a reply is billed for: its queries, but up to Gemini 2 the one prompt.

    Source: the pricing page's notes on grounding with Google Search (checked 2026-11-22).
    """
    candidates = reply.get("candidates")
    queries = 0
    for one in candidates if isinstance(candidates, list) else ():
        grounding = one.get("groundingMetadata") if isinstance(one, dict) else None
        asked = grounding.get("webSearchQueries") if isinstance(grounding, dict) else None
        queries += len([query for query in asked if query]) if isinstance(asked, list) else 0
    version = reply.get("modelVersion")
    by_prompt = isinstance(version, str) and version.startswith(("gemini-1", "gemini-2"))
    return min(queries, 1) if by_prompt else queries


def _usage(reported: Mapping[str, Any], searches: int) -> Usage:
    prompt, candidates = count(reported, "promptTokenCount"), part(reported, "candidatesTokenCount")
    tools, thoughts = (
        part(reported, "toolUsePromptTokenCount"),
        part(reported, "thoughtsTokenCount"),
    )
    cached = part(reported, "cachedContentTokenCount")
    into, kept = _modal(reported, "promptTokensDetails"), _modal(reported, "cacheTokensDetails")
    given, made = (
        _modal(reported, "toolUsePromptTokensDetails"),
        _modal(reported, "candidatesTokensDetails"),
    )
    audio, audio_note = rest(into["AUDIO"], kept["AUDIO"], "audio input")
    images, image_note = rest(into["IMAGE"], kept["IMAGE"], "image input")
    fresh, input_note = rest(prompt, cached + audio + images, "input")
    tool_text, tool_note = rest(tools, given["AUDIO"] + given["IMAGE"], "tool input")
    inside, total_note = _check_total(reported, prompt + tools + candidates, thoughts)
    spoken = made["AUDIO"] + made["IMAGE"] + (thoughts if inside else 0)
    visible, output_note = rest(candidates, spoken, "output")
    notes = (audio_note, image_note, input_note, tool_note, output_note, total_note)
    return Usage(
        input_tokens=fresh + tool_text,
        cache_read_tokens=cached - kept["AUDIO"] if cached >= kept["AUDIO"] else cached,
        output_tokens=visible,
        reasoning_tokens=thoughts,
        input_audio_tokens=audio + given["AUDIO"],
        cache_read_audio_tokens=kept["AUDIO"] if cached >= kept["AUDIO"] else 0,
        output_audio_tokens=made["AUDIO"],
        input_image_tokens=images + given["IMAGE"],
        output_image_tokens=made["IMAGE"],
        web_search_requests=searches,
        suspect="; ".join(note for note in (*notes, _unsaid(reported, cached, into)) if note),
    )


def _modal(reported: Mapping[str, Any], name: str) -> dict[str, int]:
    """Tokens by modality. Raises NotACountError."""
    found = {"AUDIO": 0, "IMAGE": 0}
    details = reported.get(name)
    if details is None:
        return found
    if not isinstance(details, list):
        raise NotACountError(name)
    for one in details:
        if not isinstance(one, dict):
            raise NotACountError(name)
        kind = one.get("modality")
        if kind in found:
            found[kind] += part(one, "tokenCount")
    return found


def _check_total(reported: Mapping[str, Any], others: int, thoughts: int) -> tuple[bool, str]:
    """Whether thoughts are inside the candidates, and a note when no reading adds up."""
    if reported.get("totalTokenCount") is None:
        return False, ""
    total = count(reported, "totalTokenCount")
    if total == others + thoughts:
        return False, ""
    if thoughts and total == others:
        return True, ""
    return False, f"total: {total} tokens reported, the parts make {others + thoughts}"


def _unsaid(reported: Mapping[str, Any], cached: int, into: Mapping[str, int]) -> str:
    """A note when nobody says how much of the cached input was audio, which has its own price."""
    if cached and into["AUDIO"] and reported.get("cacheTokensDetails") is None:
        return (
            f"cache: {cached} tokens without their modality, in an input with {into['AUDIO']} audio"
        )
    return ""
