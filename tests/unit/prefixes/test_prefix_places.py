"""Where prompts may be marked, and that marks change nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from scrimp.calls import Request
from scrimp.dialects.json_body import encode
from scrimp.prefixes.placing import claude_marked, claude_parts, control_of
from scrimp.prefixes.prompt import Keys, Place, prompt_of
from scrimp.prefixes.seen import Piece
from scrimp.prefixes.telling import Way, parts_of, says_itself

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


def test_claude_codes_line_is_no_part_of_a_prompt() -> None:
    """Anthropic takes it out; what stands behind it is the same prompt, whatever it says."""
    plain, _ = places_of(FIELDS, "m")
    for nonce in ("36ee5", "0aaa9"):
        line = {"type": "text", "text": f"x-anthropic-billing-header: cch={nonce};"}
        assert places_of({**FIELDS, "system": [line, *FIELDS["system"]]}, "m")[0] == plain
    alone = "x-anthropic-billing-header: cch=1;"
    assert ("system", 0) not in places_of({**FIELDS, "system": alone}, "m")[1]


def test_texts_of_the_same_bytes_in_memory_are_two_prompts() -> None:
    """Python hashes how a text lies in memory: wide characters may lie there as others do."""
    plain = "aAbB" * 500
    wide = plain.encode().decode("utf-16-le")
    assert hash(plain) == hash(wide)
    found = [
        places_of({"messages": [{"role": "user", "content": text}]}, "m")[0][0].digest
        for text in (plain, wide)
    ]
    assert found[0] != found[1]


LATE = {"name": "late", "input_schema": {}, "defer_loading": True}


def test_tools_that_come_later_are_no_part_and_carry_no_mark() -> None:
    """Anthropic refuses a mark at one; what else of them may be looked for breaks no prefix."""
    tools = FIELDS["tools"]
    plain, _ = places_of(FIELDS, "m")
    for more in ([LATE], [LATE, {**LATE, "name": "later"}]):
        pieces, places = places_of({**FIELDS, "tools": [*tools, *more]}, "m")
        assert places[0] == ("tools", 1)
        assert pieces == plain
    fields = {**FIELDS, "tools": [LATE, *tools, LATE]}
    marked = claude_marked(fields, [("tools", 2)], control_of("5m"))
    assert ["cache_control" in tool for tool in marked["tools"]] == [False, False, True, False]
    assert places_of({**FIELDS, "tools": [LATE]}, "m")[1][0] == ("system", 0)


@pytest.mark.parametrize(
    ("tool", "places"),
    [
        ({"type": "mcp_toolset", "default_config": {"defer_loading": True}}, []),
        ({"type": "mcp_toolset", "configs": {"a": {"defer_loading": True}}}, []),
        ({"type": "mcp_toolset", "default_config": {"enabled": True}}, [("tools", 0)]),
        ("none", []),
    ],
)
def test_a_set_of_tools_that_may_come_later_is_not_marked(tool: Any, places: list[Place]) -> None:
    """Which of them is the last that is there from the beginning nobody tells."""
    assert places_of({"tools": [tool], "messages": []}, "m")[1] == places


@pytest.mark.parametrize("way", ["claude", "translated", "messages", "chat", "responses"])
def test_only_a_field_says_how_a_call_is_cached(way: Way) -> None:
    """Not a text that speaks of one, in whatever letters; a field anywhere does."""
    mark = {"cache_control": {"type": "ephemeral"}}
    name = "input" if way == "responses" else "messages"
    for text in ('"cache_control": {}', '"cache_control": "é"'):
        quoted = {"metadata": {"x": text}, name: [{"role": "user", "content": text}]}
        assert not told_itself(quoted, way)
        for marked in (
            {name: [{"role": "user", "content": [{"type": "text", "text": text, **mark}]}]},
            {**quoted, "tools": [{"name": text, **mark}]},
            {**quoted, "prompt_cache_key": "mine"},
            {**quoted, "other": [mark]},
        ):
            assert told_itself({**quoted, **marked}, way)


def told_itself(fields: dict[str, Any], way: Way) -> bool:
    """As the lever asks."""
    prompt = prompt_of(parts_of(fields, way), "m")
    return says_itself(Request(encode(fields), fields, "m"), prompt, way)


def test_the_key_is_that_of_the_beginning() -> None:
    """The same however a prompt goes on, and worked out once; another for another beginning."""
    keys = Keys()

    def key(begin: str, end: str) -> str:
        said = [{"role": "user", "content": begin}, {"role": "user", "content": end}]
        return keys.of(prompt_of(parts_of({"messages": said}, "chat"), "m"))

    assert key("a" * 2000, "x") == key("a" * 2000, "y") == key("a" * 2100, "z")
    assert key("a" * 2000, "x") != key("b" * 2000, "x")
    assert key("a", "x") != key("a", "y")


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
