"""Errors and headers of one vendor in the words of the other. Pure.

The status stays the provider's own, and so do its message and what it says of when to come back.
Types are those of both vendors' error pages (checked 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scrimp.calls import Headers
from scrimp.dialects.json_body import encode, parse_object

_NO_WORDS = "the provider gave no message"
_TO_CHAT: Mapping[str, tuple[str, str | None]] = {
    "invalid_request_error": ("invalid_request_error", None),
    "authentication_error": ("invalid_request_error", "invalid_api_key"),
    "billing_error": ("insufficient_quota", "insufficient_quota"),
    "permission_error": ("invalid_request_error", "permission_denied"),
    "not_found_error": ("invalid_request_error", "model_not_found"),
    "request_too_large": ("invalid_request_error", "request_too_large"),
    "rate_limit_error": ("requests", "rate_limit_exceeded"),
    "timeout_error": ("server_error", "timeout"),
    "overloaded_error": ("server_error", "overloaded"),
    "api_error": ("server_error", None),
}
_BY_STATUS: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_BY_TYPE: Mapping[str, str] = {
    "invalid_request_error": "invalid_request_error",
    "insufficient_quota": "billing_error",
    "requests": "rate_limit_error",
    "tokens": "rate_limit_error",
    "rate_limit_exceeded": "rate_limit_error",
}
_TOO_LONG = ("prompt is too long", "input length and `max_tokens` exceed context limit")
_TOO_LONG_CODE = "context_length_exceeded"
_REQUEST_IDS = ("request-id", "x-request-id")
_ID_NAME = {"openai.chat": "x-request-id", "anthropic.messages": "request-id"}
_OF_OTHERS = {
    "anthropic.messages": ("openai-", "x-stainless-"),
    "openai.chat": ("anthropic-", "x-stainless-"),
}
"""Headers that mean nothing to who speaks a dialect, but something to another vendor."""
VERSION = ("anthropic-version", "2023-06-01")
"""What Anthropic's API must be told (its API reference, versions)."""


def chat_error(fields: Mapping[str, Any], status: int) -> dict[str, Any]:
    """An error body of Anthropic's as OpenAI words it."""
    kind, message = _said(fields.get("error"))
    kind = kind if kind in _TO_CHAT else _BY_STATUS.get(status, "api_error")
    error_type, code = _TO_CHAT[kind]
    if kind == "invalid_request_error" and message.startswith(_TOO_LONG):
        code = _TOO_LONG_CODE
    return {"error": {"message": message, "type": error_type, "param": None, "code": code}}


def messages_error(fields: Mapping[str, Any], status: int) -> dict[str, Any]:
    """An error body of OpenAI's as Anthropic words it; the status says more than its type."""
    kind, message = _said(fields.get("error"))
    named = _BY_STATUS.get(status) or (_BY_TYPE.get(kind, "api_error") if not status else "")
    named = named or ("api_error" if status >= 500 else "invalid_request_error")
    return {"type": "error", "error": {"type": named, "message": message}}


def _said(error: object) -> tuple[str, str]:
    if not isinstance(error, dict):
        return "", error if isinstance(error, str) and error else _NO_WORDS
    kind, message = error.get("type"), error.get("message")
    return (
        kind if isinstance(kind, str) else "",
        message if isinstance(message, str) and message else _NO_WORDS,
    )


def error_body(body: bytes, status: int, headers: Headers, *, said: str) -> bytes:
    """A provider's error body in the dialect `said`; empty when it is none that can be read."""
    fields = parse_object(body)
    if fields is None or not fields.get("error"):
        return b""
    if said == "openai.chat":
        return encode(chat_error(fields, status))
    made = messages_error(fields, status)
    if request_id := next((value for name, value in headers if name in _REQUEST_IDS), ""):
        made["request_id"] = request_id
    return encode(made)


def is_out_of_money(body: bytes) -> bool:
    """True when OpenAI refuses because nothing is left to spend: no time mends that."""
    fields = parse_object(body)
    error = fields.get("error") if fields is not None else None
    return isinstance(error, dict) and "insufficient_quota" in (
        error.get("code"),
        error.get("type"),
    )


def sent_headers(headers: Headers, spoken: str) -> Headers:
    """The client's headers for a provider of the other vendor's dialect."""
    others = _OF_OTHERS[spoken]
    kept = tuple(pair for pair in headers if not pair[0].startswith(others))
    if spoken != "anthropic.messages" or any(name == VERSION[0] for name, _ in kept):
        return kept
    return (*kept, VERSION)


def told_headers(headers: Headers, said: str) -> Headers:
    """The provider's headers for the client: the request's id under the name that its SDK reads."""
    name = _ID_NAME[said]
    if any(pair[0] == name for pair in headers):
        return headers
    return tuple((name, value) if key in _REQUEST_IDS else (key, value) for key, value in headers)


def credential_for(credential: tuple[str, str] | None, spoken: str) -> tuple[str, str] | None:
    """A client's own key in the header that the provider's dialect reads."""
    if credential is None:
        return None
    name, value = credential
    if spoken == "anthropic.messages" and name == "authorization":
        scheme, _, token = value.partition(" ")
        return ("x-api-key", token.strip()) if scheme.lower() == "bearer" else credential
    if spoken == "openai.chat" and name == "x-api-key":
        return "authorization", f"Bearer {value}"
    return credential
