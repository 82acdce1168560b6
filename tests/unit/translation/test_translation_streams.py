"""Event streams from one dialect to the other, event by event."""

from __future__ import annotations

import json
from typing import Any

from scrimp.translation.stream_to_chat import ToChat
from scrimp.translation.stream_to_messages import ToMessages
from tests.support.translating import chat_events, claude_events, events, streamed

START = {
    "type": "message_start",
    "message": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": [],
        "usage": {"input_tokens": 10, "cache_read_input_tokens": 5, "output_tokens": 1},
    },
}
STOP = {"type": "message_stop"}


def end(reason: str = "end_turn", **delta: Any) -> dict[str, Any]:
    """The event before the last."""
    told = {"stop_reason": reason, "stop_sequence": None, **delta}
    return {"type": "message_delta", "delta": told, "usage": {"output_tokens": 7}}


def block(index: int, **fields: Any) -> dict[str, Any]:
    """A block begins."""
    return {"type": "content_block_start", "index": index, "content_block": fields}


def delta(index: int, kind: str, **fields: Any) -> dict[str, Any]:
    """A piece of a block."""
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def close(index: int) -> dict[str, Any]:
    """A block ends."""
    return {"type": "content_block_stop", "index": index}


def chunks(*listed: dict[str, Any], include_usage: bool = True) -> list[dict[str, Any]]:
    """What an OpenAI client reads of Anthropic's events; the end marker apart."""
    shown, _ = streamed(ToChat(created_s=9, include_usage=include_usage), claude_events(*listed))
    told = [data for _, data in events(shown) if data]
    assert told[-1] == "[DONE]" or "error" in told[-1]
    return [json.loads(data) for data in told if data != "[DONE]"]


def deltas(*listed: dict[str, Any]) -> list[dict[str, Any]]:
    """Only what the model says, the first word apart."""
    found = [chunk["choices"][0]["delta"] for chunk in chunks(*listed) if chunk["choices"]]
    return found[1:-1]


def test_a_text_as_chunks() -> None:
    """The role first, the usage last, and in every other chunk null, as OpenAI has it."""
    found = chunks(
        START,
        block(0, type="text", text=""),
        delta(0, "text_delta", text="Hel"),
        {"type": "ping"},
        delta(0, "text_delta", text="lo"),
        close(0),
        end(),
        STOP,
    )
    head = {"id": "msg_1", "object": "chat.completion.chunk", "created": 9, "model": "claude-x"}
    assert all(chunk.items() >= head.items() for chunk in found)
    first = {"role": "assistant", "content": "", "refusal": None}
    said = [chunk["choices"][0]["delta"] for chunk in found[:-1]]
    assert said == [first, {"content": "Hel"}, {"content": "lo"}, {}]
    assert [chunk["choices"][0]["finish_reason"] for chunk in found[:-1]] == [None] * 3 + ["stop"]
    assert [chunk["usage"] for chunk in found[:-1]] == [None] * 4
    assert found[-1]["choices"] == []
    assert found[-1]["usage"]["prompt_tokens"] == 15
    assert found[-1]["usage"]["completion_tokens"] == 7


def test_each_event_goes_on_at_once() -> None:
    """Nothing waits for the next one."""
    translator = ToChat(created_s=1, include_usage=False)
    for event in claude_events(START, delta(0, "text_delta", text="Hel")):
        assert translator.feed(event)[0]


def test_usage_that_nobody_asked_for_is_kept_but_not_shown() -> None:
    """Clients that did not ask stumble over a chunk without choices."""
    translator = ToChat(created_s=1, include_usage=False)
    shown, whole = streamed(translator, claude_events(START, end(), STOP))
    assert b"usage" not in shown
    assert b'"prompt_tokens":15' in whole
    assert shown.endswith(b"data: [DONE]\n\n")


