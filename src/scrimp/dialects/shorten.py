"""A request that may be answered in fewer tokens, and a line of ours at the end of an answer. Pure.

A notice stands below plain text only: never below JSON, code, or the call of a tool.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scrimp.calls import Request
from scrimp.dialects.base import Dialect
from scrimp.dialects.json_body import encode, parse_object

_NEW_NAME = ("gpt-", "chatgpt-", "o1", "o3", "o4")
"""Models of OpenAI's, of which some refuse `max_tokens`; others' servers may know nothing else."""


def shortened(request: Request, dialect: Dialect, model: str, most: int) -> Request | None:
    """The request with at most so many output tokens; None where that cannot be asked for."""
    fields = request.fields
    names: tuple[str, ...]
    match dialect.name:
        case "openai.chat":
            names = tuple(n for n in ("max_tokens", "max_completion_tokens") if fields.get(n))
            new = model.rpartition("/")[2].startswith(_NEW_NAME)
            names = names or (("max_completion_tokens",) if new else ("max_tokens",))
        case "openai.responses":
            names = ("max_output_tokens",)
        case "anthropic.messages":
            thinking = fields.get("thinking")
            if isinstance(thinking, Mapping) and thinking.get("type") == "enabled":
                return None  # its budget must be below the limit, and is 1,024 tokens at least
            names = ("max_tokens",)
        case _:
            return None
    limit = request.max_output_tokens
    if limit is not None and limit <= most:
        return request
    return dialect.read_request(encode({**fields, **dict.fromkeys(names, most)}))


def wants_text(request: Request) -> bool:
    """False for a call that asks for JSON, by any of the dialects' fields."""
    fields = request.fields
    return not any(
        _is_form(form)
        for form in (
            fields.get("response_format"),
            _inside(fields.get("text"), "format"),
            _inside(fields.get("output_config"), "format"),
            fields.get("output_format"),
        )
    )


def with_notice(body: bytes, dialect: str, notice: str) -> bytes | None:
    """A whole JSON reply with a line at its end; None where there is no plain text to end."""
    fields = parse_object(body)
    if fields is None:
        return None
    match dialect:
        case "openai.chat":
            added = _below_choices(fields, notice)
        case "openai.responses":
            added = _below_output(fields, notice)
        case "anthropic.messages":
            added = _below_content(fields, notice)
        case _:
            added = False
    return encode(fields) if added else None


def _below_choices(fields: dict[str, Any], notice: str) -> bool:
    messages = [_inside(choice, "message") for choice in _list(fields.get("choices"))]
    texts = [_inside(message, "content") for message in messages]
    if not texts or not all(map(_is_plain, texts)):
        return False
    for message in messages:
        message["content"] += f"\n\n{notice}"
    return True


def _below_output(fields: dict[str, Any], notice: str) -> bool:
    items = [item for item in _list(fields.get("output")) if isinstance(item, dict)]
    parts = _list(items[-1].get("content")) if items else []
    part = parts[-1] if parts else None
    if not isinstance(part, dict) or part.get("type") != "output_text":
        return False
    if not _is_plain(part.get("text")):
        return False
    part["text"] += f"\n\n{notice}"
    return True


def _below_content(fields: dict[str, Any], notice: str) -> bool:
    blocks = _list(fields.get("content"))
    last = blocks[-1] if blocks else None
    if not isinstance(last, dict) or last.get("type") != "text" or not _is_plain(last.get("text")):
        return False
    blocks.append({"type": "text", "text": f"\n\n{notice}"})
    return True


def _is_plain(text: object) -> bool:
    """True for prose: neither empty, nor with code in it, nor JSON by its looks."""
    if not isinstance(text, str) or not text.strip() or "```" in text:
        return False
    return text.lstrip()[0] not in "{[<"


def _is_form(value: object) -> bool:
    return value is not None and _inside(value, "type") not in (None, "text")


def _inside(value: object, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else None


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
