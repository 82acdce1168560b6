"""Anthropic's system prompt and turns as the messages of an OpenAI chat. Pure."""

from __future__ import annotations

from typing import Any

from scrimp.dialects.attribution import without_attribution
from scrimp.dialects.json_body import encode
from scrimp.translation.chat_turns import UNREADABLE_INPUT, Blocks
from scrimp.translation.draft import Draft, Fields, items, mapping, text, wrong
from scrimp.translation.media import file_part, image_part

_THOUGHTS = ("thinking", "redacted_thinking")
_FAILED = "Error: "
_BARE = {"type", "text"}
"""The fields of a part that says as much as its text alone: it is not marked."""


def turns(fields: Fields, draft: Draft) -> list[dict[str, Any]]:
    """All messages. Raises InvalidRequest."""
    out: list[dict[str, Any]] = []
    system = without_attribution(fields.get("system"), marked=True)
    if parts := _texts(system, "system", draft) if system is not None else []:
        out.append({"role": "system", "content": _slim(parts)})
    listed = fields["messages"]
    for number, message in enumerate(listed):
        where = f"messages[{number}]"
        draft.only(message, ("role", "content"), where)
        content, place = message.get("content"), f"{where}.content"
        match text(message, "role", where):
            case "user":
                out += _asked(content, place, draft)
            case "assistant":
                out += _said(content, place, draft)
            case "system":
                out.append({"role": "system", "content": _slim(_texts(content, place, draft))})
            case _:
                raise wrong(f"{where}.role", "user, assistant or system")
    if listed[-1]["role"] == "assistant":
        raise draft.refusal(
            f"messages[{len(listed) - 1}]",
            "it begins the answer, which is not continued there: end with a message of the user",
        )
    return out


def _slim(parts: Blocks) -> str | Blocks:
    if not parts:
        return ""
    if len(parts) == 1 and parts[0].keys() == _BARE:
        plain: str = parts[0]["text"]
        return plain
    return parts


def _text(block: Fields, where: str, draft: Draft, *, asked: bool = True) -> dict[str, Any]:
    """A part of text. What was not `asked`, but answered, never carries a mark."""
    draft.only(block, ("type", "text", "cache_control", "citations"), where)
    draft.without(block, "citations")
    said = text(block, "text", where)
    if asked and said:
        return {"type": "text", "text": said, **draft.mark_of(block)}
    draft.without(block, "cache_control")
    return {"type": "text", "text": said}


def _texts(content: object, where: str, draft: Draft) -> Blocks:
    """Parts of what may be text only there."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    found = []
    for place, block in items(content, where):
        if block.get("type") != "text":
            raise draft.refusal(
                place, "only text has one here; put the rest into a message of the user"
            )
        found.append(_text(block, place, draft))
    return found


def _asked(content: object, where: str, draft: Draft) -> list[dict[str, Any]]:
    """Results of tools, each a message of its own, then what the user says beside them."""
    if isinstance(content, str):
        return [{"role": "user", "content": content}]
    results: list[dict[str, Any]] = []
    parts: Blocks = []
    for place, block in items(content, where):
        match block.get("type"):
            case "text":
                parts.append(_text(block, place, draft))
            case "image":
                parts.append(image_part(block, place, draft))
            case "document":
                parts.append(file_part(block, place, draft))
            case "tool_result":
                results.append(_result(block, place, draft))
            case _:
                raise draft.refusal(place, "text, images, documents and tool results have one")
    if parts or not results:
        results.append({"role": "user", "content": _slim(parts)})
    return results


def _result(block: Fields, where: str, draft: Draft) -> dict[str, Any]:
    known = ("type", "tool_use_id", "content", "is_error", "cache_control")
    draft.only(block, known, where)
    content = block.get("content")
    parts = [] if content is None else _texts(content, f"{where}.content", draft)
    if block.get("is_error"):
        parts = _failed(parts)
    if (mark := draft.mark_of(block)) and parts and parts[-1]["text"]:
        parts[-1] = {**parts[-1], **mark}
    answered = text(block, "tool_use_id", where)
    return {"role": "tool", "tool_call_id": answered, "content": _slim(parts)}


def _failed(parts: Blocks) -> Blocks:
    """A chat has no flag for a tool that failed: the model is told in words."""
    first = parts[0]["text"] if parts else ""
    if first[:5].lower() == "error":
        return parts
    begun = parts[0] if parts else {"type": "text"}
    return [{**begun, "text": _FAILED + first}, *parts[1:]]


def _said(content: object, where: str, draft: Draft) -> list[dict[str, Any]]:
    """What the assistant said and called in one turn; a turn of thoughts alone is none."""
    if isinstance(content, str):
        return [{"role": "assistant", "content": content}]
    parts: Blocks = []
    calls: Blocks = []
    for place, block in items(content, where):
        match block.get("type"):
            case "text":
                parts.append(_text(block, place, draft, asked=False))
            case "tool_use":
                calls.append(_call(block, place, draft))
            case str(kind) if kind in _THOUGHTS:
                draft.leave_out(f"messages.{kind}")
            case _:
                raise draft.refusal(place, "text and calls of your own tools have one")
    if not parts and not calls:
        return []
    message: dict[str, Any] = {"role": "assistant", "content": _slim(parts) if parts else None}
    if calls:
        message["tool_calls"] = calls
    return [message]


def _call(block: Fields, where: str, draft: Draft) -> dict[str, Any]:
    draft.only(block, ("type", "id", "name", "input", "caller", "cache_control"), where)
    draft.without(block, "cache_control")
    if block.get("caller") not in (None, {"type": "direct"}):
        raise draft.refusal(f"{where}.caller", "only your own program may have called")
    function = {
        "name": text(block, "name", where),
        "arguments": arguments_of(mapping(block.get("input"), f"{where}.input")),
    }
    return {"id": text(block, "id", where), "type": "function", "function": function}


def arguments_of(given: dict[str, Any]) -> str:
    """A tool's input as the text that a chat has for it."""
    kept = given.get(UNREADABLE_INPUT)
    if isinstance(kept, str) and len(given) == 1:
        return kept
    return encode(given).decode()
