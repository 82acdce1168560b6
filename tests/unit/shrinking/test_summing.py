"""What a summing model is told of turns that are left out, in every shape, and in which pieces."""

from __future__ import annotations

from typing import Any

import pytest

from scrimp.shrinking.summing import material, message, orders, pieces_of

CHAT: list[Any] = [
    {"role": "user", "content": "find it"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c", "function": {"name": "search", "arguments": '{"q":1}'}}],
    },
    {"role": "tool", "tool_call_id": "c", "content": "found 7"},
]
RESPONSES: list[Any] = [
    {"role": "user", "content": [{"type": "input_text", "text": "find it"}]},
    {"type": "reasoning", "summary": [{"text": "secret thought"}], "encrypted_content": "xx"},
    {"type": "function_call", "call_id": "c", "name": "search", "arguments": '{"q":1}'},
    {"type": "function_call_output", "call_id": "c", "output": "found 7"},
]
ANTHROPIC: list[Any] = [
    {"role": "user", "content": [{"type": "image", "source": {}}, {"type": "text", "text": "it"}]},
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "secret thought", "signature": "s"},
            {"type": "tool_use", "id": "t", "name": "search", "input": {"q": 1}},
        ],
    },
    {
        "role": "user",
        "content": [
            {
                "type": "tool_result",
                "tool_use_id": "t",
                "content": [{"type": "text", "text": "found 7"}],
            }
        ],
    },
]


@pytest.mark.parametrize("items", [CHAT, RESPONSES, ANTHROPIC])
def test_everything_that_was_said_is_told(items: list[Any]) -> None:
    """Questions, calls and results; pictures by name, and thoughts not at all."""
    (piece,) = pieces_of(items)
    assert "it" in piece
    assert "calls search(" in piece
    assert "found 7" in piece
    assert "secret thought" not in piece


def test_pieces_of_a_longer_conversation_begin_the_same() -> None:
    """So their summaries are those that are there already."""
    items = [{"role": "user", "content": f"{number} " * 50} for number in range(100)]
    pieces = pieces_of(items, most=1000)
    for count in range(1, 100):
        fewer = pieces_of(items[:count], most=1000)
        assert fewer[:-1] == pieces[: len(fewer) - 1]
    assert sum(map(len, pieces)) > 9000


def test_of_what_is_very_long_head_and_tail_are_told() -> None:
    """With how much is not."""
    (piece,) = pieces_of([{"role": "tool", "content": "a" * 50_000 + "b" * 50_000}])
    assert len(piece) < 6100
    assert "94,006 characters are not shown" in piece
    assert piece.endswith("b" * 100)


@pytest.mark.parametrize("items", [[], ["x", None, 7], [{}], [{"role": "user", "content": ""}]])
def test_what_says_nothing_is_nothing(items: list[Any]) -> None:
    """There is nothing to sum up."""
    assert pieces_of(items) == []


def test_a_summary_is_said_to_be_one() -> None:
    """To the model that goes on; and to the one that sums up, that it reads material."""
    assert "12 earlier messages" in message("they met", 12)["content"]
    assert message("they met", 12)["content"].endswith("they met")
    assert "At most 80 words" in orders(80, "m")
    assert material("text", "m") == "[m]\ntext\n[m end]"
