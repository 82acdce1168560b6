"""Turns a planned call and the turns before it into what the two SDKs take.

Nothing here talks to anybody: `client.chat.completions.create(**request_fields(call, past))` or
`client.messages.create(...)` is the runner's part.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from scrimp.demo.traffic.corpus import Say, Step, Tool, ToolResult
from scrimp.demo.traffic.plan import PlannedCall

NO_TEXT = "(no text)"
"""Stands for an empty reply: Anthropic refuses an empty text block."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A finished turn of a conversation: what opened it, and the text of the reply."""

    step: Step
    reply: str


def request_fields(call: PlannedCall, past: Sequence[Turn] = ()) -> dict[str, Any]:
    """Keyword arguments for the SDK's `create`, in the shape of `call.sdk`.

    `past` are the earlier turns of the same conversation, oldest first.
    """
    fields: dict[str, Any] = {
        "model": call.model,
        "max_tokens": call.max_tokens,
        "stream": call.stream,
    }
    if call.temperature is not None:
        fields["temperature"] = call.temperature
    match call.sdk:
        case "openai":
            system = {"role": "system", "content": call.system}
            fields["messages"] = [system, *_openai_messages(call, past)]
            tools = [_openai_tool(tool) for tool in call.tools]
        case "anthropic":
            fields["system"] = call.system
            fields["messages"] = _anthropic_messages(call, past)
            tools = [_anthropic_tool(tool) for tool in call.tools]
        case _:
            assert_never(call.sdk)
    if tools:
        fields["tools"] = tools
    return fields


def scrimp_headers(call: PlannedCall) -> dict[str, str]:
    """The request headers by which a client tells Scrimp whose call it is."""
    headers = {
        "x-scrimp-user": call.user,
        "x-scrimp-session": call.session,
        "x-scrimp-tags": ",".join(call.tags),
    }
    if call.task is not None:
        headers["x-scrimp-task"] = call.task
    return headers


def _openai_messages(call: PlannedCall, past: Sequence[Turn]) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    for number, step in enumerate(_steps(call, past), start=1):
        match step:
            case Say(text):
                messages.append({"role": "user", "content": text})
            case ToolResult(tool, arguments, result):
                # The reply before a tool's result is where the assistant called the tool.
                function = {"name": tool, "arguments": json.dumps(dict(arguments))}
                called = {"id": _tool_id(call, number), "type": "function", "function": function}
                if messages:
                    messages[-1]["tool_calls"] = [called]
                messages.append({"role": "tool", "tool_call_id": called["id"], "content": result})
            case _:
                assert_never(step)
        if number <= len(past):
            messages.append({"role": "assistant", "content": _text(past[number - 1])})
    return messages


def _anthropic_messages(call: PlannedCall, past: Sequence[Turn]) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    for number, step in enumerate(_steps(call, past), start=1):
        match step:
            case Say(text):
                messages.append({"role": "user", "content": text})
            case ToolResult(tool, arguments, result):
                called = {
                    "type": "tool_use",
                    "id": _tool_id(call, number),
                    "name": tool,
                    "input": dict(arguments),
                }
                if messages:
                    said = {"type": "text", "text": messages[-1]["content"]}
                    messages[-1]["content"] = [said, called]
                answer = {"type": "tool_result", "tool_use_id": called["id"], "content": result}
                messages.append({"role": "user", "content": [answer]})
            case _:
                assert_never(step)
        if number <= len(past):
            messages.append({"role": "assistant", "content": _text(past[number - 1])})
    return messages


def _steps(call: PlannedCall, past: Sequence[Turn]) -> tuple[Step, ...]:
    if len(past) != call.turn - 1:
        msg = f"turn {call.turn} of {call.conversation} needs {call.turn - 1} turns before it"
        msg += f", {len(past)} were given"
        raise ValueError(msg)
    return (*(turn.step for turn in past), call.step)


def _text(turn: Turn) -> str:
    return turn.reply if turn.reply.strip() else NO_TEXT


def _tool_id(call: PlannedCall, number: int) -> str:
    return f"toolu_{call.conversation}_{number}"


def _openai_tool(tool: Tool) -> dict[str, Any]:
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": dict(tool.parameters),
    }
    return {"type": "function", "function": function}


def _anthropic_tool(tool: Tool) -> dict[str, Any]:
    schema = dict(tool.parameters)
    return {"name": tool.name, "description": tool.description, "input_schema": schema}
