"""Reads responses requests, with OpenAI's own complaints about bad ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from scrimp.simulator import images, openai_requests, tokens
from scrimp.simulator.bill import Usage
from scrimp.simulator.conversation import Question, Refusal, Role, Tool, Turn

Item = dict[str, Any]
_ROLES: Final[Mapping[str, Role]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}
_PREFIXES: Final = {
    "message": "msg",
    "function_call": "fc",
    "function_call_output": "fco",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
    "reasoning": "rs",
}
_FILE_TOKENS: Final = 200
_LEAST_OUTPUT: Final = 16


def items_of(body: Mapping[str, Any]) -> list[Item]:
    """The input as a list of items, a string being one user message. Raises Refusal."""
    match body.get("input"):
        case str(text):
            return [{"type": "message", "role": "user", "content": text}]
        case list(items) if all(isinstance(item, dict) for item in items):
            return items
        case None:
            raise Refusal(400, "Missing required parameter: 'input'.", param="input")
        case _:
            raise Refusal(400, "'input' must be a string or a list of items.", param="input")


def read(body: Mapping[str, Any], history: Sequence[Item] = ()) -> Question:
    """`history` is what was stored of the turns before. Raises Refusal."""
    model = openai_requests.model_of(body)
    items = [*history, *items_of(body)]
    if not items:
        raise Refusal(400, "'input' has no items.", param="input")
    turns, raw = _instructed(body.get("instructions"))
    for index, item in enumerate(items):
        turn, count = turn_of(item, f"input[{index - len(history)}]")
        raw += count
        if turn is not None:
            turns.append(turn)
    tools = _tools(body.get("tools"))
    raw += sum(tokens.count_tool(tool.name, tool.description, tool.schema) for tool in tools)
    reasoning = body.get("reasoning")
    effort = reasoning.get("effort") if isinstance(reasoning, Mapping) else None
    return Question(
        model=model,
        turns=tuple(turns) or (Turn("user", ""),),
        usage=Usage(input_tokens=raw + tokens.REPLY_OVERHEAD),
        stream=openai_requests.flag(body, "stream"),
        tools=tools,
        tool_choice=_tool_choice(body.get("tool_choice")),
        parallel_tools=body.get("parallel_tool_calls") is not False,
        json_schema=_json_schema(body.get("text")),
        max_tokens=_limit(body.get("max_output_tokens")),
        effort=str(effort or "medium"),
    )


def _instructed(instructions: Any) -> tuple[list[Turn], int]:
    if instructions is None:
        return [], 0
    if not isinstance(instructions, str):
        raise Refusal(400, "'instructions' must be a string.", param="instructions")
    raw = tokens.count(instructions) + tokens.MESSAGE_OVERHEAD
    return [Turn("system", instructions, raw)], raw


def turn_of(item: Item, where: str) -> tuple[Turn | None, int]:
    """The turn that an item is (None for what the model is not shown) and its tokens."""
    match item:
        case {"role": str(name), "content": content}:
            return _message(name, content, where)
        case {"type": "function_call", "name": str(name), "arguments": str(given)} | {
            "type": "custom_tool_call",
            "name": str(name),
            "input": str(given),
        }:
            raw = tokens.count(f"{name} {given}") + 3
            return Turn("assistant", "", raw), raw
        case {
            "type": "function_call_output" | "custom_tool_call_output",
            "call_id": str(),
            "output": output,
        }:
            text, raw = _content(output, f"{where}.output")
            raw += tokens.MESSAGE_OVERHEAD
            return Turn("tool", text, raw), raw
        case {"type": str(kind)} if kind not in {"message", "function_call_output"}:
            return None, 0  # reasoning of earlier turns, built-in tools: not shown again
        case _:
            raise Refusal(400, f"'{where}' is not an item.", param=where)


def _message(name: str, content: Any, where: str) -> tuple[Turn, int]:
    role = _ROLES.get(name)
    if role is None:
        raise Refusal(400, f"'{where}.role' is none of {list(_ROLES)}.", param=f"{where}.role")
    text, raw = _content(content, f"{where}.content")
    raw += tokens.MESSAGE_OVERHEAD
    return Turn(role, text, raw), raw


def _content(content: Any, where: str) -> tuple[str, int]:
    match content:
        case str():
            return content, tokens.count(content)
        case list():
            parts = [_part(part, f"{where}[{index}]") for index, part in enumerate(content)]
            return "\n".join(text for text, _ in parts if text), sum(raw for _, raw in parts)
        case _:
            raise Refusal(400, f"'{where}' must be a string or a list of parts.", param=where)


def _part(part: Any, where: str) -> tuple[str, int]:
    match part:
        case {"type": "input_text" | "output_text" | "text", "text": str(text)}:
            return text, tokens.count(text)
        case {"type": "refusal", "refusal": str(text)}:
            return text, tokens.count(text)
        case {"type": "input_image", **rest}:
            url = rest.get("image_url")
            detail = str(rest.get("detail") or "auto")
            return "", images.openai_tokens(url if isinstance(url, str) else "", detail=detail)
        case {"type": "input_file" | "input_audio"}:
            return "", _FILE_TOKENS
        case _:
            raise Refusal(400, f"'{where}' is not a content part.", param=where)


def _tools(tools: Any) -> tuple[Tool, ...]:
    """Functions and custom tools; what the provider would run itself is known and never used."""
    if tools is None:
        return ()
    if not isinstance(tools, list):
        raise Refusal(400, "'tools' must be a list.", param="tools")
    found = []
    for index, tool in enumerate(tools):
        match tool:
            case {"type": "function", "name": str(name), **rest}:
                schema = rest.get("parameters")
                said = str(rest.get("description") or "")
                found.append(Tool(name, said, schema if isinstance(schema, Mapping) else {}))
            case {"type": "custom", "name": str(name), **rest}:
                found.append(Tool(name, str(rest.get("description") or ""), custom=True))
            case {"type": "function" | "custom"}:
                where = f"tools[{index}].name"
                raise Refusal(400, f"Missing required parameter: '{where}'.", param=where)
            case {"type": str()}:
                continue
            case _:
                where = f"tools[{index}]"
                raise Refusal(400, f"'{where}' is not a tool.", param=where)
    return tuple(found)


def _tool_choice(choice: Any) -> str:
    match choice:
        case "none" | "auto" | "required":
            return str(choice)
        case {"type": "function" | "custom", "name": str(name)}:
            return name
        case {"type": "allowed_tools", "mode": "required"}:
            return "required"
        case _:
            return "auto"


def _json_schema(text: Any) -> Mapping[str, Any] | None:
    match text:
        case {"format": {"type": "json_object"}}:
            return {}
        case {"format": {"type": "json_schema", "schema": dict(schema)}}:
            return schema
        case {"format": {"type": "json_schema"}}:
            raise Refusal(
                400, "Missing required parameter: 'text.format.schema'.", param="text.format.schema"
            )
        case _:
            return None


def _limit(limit: Any) -> int | None:
    if limit is None:
        return None
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < _LEAST_OUTPUT:
        raise Refusal(
            400,
            f"'max_output_tokens' must be at least {_LEAST_OUTPUT}, not {limit}.",
            param="max_output_tokens",
        )
    return limit


def stored_input(items: Sequence[Item], reply_id: str) -> list[Item]:
    """Items as the provider keeps them: each with an id, messages with typed parts."""
    kept = []
    for index, item in enumerate(items):
        made = dict(item)
        content = made.get("content")
        if "role" in made:
            made["type"] = "message"
            kind = "output_text" if made["role"] == "assistant" else "input_text"
            if isinstance(content, str):
                made["content"] = [{"type": kind, "text": content}]
            made.setdefault("status", "completed")
        made.setdefault("id", f"{_PREFIXES.get(made.get('type', ''), 'item')}_{reply_id}i{index}")
        kept.append(made)
    return msgspec.json.decode(msgspec.json.encode(kept), type=list[dict[str, Any]])
