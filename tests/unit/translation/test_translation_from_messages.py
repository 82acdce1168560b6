"""A request of Anthropic's for another model: where each field goes, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from scrimp.errors import InvalidRequest
from tests.support.translating import PIXEL, SCHEMA, USER, left_out_of_messages, to_chat

TOOL = {"name": "weather", "description": "The weather", "input_schema": SCHEMA}
USE = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Bern"}}


def said(*turns: dict[str, Any]) -> list[dict[str, Any]]:
    """The messages of a conversation."""
    found: list[dict[str, Any]] = to_chat(messages=list(turns))["messages"]
    return found


def asked(*blocks: dict[str, Any]) -> list[dict[str, Any]]:
    """What comes of one turn of the user."""
    return said({"role": "user", "content": list(blocks)})


def test_a_plain_question() -> None:
    """The limit bounds reasoning too, as Anthropic's does."""
    assert to_chat() == {"model": "gpt-x", "messages": [USER], "max_completion_tokens": 9}


def test_providers_that_know_only_the_old_limit_get_that() -> None:
    """Mistral refuses the new name, DeepSeek does not read it."""
    assert to_chat(provider="mistral")["max_tokens"] == 9


def test_a_stream_is_asked_for_its_usage() -> None:
    """Anthropic's always end with it."""
    body = to_chat(stream=True)
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}
    assert "stream" not in to_chat(stream=False)


def test_the_system_prompt_is_the_first_message() -> None:
    """A string or blocks; later ones keep their place."""
    assert to_chat(system="Be kind")["messages"][0] == {"role": "system", "content": "Be kind"}
    two = [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]
    two.append({"type": "text", "text": "b"})
    parts = to_chat(system=two)["messages"][0]["content"]
    assert parts == [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    late = said(USER, {"role": "assistant", "content": "Yes"}, {"role": "system", "content": "N"})
    assert late[2] == {"role": "system", "content": "N"}
    assert to_chat(system="") == to_chat()


@pytest.mark.parametrize(
    ("system", "left"),
    [
        ("x-anthropic-billing-header: cch=1;", None),
        ("x-anthropic-billing-header: cch=1;\n\nBe kind", "Be kind"),
        (
            "Be kind\nx-anthropic-billing-header: cch=1;",
            "Be kind\nx-anthropic-billing-header: cch=1;",
        ),
    ],
)
def test_what_claude_code_tells_anthropic_is_not_told(system: str, left: str | None) -> None:
    """Its first line is for Anthropic's books; a line further down may be anything."""
    block = {"type": "text", "text": system}
    for given in (system, [block], [{**block, "cache_control": {"type": "ephemeral"}}]):
        first = to_chat(system=given)["messages"][0]
        assert first == (USER if left is None else {"role": "system", "content": left})


def test_images_and_documents() -> None:
    """Base64 as data URLs, links as links, documents as files with a name."""
    (message,) = asked(
        {"type": "text", "text": "Look"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
        {"type": "image", "source": {"type": "url", "url": "https://a.test/b.png"}},
        {
            "type": "document",
            "title": "a.pdf",
            "citations": {"enabled": False},
            "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"},
        },
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "Grüezi"},
        },
    )
    assert message["content"] == [
        {"type": "text", "text": "Look"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
        {"type": "image_url", "image_url": {"url": "https://a.test/b.png"}},
        {
            "type": "file",
            "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"},
        },
        {
            "type": "file",
            "file": {
                "filename": "document.txt",
                "file_data": "data:text/plain;base64,R3LDvGV6aQ==",
            },
        },
    ]


def test_calls_and_results_of_tools() -> None:
    """Each result is a message of its own, before what the user says beside them."""
    results = [
        {"type": "tool_result", "tool_use_id": "toolu_1", "content": "mild"},
        {"type": "tool_result", "tool_use_id": "toolu_2", "is_error": True, "content": "offline"},
        {"type": "tool_result", "tool_use_id": "toolu_3"},
        {"type": "text", "text": "And?"},
    ]
    spoken = [{"type": "text", "text": "One moment"}, USE, USE | {"id": "toolu_2"}]
    found = said(
        USER, {"role": "assistant", "content": spoken}, {"role": "user", "content": results}
    )
    assert found[1] == {
        "role": "assistant",
        "content": "One moment",
        "tool_calls": [
            {
                "id": name,
                "type": "function",
                "function": {"name": "weather", "arguments": '{"city":"Bern"}'},
            }
            for name in ("toolu_1", "toolu_2")
        ],
    }
    assert found[2:] == [
        {"role": "tool", "tool_call_id": "toolu_1", "content": "mild"},
        {"role": "tool", "tool_call_id": "toolu_2", "content": "Error: offline"},
        {"role": "tool", "tool_call_id": "toolu_3", "content": ""},
        {"role": "user", "content": "And?"},
    ]


