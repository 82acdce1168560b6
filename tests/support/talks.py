"""Requests and answers of all that OpenAI's chats and Anthropic's messages can both say."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from scrimp.dialects.json_body import encode

TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
NAME = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True)
VALUE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
INPUT = st.dictionaries(NAME, VALUE, max_size=3)
SCHEMA = st.builds(
    lambda names: {"type": "object", "properties": {name: {"type": "string"} for name in names}},
    st.lists(NAME, max_size=3, unique=True),
)


@st.composite
def chat_turn(draw: st.DrawFn, number: int) -> list[dict[str, Any]]:
    """A question, and what became of it: words, or calls of tools with their results."""
    parts = draw(
        st.lists(
            st.one_of(
                TEXT.map(lambda text: {"type": "text", "text": text}),
                st.just({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}),
                st.just({"type": "image_url", "image_url": {"url": "https://a.test/i.png"}}),
                TEXT.map(
                    lambda name: {
                        "type": "file",
                        "file": {
                            "filename": name,
                            "file_data": "data:application/pdf;base64,AAAA",
                        },
                    }
                ),
            ),
            min_size=2,
            max_size=3,
        )
    )
    turn: list[dict[str, Any]] = [{"role": "user", "content": draw(TEXT | st.just(parts))}]
    calls = [
        {
            "id": f"call_{number}_{place}",
            "type": "function",
            "function": {"name": draw(NAME), "arguments": encode(draw(INPUT)).decode()},
        }
        for place in range(draw(st.integers(0, 2)))
    ]
    if not calls:
        return [*turn, {"role": "assistant", "content": draw(TEXT)}]
    said: dict[str, Any] = {"role": "assistant", "content": draw(st.none() | TEXT)}
    turn.append(said | {"tool_calls": calls})
    turn += [{"role": "tool", "tool_call_id": call["id"], "content": draw(TEXT)} for call in calls]
    return turn


@st.composite
def chats(draw: st.DrawFn) -> dict[str, Any]:
    """A chat of all that both dialects can say."""
    messages: list[dict[str, Any]] = []
    if draw(st.booleans()):
        messages.append({"role": "system", "content": draw(TEXT)})
    for number in range(draw(st.integers(0, 3))):
        messages += draw(chat_turn(number))
    if not messages or messages[-1]["role"] != "tool":
        messages.append({"role": "user", "content": draw(TEXT)})
    fields: dict[str, Any] = {
        "model": "m",
        "messages": messages,
        "max_completion_tokens": draw(st.integers(1, 10**6)),
    }
    some: dict[str, st.SearchStrategy[Any]] = {
        "stop": st.lists(TEXT.filter(str.strip), min_size=1, max_size=4),
        "temperature": st.floats(0, 1, exclude_max=True),
        "top_p": st.floats(0, 1, exclude_max=True),
        "user": NAME,
        "service_tier": st.just("default"),
        "stream": st.sampled_from([True]),
        "reasoning_effort": st.sampled_from(["none", "low", "medium", "high", "xhigh", "max"]),
        "response_format": SCHEMA.map(
            lambda schema: {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": schema, "strict": True},
            }
        ),
    }
    for name, strategy in some.items():
        if draw(st.booleans()):
            fields[name] = draw(strategy)
    if names := draw(st.lists(NAME, max_size=3, unique=True)):
        fields["tools"] = [
            {
                "type": "function",
                "function": {"name": name, "description": draw(TEXT), "parameters": draw(SCHEMA)},
            }
            for name in names
        ]
        choices = ["auto", "none", "required", {"type": "function", "function": {"name": names[0]}}]
        fields["tool_choice"] = draw(st.sampled_from(choices))
        if draw(st.booleans()) and fields["tool_choice"] != "none":
            fields["parallel_tool_calls"] = False
    return fields


@st.composite
def answers(draw: st.DrawFn) -> dict[str, Any]:
    """A whole message of Anthropic's with texts and calls."""
    content: list[dict[str, Any]] = []
    if draw(st.booleans()):
        content.append({"type": "text", "text": draw(TEXT)})
    content += [
        {"type": "tool_use", "id": f"t{number}", "name": draw(NAME), "input": draw(INPUT)}
        for number in range(draw(st.integers(0, 2)))
    ]
    called = content and content[-1]["type"] == "tool_use"
    reason = "tool_use" if called else draw(st.sampled_from(["end_turn", "max_tokens", "refusal"]))
    usage = {
        "input_tokens": draw(st.integers(0, 99)),
        "cache_creation_input_tokens": draw(st.integers(0, 99)),
        "cache_read_input_tokens": draw(st.integers(0, 99)),
        "output_tokens": draw(st.integers(0, 99)),
    }
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": content,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": usage,
    }
