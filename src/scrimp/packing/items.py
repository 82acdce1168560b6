"""Which calls may share a prompt: short questions without tools, files or a form. Pure.

Only fields that are known to mean the same for every item are let through; whatever else a call
says, now or in a later version of an API, leaves it alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec

from scrimp.calls import Request
from scrimp.values import Value

LIMITS = ("max_tokens", "max_completion_tokens")
"""Fields that bound an answer."""
DELIVERY = ("stream", "stream_options")
"""Fields that change nothing but how an answer comes."""

_SORTED = msgspec.json.Encoder(order="sorted")
_LIKE_ALL = frozenset({"model", "messages", *LIMITS, *DELIVERY, "temperature", "top_p"})
_CHAT = _LIKE_ALL | {
    "n",
    "prompt_cache_key",
    "reasoning_effort",
    "safety_identifier",
    "seed",
    "user",
    "verbosity",
}
_FIELDS: Mapping[str, frozenset[str]] = {
    "openai.chat": _CHAT,
    "anthropic.messages": _LIKE_ALL | {"metadata", "system", "top_k"},
}
_RULES = ("system", "developer")
_MESSAGE = {"role", "content"}
_PART = {"type", "text"}


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
    fields = request.fields
    if strange := next((name for name in fields if name not in known), ""):
        return f"field {strange}" if strange.isidentifier() else "field"
    most = request.max_output_tokens
    if request.n > 1 or request.stateful or request.side_effects:
        return "several_choices" if request.n > 1 else "acts"
    if not most or most > bounds.output_tokens:
        return "long_output" if most else "unbounded_output"
    return _short(fields, most, bounds)


def _short(fields: Mapping[str, Any], most: int, bounds: Bounds) -> Item | str:
    *rules, last = fields["messages"]
    text = text_of(last)
    if text is None or not all(_is_rule(message) for message in rules):
        return "not_one_question"
    text = text.strip()
    if not text or len(text.encode()) > bounds.input_bytes:
        return "long_input" if text else "empty"
    said = {name: value for name, value in fields.items() if name not in DELIVERY}
    shared = [rules, said.get("system")]
    said["messages"] = rules
    kind = hashlib.sha256(_SORTED.encode(said)).digest()
    return Item(text, kind, most, len(_SORTED.encode(shared)))


def text_of(message: object) -> str | None:
    """What a person asks in plain text; None for every other message."""
    if not isinstance(message, dict) or message.keys() != _MESSAGE or message["role"] != "user":
        return None
    content = message["content"]
    if isinstance(content, list) and len(content) == 1 and _is_text(content[0]):
        content = content[0]["text"]
    return content if isinstance(content, str) else None


def _is_rule(message: object) -> bool:
    if not isinstance(message, dict) or message.keys() != _MESSAGE:
        return False
    content = message["content"]
    plain = isinstance(content, str) or (
        isinstance(content, list) and all(_is_text(part) for part in content)
    )
    return plain and message["role"] in _RULES


def _is_text(part: object) -> bool:
    return (
        isinstance(part, dict)
        and part.keys() == _PART
        and part["type"] == "text"
        and isinstance(part["text"], str)
    )
