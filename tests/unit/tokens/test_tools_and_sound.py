"""Tool definitions read as the models read them, choices of tools, and sound by its length."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from scrimp.ports import Count
from scrimp.tokens.audio import UNKNOWN, audio, wav_seconds
from scrimp.tokens.openai_tools import declarations, undeclared
from tests.support.vocabularies import shared_encoder

LAMP = {
    "name": "set_lamp",
    "description": "Sets a lamp.\nAsk first.",
    "parameters": {
        "type": "object",
        "required": ["room"],
        "properties": {
            "room": {"type": "string", "description": "Which room"},
            "level": {"type": "integer", "minimum": 0},
            "colours": {"type": "array", "items": {"enum": ["red", "blue"], "type": "string"}},
            "until": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "mood": {"type": ["string", "null"]},
            "fade": {"type": "object", "properties": {"ms": {"type": "number"}}},
            "more": {"type": "array"},
            "odd": 7,
        },
    },
}
READ = """namespace functions {

// Sets a lamp.
// Ask first.
type set_lamp = (_: {
// Which room
room: string,
level?: number,
colours?: "red" | "blue"[],
until?: string | null,
mood?: string | null,
fade?: {
  ms?: number,
},
more?: any[],
odd?: any,
}) => any;

type nothing = () => any;

} // namespace functions"""


def _count(**fields: Any) -> Count:
    given = {"messages": [{"role": "user", "content": "hello"}], **fields}
    return shared_encoder().request_now("gpt-3.5-turbo", given, "openai.chat")


def test_declarations() -> None:
    """Every kind of schema, a function without parameters, and what is no schema."""
    assert declarations([LAMP, {"name": "nothing", "parameters": None}]) == READ


def test_what_the_declarations_do_not_say_widens_the_range() -> None:
    """Limits and defaults may or may not be told to the model."""
    assert undeclared(LAMP["parameters"]) == "// minimum: 0\n"
    plain = {"type": "object", "properties": {"a": {"type": "string"}}}
    limits = {"pattern": "^[a-z]+$", "maxLength": 40, "default": "north", "format": "slug"}
    limited = {"type": "object", "properties": {"a": {"type": "string", **limits}}}
    narrow, wide = (
        _count(functions=[{"name": "f", "parameters": one}]) for one in (plain, limited)
    )
    assert narrow.tokens == wide.tokens
    assert wide.high - wide.tokens > narrow.high - narrow.tokens + 10


def test_a_schema_that_refers_to_itself_in_depth_ends() -> None:
    """Deeper than anybody reads, it says any."""
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(500):
        deep = {"type": "array", "items": deep}
    found = declarations([{"name": "f", "parameters": {"properties": {"a": deep}}}])
    assert "any[]" in found
    assert undeclared({"items": deep}) == ""


@pytest.mark.parametrize(
    ("choice", "more"), [("auto", 0), ("none", 1), ({"name": "nothing"}, 1 + 4), (7, 0)]
)
def test_a_choice_of_function_counts(choice: object, more: int) -> None:
    """As it was measured: nothing for auto, one for none, four and its name for a function."""
    functions = [{"name": "nothing"}]
    plain = _count(functions=functions).tokens
    assert _count(functions=functions, function_call=choice).tokens == plain + more
    tools = [{"type": "function", "function": {"name": "nothing"}}]
    chosen = {"type": "function", "function": choice} if isinstance(choice, dict) else choice
    count = _count(tools=tools, tool_choice=chosen)
    assert count.low <= plain + more <= count.high
    assert count.tokens == plain + more


def test_system_messages_share_their_place_with_tools() -> None:
    """Four tokens fewer and a line break more; in parts as in one text."""
    tools = [{"type": "function", "function": {"name": "nothing"}}]
    whole, parts = (
        _count(messages=[{"role": "system", "content": content}], tools=tools)
        for content in ("Hi there", [{"type": "text", "text": "Hi there"}])
    )
    bare = _count(messages=[{"role": "user", "content": "Hi there"}], tools=tools)
    assert whole.tokens == parts.tokens == bare.tokens - 4 + 1


def _wav(seconds: float, rate: int = 16_000) -> str:
    body = bytes(int(seconds * rate) * 2)
    head = b"RIFF" + (36 + len(body)).to_bytes(4, "little") + b"WAVEfmt "
    form = (16).to_bytes(4, "little") + b"\x01\x00\x01\x00" + rate.to_bytes(4, "little")
    form += (rate * 2).to_bytes(4, "little") + b"\x02\x00\x10\x00"
    data = b"data" + len(body).to_bytes(4, "little") + body
    return base64.b64encode(head + form + data).decode()


@pytest.mark.parametrize(
    ("model", "per_s"), [("gemini-2.5-flash", 32), ("gpt-4o-audio-preview", 10)]
)
def test_a_wav_counts_by_its_length(model: str, per_s: int) -> None:
    """Ten seconds, give or take what a rate may be off."""
    low, guess, high = audio(model, _wav(10))
    assert guess == pytest.approx(10 * per_s, abs=1)
    assert low <= 10 * per_s <= high


@pytest.mark.parametrize(
    "data", [None, 7, "", "!!!", "AAAA", base64.b64encode(b"ID3" * 40).decode()]
)
def test_other_sound_has_a_wide_range(data: object) -> None:
    """Compressed sound does not tell its length in its first bytes."""
    assert audio("gpt-4o-audio-preview", data) == UNKNOWN
    assert wav_seconds(_wav(3)) == pytest.approx(3, abs=0.01)