def test_a_ping_is_a_comment() -> None:
    """The line stays alive while a model thinks."""
    (ping,) = claude_events({"type": "ping"})
    assert ToChat(created_s=1, include_usage=False).feed(ping)[0] == b": ping\n\n"


def test_calls_of_tools_as_chunks() -> None:
    """Parallel calls have numbers of their own; one without pieces says its whole input."""
    found = deltas(
        START,
        block(0, type="text", text="On it"),
        close(0),
        block(1, type="tool_use", id="t1", name="weather", input={}),
        delta(1, "input_json_delta", partial_json=""),
        delta(1, "input_json_delta", partial_json='{"city":'),
        delta(1, "input_json_delta", partial_json='"Bern"}'),
        close(1),
        block(2, type="tool_use", id="t2", name="news", input={}),
        close(2),
        end("tool_use"),
        STOP,
    )

    def head(index: int, call: str, name: str) -> dict[str, Any]:
        function = {"name": name, "arguments": ""}
        return {"index": index, "id": call, "type": "function", "function": function}

    def more(index: int, text: str) -> dict[str, Any]:
        return {"index": index, "function": {"arguments": text}}

    assert found[0] == {"content": "On it"}
    assert [one["tool_calls"] for one in found[1:]] == [
        [head(0, "t1", "weather")],
        [more(0, '{"city":')],
        [more(0, '"Bern"}')],
        [head(1, "t2", "news")],
        [more(1, "{}")],
    ]


def test_thoughts_and_refusals_as_chunks() -> None:
    """Thoughts where others have them, without their signature; why it refused at the end."""
    found = deltas(
        START,
        block(0, type="thinking", thinking="", signature=""),
        delta(0, "thinking_delta", thinking="hm"),
        delta(0, "signature_delta", signature="s"),
        close(0),
        end("refusal", stop_details={"explanation": "No."}),
        STOP,
    )
    assert found == [{"reasoning_content": "hm"}, {"refusal": "No."}]


def test_an_error_in_the_middle_is_openais() -> None:
    """Its SDK raises on it; nothing follows."""
    broken = {"type": "error", "error": {"type": "overloaded_error", "message": "Busy"}}
    found = chunks(START, broken, end(), STOP)
    assert found[-1]["error"] == {
        "message": "Busy",
        "type": "server_error",
        "param": None,
        "code": "overloaded",
    }


def part(index: int = 0, *, finish: str | None = None, **said: Any) -> dict[str, Any]:
    """A chunk of the first choice."""
    choice = {"index": index, "delta": said, "finish_reason": finish}
    return {"id": "c1", "object": "chat.completion.chunk", "model": "gpt-x", "choices": [choice]}


USAGE = {"prompt_tokens": 15, "completion_tokens": 7, "total_tokens": 22}
LAST = {"id": "c1", "object": "chat.completion.chunk", "choices": [], "usage": USAGE}


def told(*listed: dict[str, Any], done: bool = True) -> list[dict[str, Any]]:
    """What a client of Anthropic's reads of OpenAI's chunks."""
    shown, whole = streamed(ToMessages(), chat_events(*listed, done=done))
    assert shown == whole
    found = events(shown)
    assert all(json.loads(data)["type"] == name for name, data in found)
    return [json.loads(data) for _, data in found]


def call(index: int, text: str = "", *, name: str = "", call_id: str = "") -> dict[str, Any]:
    """A piece of a call of a tool."""
    piece: dict[str, Any] = {"index": index, "function": {"arguments": text}}
    if name:
        piece |= {"id": call_id, "type": "function"}
        piece["function"]["name"] = name
    return part(tool_calls=[piece])


