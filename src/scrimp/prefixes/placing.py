"""Where a prompt of Anthropic's messages may be marked, and the prompt with its marks. Pure.

A prompt is tools, then system, then messages (Anthropic's page on prompt caching, read 2026-11-22).
It may be marked at the last tool, the last block of system, and the last block of each message.
Other choices of tools, thinking or output form make another prompt of the messages.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from scrimp.dialects.json_body import encode
from scrimp.prefixes.prompt import Ends, Part, Place

Control = Mapping[str, str]


_CHOICES = ("tool_choice", "thinking", "output_config", "output_format")
_MARKABLE = frozenset({"text", "image", "document", "tool_use", "tool_result"})


def control_of(life: str) -> Control:
    """What marks for so long."""
    return {"type": "ephemeral"} if life == "5m" else {"type": "ephemeral", "ttl": life}


def claude_parts(fields: Mapping[str, Any]) -> Iterator[Part]:
    """The parts of a prompt in their order."""
    tools, system = fields.get("tools"), fields.get("system")
    if isinstance(tools, list) and tools:
        ends: Ends = "marked" if isinstance(tools[-1], dict) else "no"
        yield Part(("tools", len(tools) - 1), tools, ends)
    if system:
        yield Part(("system", 0), system, _may_end(system))
    yield Part(("choices", -1), encode([fields.get(name) for name in _CHOICES]), "no")
    for number, message in enumerate(fields["messages"]):
        content = message.get("content") if isinstance(message, dict) else None
        yield Part(("messages", number), message, _may_end(content))


def claude_marked(
    fields: Mapping[str, Any], places: Collection[Place], control: Control
) -> dict[str, Any]:
    """The same prompt with marks at these places; what the client gave is not changed."""
    new = dict(fields)
    for name, at in places:
        if name == "system":
            new["system"] = _content(new["system"], control)
            continue
        items = list(new[name])
        if name == "tools":
            items[at] = {**items[at], "cache_control": control}
        else:
            items[at] = {**items[at], "content": _content(items[at]["content"], control)}
        new[name] = items
    return new


def _may_end(content: object) -> Ends:
    """Where the last block may carry a mark: empty text and thinking may not."""
    if isinstance(content, list):
        last = content[-1] if content else None
        if not isinstance(last, dict) or last.get("type") not in _MARKABLE:
            return "no"
        return "marked" if last["type"] != "text" or last.get("text") else "no"
    return "marked" if content and isinstance(content, str) else "no"


def _content(content: Any, control: Control) -> list[Any]:
    if isinstance(content, str):
        return [{"type": "text", "text": content, "cache_control": control}]
    return [*content[:-1], {**content[-1], "cache_control": control}]
