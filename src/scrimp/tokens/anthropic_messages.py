"""Prompt tokens of an Anthropic messages request. Claude's tokenizer is not public: an estimate.

Framing fitted to the API by others (Claude 4.5: 6 per request, 2 per message); a request with
tools gets a system prompt of 313 to 346 tokens (Claude 4, secondary guides; 264 to 530 for
Claude 3, Anthropic's documentation). Anthropic's own example of one tool costs 403 in all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from scrimp.tokens.images import base64_size, claude_image
from scrimp.tokens.tally import Range, Tally

_REQUEST: Range = (2, 6, 12)
_MESSAGE: Range = (1, 2, 5)
_TOOLS: Range = (150, 320, 560)
_TOOL: Range = (0, 20, 60)
_FILE: Range = (1, 3_000, 200_000)
_CLIENT_RUN: Range = (0, 500, 1_500)
"""Bash, text editor, computer, memory: 245 to 735 tokens by Anthropic's tool pages (2026-11)."""
_HOSTED: Range = (0, 1_000, 200_000)
"""Search, fetch, code execution: a definition, and whatever is found and read."""
_OF_CLIENTS = ("bash_", "text_editor_", "computer_", "memory_")


def add_request(tally: Tally, fields: Mapping[str, Any], model: str) -> None:
    """Add every part of the request that becomes prompt tokens."""
    tally.add(_REQUEST)
    _add_content(tally, fields.get("system"), model)
    for message in _objects(fields.get("messages")):
        tally.add(_MESSAGE)
        _add_content(tally, message.get("content"), model)
    tools = _objects(fields.get("tools"))
    if tools:
        tally.add(_TOOLS)
    for tool in tools:
        kind = tool.get("type")
        if isinstance(kind, str) and kind != "custom":
            tally.add(_CLIENT_RUN if kind.startswith(_OF_CLIENTS) else _HOSTED)
        tally.add(_TOOL)
        tally.text(tool.get("name"))
        tally.text(tool.get("description"))
        if "input_schema" in tool:
            tally.text(json.dumps(tool["input_schema"], ensure_ascii=False))
    _add_answer_format(tally, fields)


def _add_answer_format(tally: Tally, fields: Mapping[str, Any]) -> None:
    """The schema of a structured answer; how it is told to the model is not documented."""
    config = fields.get("output_config")
    form = config.get("format") if isinstance(config, Mapping) else fields.get("output_format")
    if not isinstance(form, Mapping):
        return
    before = tally.raw
    tally.text(json.dumps(dict(form), ensure_ascii=False))
    size = tally.raw - before
    tally.add((-size, 50, size + 300))


def _add_content(tally: Tally, content: Any, model: str) -> None:
    tally.text(content)
    for block in _objects(content):
        _add_block(tally, block, model)


def _add_block(tally: Tally, block: Mapping[str, Any], model: str) -> None:
    match block.get("type"):
        case "image":
            source = block.get("source")
            data = source.get("data") if isinstance(source, Mapping) else None
            size = base64_size(data) if isinstance(data, str) else None
            tally.add(claude_image(model, size))
        case "tool_use" | "server_tool_use" | "mcp_tool_use":
            tally.text(block.get("name"))
            tally.text(json.dumps(block.get("input"), ensure_ascii=False))
            tally.add((0, 10, 40))
        case "document":
            _add_document(tally, block, model)
        case "thinking":
            tally.text(block.get("thinking"))
        case "redacted_thinking":
            sealed = len(data) if isinstance(data := block.get("data"), str) else 0
            tally.add((0, sealed // 6, sealed // 2))
        case _:
            tally.text(block.get("title"))
            tally.text(block.get("text"))
            _add_content(tally, block.get("content"), model)


def _add_document(tally: Tally, block: Mapping[str, Any], model: str) -> None:
    source = block.get("source")
    source = source if isinstance(source, Mapping) else {}
    if source.get("type") == "text":
        tally.text(source.get("data"))
    elif source.get("type") == "content":
        _add_content(tally, source.get("content"), model)
    else:
        tally.add(_FILE)
    tally.text(block.get("title"))
    tally.text(block.get("context"))


def _objects(value: Any) -> list[Mapping[str, Any]]:
    if not isinstance(value, Iterable) or isinstance(value, str | bytes | Mapping):
        return []
    return [one for one in value if isinstance(one, Mapping)]