def test_a_failed_tool_that_says_so_itself_is_not_told_twice() -> None:
    """A chat has no flag for it, so the model is told in words."""
    result = {"type": "tool_result", "tool_use_id": "t", "is_error": True, "content": "ERROR 7"}
    assert asked(result)[0]["content"] == "ERROR 7"
    assert asked(result | {"content": None})[0]["content"] == "Error: "


def test_arguments_that_were_never_json_are_what_they_were() -> None:
    """As they came in by the other way."""
    use = USE | {"input": {"INVALID_JSON": "[1"}}
    found = said(USER, {"role": "assistant", "content": [use]}, USER)[1]
    assert found["tool_calls"][0]["function"]["arguments"] == "[1"
    assert found["content"] is None


def test_thoughts_of_before_are_left_out() -> None:
    """They are signed for Anthropic; a turn of nothing else is none."""
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
    hidden = {"type": "redacted_thinking", "data": "x"}
    turns = [
        USER,
        {"role": "assistant", "content": [thought, {"type": "text", "text": "Yes"}]},
        USER,
        {"role": "assistant", "content": [hidden]},
        USER,
    ]
    body, left_out = left_out_of_messages(messages=turns)
    assert [message["content"] for message in body["messages"]] == ["Hi", "Yes", "Hi", "Hi"]
    assert left_out == ("messages.thinking", "messages.redacted_thinking")


def test_tools_and_the_choice_of_one() -> None:
    """Each of Anthropic's has one of OpenAI's."""
    body = to_chat(tools=[TOOL | {"strict": True, "type": "custom"}], tool_choice={"type": "any"})
    function = {
        "name": "weather",
        "description": "The weather",
        "parameters": SCHEMA,
        "strict": True,
    }
    assert body["tools"] == [{"type": "function", "function": function}]
    assert body["tool_choice"] == "required"
    one = {"type": "tool", "name": "weather", "disable_parallel_tool_use": True}
    forced = to_chat(tools=[TOOL], tool_choice=one)
    assert forced["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    assert forced["parallel_tool_calls"] is False
    assert to_chat(tools=[TOOL], tool_choice={"type": "none"})["tool_choice"] == "none"
    assert to_chat(tools=[], tool_choice={"type": "auto"}) == to_chat()


def test_small_things() -> None:
    """Stops, temperatures, tiers, users."""
    body = to_chat(
        stop_sequences=["END"],
        temperature=0.3,
        top_p=0.9,
        metadata={"user_id": "u1"},
        service_tier="standard_only",
    )
    assert body["stop"] == ["END"]
    assert (body["temperature"], body["top_p"], body["user"]) == (0.3, 0.9, "u1")
    assert body["service_tier"] == "default"
    nothing = to_chat(
        stop_sequences=[],
        metadata={},
        service_tier="auto",
        speed="standard",
        inference_geo="global",
    )
    assert nothing == to_chat()
    long, left_out = left_out_of_messages(metadata={"user_id": "u" * 65})
    assert (long, left_out) == (to_chat(), ("metadata.user_id",))


def test_thinking_and_effort() -> None:
    """Adaptive thinking is what a model does by itself; a model that never thinks need not stop."""
    assert to_chat(thinking={"type": "adaptive", "display": "omitted"}) == to_chat()
    body = to_chat(thinking={"type": "adaptive"}, output_config={"effort": "xhigh"})
    assert body["reasoning_effort"] == "xhigh"
    off: dict[str, Any] = {"thinking": {"type": "disabled"}, "output_config": {"effort": "low"}}
    assert to_chat(**off)["reasoning_effort"] == "none"
    assert "reasoning_effort" not in to_chat(model="gpt-4o", thinking={"type": "disabled"})


@pytest.mark.parametrize("name", ["output_config", "output_format"])
def test_a_schema_of_the_answer(name: str) -> None:
    """Strict, as Anthropic's always is; under either of its names."""
    form = {"type": "json_schema", "schema": SCHEMA}
    fields: dict[str, Any] = {name: {"format": form} if name == "output_config" else form}
    body = to_chat(**fields)
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
    }


def test_marks_of_the_prompt_cache_are_left_out() -> None:
    """OpenAI keeps prefixes by itself."""
    body, left_out = left_out_of_messages(cache_control={"type": "ephemeral"})
    assert (body, left_out) == (to_chat(), ("cache_control",))
    part = {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}
    body, left_out = left_out_of_messages(messages=[{"role": "user", "content": [part]}])
    assert (body, left_out) == (to_chat(), ("cache_control",))


