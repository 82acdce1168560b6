"""Where prompts in OpenAI's dialects may be marked, and the prompts with their marks. Pure.

OpenAI renders tools before all messages, and other forms of output, effort or tier are another
prompt (its guide to prompt caching, and the reasons in its SDK's diagnostics; read 2026-11-23). A
breakpoint stands at a block of what goes in, never at one of the assistant's; without marks only,
the end of the latest part is kept. A chat that is translated for a Claude takes Anthropic's marks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from scrimp.dialects.json_body import encode
from scrimp.prefixes.placing import Control
from scrimp.prefixes.prompt import Ends, Part, Place

BREAKPOINT: Mapping[str, Any] = {"prompt_cache_breakpoint": {"mode": "explicit"}}

Fields = Mapping[str, Any]


_SHAPES = ("response_format", "reasoning_effort", "verbosity", "service_tier", "functions")
_RESPONSE_SHAPES = ("text", "reasoning", "service_tier")
_CLAUDE_CHOICES = ("tool_choice", "reasoning_effort", "response_format")
_SYSTEM = ("system", "developer")
_BLOCKS = frozenset({"text", "image_url", "file", "input_text", "input_image", "input_file"})
_TEXTS = frozenset({"text", "input_text"})
_RESULTS = frozenset({"function_call_output", "custom_tool_call_output"})
"""Results that may be a list of blocks instead of a string (types of OpenAI's SDK 3.54)."""


def chat_parts(fields: Fields) -> Iterator[Part]:
    """Of a chat, as OpenAI renders it."""
    yield Part(("choices", -1), encode([fields.get(name) for name in _SHAPES]), "no")
    yield from _tools(fields, "no")
    for number, message in enumerate(fields["messages"]):
        yield Part(("messages", number), message, _chat_ends(message))


def responses_parts(fields: Fields) -> Iterator[Part]:
    """Of a request for a response, as OpenAI renders it."""
    yield Part(("choices", -1), encode([fields.get(name) for name in _RESPONSE_SHAPES]), "no")
    yield from _tools(fields, "no")
    if fields.get("instructions"):
        yield Part(("instructions", 0), fields["instructions"], "no")
    given = fields.get("input")
    if isinstance(given, str):
        yield Part(("input", 0), given, "marked" if given else "no")
        return
    for number, item in enumerate(given if isinstance(given, list) else ()):
        yield Part(("input", number), item, _item_ends(item))


def translated_parts(fields: Fields) -> Iterator[Part]:
    """Of a chat that will be one of Anthropic's prompts: choices come after the system prompt."""
    yield from _tools(fields, "marked")
    begun = False
    for number, message in enumerate(fields["messages"]):
        role = message.get("role") if isinstance(message, dict) else None
        if not begun and role not in _SYSTEM:
            begun = True
            choices = encode([fields.get(name) for name in _CLAUDE_CHOICES])
            yield Part(("choices", -1), choices, "no")
        yield Part(("messages", number), message, _translated_ends(message))


def chat_marked(fields: Fields, places: Collection[Place], mark: Fields) -> dict[str, Any]:
    """The same chat with a mark at these places; what the client gave is not changed."""
    return _marked(fields, places, mark, "text")


def responses_marked(fields: Fields, places: Collection[Place], mark: Fields) -> dict[str, Any]:
    """The same request with a mark at these places.

    All results of tools before the last of them become lists, as those that are marked must: nobody
    tells that a list renders as its string does, and what was kept once must come again as it was.
    """
    if places and isinstance(given := fields["input"], str):
        content = [{"type": "input_text", "text": given, **mark}]
        return {**fields, "input": [{"role": "user", "content": content}]}
    new = _marked(fields, places, mark, "input_text")
    for at in range(max([at for _, at in places], default=0)):
        item = new["input"][at]
        if _is_result(item) and isinstance(item["output"], str):
            block = {"type": "input_text", "text": item["output"]}
            new["input"][at] = {**item, "output": [block]}
    return new


def translated_marked(
    fields: Fields, places: Collection[Place], control: Control
) -> dict[str, Any]:
    """The same chat with Anthropic's marks, which its translation keeps."""
    return _marked(fields, places, {"cache_control": control}, "text")


def _tools(fields: Fields, ends: Ends) -> Iterator[Part]:
    tools = fields.get("tools")
    if isinstance(tools, list) and tools:
        marked = ends if isinstance(tools[-1], dict) else "no"
        yield Part(("tools", len(tools) - 1), tools, marked)


def _marked(
    fields: Fields, places: Collection[Place], mark: Fields, text_type: str
) -> dict[str, Any]:
    new = dict(fields)
    for name, at in places:
        items = list(new[name])
        if name == "tools":
            items[at] = {**items[at], **mark}
        else:
            field = "output" if items[at].get("output") else "content"
            content = _content(items[at][field], mark, text_type)
            items[at] = {**items[at], field: content}
        new[name] = items
    return new


def _content(content: Any, mark: Fields, text_type: str) -> list[Any]:
    if isinstance(content, str):
        return [{"type": text_type, "text": content, **mark}]
    return [*content[:-1], {**content[-1], **mark}]


def _chat_ends(message: object) -> Ends:
    """OpenAI takes no breakpoint in what the assistant said."""
    if not isinstance(message, dict) or message.get("role") == "assistant":
        return "no"
    return "marked" if _may_end(message.get("content")) else "no"


def _translated_ends(message: object) -> Ends:
    if not isinstance(message, dict) or message.get("tool_calls") or message.get("refusal"):
        return "no"  # what it called, or refused, comes after what it said
    return "marked" if _may_end(message.get("content")) else "no"


def _item_ends(item: object) -> Ends:
    """Results that can be nothing but strings carry no mark."""
    if not isinstance(item, dict) or item.get("role") == "assistant":
        return "no"
    if isinstance(item.get("output"), str) and not _is_result(item):
        return "latest"
    return "marked" if _may_end(item.get("output") or item.get("content")) else "no"


def _is_result(item: object) -> bool:
    """Whether it is one that may be a list, and is not empty."""
    return isinstance(item, dict) and item.get("type") in _RESULTS and bool(item.get("output"))


def _may_end(content: object) -> bool:
    if isinstance(content, list):
        last = content[-1] if content else None
        if not isinstance(last, dict) or last.get("type") not in _BLOCKS:
            return False
        return last["type"] not in _TEXTS or bool(last.get("text"))
    return isinstance(content, str) and bool(content)
