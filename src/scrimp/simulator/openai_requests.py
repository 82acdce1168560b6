"""Reads chat completion requests, with OpenAI's own complaints about bad ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from scrimp.simulator import images, tokens
from scrimp.simulator.bill import MODELS, Model, Usage
from scrimp.simulator.conversation import Question, Refusal, Role, Tool, Turn

_ROLES: Final[Mapping[str, Role]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
_MAX_CHOICES: Final = 128


def read(body: Mapping[str, Any]) -> Question:
    """Raises Refusal for what OpenAI would refuse."""
    model = model_of(body)
    turns, raw = _messages(body.get("messages"))
    tools = _tools(body.get("tools"))
    raw += sum(tokens.count_tool(tool.name, tool.description, tool.schema) for tool in tools)
    options = body.get("stream_options")
    if options is not None and not body.get("stream"):
        raise Refusal(400, "'stream_options' needs 'stream' to be true.", param="stream_options")
    return Question(
        model=model,
        turns=turns,
        usage=Usage(input_tokens=raw + tokens.REPLY_OVERHEAD),
        stream=flag(body, "stream"),
        include_usage=isinstance(options, Mapping) and options.get("include_usage") is True,
        tools=tools,
        tool_choice=_tool_choice(body.get("tool_choice")),
        parallel_tools=body.get("parallel_tool_calls") is not False,
        json_schema=_json_schema(body.get("response_format")),
        max_tokens=_limit(body),
        n=_choices(body),
        stop=_stop(body.get("stop")),
        effort=str(body.get("reasoning_effort") or "medium"),
    )


def model_of(body: Mapping[str, Any]) -> Model:
    """The model that is asked for. Raises Refusal."""
    name = body.get("model")
    if not isinstance(name, str) or not name:
        raise Refusal(400, "The request names no model.", param="model")
    model = MODELS.get(name)
    if model is None or model.vendor != "openai":
        raise Refusal(
            404,
            f"The model `{name}` is not known here, or you may not use it.",
            kind="model_not_found",
        )
    return model


def flag(body: Mapping[str, Any], name: str) -> bool:
    """A field that is true or false, or missing. Raises Refusal."""
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise Refusal(400, f"'{name}' must be a boolean.", param=name)
    return bool(value)


def _messages(messages: Any) -> tuple[tuple[Turn, ...], int]:
    if not isinstance(messages, list) or not messages:
        raise Refusal(400, "'messages' must be a list with one message or more.", param="messages")
    turns, raw = [], 0
    for index, message in enumerate(messages):
        turn = turn_of(message, f"messages[{index}]")
        turns.append(turn)
        raw += turn.raw_tokens
    return tuple(turns), raw


def turn_of(message: Any, where: str) -> Turn:
    """One message. Raises Refusal."""
    if not isinstance(message, Mapping):
        raise Refusal(400, f"'{where}' must be an object.", param=where)
    role = _ROLES.get(message.get("role", "")) if isinstance(message.get("role"), str) else None
    if role is None:
        raise Refusal(400, f"'{where}.role' is none of {list(_ROLES)}.", param=f"{where}.role")
    text, raw = _content(message.get("content"), f"{where}.content")
    raw += tokens.MESSAGE_OVERHEAD
    if isinstance(name := message.get("name"), str):
        raw += tokens.count(name) + 1
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        match call:
            case {"function": {"name": str(name), "arguments": str(arguments)}}:
                raw += tokens.count(f"{name} {arguments}") + 3
            case _:
                raise Refusal(400, f"'{where}.tool_calls' is malformed.", param=where)
    return Turn(role, text, raw)


def _content(content: Any, where: str) -> tuple[str, int]:
    match content:
        case None:
            return "", 0
        case str():
            return content, tokens.count(content)
        case list():
            parts = [_part(part, f"{where}[{index}]") for index, part in enumerate(content)]
            return "\n".join(text for text, _ in parts if text), sum(raw for _, raw in parts)
        case _:
            raise Refusal(400, f"'{where}' must be a string or a list of parts.", param=where)


def _part(part: Any, where: str) -> tuple[str, int]:
    match part:
        case {"type": "text", "text": str(text)} | {"type": "refusal", "refusal": str(text)}:
            return text, tokens.count(text)
        case {"type": "image_url", "image_url": {"url": str(url), **rest}}:
            return "", images.openai_tokens(url, detail=str(rest.get("detail", "auto")))
        case {"type": "file"} | {"type": "input_audio"}:
            return "", 200
        case _:
            raise Refusal(400, f"'{where}' is not a content part.", param=where)


def _tools(tools: Any) -> tuple[Tool, ...]:
    if tools is None:
        return ()
    if not isinstance(tools, list):
        raise Refusal(400, "'tools' must be a list.", param="tools")
    found = []
    for index, tool in enumerate(tools):
        match tool:
            case {"type": "function", "function": {"name": str(name), **rest}}:
                schema = rest.get("parameters")
                found.append(
                    Tool(
                        name,
                        str(rest.get("description") or ""),
                        schema if isinstance(schema, Mapping) else {},
                    )
                )
            case {"type": "custom", "custom": {"name": str(name), **rest}}:
                found.append(Tool(name, str(rest.get("description") or ""), custom=True))
            case _:
                where = f"tools[{index}]"
                raise Refusal(400, f"'{where}' is not a tool.", param=where)
    return tuple(found)


def _tool_choice(choice: Any) -> str:
    match choice:
        case "none" | "auto" | "required":
            return str(choice)
        case {"function": {"name": str(name)}} | {"custom": {"name": str(name)}}:
            return name
        case _:
            return "auto"


def _json_schema(wanted: Any) -> Mapping[str, Any] | None:
    match wanted:
        case {"type": "json_object"}:
            return {}
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            return schema
        case _:
            return None


def _limit(body: Mapping[str, Any]) -> int | None:
    for name in ("max_completion_tokens", "max_tokens"):
        limit = body.get(name)
        if limit is None:
            continue
        if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
            raise Refusal(400, f"'{name}' must be a whole number of at least 1.", param=name)
        return limit
    return None


def _stop(stop: Any) -> tuple[str, ...]:
    stops = (stop,) if isinstance(stop, str) else stop or ()
    if not isinstance(stops, list | tuple) or not all(isinstance(one, str) for one in stops):
        raise Refusal(400, "'stop' must be a string or a list of strings.", param="stop")
    return tuple(stops)


def _choices(body: Mapping[str, Any]) -> int:
    n = body.get("n")
    if n is None:
        return 1
    if not isinstance(n, int) or not 1 <= n <= _MAX_CHOICES:
        raise Refusal(400, f"'n' must be between 1 and {_MAX_CHOICES}.", param="n")
    return n
