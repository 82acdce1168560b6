"""The messages of an OpenAI chat as Anthropic's turns, and the system prompt before them. Pure."""

from __future__ import annotations

from typing import Any

from scrimp.dialects.json_body import parse_object
from scrimp.errors import InvalidRequest
from scrimp.translation.draft import Draft, Fields, items, mapping, safe_id, text, wrong
from scrimp.translation.media import document_block, image_block

Blocks = list[dict[str, Any]]

UNREADABLE_INPUT = "INVALID_JSON"
"""Where arguments that are no JSON object are kept, as Anthropic's documentation advises."""

_KNOWN = {
    "system": ("role", "content"),
    "user": ("role", "content"),
    "tool": ("role", "content", "tool_call_id"),
    "assistant": (
        *("role", "content", "tool_calls", "refusal"),
        *("annotations", "reasoning_content", "reasoning", "prefix"),
    ),
}
_MARKS = ("cache_control", "prompt_cache_breakpoint")


def turns(listed: list[dict[str, Any]], draft: Draft) -> tuple[Blocks, Blocks]:
    """The system prompt's blocks, and the turns. Raises InvalidRequest."""
    system: Blocks = []
    out: Blocks = []
    before = ""
    for number, message in enumerate(listed):
        where = f"messages[{number}]"
        role = _role(message, where, draft)
        if role == "system" and not out:
            system += _texts(message.get("content"), f"{where}.content", draft)
            continue
        turn = _turn(role, message, where, draft)
        # results of parallel calls, and what the user says beside them, are one turn there
        if before == "tool" and role in ("tool", "user"):
            out[-1]["content"] += _blocks(turn["content"])
        elif turn["content"] or role != "assistant":
            out.append(turn)
        before = role
    if not out:
        raise InvalidRequest("'messages' holds a system prompt only: add a message of the user")
    if out[-1]["role"] == "assistant" and listed[-1].get("prefix") is not True:
        raise draft.refusal(
            f"messages[{len(listed) - 1}]",
            "it is the assistant's, and would be continued there: end with a message of the user, "
            "or say that it is to be continued (prefix: true)",
        )
    return system, out


def slim(blocks: Blocks) -> str | Blocks:
    """One plain text as a string, as both vendors' clients write it."""
    if len(blocks) == 1 and blocks[0].keys() == {"type", "text"}:
        plain: str = blocks[0]["text"]
        return plain
    return blocks


def mark(given: Fields) -> dict[str, Any]:
    """Where the provider's prompt cache is asked to keep what came so far."""
    if isinstance(control := given.get("cache_control"), dict):
        return {"cache_control": control}
    if given.get("prompt_cache_breakpoint") is not None:
        return {"cache_control": {"type": "ephemeral"}}
    return {}


def _role(message: Fields, where: str, draft: Draft) -> str:
    role = text(message, "role", where)
    role = "system" if role == "developer" else role
    if role == "function":
        raise draft.refusal(where, "use tools: role 'tool' with a tool_call_id")
    if role not in _KNOWN:
        raise wrong(f"{where}.role", "system, developer, user, assistant or tool")
    if message.get("name"):
        raise draft.refusal(f"{where}.name", "write the name into the text")
    if message.get("function_call") is not None:
        raise draft.refusal(f"{where}.function_call", "use 'tool_calls'")
    draft.only(message, (*_KNOWN[role], "name"), where)
    return role


def _turn(role: str, message: Fields, where: str, draft: Draft) -> dict[str, Any]:
    place, content = f"{where}.content", message.get("content")
    match role:
        case "assistant":
            return {"role": role, "content": slim(_said(message, where, draft))}
        case "tool":
            answered = safe_id(text(message, "tool_call_id", where))
            result: dict[str, Any] = {"type": "tool_result", "tool_use_id": answered}
            if isinstance(content, str):
                return {"role": "user", "content": [{**result, "content": content}]}
            texts = _texts(content, place, draft)
            if texts and (control := texts[-1].pop("cache_control", None)) is not None:
                result["cache_control"] = control  # the whole result's: texts in it take none
            return {"role": "user", "content": [{**result, "content": slim(texts) or ""}]}
        case "system":
            return {"role": role, "content": slim(_texts(content, place, draft))}
        case _:
            if isinstance(content, str):
                return {"role": role, "content": content}
            return {"role": role, "content": _parts(content, place, draft)}


def _blocks(content: str | Blocks) -> Blocks:
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return content


def _texts(content: object, where: str, draft: Draft) -> Blocks:
    """Blocks of what may be text only."""
    if isinstance(content, str):
        return _blocks(content)
    found = []
    for place, part in items(content, where):
        if part.get("type") != "text":
            raise draft.refusal(place, "only text has one here")
        found += _text(part, place, draft)
    return found


def _parts(content: object, where: str, draft: Draft) -> Blocks:
    found = []
    for place, part in items(content, where):
        match part.get("type"):
            case "text":
                found += _text(part, place, draft)
            case "image_url":
                draft.only(part, ("type", "image_url", *_MARKS), place)
                found.append(image_block(part, place, draft) | mark(part))
            case "file":
                draft.only(part, ("type", "file", *_MARKS), place)
                found.append(document_block(part, place, draft) | mark(part))
            case _:
                raise draft.refusal(place, "text, images and files have one")
    return found


def _text(part: Fields, where: str, draft: Draft) -> Blocks:
    """Empty where nothing is said: Anthropic refuses empty texts."""
    draft.only(part, ("type", "text", *_MARKS), where)
    said = text(part, "text", where)
    return [{"type": "text", "text": said} | mark(part)] if said else []


def _said(message: Fields, where: str, draft: Draft) -> Blocks:
    """What the assistant said and called in one turn."""
    for name in ("reasoning_content", "reasoning", "annotations"):
        if message.get(name):
            draft.leave_out(f"messages.{name}")
    content = message.get("content")
    found = [] if content is None else _words(content, f"{where}.content", draft)
    if message.get("refusal") is not None:
        found += _blocks(text(message, "refusal", where))
    if message.get("tool_calls") is not None:
        for place, call in items(message["tool_calls"], f"{where}.tool_calls"):
            found.append(_call(call, place, draft))
    return found


def _words(content: object, where: str, draft: Draft) -> Blocks:
    """The assistant's own words; a refusal of before was said like any other text."""
    if isinstance(content, str):
        return _blocks(content)
    found: Blocks = []
    for place, part in items(content, where):
        if part.get("type") == "refusal":
            found += _blocks(text(part, "refusal", place))
        elif part.get("type") == "text":
            found += _text(part, place, draft)
        else:
            raise draft.refusal(place, "only text has one here")
    return found


def _call(call: Fields, where: str, draft: Draft) -> dict[str, Any]:
    if call.get("type", "function") != "function":
        raise draft.refusal(f"{where}.type", "only 'function' has one")
    function = mapping(call.get("function"), f"{where}.function")
    return {
        "type": "tool_use",
        "id": safe_id(text(call, "id", where)),
        "name": text(function, "name", f"{where}.function"),
        "input": tool_input(text(function, "arguments", f"{where}.function")),
    }


def tool_input(arguments: str) -> dict[str, Any]:
    """Arguments as the object that Anthropic wants; what is none is kept as it was said."""
    if not arguments.strip():
        return {}
    found = parse_object(arguments.encode("utf-8", "surrogatepass"))
    return {UNREADABLE_INPUT: arguments} if found is None else found
