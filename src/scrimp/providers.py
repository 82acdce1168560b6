"""Providers that work without any file when their key is in the environment.

Base addresses, variable names and dialects are the providers' own (their API references, checked
2026-11-22); each address ends where `/chat/completions` or `/messages` begins.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

SpokenDialect = Literal[
    "openai.chat", "openai.responses", "openai.embeddings", "anthropic.messages"
]


@dataclass(frozen=True, slots=True)
class DefaultProvider:
    """One provider, named as in the price book."""

    name: str
    base_url: str
    dialects: tuple[SpokenDialect, ...]
    key_env: str


_CHAT: tuple[SpokenDialect, ...] = ("openai.chat",)
_BOTH: tuple[SpokenDialect, ...] = ("openai.chat", "openai.responses")

DEFAULT_PROVIDERS: tuple[DefaultProvider, ...] = (
    DefaultProvider("openai", "https://api.openai.com/v1", _BOTH, "OPENAI_API_KEY"),
    DefaultProvider(
        "anthropic", "https://api.anthropic.com/v1", ("anthropic.messages",), "ANTHROPIC_API_KEY"
    ),
    DefaultProvider(
        "google",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        _CHAT,
        "GEMINI_API_KEY",
    ),
    DefaultProvider("deepseek", "https://api.deepseek.com/v1", _CHAT, "DEEPSEEK_API_KEY"),
    DefaultProvider("mistral", "https://api.mistral.ai/v1", _CHAT, "MISTRAL_API_KEY"),
    DefaultProvider("groq", "https://api.groq.com/openai/v1", _BOTH, "GROQ_API_KEY"),
    DefaultProvider("x-ai", "https://api.x.ai/v1", _BOTH, "XAI_API_KEY"),
    DefaultProvider("openrouter", "https://openrouter.ai/api/v1", _BOTH, "OPENROUTER_API_KEY"),
)

_IMPLIED: Mapping[str, str] = {
    "openai.chat": "openai.embeddings",
    "anthropic.messages": "anthropic.count_tokens",
}


def spoken(named: Iterable[str], base_url: str) -> frozenset[str]:
    """All that a provider speaks whose settings name these dialects.

    Who speaks OpenAI's chat has its embeddings too, who speaks Anthropic's messages counts tokens
    for them. Responses are spoken where they are named, and by providers known to have them.
    """
    found = set(named)
    address = base_url.rstrip("/")
    for known in DEFAULT_PROVIDERS:
        if known.base_url == address and found.intersection(known.dialects):
            found.update(known.dialects)
    found.update(more for one, more in _IMPLIED.items() if one in found)
    return frozenset(found)
