"""What LangChain tells of a finished run, as Scrimp's words: model, provider, usage, tier. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from langchain_core.messages.ai import AIMessage
from langchain_core.outputs.llm_result import LLMResult

from scrimp.calls import Usage
from scrimp.dialects.usage_shapes import read_usage

_PROVIDERS: Mapping[str, str] = MappingProxyType(
    {
        "amazon_bedrock": "aws",
        "azure_openai": "azure",
        "bedrock": "aws",
        "bedrock_converse": "aws",
        "google_genai": "google",
        "google_vertexai": "google",
        "mistralai": "mistral",
        "xai": "x-ai",
    }
)
"""LangChain's names of providers where the price book has another (`ls_provider`, checked with
langchain-core 1.7)."""

_TIERS = ("", "flex_", "priority_")
"""langchain-openai writes the service tier before the names of its details."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known when a run begins."""

    model: str
    provider: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Heard:
    """What is known when it ends. `usage` is None when nobody told; a `hit` was not sent at all."""

    model: str
    provider: str
    service_tier: str
    usage: Usage | None
    hit: bool


def asked_of(told: Mapping[str, Any] | None, at: datetime) -> Asked:
    """From the metadata of LangChain's standard tracing parameters."""
    told = told or {}
    return Asked(_text(told, "ls_model_name"), provider_of(_text(told, "ls_provider")), at)


def provider_of(name: str) -> str:
    """The price book's name of a provider."""
    return _PROVIDERS.get(name, name)


def heard_of(result: LLMResult, asked: Asked) -> Heard:
    """One run: a chat, or the prompt of a batch of texts. All its choices share one usage."""
    about, usage, tier, hit = result.llm_output or {}, None, "", False
    message = _message(result)
    if message is not None:
        told: Mapping[str, Any] = message.usage_metadata or {}
        hit = told.get("total_cost") == 0  # LangChain's own mark of a cached answer
        about = {**about, **message.response_metadata}
    elif about.get("token_usage") == {}:
        told, usage = {}, Usage()  # booked with the first prompt of its batch
    else:
        told = {}
    provider = asked.provider or provider_of(_text(about, "model_provider"))
    if usage is None:
        usage, tier = _usage(about, told, provider)
    model = _text(about, "model_name") or _text(about, "model") or asked.model
    return Heard(model, provider, _text(about, "service_tier") or tier, usage, hit)


def usage_of_metadata(told: Mapping[str, Any]) -> Usage | None:
    """LangChain's `usage_metadata`; None when it is none, or its parts are more than the whole."""
    into, out = _details(told, "input_token_details"), _details(told, "output_token_details")
    inputs, outputs = told.get("input_tokens"), told.get("output_tokens")
    if type(inputs) is not int or type(outputs) is not int:
        return None
    written_1h = into.get("ephemeral_1h_input_tokens", 0)
    written_5m = into.get("ephemeral_5m_input_tokens", 0)
    # Where it is told by its life, the sum is told again, or told as 0.
    written_5m += max(0, _tiered(into, "cache_creation") - written_5m - written_1h)
    read, heard = _tiered(into, "cache_read"), into.get("audio", 0)
    thought, spoken = _tiered(out, "reasoning"), out.get("audio", 0)
    usage = Usage(
        input_tokens=inputs - read - written_5m - written_1h - heard,
        cache_read_tokens=read,
        cache_write_5m_tokens=written_5m,
        cache_write_1h_tokens=written_1h,
        output_tokens=outputs - thought - spoken,
        reasoning_tokens=thought,
        input_audio_tokens=heard,
        output_audio_tokens=spoken,
    )
    return usage if min(usage.input_tokens, usage.output_tokens) >= 0 else None


def _usage(
    about: Mapping[str, Any], told: Mapping[str, Any], provider: str
) -> tuple[Usage | None, str]:
    """Usage and tier: the provider's own words where they say the same, since they say more."""
    raw = about.get("token_usage") or about.get("usage")
    own = read_usage(raw, provider=provider)
    if own.usage is not None and (not told or _totals(own.usage) == _told_totals(told)):
        return own.usage, own.service_tier
    return usage_of_metadata(told), ""


def _totals(usage: Usage) -> tuple[int, int]:
    return usage.total_input_tokens, usage.total_output_tokens


def _told_totals(told: Mapping[str, Any]) -> tuple[Any, Any]:
    return told.get("input_tokens"), told.get("output_tokens")


def _message(result: LLMResult) -> AIMessage | None:
    for choices in result.generations:
        for one in choices:
            message = getattr(one, "message", None)
            if isinstance(message, AIMessage):
                return message
    return None


def _details(told: Mapping[str, Any], name: str) -> dict[str, int]:
    found = told.get(name)
    if not isinstance(found, Mapping):
        return {}
    return {key: value for key, value in found.items() if type(value) is int and value >= 0}


def _tiered(details: Mapping[str, int], name: str) -> int:
    return next((details[tier + name] for tier in _TIERS if tier + name in details), 0)


def _text(about: Mapping[str, Any], name: str) -> str:
    found = about.get(name)
    return found if isinstance(found, str) else ""
