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
AUDIO: Range = (1, 500, 50_000)
FILE: Range = (1, 1_500, 100_000)
_NAME = 1
_PROP_INIT, _PROP_KEY, _ENUM_INIT, _ENUM_ITEM, _FUNC_END = 3, 3, -3, 3, 12


def add_request(tally: Tally, fields: Mapping[str, Any], model: str) -> None:
    """Add every part of the request that becomes prompt tokens."""
    framing, end = message_framing(model)
    for message in objects(fields.get("messages")):
        tally.add(framing)
        _add_message(tally, message, model)
    tally.add(end)
    given = objects(fields.get("tools"))
    functions = objects([tool.get("function") for tool in given])
    functions += objects(fields.get("functions"))
    if functions:
        add_tools(tally, functions, model)
    for custom in objects([tool.get("custom") for tool in given]):
        add_about(tally, json.dumps(dict(custom), ensure_ascii=False))
    schema = fields.get("response_format")
    if isinstance(schema, Mapping) and isinstance(schema.get("json_schema"), Mapping):
        add_about(tally, json.dumps(schema["json_schema"], ensure_ascii=False))


def message_framing(model: str) -> tuple[Range, Range]:
    """Tokens around each message, and those that prime the reply."""
    if _GPT5.search(model.lower()):
        return (3, 4, 4), (3, 5, 5)
    return exactly(3), exactly(3)


def _add_message(tally: Tally, message: Mapping[str, Any], model: str) -> None:
    tally.text(message.get("role"))
    if "name" in message:
        tally.text(message["name"])
        tally.add(exactly(_NAME))
    content = message.get("content")
    tally.text(content)
    for part in objects(content):
        _add_part(tally, part, model)
    tally.text(message.get("tool_call_id"))
    tally.text(message.get("refusal"))
    called = objects(message.get("tool_calls"))
    calls = [call.get("function") or call.get("custom") for call in called]
    for call in objects([*calls, message.get("function_call")]):
        tally.text(call.get("name"))
        tally.text(call.get("arguments"))
        tally.text(call.get("input"))
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
        tally.add(AUDIO)
    elif kind == "file":
        tally.add(FILE)
    else:
        tally.text(part.get("text"))
        tally.text(part.get("refusal"))


def add_tools(tally: Tally, tools: Sequence[Mapping[str, Any]], model: str) -> None:
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
        add_about(tally, json.dumps(rest, ensure_ascii=False))


def add_about(tally: Tally, text: str) -> None:
    """A text that the vendor renders in a way of its own: as it is, give or take half."""
    before = tally.raw
    tally.text(text)
    doubt = (tally.raw - before) // 2
    tally.add((-doubt, 0, doubt))


def _sentence(value: Any) -> str:
    return value.removesuffix(".") if isinstance(value, str) else ""


def objects(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a list; nothing for anything else."""
    if not isinstance(value, Iterable) or isinstance(value, str | bytes | Mapping):
        return []
    return [one for one in value if isinstance(one, Mapping)]
