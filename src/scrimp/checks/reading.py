"""Question and answer as checks see them, from a request and a reply in any chat dialect. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from scrimp.calls import Reply, Request
from scrimp.checks.words import Answer, Question, ToolUse
from scrimp.dialects.base import Dialect
from scrimp.dialects.json_body import encode, parse_object

_NOTHING: Mapping[str, Any] = {}


def question_for(request: Request, dialect: Dialect) -> Question:
    """What was asked: the newest text, the tools, the form that the answer must have."""
    fields = request.fields
    wants, schema = form_in(fields, dialect.name)
    return Question(
        text=dialect.last_user_text(request),
        tools=dict(_tools(fields)),
        schema=schema,
        wants_json=wants,
    )


def answer_from(reply: Reply, dialect: Dialect) -> Answer | None:
    """The first answer of a whole reply; None where it cannot be read."""
    if reply.body is None:
        return None
    body = dialect.from_stream(reply.body) if reply.framing == "sse" else reply.body
    fields = parse_object(body)
    if fields is None:
        return None
    try:
        return _answer(fields, dialect.name)
    except (KeyError, IndexError, TypeError, AttributeError):
        return None


def _answer(fields: Mapping[str, Any], dialect: str) -> Answer | None:
    match dialect:
        case "openai.chat":
            return _of_chat(fields["choices"][0]["message"])
        case "anthropic.messages":
            return _of_parts(fields["content"])
        case "openai.responses":
            return _of_parts(_flat(fields["output"]))
        case _:
            return None


def form_in(fields: Mapping[str, Any], dialect: str) -> tuple[bool, Any]:
    """Whether JSON is asked for, and by which schema."""
    match dialect:
        case "openai.chat":
            asked = _object(fields.get("response_format"))
        case "openai.responses":
            asked = _object(_object(fields.get("text")).get("format"))
        case _:
            within = _object(fields.get("output_config")).get("format")
            asked = _object(within or fields.get("output_format"))
    kind = asked.get("type")
    if kind == "json_schema":
        inner = _object(asked.get("json_schema")) or asked
        return True, inner.get("schema")
    return kind == "json_object", None


def _tools(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Names and schemas of the call's own tools; those that the provider runs have none."""
    for one in (*_list(fields.get("tools")), *_list(fields.get("functions"))):
        tool = _object(one)
        tool = _object(tool.get("function")) or tool
        name = tool.get("name")
        schema = tool.get("parameters", tool.get("input_schema"))
        if isinstance(name, str) and isinstance(schema, dict):
            yield name, schema


def _of_chat(message: Mapping[str, Any]) -> Answer:
    uses = [_object(one.get("function")) for one in _list(message.get("tool_calls"))]
    if legacy := _object(message.get("function_call")):
        uses.append(legacy)
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(str(part["text"]) for part in content if part.get("type") == "text")
    return Answer(
        content or "", tuple([ToolUse(str(use["name"]), str(use["arguments"])) for use in uses])
    )


def _of_parts(parts: Any) -> Answer:
    texts: list[str] = []
    uses: list[ToolUse] = []
    for part in parts:
        match part["type"]:
            case "text" | "output_text":
                texts.append(part["text"])
            case "tool_use":
                uses.append(ToolUse(part["name"], encode(part["input"]).decode()))
            case "function_call":
                uses.append(ToolUse(part["name"], part["arguments"]))
            case _:
                continue
    return Answer("\n".join(texts), tuple(uses))


def _flat(items: Any) -> Iterator[Any]:
    for item in items:
        if item["type"] == "message":
            yield from item["content"]
        else:
            yield item


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else _NOTHING


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
