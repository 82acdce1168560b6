"""Reads messages requests, with Anthropic's own complaints about bad ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from scrimp.simulator import images, tokens
from scrimp.simulator.bill import MODELS, Model, Usage
from scrimp.simulator.conversation import Question, Refusal, Role, Tool, Turn

_ROLES: Final[Mapping[str, Role]] = {"user": "user", "assistant": "assistant", "system": "system"}


def read(body: Mapping[str, Any], *, count_only: bool = False) -> Question:
    """Raises Refusal for what Anthropic would refuse. `count_only` needs no `max_tokens`."""
    model = _model(body)
    system, raw = _content(body.get("system"), "system") if body.get("system") else ("", 0)
    turns = [Turn("system", system, raw)] if system else []
    seen_tokens = 0
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refusal(400, "messages: at least one message is required")
    for index, message in enumerate(messages):
        turn, count = _message(message, f"messages.{index}")
        turns.append(turn)
        raw += count
        seen_tokens += image_tokens(message.get("content"))
    prefill = _prefill(turns, model, body.get("thinking"))
    if prefill:
        turns.pop()
    tools = _tools(body.get("tools"))
    raw += sum(tokens.count_tool(tool.name, tool.description, tool.schema) for tool in tools)
    limit = body.get("max_tokens")
    if not count_only and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
        raise Refusal(400, "max_tokens: a whole number of at least 1 is required")
    total = tokens.scaled(raw + tokens.REPLY_OVERHEAD, claude=True) + seen_tokens
    choice, parallel = _tool_choice(body.get("tool_choice"))
    return Question(
        model=model,
        turns=tuple(turns),
        usage=Usage(input_tokens=total + (tokens.TOOL_PROMPT if tools else 0)),
        stream=body.get("stream") is True,
        tools=tools,
        tool_choice=choice,
        parallel_tools=parallel,
        json_schema=_json_schema(body),
        max_tokens=limit,
        stop=_stop(body.get("stop_sequences")),
        thinking_tokens=_thinking(body.get("thinking"), limit),
        prefill=prefill,
    )


def _model(body: Mapping[str, Any]) -> Model:
    name = body.get("model")
    if not isinstance(name, str) or not name:
        raise Refusal(400, "model: a model is required")
    model = MODELS.get(name)
    if model is None or model.vendor != "anthropic":
        raise Refusal(404, f"model: {name}", kind="not_found")
    return model


def _message(message: Any, where: str) -> tuple[Turn, int]:
    if not isinstance(message, Mapping):
        raise Refusal(400, f"{where}: an object is required")
    name = message.get("role")
    role = _ROLES.get(name) if isinstance(name, str) else None
    if role is None:
        raise Refusal(400, f"{where}.role: must be 'user' or 'assistant'")
    content = message.get("content")
    text, raw = _content(content, f"{where}.content")
    if isinstance(content, list) and any(
        isinstance(part, Mapping) and part.get("type") == "tool_result" for part in content
    ):
        role = "tool"
    raw += tokens.MESSAGE_OVERHEAD
    return Turn(role, text, raw), raw


def _prefill(turns: list[Turn], model: Model, thinking: Any) -> str:
    """The text of the assistant's at the end, which the answer goes on with; empty for none.

    Models after 4.5 take none ("What's new in Claude 4.6"), and thinking ones neither.
    """
    if turns[-1].role != "assistant":
        return ""
    thinks = isinstance(thinking, Mapping) and thinking.get("type") != "disabled"
    if thinks or "-4-5" not in model.id:
        raise Refusal(
            400,
            "This model does not support assistant message prefill. The conversation must end with "
            "a user message.",
        )
    text = turns[-1].text
    if text != text.rstrip():
        raise Refusal(400, "messages: final assistant content cannot end with trailing whitespace")
    return text


def _content(content: Any, where: str) -> tuple[str, int]:
    match content:
        case str():
            return content, tokens.count(content)
        case list():
            parts = [part_of(part, f"{where}.{index}") for index, part in enumerate(content)]
            return "\n".join(text for text, _ in parts if text), sum(raw for _, raw in parts)
        case _:
            raise Refusal(400, f"{where}: a string or a list of blocks is required")


def part_of(part: Any, where: str) -> tuple[str, int]:
    """Text and tokens of one content block, images apart. Raises Refusal."""
    match part:
        case {"type": "text", "text": str(text)}:
            return text, tokens.count(text)
        case {"type": "tool_result", "content": str() | list() as content}:
            text, raw = _content(content, f"{where}.content")
            return text, raw + 3
        case {"type": "tool_use", "name": str(name), "input": arguments}:
            return "", tokens.count(name + msgspec.json.encode(arguments).decode()) + 3
        case {"type": str(kind)} if kind != "text":
            return "", 0
        case _:
            raise Refusal(400, f"{where}: not a content block")


def image_tokens(content: Any) -> int:
    """Tokens of image blocks, in tool results too; they are not scaled."""
    total = 0
    for part in content if isinstance(content, list) else ():
        match part:
            case {"type": "image", "source": {"data": str(data)}}:
                total += images.claude_tokens(data)
            case {"type": "image"}:
                total += images.claude_tokens("")
            case {"type": "tool_result", "content": list(inner)}:
                total += image_tokens(inner)
            case _:
                pass
    return total


def _tools(tools: Any) -> tuple[Tool, ...]:
    if tools is None:
        return ()
    if not isinstance(tools, list):
        raise Refusal(400, "tools: a list is required")
    found = []
    for index, tool in enumerate(tools):
        match tool:
            case {"name": str(name), **rest}:
                schema = rest.get("input_schema")
                found.append(
                    Tool(
                        name,
                        str(rest.get("description") or ""),
                        schema if isinstance(schema, Mapping) else {},
                    )
                )
            case _:
                raise Refusal(400, f"tools.{index}: a name is required")
    return tuple(found)


def _tool_choice(choice: Any) -> tuple[str, bool]:
    if not isinstance(choice, Mapping):
        return "auto", True
    parallel = choice.get("disable_parallel_tool_use") is not True
    match choice:
        case {"type": "any"}:
            return "required", parallel
        case {"type": "none"}:
            return "none", parallel
        case {"type": "tool", "name": str(name)}:
            return name, parallel
        case _:
            return "auto", parallel


def _json_schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    config = body.get("output_config")
    wanted = config.get("format") if isinstance(config, Mapping) else body.get("output_format")
    match wanted:
        case {"type": "json_schema", "schema": dict(schema)}:
            return schema
        case _:
            return None


def _stop(stops: Any) -> tuple[str, ...]:
    if stops is None:
        return ()
    if not isinstance(stops, list) or not all(isinstance(one, str) for one in stops):
        raise Refusal(400, "stop_sequences: a list of strings is required")
    return tuple(stops)


def _thinking(thinking: Any, limit: Any) -> int:
    match thinking:
        case {"type": "enabled", "budget_tokens": int(budget)}:
            if budget < 1024:
                raise Refusal(400, f"thinking.budget_tokens: {budget} is below 1024")
            if isinstance(limit, int) and budget >= limit:
                raise Refusal(
                    400, f"max_tokens: {limit} must be above the thinking budget {budget}"
                )
            return budget
        case {"type": "adaptive"}:
            return 1024
        case _:
            return 0
