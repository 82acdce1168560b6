"""The plainest call that asks a question, as the SDKs send it. Pure."""

from __future__ import annotations

from typing import Any

MOST_TOKENS = 4096
"""Where nobody says how long an answer may be, and Anthropic's API will have a limit."""


def dialect_for(model: str) -> str:
    """In which dialect a model is asked by its name: Claude's in Anthropic's own, else OpenAI's."""
    claude = "claude" in model.lower() and "/" not in model
    return "anthropic.messages" if claude else "openai.chat"


def plain_call(
    dialect: str, model: str, question: str, system: str = "", *, most_tokens: int | None = None
) -> dict[str, Any]:
    """The fields of a body. `most_tokens` bounds the answer where the dialect insists on it."""
    user = {"role": "user", "content": question}
    if dialect == "anthropic.messages":
        first = {"system": system} if system else {}
        return {
            "model": model,
            "max_tokens": most_tokens or MOST_TOKENS,
            **first,
            "messages": [user],
        }
    messages = [{"role": "system", "content": system}, user] if system else [user]
    return {"model": model, "messages": messages}
