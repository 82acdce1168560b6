"""Requests for responses and embeddings are counted inside bounds, and tools of every dialect."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from scrimp.ports import Count
from tests.support.vocabularies import shared_encoder

FUNCTION = {
    "name": "get_weather",
    "description": "Weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
PNG = base64.b64encode(
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (512).to_bytes(4, "big") * 2 + b"\x08\x02"
).decode()
PICTURE = {"type": "input_image", "detail": "high", "image_url": f"data:image/png;base64,{PNG}"}


def count(fields: dict[str, Any], model: str, dialect: str = "openai.responses") -> Count:
    """Tokens of a request."""
    found = shared_encoder().request_now(model, fields, dialect)
    assert found.low <= found.tokens <= found.high
    return found


def more(fields: dict[str, Any], model: str = "gpt-4o-mini") -> Count:
    """How much a request has over one with a plain question."""
    plain = count({"input": "hello"}, model)
    found = count({"input": "hello", **fields}, model)
    return Count(
        found.tokens - plain.tokens, found.low - plain.low, found.high - plain.high, found.method
    )


def test_a_question_is_framed_like_a_chat() -> None:
    """11 input tokens, as in OpenAI's own example; as a text or as a message."""
    said = "tell me a joke"
    message = {"role": "user", "content": [{"type": "input_text", "text": said}]}
    for given in (said, [message], [{**message, "type": "message", "content": said}]):
        assert count({"input": given}, "gpt-4o-mini").tokens == 11
    chat = count({"messages": [{"role": "user", "content": said}]}, "gpt-4o-mini", "openai.chat")
    assert chat.tokens == 11


def test_functions_count_as_in_a_chat() -> None:
    """They only stand one level higher."""
    ours = more({"tools": [{"type": "function", **FUNCTION}]}).tokens
    chat = count(
        {
            "messages": [{"role": "user", "content": "hello"}],
            "tools": [{"type": "function", "function": FUNCTION}],
        },
        "gpt-4o-mini",
        "openai.chat",
    ).tokens
    assert ours == chat - count({"input": "hello"}, "gpt-4o-mini").tokens


@pytest.mark.parametrize(
    "fields",
    [
        {"instructions": "Be kind."},
        {"tools": [{"type": "custom", "name": "shell", "description": "Runs a command."}]},
        {
            "tools": [
                {"type": "namespace", "name": "n", "tools": [{"type": "function", **FUNCTION}]}
            ]
        },
        {"text": {"format": {"type": "json_schema", "name": "a", "schema": {"type": "object"}}}},
    ],
)
def test_parts_that_can_be_seen_are_counted(fields: dict[str, Any]) -> None:
    """Each adds to the estimate and to its lower bound, and little doubt."""
    added = more(fields)
    assert added.tokens > 0
    assert 0 < added.high < 500


@pytest.mark.parametrize(
    "fields",
    [
        {"previous_response_id": "resp_1"},
        {"conversation": "conv_1"},
        {"prompt": {"id": "pmpt_1"}},
        {"tools": [{"type": "web_search"}]},
    ],
)
def test_what_cannot_be_seen_widens_the_range(fields: dict[str, Any]) -> None:
    """The truth may be far above what stands in the request, not below."""
    added = more(fields)
    assert (added.low, added.high >= 200_000) == (0, True)


