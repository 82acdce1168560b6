"""`scrimp.trim`, `scrimp.fit`, `scrimp.compact`: without an engine, in any shape."""

from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic.types import TextBlock, ToolUseBlock
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.messages.utils import convert_to_openai_messages
from openai.types.chat import ChatCompletionMessage
from openai.types.responses import ResponseFunctionToolCall, ResponseReasoningItem
from openai.types.responses.parsed_response import ParsedResponseFunctionToolCall

import scrimp
from scrimp.client.functions import body_of
from scrimp.client.said import as_sent
from scrimp.errors import InvalidRequest
from scrimp.shrinking.columns import expanded

SYSTEM = {"role": "system", "content": "Be kind."}


def talk(turns: int) -> list[dict[str, Any]]:
    """Questions and answers, and a last question."""
    items: list[dict[str, Any]] = [SYSTEM]
    for number in range(turns):
        items.append({"role": "user", "content": f"question {number} " * 20})
        items.append({"role": "assistant", "content": f"answer {number} " * 20})
    return [*items, {"role": "user", "content": "and now?"}]


def test_trim_keeps_ten_by_default() -> None:
    """Of twenty-one and the system prompt: the last question, and four turns before it."""
    messages = talk(10)
    kept = scrimp.trim(messages)
    assert kept[0] is SYSTEM
    assert kept[1:] == messages[-9:]
    assert scrimp.trim(messages, last=1) == [SYSTEM, messages[-1]]
    assert scrimp.trim([]) == []


@pytest.mark.parametrize("last", [0, -3])
def test_trim_keeps_something(last: int) -> None:
    """It says what is possible."""
    with pytest.raises(InvalidRequest, match=f"last={last}: .*1 or more"):
        scrimp.trim(talk(1), last=last)


@pytest.mark.parametrize("messages", ["text", {"role": "user"}, b"x", 7])
def test_messages_are_a_list(messages: Any) -> None:
    """Anything else is refused by its kind."""
    with pytest.raises(InvalidRequest, match="a list of messages"):
        scrimp.trim(messages)


def test_fit_stays_within_the_window() -> None:
    """As the tokenizer counts it, with other fields of the call beside."""
    messages = talk(30)
    kept = scrimp.fit(messages, 900, reserve_output=300)
    count = scrimp.estimate({"model": "gpt-4o", "messages": kept}).input
    assert count.high <= 600
    assert kept[0] is SYSTEM
    assert kept[-1] is messages[-1]
    fuller = scrimp.estimate({"model": "gpt-4o", "messages": messages[:1] + messages[-13:]}).input
    assert fuller.tokens > 600 or len(kept) > 13, "no more goes than has to"
    tools = [{"type": "function", "function": {"name": "f" * 30, "parameters": {}}}] * 9
    beside = scrimp.fit(messages, 900, reserve_output=300, beside={"tools": tools})
    assert len(beside) < len(kept)
    assert scrimp.fit(messages[:3], 100_000) == messages[:3]


def test_fit_says_both_numbers_where_it_cannot() -> None:
    """What must stay, and what there is room for."""
    with pytest.raises(InvalidRequest) as refused:
        scrimp.fit([SYSTEM, {"role": "user", "content": "word " * 3000}], 2000, 500)
    said = str(refused.value)
    assert "3,0" in said
    assert "1,500 fit" in said
    assert "a window of 2,000 less 500" in said


def test_fit_takes_anthropics_messages() -> None:
    """Tools keep their results, and the first that is left is a question."""
    items: list[dict[str, Any]] = [{"role": "user", "content": "do it"}]
    for number in range(8):
        used = {"type": "tool_use", "id": f"t{number}", "name": "find", "input": {}}
        result = {"type": "tool_result", "tool_use_id": f"t{number}", "content": "row " * 100}
        items += [{"role": "assistant", "content": [used]}, {"role": "user", "content": [result]}]
    kept = scrimp.fit(items, 1500, 500, model="claude-sonnet-4-5")
    assert kept[0] is items[0]
    assert kept[1:] == items[-len(kept) + 1 :]
    assert len(kept) % 2 == 1
    cleared = scrimp.fit(items, 1500, 500, model="claude-sonnet-4-5", first="tool_results")
    assert len(cleared) == len(items)
    assert "left out" in json.dumps(cleared[2])


