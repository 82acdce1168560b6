"""Prompt tokens of an Anthropic messages request. Claude's tokenizer is not public: an estimate.

The likely framing is fitted to the two requests of Anthropic's page on token counting, 14 tokens
and 403 with a tool; its range holds what others fitted to the API (Claude 4.5: 6 per request, 2 per
message) and the system prompt that tools bring (313 to 346 tokens for Claude 4, secondary guides;
264 to 530 for Claude 3, Anthropic's documentation).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from scrimp.tokens.encodings import NEW_CLAUDE
from scrimp.tokens.image_sizes import base64_size
from scrimp.tokens.images import claude_image
from scrimp.tokens.openai_chat import objects
from scrimp.tokens.tally import Range, Tally

_REQUEST: Range = (2, 4, 12)
_MESSAGE: Range = (1, 2, 5)
_TOOLS: Range = (150, 309, 560)
_NEW_REQUEST: Range = (1, 2, 12)
_NEW_TOOLS: Range = (150, 287, 600)
_TOOL: Range = (0, 20, 60)
_FILE: Range = (1, 3_000, 200_000)
_CLIENT_RUN: Range = (0, 500, 1_500)
"""Bash, text editor, computer, memory: 245 to 735 tokens by Anthropic's tool pages (2026-11)."""
_HOSTED: Range = (0, 1_000, 200_000)
"""Search, fetch, code execution: a definition, and whatever is found and read."""
_OF_CLIENTS = ("bash_", "text_editor_", "computer_", "memory_")


def add_request(tally: Tally, fields: Mapping[str, Any], model: str) -> None:
    """Add every part of the request that becomes prompt tokens."""
    new = NEW_CLAUDE.search(model.lower()) is not None
    tally.add(_NEW_REQUEST if new else _REQUEST)
    _add_content(tally, fields.get("system"), model)
    messages = objects(fields.get("messages"))
    tally.mark()
    for message in messages:
        _add_content(tally, message.get("content"), model)
        tally.mark()
    low, likely, high = tally.around = _MESSAGE
    tally.add((len(messages) * low, len(messages) * likely, len(messages) * high))
    tools = objects(fields.get("tools"))
    if tools:
        tally.add(_NEW_TOOLS if new else _TOOLS)
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
    if type(content) is str:
        tally.texts.append(content)
        return
    for block in objects(content):
        text = block.get("text")
        if type(text) is str and block.get("type") == "text":
            tally.texts.append(text)
        else:
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
