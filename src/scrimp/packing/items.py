"""Which calls may share a prompt: short questions without tools or files. Pure.

Only fields that are known to mean the same for every item are let through; whatever else a call
says, now or in a later version of an API, leaves it alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeGuard

import msgspec

from scrimp.calls import Request
from scrimp.packing.forms import FIELDS, strange_form
from scrimp.values import Value

LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
"""Fields that bound an answer."""
DELIVERY = ("stream", "stream_options")
"""Fields that change nothing but how an answer comes."""

_SORTED = msgspec.json.Encoder(order="sorted")
_LIKE_ALL = frozenset({"model", "messages", *LIMITS[:2], *DELIVERY, "temperature", "top_p"})
_CHAT = _LIKE_ALL | {
    "n",
    "prompt_cache_key",
    "reasoning_effort",
    "safety_identifier",
    "seed",
    "user",
    "verbosity",
}
_RESPONSES = frozenset(
    {
        *("model", "input", "instructions", LIMITS[2], *DELIVERY, "temperature", "top_p"),
        *("prompt_cache_key", "reasoning", "safety_identifier", "store", "truncation", "user"),
    }
)
_FIELDS: Mapping[str, frozenset[str]] = {
    "openai.chat": _CHAT | {*FIELDS["openai.chat"]},
    "openai.responses": _RESPONSES | {*FIELDS["openai.responses"]},
    "anthropic.messages": _LIKE_ALL
    | {"metadata", "system", "top_k", *FIELDS["anthropic.messages"]},
}
_RULES = ("system", "developer")
_MESSAGE = {"role", "content"}
_PART = {"type", "text"}
_TEXTS = ("text", "input_text")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How short a call has to be."""

    input_bytes: int = 4000
    output_tokens: int = 256


class Item(Value, frozen=True):
    """One call's part of a prompt. Calls of one `kind` differ in nothing but their `text`.

    `rules_bytes` is the size of what they share: the system's part of the prompt.
    """

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"text"})

    text: str
    kind: bytes
    most_tokens: int
    rules_bytes: int


def item_of(request: Request, dialect: str, bounds: Bounds) -> Item | str:
    """The call as an item, or in a word why it is asked by itself."""
    if (known := _FIELDS.get(dialect)) is None:
        return "dialect"
    fields, most = request.fields, request.max_output_tokens
    if strange := next((name for name in fields if name not in known), ""):
        return f"field {strange}" if strange.isidentifier() else "field"
    if not most or most > bounds.output_tokens:
        return "long_output" if most else "unbounded_output"
    if why := _shares_nothing(request, dialect) or strange_form(fields, dialect):
        return why
    return _short(fields, dialect, most, bounds)


def _shares_nothing(request: Request, dialect: str) -> str:
    if request.n > 1:
        return "several_choices"
    if request.stateful or request.side_effects:
        return "acts"
    # the provider would keep one response for all of them, by an id that no client gets
    kept = dialect == "openai.responses" and request.fields.get("store") is not False
    return "stored" if kept else ""


def _short(fields: Mapping[str, Any], dialect: str, most: int, bounds: Bounds) -> Item | str:
    *rules, last = turns_of(fields) or [None]
    text = text_of(last)
    if text is None or not all(_is_rule(message) for message in rules):
        return "not_one_question"
    text = text.strip()
    if not text or len(text.encode()) > bounds.input_bytes:
        return "long_input" if text else "empty"
    said = {name: value for name, value in fields.items() if name not in DELIVERY}
    forms = [said.get(name) for name in FIELDS[dialect]]
    shared = [rules, said.get("system"), said.get("instructions"), *forms]
    said["input" if "input" in said else "messages"] = rules
    kind = hashlib.sha256(_SORTED.encode(said)).digest()
    return Item(text, kind, most, len(_SORTED.encode(shared)))


def turns_of(fields: Mapping[str, Any]) -> list[Any]:
    """All messages of a call; a plain text is one of the user's."""
    given = fields.get("input") if "input" in fields else fields.get("messages")
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    return given if isinstance(given, list) else []


def text_of(message: object) -> str | None:
    """What a person asks in plain text; None for every other message."""
    if not _is_plain(message) or message["role"] != "user":
        return None
    content = message["content"]
    if isinstance(content, list) and len(content) == 1 and _is_text(content[0]):
        content = content[0]["text"]
    return content if isinstance(content, str) else None


def _is_rule(message: object) -> bool:
    if not _is_plain(message):
        return False
    content = message["content"]
    plain = isinstance(content, str) or (
        isinstance(content, list) and all(_is_text(part) for part in content)
    )
    return plain and message["role"] in _RULES


def _is_plain(message: object) -> TypeGuard[dict[str, Any]]:
    """A message of role and content alone; in responses it may say that it is a message."""
    if not isinstance(message, dict):
        return False
    named = message.get("type", "message") == "message"
    return named and message.keys() - {"type"} == _MESSAGE


def _is_text(part: object) -> bool:
    return (
        isinstance(part, dict)
        and part.keys() == _PART
        and part["type"] in _TEXTS
        and isinstance(part["text"], str)
    )