def test_compact_shows_before_and_after() -> None:
    """Tokens of both, what changed, and that nothing is lost."""
    rows = [{"name": f"n{n}", "value": n} for n in range(20)]
    found = scrimp.compact(json.dumps(rows, indent=2))
    assert expanded(json.loads(found.after)) == rows
    assert not found.lossy
    assert found.saved_tokens == found.before_tokens.tokens - found.after_tokens.tokens > 0
    assert found.preview().startswith(f"{found.before_tokens.tokens:,} tokens before, ")
    assert "nothing is lost" in found.preview().splitlines()[0]
    same = scrimp.compact("Nothing to gain.")
    assert (same.after, same.saved_tokens) == ("Nothing to gain.", 0)


def test_compact_loses_only_what_is_asked() -> None:
    """Phrases and examples with `lossy`, white space without."""
    text = "In order to sort:  \nExample 1: a\nExample 2: b\nExample 3: c\nExample 4: d\n"
    assert scrimp.compact(text).after.startswith("In order to sort:\nExample 1")
    found = scrimp.compact(text, lossy=True)
    assert found.lossy
    assert found.after.startswith("To sort:\n")
    assert found.after.count("Example") == 3
    assert scrimp.compact(text, lossy=True, examples=2).after.count("Example") == 2
    assert "- In order" not in found.preview()
    assert "-In order to sort:" in found.preview()


