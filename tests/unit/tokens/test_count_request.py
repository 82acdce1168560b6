"""Whole requests are counted as the vendors count them, or inside bounds."""

from __future__ import annotations

from typing import Any

import pytest

from scrimp.ports import Count
from tests.support.vocabularies import shared_encoder

# Example requests of the OpenAI cookbook, "How to count tokens with tiktoken", whose counts were
# checked against the API there.
JARGON = [
    (
        "system",
        None,
        (
            "You are a helpful, pattern-following assistant that translates corporate jargon into"
            " plain English."
        ),
    ),
    ("system", "example_user", "New synergies will help drive top-line growth."),
    (
        "system",
        "example_assistant",
        "Things working well together will increase revenue.",
    ),
    (
        "system",
        "example_user",
        (
            "Let's circle back when we have more bandwidth to touch base on opportunities for"
            " increased leverage."
        ),
    ),
    (
        "system",
        "example_assistant",
        "Let's talk later when we're less busy about how to do better.",
    ),
    (
        "user",
        None,
        "This late pivot means we don't have time to boil the ocean for the client deliverable.",
    ),
]
WEATHER = {
    "messages": [
        {
            "role": "system",
            "content": (
                "You are a helpful assistant that can answer to questions about the weather."
            ),
        },
        {"role": "user", "content": "What's the weather like in San Francisco?"},
    ],
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "get_current_weather",
                "description": "Get the current weather in a given location",
                "parameters": {
                    "type": "object",
                    "properties": {
                        "location": {
                            "type": "string",
                            "description": "The city and state, e.g. San Francisco, CA",
                        },
                        "unit": {
                            "type": "string",
                            "description": "The unit of temperature to return",
                            "enum": ["celsius", "fahrenheit"],
                        },
                    },
                    "required": ["location"],
                },
            },
        }
    ],
}


def _count(fields: dict[str, Any], model: str, dialect: str = "openai.chat") -> Count:
    return shared_encoder().request_now(model, fields, dialect)


def _messages() -> dict[str, Any]:
    messages = [
        {"role": role, "content": content} | ({"name": name} if name else {})
        for role, name, content in JARGON
    ]
    return {"messages": messages}


@pytest.mark.parametrize(
    ("model", "tokens"),
    [("gpt-3.5-turbo", 129), ("gpt-4", 129), ("gpt-4o", 124), ("gpt-4o-mini", 124)],
)
def test_cookbook_messages(model: str, tokens: int) -> None:
    """Messages and names, to the token."""
    count = _count(_messages(), model)
    assert (count.low, count.tokens, count.high) == (tokens, tokens, tokens)


@pytest.mark.parametrize(
    ("model", "tokens"),
    [("gpt-3.5-turbo", 105), ("gpt-4", 105), ("gpt-4o", 101), ("gpt-4o-mini", 101)],
)
def test_cookbook_tools(model: str, tokens: int) -> None:
    """Tools, to the token; the range says that other tools may be off by 5 %."""
    count = _count(WEATHER, model)
    assert count.tokens == tokens
    assert tokens - 8 <= count.low < tokens < count.high <= tokens + 8


def test_gpt5_framing_is_a_range() -> None:
    """GPT-5 frames messages otherwise: the older framing is the low end."""
    count = _count(_messages(), "gpt-5")
    assert count.low == 124
    assert count.low < count.tokens <= count.high <= 140


def test_parts_are_counted_as_their_text() -> None:
    """A text in parts costs what it costs as a string."""
    whole = {"messages": [{"role": "user", "content": "Hello world"}]}
    parts = {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hello world"}]}]}
    assert _count(whole, "gpt-4") == _count(parts, "gpt-4")
    assert _count(whole, "gpt-4").tokens == 2 + 1 + 3 + 3


def test_images_audio_and_files_widen_the_range() -> None:
    """What cannot be measured in the request is bounded, not ignored."""
    for part in (
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "image_url", "image_url": "https://example.com/a.png"},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        {"type": "file", "file": {"file_id": "file-1"}},
    ):
        count = _count({"messages": [{"role": "user", "content": [part]}]}, "gpt-4o")
        assert count.low < count.tokens < count.high


def test_low_detail_image_is_exact() -> None:
    """85 tokens and the framing."""
    image = {"url": "https://example.com/a.png", "detail": "low"}
    part = {"type": "image_url", "image_url": image}
    count = _count({"messages": [{"role": "user", "content": [part]}]}, "gpt-4o")
    assert count.low == count.high == 85 + 3 + 1 + 3


