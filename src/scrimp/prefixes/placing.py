"""Where a prompt of Anthropic's messages may be marked, and the prompt with its marks. Pure.

A prompt is tools, then system, then messages (Anthropic's page on prompt caching, read 2026-11-22).
It may be marked at the last tool, the last block of system, and the last block of each message.
Tools with `defer_loading` are no part of a prompt and carry no mark: with one Anthropic refuses the
call (its page on tool use with prompt caching, read 2026-11-23). Other choices of tools, thinking
or output form make another prompt of the messages.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from scrimp.dialects.attribution import without_attribution
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
    tools, system = fields.get("tools"), without_attribution(fields.get("system"))
    if isinstance(tools, list) and tools:
        last, loaded = _loaded(tools)
        if last >= 0:
            yield Part(("tools", last), loaded, _tool_ends(tools[last]))
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


def _loaded(tools: list[Any]) -> tuple[int, list[Any]]:
    """Where the last tool stands that is in the prompt from its beginning (-1: none), and those."""
    late = [
        isinstance(tool, dict)
        and tool.get("defer_loading") is True
        and "cache_control" not in tool  # its client says itself how the call is cached
        for tool in tools
    ]
    if True not in late:
        return len(tools) - 1, tools
    found = [at for at, is_late in enumerate(late) if not is_late]
    return (found[-1], [tools[at] for at in found]) if found else (-1, [])


def _tool_ends(tool: object) -> Ends:
    """A set of tools some of which may come later is not marked: nobody tells which is its last."""
    if not isinstance(tool, dict):
        return "no"
    is_set = "default_config" in tool or "configs" in tool
    return "no" if is_set and b'"defer_loading":true' in encode(tool) else "marked"


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
