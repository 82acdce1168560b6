"""Whole replies from one dialect to the other. Pure; what is no reply is returned as it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scrimp.dialects import anthropic_usage, openai_usage
from scrimp.dialects.json_body import encode, parse_object
from scrimp.translation import endings
from scrimp.translation.chat_turns import tool_input
from scrimp.translation.errors import chat_error, messages_error
from scrimp.translation.message_turns import arguments_of


def to_chat(body: bytes, *, created_s: int) -> bytes:
    """Anthropic's message as OpenAI's completion. It tells no time, so the caller does."""
    fields = parse_object(body)
    if fields is None:
        return body
    if fields.get("type") == "error" or fields.get("error"):
        return encode(chat_error(fields, 0))
    content = fields.get("content")
    if fields.get("type") != "message" or not isinstance(content, list):
        return body
    try:
        return encode(_completion(fields, content, created_s))
    except RecursionError:  # nested more deeply than anything that a provider means
        return body


def _completion(fields: dict[str, Any], content: list[Any], created_s: int) -> dict[str, Any]:
    usage = anthropic_usage.read_usage(fields.get("usage"))
    finish = endings.finish_reason(fields.get("stop_reason"))
    reply: dict[str, Any] = {
        "id": string(fields.get("id")),
        "object": "chat.completion",
        "created": created_s,
        "model": string(fields.get("model")),
        "choices": [
            {
                "index": 0,
                "message": _message(content, fields.get("stop_details")),
                "logprobs": None,
                "finish_reason": finish,
            }
        ],
    }
    if usage is not None:
        reply["usage"] = endings.chat_usage(usage)
    return reply | endings.chat_tier(anthropic_usage.read_tier(fields.get("usage")))


def _message(content: list[Any], details: object) -> dict[str, Any]:
    blocks = [block for block in content if isinstance(block, dict)]
    said = [string(block.get("text")) for block in blocks if block.get("type") == "text"]
    thought = [string(one.get("thinking")) for one in blocks if one.get("type") == "thinking"]
    calls = [
        {
            "id": string(block.get("id")),
            "type": "function",
            "function": {
                "name": string(block.get("name")),
                "arguments": arguments_of(given) if isinstance(given, dict) else "{}",
            },
        }
        for block in blocks
        if block.get("type") == "tool_use"
        for given in (block.get("input"),)
    ]
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "".join(said) if said or not calls else None,
        "refusal": why_refused(details),
    }
    if any(thought):
        message["reasoning_content"] = "".join(thought)
    if calls:
        message["tool_calls"] = calls
    return message


def why_refused(details: object) -> str | None:
    """What Anthropic says of a refusal, for people."""
    why = details.get("explanation") if isinstance(details, dict) else None
    return why if isinstance(why, str) and why else None


def to_messages(body: bytes) -> bytes:
    """OpenAI's completion, its first choice, as Anthropic's message."""
    fields = parse_object(body)
    if fields is None:
        return body
    if fields.get("error"):
        return encode(messages_error(fields, 0))
    choices = fields.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        return body
    try:
        return encode(_made(fields, choice, message))
    except RecursionError:  # nested more deeply than anything that a provider means
        return body


def _made(
    fields: dict[str, Any], choice: dict[str, Any], message: dict[str, Any]
) -> dict[str, Any]:
    content = list(_blocks(message, string(fields.get("id"))))
    refused = bool(string(message.get("refusal")))
    called = any(block["type"] == "tool_use" for block in content)
    why = endings.stop_reason(choice.get("finish_reason"), refused=refused, called=called)
    usage = openai_usage.read_usage(fields.get("usage"))
    stopped_by = stop_sequence(choice) if why == "end_turn" else None
    return {
        "id": string(fields.get("id")),
        "type": "message",
        "role": "assistant",
        "model": string(fields.get("model")),
        "content": content,
        "stop_reason": "stop_sequence" if stopped_by else why,
        "stop_sequence": stopped_by,
        "usage": endings.messages_usage(usage) | endings.messages_tier(fields.get("service_tier")),
    }


def _blocks(message: dict[str, Any], reply_id: str) -> Iterator[dict[str, Any]]:
    for said in (spoken(message.get("content")), string(message.get("refusal"))):
        if said:
            yield {"type": "text", "text": said}
    calls = message.get("tool_calls")
    for number, call in enumerate(calls if isinstance(calls, list) else ()):
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            given = function.get("arguments")
            yield {
                "type": "tool_use",
                "id": string(call.get("id")) or made_id(reply_id, number),
                "name": string(function.get("name")),
                "input": given if isinstance(given, dict) else tool_input(string(given)),
            }


def spoken(content: object) -> str:
    """The text of a chat's content: a string, or of parts those that are text."""
    if isinstance(content, list):
        return "".join(
            string(part.get("text"))
            for part in content
            if isinstance(part, dict) and part.get("type") == "text"
        )
    return string(content)


def stop_sequence(choice: dict[str, Any]) -> str | None:
    """Which stop sequence ended it: no field of OpenAI's, but some servers tell (vLLM)."""
    told = choice.get("stop_reason")
    return told if isinstance(told, str) and told else None


def made_id(reply_id: str, number: int) -> str:
    """An id for a call that came without one."""
    return f"toolu_{reply_id[-40:]}_{number}"


def string(value: object) -> str:
    """A string, or nothing."""
    return value if isinstance(value, str) else ""