@pytest.mark.parametrize(
    "item",
    [
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"a": 1}'},
        {"type": "function_call_output", "call_id": "c", "output": "nine cats were found"},
        {"type": "function_call_output", "call_id": "c", "output": [PICTURE]},
        {"type": "shell_call_output", "call_id": "c", "output": [{"stdout": "a.py b.py"}]},
        {"type": "local_shell_call", "action": {"command": ["ls", "-la"]}},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "thinking of cats"}]},
        {"type": "computer_call_output", "output": {"type": "computer_screenshot"}},
        {"type": "message", "role": "user", "content": [{"type": "input_file", "file_id": "f"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_audio"}]},
        {"type": "item_reference", "id": "msg_1"},
        {"type": "image_generation_call", "id": "ig", "result": PNG * 100},
    ],
    ids=lambda item: str(item["type"]),
)
def test_every_kind_of_item_counts(item: dict[str, Any]) -> None:
    """More than the frame of a message."""
    frame = count({"input": [{"type": "x"}]}, "gpt-4o-mini").tokens
    assert count({"input": [item]}, "gpt-4o-mini").tokens > frame


def test_an_image_counts_by_its_size_and_not_by_its_bytes() -> None:
    """One tile: 85 + 170."""
    given = {"role": "user", "content": [PICTURE]}
    bare = {"role": "user", "content": []}
    with_image = count({"input": [given]}, "gpt-4o").tokens
    assert with_image - count({"input": [bare]}, "gpt-4o").tokens == 255


def test_sealed_reasoning_counts_by_its_length() -> None:
    """Its words cannot be read, and the range says so."""
    item = {"type": "reasoning", "summary": [], "encrypted_content": "A" * 6000}
    found = count({"input": [item]}, "gpt-5-mini")
    assert found.low < 100
    assert found.tokens >= 1000
    assert found.high >= 3000


def test_embeddings_count_exactly() -> None:
    """Texts by the model's own encoding, token ids one by one, any number of inputs."""
    model = "text-embedding-3-small"
    for given, tokens in (
        ("hello world", 2),
        (["hello world", "hello"], 3),
        ([1, 2, 3], 3),
        ([[1, 2], [3]], 3),
        ([], 0),
        (None, 0),
    ):
        found = count({"input": given}, model, "openai.embeddings")
        assert (found.low, found.tokens, found.high) == (tokens, tokens, tokens)


def test_custom_tools_of_a_chat_count() -> None:
    """Their definition, and their calls."""
    base = {"messages": [{"role": "user", "content": "hello"}]}
    custom = {"type": "custom", "custom": {"name": "shell", "description": "Runs a command."}}
    call = {"id": "c", "type": "custom", "custom": {"name": "shell", "input": "ls -la /srv"}}
    said = {"role": "assistant", "tool_calls": [call]}
    plain = count(base, "gpt-5-mini", "openai.chat").tokens
    defined = count({**base, "tools": [custom]}, "gpt-5-mini", "openai.chat").tokens
    called = count({"messages": [*base["messages"], said]}, "gpt-5-mini", "openai.chat").tokens
    silent = {"role": "assistant"}
    quiet = count({"messages": [*base["messages"], silent]}, "gpt-5-mini", "openai.chat").tokens
    assert plain < defined
    assert quiet + 6 < called


@pytest.mark.parametrize(
    ("fields", "wide"),
    [
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, True),
        ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, False),
        (
            {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
            False,
        ),
    ],
)
def test_anthropic_tools_and_answers_in_a_shape_count(
    fields: dict[str, Any], *, wide: bool
) -> None:
    """What the provider runs may bring anything; the rest is small."""
    base = {"messages": [{"role": "user", "content": "hello"}]}
    plain = count(base, "claude-sonnet-4-5", "anthropic.messages")
    found = count({**base, **fields}, "claude-sonnet-4-5", "anthropic.messages")
    assert found.tokens > plain.tokens
    assert (found.high - plain.high > 100_000) is wide


def test_odd_requests_count_nothing_and_never_raise() -> None:
    """Parts of the wrong type are the provider's to refuse."""
    deep: Any = "x"
    for _ in range(50):
        deep = [deep]
    for given in (5, [None, 3, "text"], [{"content": deep}], {"a": "b"}):
        count({"input": given, "tools": 5, "text": [], "instructions": 7}, "gpt-4o-mini")
        count({"input": given}, "text-embedding-3-small", "openai.embeddings")
    json.dumps(deep)