def test_a_text_as_events() -> None:
    """Usage is known at the end only, and stands there."""
    found = told(
        part(role="assistant", content=""), part(content="Hel"), part(content="lo"),
        part(finish="stop"), LAST,
    )  # fmt: skip
    assert [event["type"] for event in found] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert found[0]["message"]["id"] == "c1"
    assert found[0]["message"]["model"] == "gpt-x"
    assert found[2]["delta"] == {"type": "text_delta", "text": "Hel"}
    assert found[5]["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}
    assert found[5]["usage"]["input_tokens"] == 15
    assert found[5]["usage"]["output_tokens"] == 7


def test_calls_of_tools_as_events() -> None:
    """A block each, filled as pieces come, in whatever order; text before them is closed."""
    found = told(
        part(content="On it"),
        call(0, name="weather", call_id="a"),
        call(1, name="news", call_id="b"),
        call(0, '{"city":'),
        call(1, "{}"),
        call(0, '"Bern"}'),
        part(finish="tool_calls"),
    )
    opened = [event["content_block"] for event in found if "content_block" in event]
    assert [one["type"] for one in opened] == ["text", "tool_use", "tool_use"]
    assert [one.get("id") for one in opened] == [None, "a", "b"]
    pieces: dict[int, str] = {}
    for event in found:
        if event["type"] == "content_block_delta" and "partial_json" in event["delta"]:
            index = event["index"]
            pieces[index] = pieces.get(index, "") + event["delta"]["partial_json"]
    assert pieces == {1: '{"city":"Bern"}', 2: "{}"}
    stops = [event["index"] for event in found if event["type"] == "content_block_stop"]
    assert stops == [0, 1, 2]
    assert found[-2]["delta"]["stop_reason"] == "tool_use"


def test_calls_that_all_have_one_index_are_told_apart_by_their_ids() -> None:
    """As some servers send them: whole, one after the other, all numbered 0."""
    found = told(
        call(0, '{"a":1}', name="f", call_id="x"), call(0, '{"a":2}', name="f", call_id="y"),
        part(finish="stop"),
    )  # fmt: skip
    opened = [event["content_block"]["id"] for event in found if "content_block" in event]
    assert opened == ["x", "y"]
    assert found[-2]["delta"]["stop_reason"] == "tool_use"


def test_a_call_waits_for_its_name_and_gets_an_id() -> None:
    """A block of Anthropic's begins with both."""
    nameless = part(tool_calls=[{"index": 0, "function": {"arguments": "{"}}])
    named = part(tool_calls=[{"index": 0, "function": {"name": "f", "arguments": "}"}}])
    found = told(nameless, named, part(finish="tool_calls"))
    assert found[1]["content_block"]["name"] == "f"
    assert found[1]["content_block"]["id"] == "toolu_c1_0"
    assert found[2]["delta"]["partial_json"] == "{}"


def test_a_refusal_as_events() -> None:
    """What it says is text, and the message ends as refused."""
    found = told(part(refusal="I "), part(refusal="cannot."), part(finish="stop"))
    assert "".join(e["delta"]["text"] for e in found if "text" in e.get("delta", {})) == "I cannot."
    assert found[-2]["delta"]["stop_reason"] == "refusal"


def test_only_the_first_choice_is_heard_and_thoughts_are_not() -> None:
    """Nobody could sign them."""
    found = told(part(1, content="no"), part(reasoning_content="hm"), part(finish="length"), LAST)
    assert [event["type"] for event in found] == ["message_start", "message_delta", "message_stop"]
    assert found[1]["delta"]["stop_reason"] == "max_tokens"


def test_an_error_in_the_middle_is_anthropics() -> None:
    """Its SDK raises on it; nothing follows."""
    broken = {"error": {"message": "Busy", "type": "server_error"}}
    found = told(part(content="Hel"), broken, part(finish="stop"))
    assert found[-1] == {"type": "error", "error": {"type": "api_error", "message": "Busy"}}


def test_a_stream_without_its_end_marker_has_no_end() -> None:
    """What breaks off never looks whole."""
    found = told(part(content="Hel"), part(finish="stop"), done=False)
    assert found[-1]["type"] == "content_block_delta"
