"""Where prompts may be marked, and that marks change nothing else."""

from __future__ import annotations

from typing import Any

from scrimp.prefixes.placing import claude_marked, claude_parts, control_of
from scrimp.prefixes.prompt import Place, prompt_of
from scrimp.prefixes.seen import Piece

FIELDS: dict[str, Any] = {
    "model": "claude-sonnet-5",
    "tools": [{"name": "a", "input_schema": {}}, {"name": "b", "input_schema": {}}],
    "system": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}],
    "messages": [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "x", "signature": "s"}]},
        {"role": "user", "content": [{"type": "text", "text": ""}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "i", "content": "r"}]},
    ],
}


def places_of(fields: dict[str, Any], model: str) -> tuple[list[Piece], list[Place]]:
    """The pieces of a prompt, and where each ends."""
    prompt = prompt_of(claude_parts(fields), model)
    return prompt.pieces, [prompt.parts[at].place for at in prompt.ends]


def without_marks(value: Any) -> Any:
    """The same without `cache_control`."""
    if isinstance(value, dict):
        return {k: without_marks(v) for k, v in value.items() if k != "cache_control"}
    return [without_marks(one) for one in value] if isinstance(value, list) else value


def test_places_are_in_the_order_of_the_prompt() -> None:
    """Tools, system, messages; thinking and empty text may not be marked."""
    pieces, places = places_of(FIELDS, "claude-sonnet-5")
    assert places == [("tools", 1), ("system", 0), ("messages", 0), ("messages", 3)]
    assert [piece.tokens for piece in pieces] == sorted(piece.tokens for piece in pieces)


def test_a_longer_conversation_begins_with_the_same_pieces() -> None:
    """What is appended changes no digest before it; another choice of tools those of messages."""
    first, _ = places_of(FIELDS, "m")
    more = [*FIELDS["messages"], {"role": "user", "content": "next"}]
    longer, _ = places_of({**FIELDS, "messages": more}, "m")
    assert longer[: len(first)] == first
    chosen, _ = places_of({**FIELDS, "tool_choice": {"type": "any"}}, "m")
    assert [one.digest == two.digest for one, two in zip(first, chosen, strict=True)] == [
        True,
        True,
        False,
        False,
    ]
    other, _ = places_of(FIELDS, "another model")
    assert not {one.digest for one in other} & {one.digest for one in first}


def test_marks_change_nothing_else() -> None:
    """Without them the prompt is what it was, a string being one block of text."""
    _, places = places_of(FIELDS, "m")
    new = claude_marked(FIELDS, places, control_of("1h"))
    control = {"type": "ephemeral", "ttl": "1h"}
    assert new["tools"][1]["cache_control"] == control
    assert new["system"][1]["cache_control"] == control
    assert new["messages"][0]["content"] == [
        {"type": "text", "text": "hello", "cache_control": control}
    ]
    back = without_marks(new)
    back["messages"][0]["content"] = "hello"
    assert back == FIELDS
    assert FIELDS["system"][1] == {"type": "text", "text": "two"}