def test_compact_takes_conversations() -> None:
    """Results of tools, prompts, and exemplary turns; what was given stays as it was."""
    rows = json.dumps([{"alpha": n, "beta": n} for n in range(9)])
    called = {"id": "c", "type": "function", "function": {"name": "find", "arguments": "{}"}}
    messages = [
        SYSTEM,
        {"role": "user", "content": "In order to win.   "},
        {"role": "assistant", "content": None, "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "c", "content": rows},
    ]
    before = json.dumps(messages)
    found = scrimp.compact(messages)
    assert found.after[1]["content"] == "In order to win."
    assert found.after[3]["content"].startswith('{"columns"')
    assert found.after[:1] == messages[:1]
    assert json.dumps(messages) == before
    shots = scrimp.compact(talk(8), lossy=True)
    assert len(shots.after) == 1 + 6 + 1
    assert shots.lossy
    assert len(scrimp.compact(talk(8)).after) == 18


def calling(number: int) -> ChatCompletionMessage:
    """What an SDK answered: a call of a tool."""
    called = {"name": "find", "arguments": "{}"}
    told = {"id": f"c{number}", "type": "function", "function": called}
    return ChatCompletionMessage.model_validate(
        {"role": "assistant", "content": None, "tool_calls": [told]}
    )


def test_what_an_sdk_answered_is_a_message() -> None:
    """Its calls of tools stay with their results or go with them, and it comes back as it was."""
    messages: list[Any] = [SYSTEM]
    for number in range(3):
        messages += [{"role": "user", "content": f"question {number}"}, calling(number)]
        messages.append({"role": "tool", "tool_call_id": f"c{number}", "content": "row " * 200})
    newest = messages[-3:]
    for kept in (scrimp.trim(messages, last=3), scrimp.fit(messages, 400, reserve_output=100)):
        assert kept == [SYSTEM, *newest]
        assert kept[2] is newest[1]
    shown = scrimp.brief([SYSTEM, calling(0)])
    assert shown[0]["content"].startswith("Be kind.\n\nBe brief")


def test_what_an_sdk_answered_is_counted() -> None:
    """A message of an SDK's takes as many tokens as the same one spelled out."""
    said = ChatCompletionMessage(role="assistant", content="word " * 500)
    asked = {"role": "user", "content": "more?"}
    with pytest.raises(InvalidRequest, match="and 200 fit"):
        scrimp.fit([said, asked, said], 300, reserve_output=100)


def test_items_of_responses_belong_together() -> None:
    """A thought, a call and its result, as `response.output` holds them."""
    thought = ResponseReasoningItem(id="r", type="reasoning", summary=[])
    called = ResponseFunctionToolCall(
        arguments="{}", call_id="c", name="find", type="function_call"
    )
    result = {"type": "function_call_output", "call_id": "c", "output": "1"}
    asked = {"role": "user", "content": "go"}
    items = [asked, thought, called, result, asked, thought, called, result]
    assert scrimp.trim(items, last=4) == items[4:]
    assert scrimp.trim(items, last=3) == items[4:], "what belongs together stays together"


def test_compact_reads_blocks_of_an_sdk() -> None:
    """The call in `response.content` tells which tool a result is of."""
    blocks = [TextBlock(type="text", text="I look."), tool_use()]
    rows = json.dumps([{"alpha": n, "beta": n} for n in range(9)])
    result = {"type": "tool_result", "tool_use_id": "t", "content": rows}
    messages = [
        {"role": "user", "content": "Look."},
        {"role": "assistant", "content": blocks},
        {"role": "user", "content": [result]},
    ]
    found = scrimp.compact(messages)
    assert found.after[1] is messages[1]
    assert found.after[2]["content"][0]["content"].startswith('{"columns"')
    assert "TextBlock(" not in found.preview()


def tool_use() -> ToolUseBlock:
    """A call of a tool as Anthropic's SDK reads it."""
    return ToolUseBlock(type="tool_use", id="t", name="find", input={})


def test_what_was_parsed_is_not_sent() -> None:
    """`parse` of OpenAI's SDK adds a field that no API takes, and that it never sends."""
    plain = {"type": "function_call", "call_id": "c", "name": "find", "arguments": "{}"}
    called = ParsedResponseFunctionToolCall.model_validate({**plain, "parsed_arguments": {}})
    assert as_sent([called]) == [plain]
    body = json.loads(body_of({"model": "gpt-4o", "input": [called]}))
    assert body["input"] == [plain]


@pytest.mark.parametrize(
    "options",
    [
        {"window": "900"},
        {"window": 0},
        {"window": True},
        {"window": 900, "reserve_output": -1},
        {"window": 900, "reserve_output": 1.5},
        {"window": 900, "first": "oldest"},
    ],
)
def test_fit_takes_no_other_numbers(options: dict[str, Any]) -> None:
    """What is no whole number, or would make more room than there is, is refused."""
    with pytest.raises(InvalidRequest, match=r"whole number|first is"):
        scrimp.fit(talk(1), **options)


@pytest.mark.parametrize("model", [None, "", 4])
def test_a_model_has_a_name(model: Any) -> None:
    """Without one nobody can count."""
    for work in (
        lambda: scrimp.fit(talk(1), 900, model=model),
        lambda: scrimp.compact("", model=model),
    ):
        with pytest.raises(InvalidRequest, match="name of a model"):
            work()


@pytest.mark.parametrize("last", [True, 2.0, "3", None])
def test_trim_takes_whole_numbers(last: Any) -> None:
    """And says so of anything else."""
    with pytest.raises(InvalidRequest, match="whole number"):
        scrimp.trim(talk(1), last=last)


def test_compact_takes_how_many_examples_stay() -> None:
    """None of them goes where the number is 0, as in the settings."""
    text = "In order to sort:\nExample 1: a\nExample 2: b\nExample 3: c\nExample 4: d"
    assert scrimp.compact(text, lossy=True, examples=0).after.count("Example") == 4
    with pytest.raises(InvalidRequest, match="examples=-1"):
        scrimp.compact(text, lossy=True, examples=-1)


@pytest.mark.parametrize(
    ("prompt", "preset"), [("Hi", None), ("Hi", 3), (None, "json"), (b"", "json")]
)
def test_brief_refuses_what_is_no_prompt(prompt: Any, preset: Any) -> None:
    """By its own error, as everything that is refused."""
    with pytest.raises(InvalidRequest, match=r"is no preset|list of messages"):
        scrimp.brief(prompt, preset)


def test_brief_speaks_the_dialect_of_pictures() -> None:
    """Beside a picture of OpenAI's responses the line is a text of theirs."""
    seen = [{"role": "user", "content": [{"type": "input_image", "image_url": "data:,"}]}]
    assert scrimp.brief(seen)[0]["content"][1]["type"] == "input_text"


@pytest.mark.parametrize(
    "message", [None, "hello", 7, ["role", "user"], HumanMessage("hello"), AIMessage("yes")]
)
def test_what_is_no_message_is_refused(message: Any) -> None:
    """Messages of LangChain have other names: all would stay, and nothing would be counted."""
    with pytest.raises(InvalidRequest, match="message 1 is a"):
        scrimp.trim([SYSTEM, message])
    assert len(scrimp.trim([SYSTEM, *convert_to_openai_messages([HumanMessage("hello")])])) == 2
