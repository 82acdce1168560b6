"""How an answer ended and what it used, in the words of both dialects. Pure.

Usage goes by way of our own buckets, so that a provider's habits (xAI, DeepSeek) are read once, and
what a client adds up is what the ledger says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scrimp.calls import Usage

_TO_CHAT: Mapping[str, str] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "pause_turn": "length",  # it is not the end
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
}
_TO_MESSAGES: Mapping[str, str] = {
    "stop": "end_turn",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "length": "max_tokens",
    "model_length": "max_tokens",  # Mistral's, for a context that is full
    "insufficient_system_resource": "max_tokens",  # DeepSeek's, for an answer that it gave up
    "error": "max_tokens",  # OpenRouter's, for the same
    "content_filter": "refusal",
}
_TIER_OF_CHAT: Mapping[str, str] = {"standard": "default", "priority": "priority"}
_TIER_OF_MESSAGES: Mapping[str, str] = {"default": "standard", "priority": "priority"}


def finish_reason(stop_reason: object) -> str:
    """OpenAI's word for the end of a message."""
    return _TO_CHAT.get(stop_reason, "stop") if isinstance(stop_reason, str) else "stop"


def stop_reason(finish: object, *, refused: bool, called: bool) -> str:
    """Anthropic's word for the end of a choice.

    A forced call of one function ends with `stop` at OpenAI; there, every call ends a message so.
    """
    if refused:
        return "refusal"
    found = _TO_MESSAGES.get(finish, "end_turn") if isinstance(finish, str) else "end_turn"
    return "tool_use" if called and found == "end_turn" else found


def chat_usage(usage: Usage) -> dict[str, Any]:
    """Usage as OpenAI tells it: details are parts of the totals."""
    into, out = usage.total_input_tokens, usage.total_output_tokens
    return {
        "prompt_tokens": into,
        "completion_tokens": out,
        "total_tokens": into + out,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_5m_tokens + usage.cache_write_1h_tokens,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def response_usage(usage: Usage) -> dict[str, Any]:
    """The same in OpenAI's responses."""
    into, out = usage.total_input_tokens, usage.total_output_tokens
    return {
        "input_tokens": into,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_5m_tokens + usage.cache_write_1h_tokens,
        },
        "output_tokens": out,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": into + out,
    }


def messages_usage(usage: Usage | None) -> dict[str, Any]:
    """Usage as Anthropic tells it: cached input stands beside the rest. 0 where none was told."""
    if usage is None:
        return {"input_tokens": 0, "output_tokens": 0}
    read = usage.cache_read_tokens + usage.cache_read_audio_tokens
    written = usage.cache_write_5m_tokens + usage.cache_write_1h_tokens
    told: dict[str, Any] = {
        "input_tokens": usage.total_input_tokens - read - written,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "output_tokens": usage.total_output_tokens,
    }
    if usage.reasoning_tokens:
        told["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return told


def chat_tier(tier: str) -> dict[str, str]:
    """The field that says which tier served, where OpenAI has a word for it."""
    return {"service_tier": _TIER_OF_CHAT[tier]} if tier in _TIER_OF_CHAT else {}


def messages_tier(tier: object) -> dict[str, str]:
    """The same in Anthropic's usage."""
    if isinstance(tier, str) and tier in _TIER_OF_MESSAGES:
        return {"service_tier": _TIER_OF_MESSAGES[tier]}
    return {}
