"""Where texts stand in three shapes of request: only those change, and everything else stays."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from scrimp.shrinking.blocks import dialect_of, prompts_changed, results_changed

SHAPES: dict[str, dict[str, Any]] = {
    "openai.chat": {
        "messages": [
            {"role": "system", "content": "sys"},
            {"role": "user", "content": [{"type": "text", "text": "ask"}]},
            {
                "role": "assistant",
                "content": "old",
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": "find"}}],
            },
            {"role": "tool", "tool_call_id": "c", "content": "out", "extra": 1},
            {"role": "tool", "tool_call_id": "d", "content": [{"type": "text", "text": "more"}]},
        ]
    },
    "openai.responses": {
        "instructions": "sys",
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "ask"}]},
            {"type": "reasoning", "encrypted_content": "sealed"},
            {"type": "function_call", "call_id": "c", "name": "find", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "out", "extra": 1},
            {
                "type": "function_call_output",
                "call_id": "d",
                "output": [{"type": "input_text", "text": "more"}],
            },
        ],
    },
    "anthropic.messages": {
        "system": [{"type": "text", "text": "sys", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": "ask"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "s"},
                    {"type": "redacted_thinking", "data": "sealed"},
                    {"type": "tool_use", "id": "c", "name": "find", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "c", "content": "out", "extra": 1},
                    {
                        "type": "tool_result",
                        "tool_use_id": "d",
                        "content": [
                            {"type": "text", "text": "more"},
                            {"type": "image", "source": {"type": "base64", "data": "AAAA"}},
                            {"type": "text", "text": "cited", "citations": [{}]},
                        ],
                    },
                    {"type": "web_search_tool_result", "tool_use_id": "w", "content": [{}]},
                ],
            },
        ],
    },
}


@pytest.mark.parametrize("dialect", SHAPES)
def test_results_are_changed_with_the_name_of_their_tool(dialect: str) -> None:
    """Nothing else is: thoughts, signatures, pictures, citations, unknown fields."""
    fields = SHAPES[dialect]
    before, seen = copy.deepcopy(fields), []

    def change(tool: str, text: str) -> str:
        seen.append((tool, text))
        return text.upper()

    found = results_changed(fields, dialect, change)
    assert found is not None
    assert seen == [("find", "out"), ("", "more")]
    assert fields == before, "what was given is not changed"
    name = "input" if dialect == "openai.responses" else "messages"
    back = repr(found).replace("OUT", "out").replace("MORE", "more")
    assert back == repr(before[name])
    assert "OUT" in repr(found)


@pytest.mark.parametrize("dialect", SHAPES)
def test_nothing_changed_is_none(dialect: str) -> None:
    """So that the client's own bytes go on."""
    assert results_changed(SHAPES[dialect], dialect, lambda _, text: text) is None
    assert prompts_changed(SHAPES[dialect], dialect, lambda text: text) is None


@pytest.mark.parametrize("dialect", SHAPES)
def test_prompts_are_instructions_and_a_persons_words(dialect: str) -> None:
    """Never what the model said, and never what a tool did."""
    seen: list[str] = []

    def change(text: str) -> str:
        seen.append(text)
        return text.upper()

    found = prompts_changed(SHAPES[dialect], dialect, change)
    assert found is not None
    assert sorted(seen) == ["ask", "sys"]
    assert "ASK" in repr(found)
    assert "SYS" in repr(found)


@pytest.mark.parametrize("dialect", SHAPES)
def test_messages_say_whose_they_are(dialect: str) -> None:
    """By their shapes."""
    name = "input" if dialect == "openai.responses" else "messages"
    assert dialect_of(SHAPES[dialect][name]) == dialect


@pytest.mark.parametrize("items", [None, "text", 7, {}, [None, 7, "x", {"role": "tool"}]])
def test_odd_conversations_are_left_alone(items: Any) -> None:
    """Whatever stands where messages should."""
    fields = {"messages": items}
    assert results_changed(fields, "openai.chat", lambda _, text: text + "!") is None
    assert results_changed(fields, "anthropic.messages", lambda _, text: text + "!") is None


AGAIN: dict[str, list[list[dict[str, Any]]]] = {
    "openai.chat": [
        [
            {
                "role": "assistant",
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": name}}],
            },
            {"role": "tool", "tool_call_id": "c", "content": "out"},
        ]
        for name in ("find", "read_file", "find")
    ],
    "openai.responses": [
        [
            {"type": "function_call", "call_id": "c", "name": name, "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "out"},
        ]
        for name in ("find", "read_file", "find")
    ],
    "anthropic.messages": [
        [
            {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": name}]},
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "c", "content": "out"}],
            },
        ]
        for name in ("find", "read_file", "find")
    ],
}


@pytest.mark.parametrize("dialect", AGAIN)
def test_ids_that_come_again_name_the_tool_of_their_own_turn(dialect: str) -> None:
    """Some providers call each turn's first tool `call_0`: an earlier result stays what it was."""
    items = [item for turn in AGAIN[dialect] for item in turn]
    name = "input" if dialect == "openai.responses" else "messages"
    before: list[Any] = []
    for past in (2, 4, 6):
        seen: list[str] = []

        def by_tool(tool: str, text: str, seen: list[str] = seen) -> str:
            seen.append(tool)
            return f"{tool}: {text}"

        found = results_changed({name: items[:past]}, dialect, by_tool)
        assert found is not None
        assert seen == ["find", "read_file", "find"][: past // 2]
        assert found[: len(before)] == before
        before = found
