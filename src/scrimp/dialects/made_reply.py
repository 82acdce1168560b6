"""An answer that a person wrote, as the reply that a vendor would have sent. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scrimp.calls import Usage
from scrimp.dialects.json_body import encode
from scrimp.errors import InvalidRequest


def made_reply(
    dialect: str, text: str, *, model: str, usage: Usage, number: str, at_s: int
) -> bytes:
    """The JSON body; `number` makes its ids. Raises InvalidRequest where answers are no texts."""
    match dialect:
        case "openai.chat":
            fields = _chat(text, usage, number, at_s)
        case "anthropic.messages":
            fields = _messages(text, usage, number)
        case "openai.responses":
            fields = _response(text, usage, number, at_s)
        case _:
            raise InvalidRequest(f"an answer of {dialect} is no text that could be given")
    return encode({**fields, "model": model})


def _chat(text: str, usage: Usage, number: str, at_s: int) -> Mapping[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": text,
        "refusal": None,
        "annotations": [],
    }
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": at_s,
        "choices": [choice],
        "usage": {
            "prompt_tokens": usage.input_tokens,
            "completion_tokens": usage.output_tokens,
            "total_tokens": usage.input_tokens + usage.output_tokens,
        },
    }


def _messages(text: str, usage: Usage, number: str) -> Mapping[str, Any]:
    return {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": usage.input_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": usage.output_tokens,
        },
    }


def _response(text: str, usage: Usage, number: str, at_s: int) -> Mapping[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": []}
    said = {
        "type": "message",
        "id": f"msg_{number}",
        "status": "completed",
        "role": "assistant",
        "content": [part],
    }
    return {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": at_s,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "output": [said],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": usage.input_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": usage.output_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": usage.input_tokens + usage.output_tokens,
        },
    }
