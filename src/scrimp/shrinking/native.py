"""A provider's own way to edit a context that grows too long, where its API has one. Pure.

Anthropic: `context_management` with `clear_tool_uses_20250919`, and its beta (types of Anthropic's
SDK 2.12). OpenAI: `truncation` of the responses API (types of OpenAI's SDK 3.54).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scrimp.calls import Headers
from scrimp.values import Value

BETA = "context-management-2025-06-27"
_BETAS = "anthropic-beta"


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


def _with_beta(headers: Headers) -> Headers:
    """Beside other betas that the client asks for."""
    asked = [value for name, value in headers if name == _BETAS]
    if any(BETA in value for value in asked):
        return headers
    others = tuple(header for header in headers if header[0] != _BETAS)
    return (*others, (_BETAS, ",".join([*asked, BETA])))
