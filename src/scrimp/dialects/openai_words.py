"""What all of OpenAI's dialects share: how errors are worded, which headers matter."""

from __future__ import annotations

from typing import Any

from scrimp.dialects.base import ErrorKind
from scrimp.dialects.json_body import encode

# Type and code as OpenAI's own API gives them, so that its SDKs and their users' code see what
# they know (platform.openai.com, "Error codes"; checked 2026-11).
_ERRORS: dict[ErrorKind, tuple[str, str | None]] = {
    "invalid_request": ("invalid_request_error", None),
    "unauthenticated": ("invalid_request_error", "invalid_api_key"),
    "forbidden": ("invalid_request_error", "permission_denied"),
    "unknown_model": ("invalid_request_error", "model_not_found"),
    "not_found": ("invalid_request_error", "not_found"),
    "rate_limited": ("requests", "rate_limit_exceeded"),
    "budget_exceeded": ("insufficient_quota", "insufficient_quota"),
    "too_large": ("invalid_request_error", "request_too_large"),
    "upstream": ("server_error", None),
    "timeout": ("server_error", "timeout"),
    "internal": ("server_error", None),
}

ANSWER_HEADERS = frozenset({"openai-organization", "openai-project", "openai-beta"})
"""Of a client's headers, those that can change an answer."""

UNREADABLE: dict[str, Any] = {
    "error": {
        "message": "the provider's reply cannot be read",
        "type": "server_error",
        "param": None,
        "code": None,
    }
}
"""What stands in for a reply that is not what it should be."""


def error_fields(kind: ErrorKind, message: str) -> dict[str, Any]:
    """The inside of an error: message, type, param, code."""
    error_type, code = _ERRORS[kind]
    return {"message": message, "type": error_type, "param": None, "code": code}


def error_body(kind: ErrorKind, message: str) -> bytes:
    """A JSON error body."""
    return encode({"error": error_fields(kind, message)})


def error_message(error: object) -> str:
    """The message of a provider's error; empty when there is none."""
    if not error:
        return ""
    message = error.get("message") if isinstance(error, dict) else error
    return message if isinstance(message, str) and message else "the provider gave no message"
