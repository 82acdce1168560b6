"""An OpenAI chat for a Claude: where each field goes, and what is refused with the way out."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from scrimp.errors import InvalidRequest
from scrimp.translation.chat_to_messages import NO_LIMIT_TOKENS, translated
from tests.support.translating import PIXEL, SCHEMA, USER, left_out_of_chat, to_messages

TOOL = {
    "type": "function",
    "function": {"name": "weather", "description": "The weather", "parameters": SCHEMA},
}
CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"city":"Bern"}'},
}


def turns(*messages: dict[str, Any]) -> list[dict[str, Any]]:
    """The turns of a conversation."""
    found: list[dict[str, Any]] = to_messages(messages=list(messages))["messages"]
    return found


def test_a_plain_question() -> None:
    """Model and limit are the target's; a limit that nobody knows is one that all models take."""
    assert to_messages() == {
        "model": "claude-x",
        "max_tokens": NO_LIMIT_TOKENS,
        "messages": [USER],
    }


@pytest.mark.parametrize(
    ("fields", "limit"),
    [({}, 64_000), ({"max_tokens": 5}, 5), ({"max_tokens": 5, "max_completion_tokens": 7}, 7)],
)
def test_the_limit_of_output_is_the_calls_or_the_models(fields: dict[str, int], limit: int) -> None:
    """OpenAI writes until the model's own limit where none is set, so that limit is asked for."""
    draft = translated({"messages": [USER], **fields}, model="c", max_tokens=64_000)
    assert draft.fields["max_tokens"] == limit


def test_system_prompts_before_the_conversation_are_the_system() -> None:
    """Of both names, one as a string, several as blocks; an empty one says nothing."""
    one = to_messages(messages=[{"role": "developer", "content": "Be kind"}, USER])
    assert (one["system"], one["messages"]) == ("Be kind", [USER])
    two = to_messages(
        messages=[
            {"role": "system", "content": "Be kind"},
            {"role": "system", "content": [{"type": "text", "text": "Be brief"}]},
            USER,
        ]
    )
    assert [block["text"] for block in two["system"]] == ["Be kind", "Be brief"]
    assert "system" not in to_messages(messages=[{"role": "system", "content": ""}, USER])


def test_a_later_system_prompt_keeps_its_place() -> None:
    """Moved to the front it would say something else."""
    said = [USER, {"role": "assistant", "content": "Hello"}, {"role": "system", "content": "Now"}]
    assert turns(*said, USER)[2] == {"role": "system", "content": "Now"}


def test_parts_of_text_and_images() -> None:
    """Data as base64 with its type, links as links; empty texts are refused there, so left out."""
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "text", "text": ""},
        {"type": "image_url", "image_url": {"url": f"data:image/jpg;base64,{PIXEL}"}},
        {"type": "image_url", "image_url": {"url": "https://a.test/b.png", "detail": "high"}},
    ]
    (turn,) = turns({"role": "user", "content": parts})
    assert turn["content"] == [
        {"type": "text", "text": "What is this?"},
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/jpeg", "data": PIXEL},
        },
        {"type": "image", "source": {"type": "url", "url": "https://a.test/b.png"}},
    ]


def test_files_are_documents() -> None:
    """A PDF as a data URL or bare, with its name; plain text as text."""
    plain = base64.b64encode("Grüezi".encode()).decode()
    (turn,) = turns(
        {
            "role": "user",
            "content": [
                {
                    "type": "file",
                    "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"},
                },
                {"type": "file", "file": {"file_data": "JVBERi0xLjc="}},
                {"type": "file", "file": {"file_data": f"data:text/plain;base64,{plain}"}},
            ],
        }
    )
    named, bare, text = turn["content"]
    assert named["title"] == "a.pdf"
    assert named["source"] == {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}
    assert bare["source"]["data"] == "JVBERi0xLjc="
    assert text["source"] == {"type": "text", "media_type": "text/plain", "data": "Grüezi"}


def test_tools_their_calls_and_results() -> None:
    """Parallel results are one turn, with what the user says beside them."""
    body = to_messages(
        tools=[TOOL | {"function": {**TOOL["function"], "strict": True}}],  # type: ignore[dict-item]
        messages=[
            USER,
            {"role": "assistant", "content": "", "tool_calls": [CALL, CALL | {"id": "call_2"}]},
            {"role": "tool", "tool_call_id": "call_1", "content": "mild"},
            {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "x"}]},
            {"role": "user", "content": "And?"},
        ],
    )
    assert body["tools"] == [
        {
            "name": "weather",
            "description": "The weather",
            "input_schema": SCHEMA,
            "strict": True,
        }
    ]
    assert "tool_choice" not in body
    called, results = body["messages"][1:]
    assert called["content"][0] == {
        "type": "tool_use",
        "id": "call_1",
        "name": "weather",
        "input": {"city": "Bern"},
    }
    assert results["role"] == "user"
    assert [block["type"] for block in results["content"]] == ["tool_result"] * 2 + ["text"]
    assert results["content"][0] == {
        "type": "tool_result",
        "tool_use_id": "call_1",
        "content": "mild",
    }


