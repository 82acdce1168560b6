"""Providers that work without any file when their key is in the environment.

Base addresses and variable names are the providers' own (their API references, checked
2026-11-22); each ends where `/chat/completions` or `/messages` begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SpokenDialect = Literal["openai.chat", "anthropic.messages"]


@dataclass(frozen=True, slots=True)
class DefaultProvider:
    """One provider, named as in the price book."""

    name: str
    base_url: str
    dialects: tuple[SpokenDialect, ...]
    key_env: str


_CHAT: tuple[SpokenDialect, ...] = ("openai.chat",)

DEFAULT_PROVIDERS: tuple[DefaultProvider, ...] = (
    DefaultProvider("openai", "https://api.openai.com/v1", _CHAT, "OPENAI_API_KEY"),
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
    DefaultProvider("groq", "https://api.groq.com/openai/v1", _CHAT, "GROQ_API_KEY"),
    DefaultProvider("x-ai", "https://api.x.ai/v1", _CHAT, "XAI_API_KEY"),
    DefaultProvider("openrouter", "https://openrouter.ai/api/v1", _CHAT, "OPENROUTER_API_KEY"),
)