def test_beside_options_for_the_prompt_cache_marks_become_breakpoints() -> None:
    """On all that goes in; tools and what the assistant said can carry none."""
    mark = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    point = {"prompt_cache_breakpoint": {"mode": "explicit"}}
    image = {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}, **mark}
    result = {"type": "tool_result", "tool_use_id": "t", "is_error": True, **mark}
    said = {"type": "text", "text": "Hello", **mark}
    body, left_out = left_out_of_messages(
        system=[{"type": "text", "text": "Rules", **mark}],
        tools=[{"name": "f", "input_schema": {"type": "object"}, **mark}],
        messages=[
            {"role": "user", "content": [{"type": "text", "text": "", **mark}, image]},
            {"role": "assistant", "content": [said, {"type": "tool_use", "id": "t", "name": "f",
             "input": {}}]},
            {"role": "user", "content": [{**result, "content": [{"type": "text", "text": "no"}]}]},
        ],
        prompt_cache_options={"mode": "implicit"},
        prompt_cache_key="k",
    )  # fmt: skip
    assert (body["prompt_cache_options"], body["prompt_cache_key"]) == ({"mode": "implicit"}, "k")
    contents = [one["content"] for one in body["messages"]]
    assert contents[0] == [{"type": "text", "text": "Rules", **point}]
    assert contents[1][1] == {
        "type": "image_url",
        "image_url": {"url": "https://x.test/a.png"},
        **point,
    }
    assert contents[2] == "Hello"
    assert contents[3] == [{"type": "text", "text": "Error: no", **point}]
    assert "cache_control" not in str(body)
    assert str(body).count("prompt_cache_breakpoint") == 3
    assert left_out == ("cache_control",)


def test_clearing_thoughts_of_before_is_what_happens_anyway() -> None:
    """Coding agents ask for it in every call; other edits of the context are refused."""
    edit = {"type": "clear_thinking_20251015", "keep": "all"}
    body, left_out = left_out_of_messages(context_management={"edits": [edit]})
    assert (body, left_out) == (to_chat(), ("context_management",))
    tools = {"edits": [edit, {"type": "clear_tool_uses_20250919"}]}
    with pytest.raises(InvalidRequest, match=r"'context_management.edits\[1\]'"):
        to_chat(context_management=tools)


def user(**block: Any) -> dict[str, Any]:
    """A conversation of one block."""
    return {"messages": [{"role": "user", "content": [block]}]}


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"top_k": 5}, "'top_k'"),
    ({"max_tokens": 0}, "'max_tokens'"),
    ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "'thinking.budget_tokens'.*adapt"),
    ({"thinking": {"type": "between_tools"}}, "'thinking.type'"),
    ({"output_config": {"effort": "huge"}}, "'output_config.effort'"),
    ({"output_config": {"odd": 1}}, "'output_config.odd'"),
    ({"inference_geo": "us"}, "'inference_geo'"),
    ({"speed": "fast"}, "'speed'"),
    ({"service_tier": "priority"}, "'service_tier'"),
    ({"mcp_servers": [{}]}, "'mcp_servers'"),
    ({"container": "c"}, "'container'"),
    ({"context_management": {}}, "'context_management'"),
    ({"made_up": 1}, "'made_up'"),
    ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, r"'tools\[0\].type'"),
    ({"tools": [TOOL | {"defer_loading": True}]}, "defer_loading"),
    ({"tools": [TOOL | {"input_examples": [{}]}]}, "input_examples"),
    ({"tools": [TOOL | {"allowed_callers": ["code_execution_20250825"]}]}, "allowed_callers"),
    ({"messages": [USER, {"role": "assistant", "content": "It is"}]}, r"'messages\[1\]'.*begins"),
    ({"messages": [{"role": "robot", "content": ""}]}, r"'messages\[0\].role' must be"),
    (user(type="search_result"), r"'messages\[0\].content\[0\]'"),
    (user(type="image", source={"type": "file", "file_id": "f"}), "source"),
    (user(type="document", source={"type": "url", "url": "u"}), "source"),
    (
        user(
            type="document",
            source={"type": "text", "data": "x", "media_type": "text/plain"},
            citations={"enabled": True},
        ),
        "citations",
    ),
    (
        user(type="tool_result", tool_use_id="t", content=[{"type": "image"}]),
        "message of the user",
    ),
    (
        {
            "messages": [
                USER,
                {"role": "assistant", "content": [{"type": "server_tool_use", "id": "x"}]},
                USER,
            ]
        },
        r"'messages\[1\].content\[0\]'",
    ),
]


@pytest.mark.parametrize(("fields", "why"), REFUSED, ids=[why for _, why in REFUSED])
def test_what_has_no_counterpart_is_refused_by_name(fields: dict[str, Any], why: str) -> None:
    """With the way out; nothing is dropped in silence."""
    with pytest.raises(InvalidRequest, match=why):
        to_chat(**fields)