@pytest.mark.parametrize(
    ("arguments", "given"),
    [("", {}), (" ", {}), ('{"a":1}', {"a": 1}), ("[1]", {"INVALID_JSON": "[1]"})],
)
def test_arguments_are_an_object_there(arguments: str, given: dict[str, Any]) -> None:
    """What is none is kept as it was said."""
    call = CALL | {"function": {"name": "weather", "arguments": arguments}}
    found = turns(USER, {"role": "assistant", "tool_calls": [call]}, USER)[1]["content"]
    assert found[0]["input"] == given


def test_ids_that_anthropic_refuses_are_made_fit_and_still_agree() -> None:
    """Other providers write dots and colons."""
    call = CALL | {"id": "functions.weather:0"}
    result = {"role": "tool", "tool_call_id": "functions.weather:0", "content": "mild"}
    asked, told = turns(USER, {"role": "assistant", "tool_calls": [call]}, result)[1:]
    made = asked["content"][0]["id"]
    assert made == told["content"][0]["tool_use_id"]
    assert made.replace("_", "").isalnum()


@pytest.mark.parametrize(
    ("choice", "parallel", "said"),
    [
        ("auto", None, {"type": "auto"}),
        ("none", False, {"type": "none"}),
        ("required", None, {"type": "any"}),
        ("required", False, {"type": "any", "disable_parallel_tool_use": True}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        (
            {"type": "function", "function": {"name": "weather"}},
            True,
            {"type": "tool", "name": "weather"},
        ),
        (None, True, None),
    ],
)
def test_the_choice_of_a_tool(choice: object, parallel: bool | None, said: object) -> None:  # noqa: FBT001 (a row of the table)
    """Each of OpenAI's has one of Anthropic's; one call at a time is said inside it."""
    body = to_messages(tools=[TOOL], tool_choice=choice, parallel_tool_calls=parallel)
    assert body.get("tool_choice") == said


def test_allowed_tools_are_those_that_are_sent() -> None:
    """Nothing else can be called."""
    other = {"type": "function", "function": {"name": "news"}}
    allowed = {"mode": "required", "tools": [other]}
    choice = {"type": "allowed_tools", "allowed_tools": allowed}
    body = to_messages(tools=[TOOL, other], tool_choice=choice)
    assert [tool["name"] for tool in body["tools"]] == ["news"]
    assert body["tool_choice"] == {"type": "any"}
    assert body["tools"][0]["input_schema"] == {"type": "object", "properties": {}}


def test_a_schema_of_the_answer_is_the_outputs_format() -> None:
    """What it is for stands in the schema, where Anthropic reads it."""
    given = {"name": "place", "schema": SCHEMA, "strict": True, "description": "A place"}
    body = to_messages(response_format={"type": "json_schema", "json_schema": given})
    made = {"type": "json_schema", "schema": {**SCHEMA, "description": "A place"}}
    assert body["output_config"] == {"format": made}
    assert "output_config" not in to_messages(response_format={"type": "text"})


def test_effort_of_reasoning() -> None:
    """The same words; none of it is no thinking."""
    body = to_messages(reasoning_effort="high")
    assert body["thinking"] == {"type": "adaptive"}
    assert body["output_config"] == {"effort": "high"}
    assert to_messages(reasoning_effort="none")["thinking"] == {"type": "disabled"}


def test_small_things() -> None:
    """Stops, tiers, users, temperatures; a default of both is not sent at all."""
    body = to_messages(
        stop="END",
        temperature=0.3,
        top_p=0.9,
        user="u1",
        service_tier="default",
        stream=True,
        stream_options={"include_usage": True},
    )
    assert body["stop_sequences"] == ["END"]
    assert (body["temperature"], body["top_p"]) == (0.3, 0.9)
    assert body["metadata"] == {"user_id": "u1"}
    assert body["service_tier"] == "standard_only"
    assert body["stream"] is True
    same = to_messages(temperature=1, top_p=1.0, stop=[], service_tier="auto", stream=False)
    assert same == to_messages()
    assert to_messages(safety_identifier="s", user="u")["metadata"] == {"user_id": "s"}


def test_what_asks_for_what_is_so_anyway_is_no_news() -> None:
    """SDKs and frameworks send defaults."""
    fields: dict[str, Any] = {
        "n": 1,
        "store": False,
        "logprobs": False,
        "presence_penalty": 0.0,
        "frequency_penalty": 0,
        "logit_bias": {},
        "verbosity": "medium",
        "modalities": ["text"],
        "audio": None,
    }
    assert left_out_of_chat(**fields) == (to_messages(), ())


def test_what_changes_no_answer_is_left_out_by_name() -> None:
    """The trace tells which."""
    body, left_out = left_out_of_chat(seed=7, metadata={"a": "b"}, prompt_cache_key="k")
    assert body == to_messages()
    assert left_out == ("seed", "metadata", "prompt_cache_key")


def test_marks_of_the_prompt_cache_are_kept() -> None:
    """OpenAI's own, and Anthropic's written into an OpenAI body."""
    parts = [
        {"type": "text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}},
        {"type": "text", "text": "b", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
    ]
    (turn,) = turns({"role": "user", "content": parts})
    marks = [block["cache_control"] for block in turn["content"]]
    assert marks == [{"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}]


def test_the_assistants_words_of_before() -> None:
    """A refusal was said like any other text; thoughts are not sent again; nothing is no turn."""
    said = {"role": "assistant", "content": None, "refusal": "No.", "reasoning_content": "hm"}
    parts = {"role": "assistant", "content": [{"type": "refusal", "refusal": "Never."}]}
    empty = {"role": "assistant", "content": ""}
    found = turns(USER, said, USER, parts, USER, empty, USER)
    assert [turn["content"] for turn in found] == ["Hi", "No.", "Hi", "Never.", "Hi", "Hi"]


AUDIO = {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"n": 2}, "'n'"),
    ({"logprobs": True}, "'logprobs'"),
    ({"logit_bias": {"1": 1}}, "'logit_bias'"),
    ({"presence_penalty": 0.5}, "'presence_penalty'"),
    ({"frequency_penalty": 0.5}, "'frequency_penalty'"),
    ({"temperature": 1.3}, "'temperature' is 1.3.*from 0 to 1"),
    ({"store": True}, "'store'"),
    ({"verbosity": "low"}, "'verbosity'"),
    ({"stop": ["END", "\n\n"]}, "'stop'.*white space"),
    ({"modalities": ["text", "audio"]}, "'modalities'"),
    ({"audio": {"voice": "a"}}, "'audio'"),
    ({"web_search_options": {}}, "'web_search_options'"),
    ({"moderation": {"model": "m"}}, "'moderation'"),
    ({"functions": [{"name": "f"}]}, "'functions'.*tools"),
    ({"function_call": "auto"}, "'function_call'.*tool_choice"),
    ({"service_tier": "flex"}, "'service_tier'"),
    ({"reasoning_effort": "minimal"}, "'reasoning_effort'.*low"),
    ({"response_format": {"type": "json_object"}}, "'response_format'.*json_schema"),
    ({"made_up": 1}, "'made_up'"),
    ({"tools": [{"type": "custom", "custom": {"name": "f"}}]}, r"'tools\[0\].type'"),
    ({"tools": [TOOL], "tool_choice": {"type": "custom"}}, "'tool_choice'"),
    ({"tool_choice": "required"}, "'tool_choice' asks for a tool"),
    ({"messages": [{"role": "user", "content": [AUDIO]}]}, r"'messages\[0\].content\[0\]'"),
    ({"messages": [{**USER, "name": "Ann"}]}, r"'messages\[0\].name'.*into the text"),
    ({"messages": [{**USER, "odd": 1}]}, r"'messages\[0\].odd'"),
    ({"messages": [{"role": "function", "name": "f", "content": ""}]}, r"'messages\[0\]'.*tool"),
    ({"messages": [{"role": "system", "content": "x"}]}, "a system prompt only"),
    ({"messages": [USER, {"role": "assistant", "content": "It is"}]}, r"'messages\[1\]'.*continu"),
    ({"messages": [{"role": "assistant", "function_call": {}}]}, "function_call.*tool_calls"),
    (
        {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]},
        "file.file_id",
    ),
    (
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "image_url": {"url": "http://a", "detail": "low"}}
                    ],
                }
            ]
        },
        "image_url.detail",
    ),
]


@pytest.mark.parametrize(("fields", "said"), REFUSED, ids=[said for _, said in REFUSED])
def test_what_has_no_counterpart_is_refused_by_name(fields: dict[str, Any], said: str) -> None:
    """With the way out; nothing is dropped in silence."""
    with pytest.raises(InvalidRequest, match=said):
        to_messages(**fields)


def test_a_refusal_never_holds_what_was_said() -> None:
    """Messages of errors are logged."""
    with pytest.raises(InvalidRequest) as caught:
        to_messages(messages=[{"role": "user", "content": [{"type": "secret", "text": "hush"}]}])
    assert "hush" not in str(caught.value)
