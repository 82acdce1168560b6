"""Prompt tokens of an OpenAI responses request: an estimate with bounds.

A text and plain messages are framed as in chat completions ("tell me a joke" is 11 input tokens of
gpt-4o-mini in OpenAI's own examples, which is the chat framing); so are tools of the client. What
hosted tools add, what an earlier response or a conversation brings along, and what is sent back
encrypted cannot be seen in a request: their ranges are wide, and say so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from scrimp.tokens.audio import audio
from scrimp.tokens.image_sizes import data_url_size
from scrimp.tokens.images import image
from scrimp.tokens.openai_chat import (
    FILE,
    add_about,
    add_tools,
    message_framing,
    objects,
)
from scrimp.tokens.tally import Range, Tally

_UNSEEN: Range = (0, 4_000, 1_050_000)
"""Up to the largest context window on OpenAI's model pages (checked 2026-11)."""
_HOSTED: Range = (0, 400, 200_000)
"""A tool that the provider runs: its definition, and whatever it finds and reads."""
_CALL: Range = (0, 6, 16)
_STATE = ("previous_response_id", "conversation", "prompt")
_TOKENS_OF_IDS = frozenset({"item_reference", "compaction"})
_NOT_TEXT = frozenset(
    {
        *("type", "id", "call_id", "status", "role", "detail", "file_id", "filename"),
        *("image_url", "file_data", "file_url", "encrypted_content", "result", "data", "format"),
    }
)
_MAX_DEPTH = 12


def add_request(tally: Tally, fields: Mapping[str, Any], model: str) -> None:
    """Add every part of the request that becomes prompt tokens."""
    framing, end = message_framing(model)
    tally.add(end)
    given = fields.get("input")
    for text, role in ((fields.get("instructions"), "developer"), (given, "user")):
        if isinstance(text, str) and text:
            tally.add(framing)
            tally.text(role)
            tally.text(text)
    tally.mark()
    for item in objects(given):
        tally.add(framing)
        _add_item(tally, item, model)
        tally.mark()
    _add_tools(tally, fields.get("tools"), model)
    answer = fields.get("text")
    schema = answer.get("format") if isinstance(answer, Mapping) else None
    if isinstance(schema, Mapping) and schema.get("type") == "json_schema":
        add_about(tally, json.dumps(schema, ensure_ascii=False))
    if any(fields.get(name) for name in _STATE):
        tally.add(_UNSEEN)


def _add_item(tally: Tally, item: Mapping[str, Any], model: str) -> None:
    kind = item.get("type")
    tally.text(item.get("role"))
    if kind in _TOKENS_OF_IDS or item.keys() == {"id"}:
        tally.add(_UNSEEN)
    elif kind == "additional_tools":
        _add_tools(tally, item.get("tools"), model)
        return
    elif isinstance(kind, str) and kind.endswith("_call"):
        tally.add(_CALL)
    if isinstance(secret := item.get("encrypted_content"), str):
        # Base64 of something like four characters per token, and keys around it.
        tally.add((0, len(secret) // 6, len(secret) // 2))
    _add_value(tally, item, model, _MAX_DEPTH)


def _add_value(tally: Tally, value: Any, model: str, depth: int) -> None:
    """Every text inside, and every image, sound and file for what it may be."""
    if isinstance(value, str):
        if value:
            tally.texts.append(value)
    elif depth and isinstance(value, list):
        for one in value:
            _add_value(tally, one, model, depth - 1)
    elif depth and isinstance(value, Mapping) and not _is_no_text(tally, value, model):
        for name, inner in value.items():
            if name not in _NOT_TEXT:
                _add_value(tally, inner, model, depth - 1)


def _is_no_text(tally: Tally, part: Mapping[str, Any], model: str) -> bool:
    """Count a part that is no text; False when it is one."""
    match part.get("type"):
        case "input_image" | "computer_screenshot":
            url, detail = part.get("image_url"), part.get("detail")
            size = data_url_size(url) if isinstance(url, str) else None
            tally.add(image(model, size, detail=detail or "auto"))
        case "input_file":
            tally.add(FILE)
        case "input_audio":
            sound = part.get("input_audio")
            tally.add(audio(model, sound.get("data") if isinstance(sound, Mapping) else None))
        case "image_generation_call":
            tally.add(image(model, None))
        case _:
            return False
    return True


def _add_tools(tally: Tally, tools: Any, model: str) -> None:
    functions: list[Mapping[str, Any]] = []
    for tool in objects(tools):
        match tool.get("type"):
            case "function":
                functions.append(tool)
            case "custom":
                add_about(tally, json.dumps(dict(tool), ensure_ascii=False))
            case "namespace":
                tally.text(tool.get("name"))
                tally.text(tool.get("description"))
                _add_tools(tally, tool.get("tools"), model)
            case _:
                tally.add(_HOSTED)
    if functions:
        add_tools(tally, functions, model)
