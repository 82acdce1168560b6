"""A provider's own way to edit a context that grows too long, where its API has one. Pure.

Anthropic: `context_management` with `clear_tool_uses_20250919`, and its beta (types of Anthropic's
SDK 2.12), whose replies say how much was cleared. OpenAI: `truncation` of the responses API (types
of OpenAI's SDK 3.54), whose replies do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scrimp.calls import Headers
from scrimp.dialects.json_body import parse_object
from scrimp.values import Value

BETA = "context-management-2025-06-27"
_BETAS = "anthropic-beta"
_APPLIED = b'"applied_edits"'
_FIELDS = (b"context_management", b"context-management", b"truncation")


class Native(Value, frozen=True):
    """Fields and headers that have the provider do it."""

    fields: dict[str, Any]
    headers: Headers


def natively(
    fields: Mapping[str, Any], headers: Headers, whose: tuple[str, str], limit: int, step: int
) -> Native | None:
    """The same call with the provider's own editing; None where it has none, or was told already.

    `whose` are dialect and provider: endpoints that only speak a dialect refuse such fields. Above
    `limit` tokens of input contents of old tool results go, `step` tokens at once at least.
    """
    match whose:
        case ("anthropic.messages", "anthropic"):
            if "context_management" in fields or not fields.get("tools"):
                return None
            edit: dict[str, Any] = {
                "type": "clear_tool_uses_20250919",
                "trigger": {"type": "input_tokens", "value": limit},
            }
            if step:
                edit["clear_at_least"] = {"type": "input_tokens", "value": step}
            new = {**fields, "context_management": {"edits": [edit]}}
            return Native(new, _with_beta(headers))
        case ("openai.responses", "openai"):
            if fields.get("truncation") is not None:
                return None
            return Native({**fields, "truncation": "auto"}, headers)
        case _:
            return None


def is_refusal(status: int, body: bytes) -> bool:
    """True for an error about these very fields: the provider, or this model, has no such way."""
    return status in (400, 403, 404, 422) and any(name in body for name in _FIELDS)


def cleared_tokens(body: bytes | None) -> int:
    """How many tokens of input a provider says it cleared, in a whole reply or a stream."""
    if body is None or _APPLIED not in body:
        return 0
    lines = body.split(b"\n") if body.startswith((b"event:", b"data:")) else [b"data:" + body]
    told = [parse_object(line[5:]) for line in lines if _APPLIED in line]
    return max((_cleared(fields) for fields in told if fields is not None), default=0)


def _cleared(fields: Mapping[str, Any]) -> int:
    management = fields.get("context_management")
    edits = management.get("applied_edits") if isinstance(management, dict) else None
    tokens = [
        edit.get("cleared_input_tokens")
        for edit in (edits if isinstance(edits, list) else ())
        if isinstance(edit, dict)
    ]
    return sum(number for number in tokens if type(number) is int and number > 0)


def _with_beta(headers: Headers) -> Headers:
    """Beside other betas that the client asks for."""
    asked = [value for name, value in headers if name == _BETAS]
    if any(BETA in value for value in asked):
        return headers
    others = tuple(header for header in headers if header[0] != _BETAS)
    return (*others, (_BETAS, ",".join([*asked, BETA])))
