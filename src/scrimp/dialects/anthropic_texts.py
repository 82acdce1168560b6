"""The texts in Anthropic message requests and replies, to be counted or classified."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from scrimp.dialects.json_body import parse_object
from scrimp.dialects.sse import event_fields, split
from scrimp.dialects.texts import definition_texts, encode_text, part_texts, strings

_DELTA_TEXTS = ("text", "thinking", "partial_json")


def prompt_texts(fields: Mapping[str, Any]) -> tuple[str, ...]:
    """System prompt, messages with tool calls and their results, tool definitions."""
    found = part_texts(fields.get("system"))
    for message in fields["messages"]:
        content = message.get("content")
        found += part_texts(content)
        for block in content if isinstance(content, list) else ():
            found += _tool_texts(block)
    found += definition_texts(fields.get("tools"))
    config = fields.get("output_config")
    form = config.get("format") if isinstance(config, dict) else fields.get("output_format")
    if isinstance(form, dict):
        found.append(encode_text(form))
    return tuple(found)


def last_user_text(fields: Mapping[str, Any]) -> str:
    """The texts of the last user message that holds more than tool results."""
    for message in reversed(fields["messages"]):
        if message.get("role") != "user":
            continue
        content = message.get("content")
        if isinstance(content, list):
            content = [block for block in content if not is_tool_result(block)]
        if texts := part_texts(content):
            return "\n".join(texts)
    return ""


def is_tool_result(block: object) -> bool:
    """Whether a block answers for a tool, such as `tool_result` or `mcp_tool_result`."""
    kind = block.get("type") if isinstance(block, dict) else None
    return isinstance(kind, str) and kind.endswith("tool_result")


def reply_texts(body: bytes) -> tuple[str, ...]:
    """Every text of a reply; of a stream, the fragments of one block are put together."""
    whole = parse_object(body)
    if whole is not None and whole.get("type") == "message":
        content = whole.get("content")
        found = part_texts(content)
        for block in content if isinstance(content, list) else ():
            found += _tool_texts(block)
        return tuple(found)
    gathered: dict[tuple[object, str], list[str]] = {}
    for raw in split(body):
        if (fields := parse_object(event_fields(raw)[1])) is not None:
            for where, text in _event_texts(fields):
                gathered.setdefault(where, []).append(text)
    return tuple("".join(texts) for texts in gathered.values())


def _event_texts(fields: dict[str, Any]) -> Iterator[tuple[tuple[object, str], str]]:
    index = fields.get("index")
    where = index if isinstance(index, int) else 0
    block = fields.get("content_block")
    if isinstance(block, dict):
        for number, text in enumerate(part_texts(block) + _tool_texts(block)):
            yield (where, f"block {number}"), text
    delta = fields.get("delta")
    if isinstance(delta, dict):
        for name in _DELTA_TEXTS:
            for text in strings(delta, name):
                yield (where, name), text


def _tool_texts(block: object) -> list[str]:
    """Name and arguments of a tool call."""
    if not isinstance(block, dict) or not isinstance(block.get("type"), str):
        return []
    if not block["type"].endswith("tool_use"):
        return []
    given = block.get("input")
    return strings(block, "name") + ([encode_text(given)] if given else [])
