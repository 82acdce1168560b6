"""Lengths of parts that were sent before are remembered, and never change what a prompt is."""

from __future__ import annotations

from typing import Any

from scrimp.prefixes import prompt
from scrimp.prefixes.placing_openai import chat_parts
from scrimp.prefixes.prompt import Lengths, Prompt, prompt_of

_TOLD = [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]
_MESSAGES: list[Any] = [
    {"role": "user", "content": "é" * 40},
    {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function"}]},
    {"role": "tool", "tool_call_id": "c", "content": "ok"},
    {"role": "user", "content": "x", "n": 1},
    {"role": "user", "content": "x", "n": True},
    {"role": "user", "content": _TOLD},
]


def _measured(messages: list[Any], lengths: Lengths | None) -> Prompt:
    return prompt_of(chat_parts({"messages": messages}), "m", lengths)


def test_a_part_that_came_before_is_measured_as_at_first() -> None:
    """Sizes, hashes and the client's own marks are the same with a memory and without."""
    lengths = Lengths()
    first = _measured(_MESSAGES, lengths)
    assert _measured(_MESSAGES, lengths) == first == _measured(_MESSAGES, None)
    assert first.marked
    assert first.hashes[4] != first.hashes[5]
    assert not _measured(_MESSAGES[:5], lengths).marked


def test_no_more_lengths_are_kept_than_the_bound() -> None:
    """A gateway that sees ever new texts holds a bounded number of lengths."""
    lengths = Lengths()
    most = prompt._MOST_LENGTHS
    for number in range(most + 10):
        _measured([{"role": "user", "content": f"{number}"}], lengths)
        assert len(lengths.known) <= most
