"""Where in a request the texts stand that may be written shorter, in three shapes of API. Pure.

Only texts change: everything else of a message, signatures and unknown fields with it, stays as it
is, and so do the messages that came from the model. A request that nothing changes is None.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from scrimp.shrinking.turns import tool_names

Change = Callable[[str], str]
ByTool = Callable[[str, str], str]
"""The name of a tool and its result: the result in fewer characters, or itself."""

_OUTPUTS = ("function_call_output", "custom_tool_call_output")
_OF_ANTHROPIC = ("tool_use", "tool_result", "thinking", "redacted_thinking", "image", "document")
_TEXTS = ("text", "input_text")
_PROMPTS = ("system", "developer", "user")
RESULT_SIGNS: Mapping[str, bytes] = {
    "openai.chat": b"tool_call_id",
    "openai.responses": b"_call_output",
    "anthropic.messages": b"tool_use_id",
}
"""What stands in a body that holds results of tools, where it is spelled as SDKs spell it."""


def dialect_of(items: Sequence[Any]) -> str:
    """Whose messages these are, by their shapes; OpenAI chat where nothing tells."""
    for item in items:
        if not isinstance(item, dict):
            continue
        if item.get("role") is None and isinstance(item.get("type"), str):
            return "openai.responses"
        blocks = item.get("content")
        blocks = blocks if isinstance(blocks, list) else []
        kinds = [block.get("type") for block in blocks if isinstance(block, dict)]
        if any(kind in ("input_text", "output_text", "input_image") for kind in kinds):
            return "openai.responses"
        if any(kind in _OF_ANTHROPIC for kind in kinds):
            return "anthropic.messages"
    return "openai.chat"


def list_name(dialect: str) -> str:
    """The field that holds the conversation."""
    return "input" if dialect == "openai.responses" else "messages"


def results_changed(fields: Mapping[str, Any], dialect: str, by_tool: ByTool) -> list[Any] | None:
    """The conversation with the results of tools changed; None where nothing was."""
    items = fields.get(list_name(dialect))
    if not isinstance(items, list):
        return None
    names, named = dict[str, str](), 0
    found: list[Any] | None = None
    has_results = _HAS_RESULTS.get(dialect, _has_blocks)
    for number, item in enumerate(items):
        if not isinstance(item, dict) or not has_results(item):
            continue
        if named < number:  # by the calls before it alone: a later one may have its id again
            tool_names(items[named:number], names)
            named = number
        new = _result_changed(item, dialect, names, by_tool)
        if new is not None:
            found = list(items) if found is None else found
            found[number] = new
    return found


def prompts_changed(
    fields: Mapping[str, Any], dialect: str, change: Change
) -> dict[str, Any] | None:
    """The fields with instructions and a person's words changed; None where nothing was."""
    new = dict(fields)
    for name in ("system", "instructions"):
        if (value := _content(fields.get(name), change)) is not None:
            new[name] = value
    where = list_name(dialect)
    items = fields.get(where)
    if isinstance(items, list):
        changed = [_prompt_changed(item, change) for item in items]
        if any(one is not item for one, item in zip(changed, items, strict=True)):
            new[where] = changed
    elif isinstance(items, str) and (value := _content(items, change)) is not None:
        new[where] = value
    return new if any(new[name] is not fields.get(name) for name in new) else None


def _prompt_changed(item: Any, change: Change) -> Any:
    if not isinstance(item, dict) or item.get("role") not in _PROMPTS:
        return item
    new = _content(item.get("content"), change)
    return item if new is None else {**item, "content": new}


def _is_tools(item: Mapping[str, Any]) -> bool:
    return item.get("role") == "tool"


def _is_output(item: Mapping[str, Any]) -> bool:
    return item.get("type") in _OUTPUTS


def _has_blocks(item: Mapping[str, Any]) -> bool:
    return item.get("role") == "user" and isinstance(item.get("content"), list)


_HAS_RESULTS: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "openai.chat": _is_tools,
    "openai.responses": _is_output,
    "anthropic.messages": _has_blocks,
}


def _result_changed(
    item: dict[str, Any], dialect: str, names: Mapping[str, str], by_tool: ByTool
) -> dict[str, Any] | None:
    """The message with its results changed; None where nothing was."""
    if dialect == "anthropic.messages":
        blocks = item["content"]
        changed = [_block_changed(block, names, by_tool) for block in blocks]
        if all(one is block for one, block in zip(changed, blocks, strict=True)):
            return None
        return {**item, "content": changed}
    chat = dialect == "openai.chat"
    where, key = ("content", item.get("tool_call_id")) if chat else ("output", item.get("call_id"))
    name = names.get(key, "") if isinstance(key, str) else ""
    if chat and not name and isinstance(item.get("name"), str):
        name = item["name"]
    value = item.get(where)
    if type(value) is str:  # nearly all are, and there are many
        new = by_tool(name, value)
        return None if new == value else {**item, where: new}
    new = _content(value, lambda text: by_tool(name, text))
    return None if new is None else {**item, where: new}


def _block_changed(block: Any, names: Mapping[str, str], by_tool: ByTool) -> Any:
    """A result of Anthropic's; any other block as it is."""
    if not isinstance(block, dict) or block.get("type") != "tool_result":
        return block
    key = block.get("tool_use_id")
    name = names.get(key, "") if isinstance(key, str) else ""
    new = _content(block.get("content"), lambda text: by_tool(name, text))
    return block if new is None else {**block, "content": new}


def _content(content: Any, change: Change) -> Any:
    """A text or a list of parts, changed; None where nothing was."""
    if isinstance(content, str):
        new = change(content)
        return None if new == content else new
    if not isinstance(content, list):
        return None
    parts = [_part(part, change) for part in content]
    same = all(one is part for one, part in zip(parts, content, strict=True))
    return None if same else parts


def _part(part: Any, change: Change) -> Any:
    """A text without notes on it (citations point into a text by its characters)."""
    if not isinstance(part, dict) or part.get("type") not in _TEXTS or part.get("citations"):
        return part
    text = part.get("text")
    if not isinstance(text, str) or (new := change(text)) == text:
        return part
    return {**part, "text": new}
