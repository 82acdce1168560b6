"""Lines of batch results of both vendors: whose answer each is, what became of it. Pure.

https://platform.openai.com/docs/guides/batch and
https://platform.claude.com/docs/en/build-with-claude/batch-processing, checked 2026-11-23.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from scrimp.values import Value

Became = Literal["answered", "refused", "undone"]
"""answered: a whole reply, billed · refused: the provider's error, never billed · undone: expired,
cancelled, or failed inside the provider, never billed."""
OWN = "scrimp-"
"""What begins the custom ids of lines that Scrimp itself has sent."""
_TIER = "batch"
_OBJECTS = {
    "chat.completion": "openai.chat",
    "response": "openai.responses",
    "list": "openai.embeddings",
    "message": "anthropic.messages",
}


class Item(Value, frozen=True):
    """One line. `body` is the reply, or the error, as the provider wrote it; `id` is its own."""

    custom_id: str
    id: str
    became: Became
    status: int
    body: bytes


class _Response(msgspec.Struct):
    status_code: int = 0
    request_id: str | None = None
    body: msgspec.Raw = msgspec.Raw(b"")


class _Result(msgspec.Struct):
    type: str = ""
    message: msgspec.Raw = msgspec.Raw(b"")
    error: msgspec.Raw = msgspec.Raw(b"")


class _Line(msgspec.Struct):
    custom_id: str
    id: str = ""
    response: _Response | None = None
    error: msgspec.Raw = msgspec.Raw(b"")
    result: _Result | None = None


class _Kind(msgspec.Struct):
    object: str = ""
    type: str = ""
    id: str = ""
    error: Any = None


_line = msgspec.json.Decoder(_Line)
_kind = msgspec.json.Decoder(_Kind)


def read_line(line: bytes) -> Item | None:
    """What a line says; None for one that is no result of either vendor's."""
    try:
        found = _line.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if found.result is not None:
        return _of_claude(found.custom_id, found.result)
    if (response := found.response) is not None:
        body = bytes(response.body)
        if 200 <= response.status_code < 300:
            return Item(found.custom_id, found.id, "answered", response.status_code, body)
        became: Became = "refused" if 400 <= response.status_code < 500 else "undone"
        became = "undone" if response.status_code in (408, 409, 429) else became
        return Item(found.custom_id, found.id, became, response.status_code, body)
    if found.id and found.error:
        return Item(found.custom_id, found.id, "undone", 0, bytes(found.error))
    return None


def _of_claude(custom_id: str, result: _Result) -> Item | None:
    match result.type:
        case "succeeded":
            body = bytes(result.message)
            return Item(custom_id, _peek(body).id, "answered", 200, body)
        case "errored":
            body = bytes(result.error)
            status = _claude_status(body)
            became: Became = "refused" if 400 <= status < 500 else "undone"
            return Item(custom_id, "", became, status, body)
        case "expired" | "canceled":
            return Item(custom_id, "", "undone", 0, b"")
        case _:
            return None


_CLAUDE_STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
}
"""Anthropic tells the type of a line's error and no status; all others may pass when repeated."""


def _claude_status(body: bytes) -> int:
    error = _peek(body).error
    kind = error.get("type") if isinstance(error, dict) else ""
    return _CLAUDE_STATUS.get(str(kind), 500)


def dialect_of(body: bytes) -> str:
    """In which dialect a reply is; empty when it is none that Scrimp reads."""
    kind = _peek(body)
    return _OBJECTS.get(kind.object) or _OBJECTS.get(kind.type, "")


def tier_of(service_tier: str) -> str:
    """The tier that a line is priced at: whatever it says, it came in a batch."""
    return service_tier if service_tier.lower() == _TIER else _TIER


def _peek(body: bytes) -> _Kind:
    try:
        return _kind.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Kind()


def is_results(method: str, path: str) -> bool:
    """True for a request for the results of a batch, or for a file that may hold some."""
    if method != "GET":
        return False
    match path.partition("?")[0].split("/"):
        case ["", "v1", "files", _, "content"] | ["", "v1", "messages", "batches", _, "results"]:
            return True
        case _:
            return False
