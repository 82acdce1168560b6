"""A provider's own editing of contexts: which fields, to whom, and never over a call's own."""

from __future__ import annotations

from typing import Any

import pytest

from scrimp.shrinking.native import BETA, natively

CLAUDE = ("anthropic.messages", "anthropic")
TOOLS: dict[str, Any] = {"tools": [{"name": "find"}]}


def test_anthropic_clears_results_of_tools() -> None:
    """From so many tokens on, so many at once, with the beta that it needs beside others."""
    found = natively(TOOLS, (("anthropic-beta", "other-1"), ("a", "b")), CLAUDE, 9000, 2000)
    assert found is not None
    (edit,) = found.fields["context_management"]["edits"]
    assert edit == {
        "type": "clear_tool_uses_20250919",
        "trigger": {"type": "input_tokens", "value": 9000},
        "clear_at_least": {"type": "input_tokens", "value": 2000},
    }
    assert found.headers == (("a", "b"), ("anthropic-beta", f"other-1,{BETA}"))
    again = natively(TOOLS, (("anthropic-beta", BETA),), CLAUDE, 9000, 0)
    assert again is not None
    assert again.headers == (("anthropic-beta", BETA),)
    assert "clear_at_least" not in again.fields["context_management"]["edits"][0]


def test_openai_truncates_responses() -> None:
    """By one field."""
    found = natively({"input": []}, (), ("openai.responses", "openai"), 9000, 0)
    assert found is not None
    assert found.fields == {"input": [], "truncation": "auto"}
    assert found.headers == ()


@pytest.mark.parametrize(
    ("fields", "whose"),
    [
        ({}, CLAUDE),
        ({**TOOLS, "context_management": {}}, CLAUDE),
        (TOOLS, ("anthropic.messages", "bedrock")),
        (TOOLS, ("openai.chat", "openai")),
        ({"truncation": "disabled"}, ("openai.responses", "openai")),
        ({}, ("openai.responses", "local")),
    ],
)
def test_nobody_else_is_asked(fields: dict[str, Any], whose: tuple[str, str]) -> None:
    """Not without tools, not over the call's own fields, not at endpoints that may refuse them."""
    assert natively(fields, (), whose, 9000, 0) is None
