"""A request body tells by its fields which API it is for."""

from __future__ import annotations

from typing import Any

import pytest

from scrimp.dialects.detect import dialect_of
from scrimp.errors import InvalidRequest

HI = [{"role": "user", "content": "hi"}]
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": ""}}
CHAT, CLAUDE, RESPONSES, EMBEDDINGS = (
    "openai.chat",
    "anthropic.messages",
    "openai.responses",
    "openai.embeddings",
)


def blocks(*found: dict[str, Any]) -> list[dict[str, Any]]:
    """Messages with one turn of these blocks."""
    return [{"role": "user", "content": list(found)}]


@pytest.mark.parametrize(
    ("fields", "dialect"),
    [
        ({"model": "gpt-4o", "messages": HI}, CHAT),
        ({"model": "claude-haiku-4-5", "messages": HI}, CLAUDE),
        ({"model": "anthropic/claude-haiku-4.5", "messages": HI}, CHAT),
        ({"model": "claude-haiku-4-5", "messages": [{"role": "system", "content": "x"}]}, CHAT),
        ({"model": "claude-haiku-4-5", "messages": HI, "response_format": {}}, CHAT),
        ({"model": "my-alias", "messages": HI, "system": "be brief"}, CLAUDE),
        ({"model": "my-alias", "messages": HI, "tools": [{"input_schema": {}}]}, CLAUDE),
        ({"model": "my-alias", "messages": blocks(IMAGE)}, CLAUDE),
        ({"model": "my-alias", "messages": blocks({"type": "tool_result"})}, CLAUDE),
        ({"model": "my-alias", "messages": blocks({"type": "image_url"})}, CHAT),
        ({"model": "claude-x", "messages": HI, "tools": [{"function": {}}]}, CHAT),
        ({"model": "gpt-5", "input": "hi"}, RESPONSES),
        ({"model": "gpt-5", "input": [{"role": "user", "content": "hi"}]}, RESPONSES),
        ({"model": "text-embedding-3-small", "input": "hi"}, EMBEDDINGS),
        ({"model": "mine", "input": ["hi", "ho"]}, EMBEDDINGS),
        ({"model": "mine", "input": [1, 2]}, EMBEDDINGS),
        ({"model": "mine", "input": "hi", "dimensions": 256}, EMBEDDINGS),
        ({"model": 7, "messages": [None, 3, {"role": []}], "tools": {}}, CHAT),
    ],
)
def test_the_dialect_of_a_body(fields: dict[str, Any], dialect: str) -> None:
    """Fields first; only where they leave it open, the model."""
    assert dialect_of(fields) == dialect


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "no 'messages' and no 'input' (bodies"),
        ({"prompt": "x"}, "legacy completions"),
        ({"contents": []}, "Gemini"),
    ],
)
def test_what_is_not_read_is_named(fields: dict[str, Any], words: str) -> None:
    """With the bodies that are read."""
    with pytest.raises(InvalidRequest) as caught:
        dialect_of(fields)
    assert words in str(caught.value)
    assert "Anthropic messages are read" in str(caught.value)
