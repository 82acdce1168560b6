"""Usage by whatever shape a provider reports it in: which reader it takes, told by its fields.

OpenAI chat completions and those who speak them (Azure, DeepSeek, Groq, Mistral, OpenRouter,
Perplexity, xAI), OpenAI responses, Anthropic messages, Gemini, Bedrock Converse.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scrimp.calls import Usage
from scrimp.dialects import (
    anthropic_usage,
    openai_responses_usage,
    openai_usage,
    usage_bedrock,
    usage_gemini,
)
from scrimp.dialects.openai_responses_stream import hosted_calls

_MESSAGES = frozenset({"anthropic", "messages", "anthropic.messages"})
_RESPONSES = frozenset({"responses", "openai.responses"})
_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Told:
    """What a reply says of itself that its price depends on; `usage` is None when unreadable."""

    usage: Usage | None
    service_tier: str


def read_usage(
    reported: object, *, provider: str = "", flavor: str = "", reply: Mapping[str, Any] = _NOTHING
) -> Told:
    """Usage in any of the known shapes, with the service tier that the reply was served in.

    `flavor` names the API where the fields alone leave it open; `reply` is what stood around the
    usage, for what is told there only (tier, output items, grounding).
    """
    if not isinstance(reported, dict):
        return Told(None, _tier(reply))
    if "promptTokenCount" in reported:
        return Told(
            usage_gemini.read_usage(reported, usage_gemini.searches_of(reply)), _tier(reply)
        )
    if "inputTokens" in reported:
        return Told(usage_bedrock.read_usage(reported), _tier(reply))
    if "prompt_tokens" in reported:
        return Told(openai_usage.read_usage(_with_output(reported)), _tier(reply))
    if _is_messages(reported, provider, flavor):
        tier = anthropic_usage.read_tier(reported)
        return Told(anthropic_usage.read_usage(reported), tier or _tier(reply))
    calls, tools = hosted_calls(reply.get("output")), reply.get("tool_usage")
    return Told(openai_responses_usage.read_usage(reported, tools, calls), _tier(reply))


def _with_output(reported: dict[str, Any]) -> dict[str, Any]:
    """Embeddings have none, and their usage says so by its total alone."""
    told = "completion_tokens" in reported or reported.get("total_tokens") is None
    if told or reported["total_tokens"] != reported["prompt_tokens"]:
        return reported
    return {**reported, "completion_tokens": 0}


def _is_messages(reported: Mapping[str, Any], provider: str, flavor: str) -> bool:
    """Anthropic and OpenAI both count `input_tokens`; only one of them has a total."""
    if flavor in _RESPONSES:
        return False
    if flavor in _MESSAGES or provider == "anthropic":
        return True
    return "total_tokens" not in reported and "input_tokens_details" not in reported


def _tier(reply: Mapping[str, Any]) -> str:
    """OpenAI's and Bedrock's words for it. `auto` is what was asked, not what served."""
    told = reply.get("service_tier") or reply.get("serviceTier")
    if isinstance(told, dict):
        told = told.get("type")
    return told if isinstance(told, str) and told != "auto" else ""
