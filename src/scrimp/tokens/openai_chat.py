"""Prompt tokens of an OpenAI chat completion request: texts and the framing around them.

Framing by the OpenAI cookbook ("How to count tokens with tiktoken", checked against the API
there): 3 tokens per message, 1 more for a name, 3 that prime the reply; tool definitions are turned
into text with constants of their own. GPT-5 and later frame differently: 4 per message, 5 at the
end and 24 for tools, fitted to the API by others; the range spans both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scrimp.tokens.images import data_url_size, openai_image
from scrimp.tokens.tally import Range, Tally, exactly

_GPT5 = re.compile(r"(^|/)gpt-[5-9]")
_OLD = re.compile(r"(^|/)(gpt-4(?![a-z0-9.])|gpt-3\.5|gpt-35)")
_AUDIO: Range = (1, 500, 50_000)
_FILE: Range = (1, 1_500, 100_000)
_NAME = 1
_PROP_INIT, _PROP_KEY, _ENUM_INIT, _ENUM_ITEM, _FUNC_END = 3, 3, -3, 3, 12


def add_request(tally: Tally, fields: Mapping[str, Any], model: str) -> None:
    """Add every part of the request that becomes prompt tokens."""
    newer = _GPT5.search(model.lower()) is not None
    for message in _objects(fields.get("messages")):
        tally.add((3, 4, 4) if newer else exactly(3))
        _add_message(tally, message, model)
    tally.add((3, 5, 5) if newer else exactly(3))
    tools = [tool.get("function") for tool in _objects(fields.get("tools"))]
    tools += _objects(fields.get("functions"))
    if tools:
        _add_tools(tally, [tool for tool in tools if isinstance(tool, Mapping)], model)
    schema = fields.get("response_format")
    if isinstance(schema, Mapping) and isinstance(schema.get("json_schema"), Mapping):
        _about(tally, json.dumps(schema["json_schema"], ensure_ascii=False))


def _add_message(tally: Tally, message: Mapping[str, Any], model: str) -> None:
    tally.text(message.get("role"))
    if "name" in message:
        tally.text(message["name"])
        tally.add(exactly(_NAME))
    content = message.get("content")
    tally.text(content)
    for part in _objects(content):
        _add_part(tally, part, model)
    tally.text(message.get("tool_call_id"))
    tally.text(message.get("refusal"))
    calls = [call.get("function") for call in _objects(message.get("tool_calls"))]
    calls.append(message.get("function_call"))
    for call in calls:
        if isinstance(call, Mapping):
            tally.text(call.get("name"))
            tally.text(call.get("arguments"))
            tally.add((0, 6, 16))


def _add_part(tally: Tally, part: Mapping[str, Any], model: str) -> None:
    kind = part.get("type")
    if kind == "image_url":
        image = part.get("image_url")
        image = image if isinstance(image, Mapping) else {"url": image}
        url, detail = image.get("url"), image.get("detail")
        size = data_url_size(url) if isinstance(url, str) else None
        tally.add(openai_image(model, size, detail=detail or "auto"))
    elif kind == "input_audio":
        tally.add(_AUDIO)
    elif kind == "file":
        tally.add(_FILE)
    else:
        tally.text(part.get("text"))
        tally.text(part.get("refusal"))


def _add_tools(tally: Tally, tools: Sequence[Mapping[str, Any]], model: str) -> None:
    """Tool definitions; a plain one is within 5 % of the API, the range says so."""
    start = 10 if _OLD.search(model.lower()) else 7
    before_raw, before = tally.raw, tally.tokens
    for tool in tools:
        tally.add(exactly(start))
        tally.text(f"{tool.get('name', '')}:{_sentence(tool.get('description'))}")
        parameters = tool.get("parameters")
        properties = parameters.get("properties") if isinstance(parameters, Mapping) else None
        if isinstance(properties, Mapping) and properties:
            tally.add(exactly(_PROP_INIT))
            for name, schema in properties.items():
                _add_property(tally, str(name), schema)
    tally.add(exactly(_FUNC_END))
    doubt = 2 + (tally.raw - before_raw + tally.tokens - before) // 20
    tally.add((-doubt, 0, doubt))
    if _GPT5.search(model.lower()):
        tally.add((0, 0, 24))


def _add_property(tally: Tally, name: str, schema: Any) -> None:
    tally.add(exactly(_PROP_KEY))
    if not isinstance(schema, Mapping):
        tally.text(name)
        return
    tally.text(f"{name}:{schema.get('type', '')}:{_sentence(schema.get('description'))}")
    values = schema.get("enum")
    if isinstance(values, Sequence) and not isinstance(values, str):
        tally.add(exactly(_ENUM_INIT))
        for value in values:
            tally.add(exactly(_ENUM_ITEM))
            tally.text(str(value))
    rest = {
        key: value
        for key, value in schema.items()
        if key not in {"type", "description", "enum", "title", "default"}
    }
    if rest:  # nested objects and constraints: their rendering is not documented
        _about(tally, json.dumps(rest, ensure_ascii=False))


def _about(tally: Tally, text: str) -> None:
    """A text that the vendor renders in a way of its own: as it is, give or take half."""
    before = tally.raw
    tally.text(text)
    doubt = (tally.raw - before) // 2
    tally.add((-doubt, 0, doubt))


def _sentence(value: Any) -> str:
    return value.removesuffix(".") if isinstance(value, str) else ""


def _objects(value: Any) -> list[Mapping[str, Any]]:
    if not isinstance(value, Iterable) or isinstance(value, str | bytes | Mapping):
        return []
    return [one for one in value if isinstance(one, Mapping)]
