"""Tool definitions as OpenAI's models read them: declarations in TypeScript, in a system message.

The layout is that of OpenAI's Harmony format (its page on function calling); nine tokens stand
around it, four fewer when the request has a system message of its own, which then ends in a line
break (measured on gpt-3.5-turbo by hmarr/openai-chat-tokens, 19 requests). By the same rules the
two requests with tools in OpenAI's cookbook cost what the API charged, with either vocabulary.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

AROUND = 9
SHARED = -4
"""Less, when the request brings a system message for the declarations to stand in."""
_PLAIN = frozenset({"type", "description", "enum", "title", "properties", "required", "items"})
_ASIDE = frozenset({"additionalProperties", "$schema", "strict"})
"""Said of a schema, not told to the model as far as anybody could measure."""
_MAX_DEPTH = 32


def declarations(functions: Iterable[Mapping[str, Any]]) -> str:
    """The namespace of all functions."""
    lines = ["namespace functions {", ""]
    for function in functions:
        lines += _comment(function.get("description"))
        name, parameters = function.get("name", ""), function.get("parameters")
        inner = _members(parameters, "", _MAX_DEPTH) if isinstance(parameters, Mapping) else []
        if inner:
            lines += [f"type {name} = (_: {{", *inner, "}) => any;", ""]
        else:
            lines += [f"type {name} = () => any;", ""]
    lines.append("} // namespace functions")
    return "\n".join(lines)


def undeclared(schema: Any, depth: int = _MAX_DEPTH) -> str:
    """What of a schema the declarations do not say: limits, formats, defaults, definitions."""
    if not depth:
        return ""
    if isinstance(schema, list):
        return "".join(undeclared(one, depth - 1) for one in schema)
    if not isinstance(schema, Mapping):
        return ""
    found = []
    for key, value in schema.items():
        if key == "properties" and isinstance(value, Mapping):
            found += [undeclared(one, depth - 1) for one in value.values()]
        elif key in {"items", "anyOf", "oneOf"}:
            found.append(undeclared(value, depth - 1))
        elif key not in _PLAIN and key not in _ASIDE:
            found.append(f"// {key}: {json.dumps(value, ensure_ascii=False)}\n")
    return "".join(found)


def _comment(text: Any) -> list[str]:
    return [f"// {line}" for line in text.split("\n")] if isinstance(text, str) and text else []


def _members(schema: Mapping[str, Any], indent: str, depth: int) -> list[str]:
    properties, required = schema.get("properties"), schema.get("required")
    if not isinstance(properties, Mapping):
        return []
    needed = required if isinstance(required, list) else []
    lines = []
    for name, inner in properties.items():
        one = inner if isinstance(inner, Mapping) else {}
        lines += [indent + line for line in _comment(one.get("description"))]
        mark = "" if name in needed else "?"
        lines.append(f"{indent}{name}{mark}: {_type(one, indent, depth - 1)},")
    return lines


def _type(schema: Mapping[str, Any], indent: str, depth: int) -> str:
    """The TypeScript of a schema; `any` where it says nothing or goes too deep."""
    choices = schema.get("anyOf") or schema.get("oneOf")
    kind, values = schema.get("type"), schema.get("enum")
    if not depth:
        return "any"
    if isinstance(values, Sequence) and not isinstance(values, str):
        return " | ".join(json.dumps(value, ensure_ascii=False) for value in values)
    if isinstance(choices, list):
        inner = [one for one in choices if isinstance(one, Mapping)]
        return " | ".join(_type(one, indent, depth - 1) for one in inner)
    if isinstance(kind, list):
        return " | ".join(_named(one, schema, indent, depth) for one in kind)
    return _named(kind, schema, indent, depth)


def _named(kind: Any, schema: Mapping[str, Any], indent: str, depth: int) -> str:
    match kind:
        case "object":
            members = _members(schema, indent + "  ", depth)
            return "\n".join(("{", *members, "}"))
        case "array":
            items = schema.get("items")
            return f"{_type(items, indent, depth - 1)}[]" if isinstance(items, Mapping) else "any[]"
        case "integer":
            return "number"
        case "string" | "number" | "boolean" | "null":
            return str(kind)
        case _:
            return "any"
