"""From the reply to a packed prompt to one reply for each of its calls. Pure.

A client gets its own text and its own part of the usage. Of the provider's reply only fields go
along that are known to say nothing of the other items.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scrimp.calls import Reply, Usage
from scrimp.dialects.json_body import encode, parse_object
from scrimp.translation.endings import chat_usage, messages_usage, response_usage

_CHAT = ("object", "created", "model", "service_tier", "system_fingerprint")
_MESSAGES = ("type", "role", "model")
_RESPONSE = (
    *("object", "created_at", "model", "service_tier", "background", "instructions", "store"),
    *("temperature", "top_p", "tools", "tool_choice", "parallel_tool_calls", "truncation"),
)
"""What a response says of its call that is the same for every item, the form and limits apart."""
_TOLD = ("service_tier", "speed", "inference_geo")
_WHOLE = ("complete", "truncated")


def packed_answer(reply: Reply, dialect: str) -> str | None:
    """The text that a packed prompt was answered with; None for what is no plain answer."""
    fields = parse_object(reply.body) if reply.body and reply.framing == "json" else None
    if fields is None or reply.status != 200 or reply.facts.error:
        return None
    if not reply.facts.complete or reply.facts.finish not in _WHOLE:
        return None
    match dialect:
        case "openai.chat":
            return _chat_text(fields)
        case "openai.responses":
            return _response_text(fields)
        case _:
            return _messages_text(fields)


def _chat_text(fields: Mapping[str, Any]) -> str | None:
    choices = fields.get("choices")
    message = choices[0].get("message") if isinstance(choices, list) and len(choices) == 1 else None
    if not isinstance(message, dict) or message.get("refusal") or message.get("tool_calls"):
        return None
    content = message.get("content")
    return content if isinstance(content, str) else None


def _messages_text(fields: Mapping[str, Any]) -> str | None:
    blocks = fields.get("content")
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        return None
    texts = [block.get("text") for block in blocks if block.get("type") == "text"]
    if len(texts) != 1 or any(one.get("type") not in ("text", "thinking") for one in blocks):
        return None
    return texts[0] if isinstance(texts[0], str) else None


def _response_text(fields: Mapping[str, Any]) -> str | None:
    """The one text of the one message, thoughts apart."""
    items = fields.get("output")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        return None
    said = [item for item in items if item.get("type") != "reasoning"]
    parts = said[0].get("content") if len(said) == 1 and said[0].get("type") == "message" else None
    part = parts[0] if isinstance(parts, list) and len(parts) == 1 else None
    if not isinstance(part, dict) or part.get("type") != "output_text" or part.get("annotations"):
        return None
    return part["text"] if isinstance(part.get("text"), str) else None


def own_body(reply: bytes, dialect: str, text: str, *, usage: Usage | None, number: int) -> bytes:
    """The JSON reply of one call, in its dialect."""
    fields = parse_object(reply) or {}
    named = f"{fields.get('id') or 'packed'}-{number}"
    match dialect:
        case "openai.chat":
            return encode(_chat(fields, named, text, usage))
        case "openai.responses":
            return encode(_response(fields, named, text, usage))
        case _:
            return encode(_message(fields, named, text, usage))


def _chat(fields: Mapping[str, Any], named: str, text: str, usage: Usage | None) -> object:
    kept = {name: fields[name] for name in _CHAT if name in fields}
    message = {"role": "assistant", "content": text, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    told = {} if usage is None else {"usage": chat_usage(usage)}
    return {"id": named, **kept, "choices": [choice], **told}


def _message(fields: Mapping[str, Any], named: str, text: str, usage: Usage | None) -> object:
    kept = {name: fields[name] for name in _MESSAGES if name in fields}
    whole = fields.get("usage")
    told = {name: whole[name] for name in _TOLD if name in whole} if isinstance(whole, dict) else {}
    return {
        "id": named,
        **kept,
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": messages_usage(usage) | told,
    }


def _response(fields: Mapping[str, Any], named: str, text: str, usage: Usage | None) -> object:
    kept = {name: fields[name] for name in _RESPONSE if name in fields}
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    message = {
        "type": "message",
        "id": f"msg_{named.removeprefix('resp_')}",
        "status": "completed",
        "role": "assistant",
        "content": [part],
    }
    told = {} if usage is None else {"usage": response_usage(usage)}
    ended = {"status": "completed", "error": None, "incomplete_details": None}
    return {"id": named, **kept, **ended, "output": [message], **told}