def test_tool_calls_nested_schemas_and_response_formats_count() -> None:
    """Each of them makes the prompt longer."""
    plain = {"messages": [{"role": "assistant", "content": "Hi"}]}
    base = _count(plain, "gpt-4o").tokens
    call = {"function": {"name": "find", "arguments": '{"a": [1, 2, 3]}'}}
    called = {"messages": [{"role": "assistant", "content": "Hi", "tool_calls": [call]}]}
    assert _count(called, "gpt-4o").tokens > base
    nested = {"type": "object", "properties": {"deep": {"type": "array", "items": {"x": "y"}}}}
    tool = {"type": "function", "function": {"name": "f", "parameters": nested}}
    flat = {"type": "function", "function": {"name": "f"}}
    assert (
        _count(plain | {"tools": [tool]}, "gpt-4o").tokens
        > _count(plain | {"tools": [flat]}, "gpt-4o").tokens
        > base
    )
    form = {"type": "json_schema", "json_schema": {"name": "s", "schema": nested}}
    assert _count(plain | {"response_format": form}, "gpt-4o").tokens > base


@pytest.mark.parametrize("dialect", ["openai.chat", "anthropic.messages"])
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"messages": None},
        {"messages": "text"},
        {"messages": [None, 3, "x", {}, {"content": 7}, {"content": [None, {}]}]},
        {"messages": [{"content": [{"type": "image_url"}, {"type": "image"}]}], "tools": [1, {}]},
        {"messages": [], "tools": {"a": 1}, "system": 5},
        {"messages": [{"tool_calls": [{"function": 1}], "function_call": "auto"}]},
        {"tools": [{"function": {"name": 1, "parameters": {"properties": {"a": 1}}}}]},
        {"tools": [{"name": 1, "input_schema": None}]},
    ],
)
def test_wrong_types_count_nothing(fields: dict[str, Any], dialect: str) -> None:
    """A request that the provider will refuse is still counted without an error."""
    count = _count(fields, "gpt-4o", dialect)
    assert 0 <= count.low <= count.tokens <= count.high


@pytest.mark.parametrize(
    ("fields", "truth"),
    [
        (
            {
                "system": "You are a scientist",
                "messages": [{"role": "user", "content": "Hello, Claude"}],
            },
            14,
        ),
        (
            {
                "tools": [
                    {
                        "name": "get_weather",
                        "description": "Get the current weather in a given location",
                        "input_schema": {
                            "type": "object",
                            "properties": {
                                "location": {
                                    "type": "string",
                                    "description": "The city and state, e.g. San Francisco, CA",
                                }
                            },
                            "required": ["location"],
                        },
                    }
                ],
                "messages": [
                    {"role": "user", "content": "What's the weather like in San Francisco?"}
                ],
            },
            403,
        ),
    ],
)
def test_anthropic_examples_are_inside_the_range(fields: dict[str, Any], truth: int) -> None:
    """The two counts in Anthropic's token counting documentation."""
    count = _count(fields, "claude-opus-5", "anthropic.messages")
    assert count.low <= truth <= count.high
    assert abs(count.tokens - truth) <= max(8, truth * 0.25)
    assert "estimate" in count.method


def test_anthropic_blocks() -> None:
    """Tool use and results, thinking, documents and images all count."""
    one = {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]}
    base = _count(one, "claude-sonnet-4-5", "anthropic.messages").tokens
    for block in (
        {"type": "tool_use", "name": "find", "input": {"query": "cats"}},
        {"type": "tool_result", "content": [{"type": "text", "text": "nine cats were found"}]},
        {"type": "thinking", "thinking": "cats are not dogs at all, I think"},
        {"type": "document", "source": {"type": "text", "data": "a text on many cats and dogs"}},
        {"type": "document", "source": {"type": "base64", "data": "JVBERi0="}},
        {"type": "document", "source": {"type": "content", "content": "a text on many cats"}},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/cat.png"}},
    ):
        fields = {"messages": [{"role": "user", "content": [block]}]}
        assert _count(fields, "claude-sonnet-4-5", "anthropic.messages").tokens > base


def test_unknown_dialect() -> None:
    """A dialect that cannot be counted is an error, not a zero."""
    with pytest.raises(ValueError, match=r"openai\.speech"):
        _count({}, "gpt-4o", "openai.speech")
