"""Where a prompt of Anthropic's messages may be marked, and the prompt with its marks. Pure.

A prompt is tools, then system, then messages (Anthropic's page on prompt caching, read 2026-11-22).
It may be marked at the last tool, the last block of system, and the last block of each message.
Other choices of tools, thinking or output form make another prompt of the messages.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scrimp.dialects.json_body import encode
from scrimp.prefixes.seen import Piece

OWN_MARK = b'"cache_control"'
"""Stands in the body of a call whose client marks it itself."""

Place = tuple[str, int]
"""`tools`, `system` or `messages`, and which one of them."""

_BYTES_PER_TOKEN = 4
_CHOICES = ("tool_choice", "thinking", "output_config", "output_format")
_MARKABLE = frozenset({"text", "image", "document", "tool_use", "tool_result"})


def places_of(fields: Mapping[str, Any], model: str) -> tuple[list[Piece], list[Place]]:
    """The places of a prompt, each with a digest of all before it. Tokens are by its bytes."""
    digest = hashlib.sha256(model.encode())  # in hardware twice as fast as BLAKE2
    size = 0
    pieces: list[Piece] = []
    places: list[Place] = []
    for place, data, may_be_marked in _parts(fields):
        digest.update(b"%d:" % len(data))
        digest.update(data)
        size += len(data)
        if may_be_marked:
            pieces.append(Piece(digest.digest(), size // _BYTES_PER_TOKEN))
            places.append(place)
    return pieces, places


def marked(fields: Mapping[str, Any], places: Sequence[Place], life: str) -> dict[str, Any]:
    """The same prompt with marks at these places; what the client gave is not changed."""
    control = {"type": "ephemeral"} if life == "5m" else {"type": "ephemeral", "ttl": life}
    new = dict(fields)
    for name, at in places:
        if name == "system":
            new["system"] = _content(new["system"], control)
            continue
        items = list(new[name])
        if name == "tools":
            items[at] = {**items[at], "cache_control": control}
        else:
            items[at] = {**items[at], "content": _content(items[at]["content"], control)}
        new[name] = items
    return new


def _parts(fields: Mapping[str, Any]) -> Iterator[tuple[Place, bytes, bool]]:
    tools, system = fields.get("tools"), fields.get("system")
    if isinstance(tools, list) and tools:
        yield ("tools", len(tools) - 1), encode(tools), isinstance(tools[-1], dict)
    if system:
        yield ("system", 0), encode(system), _may_end(system)
    yield ("messages", -1), encode([fields.get(name) for name in _CHOICES]), False
    for number, message in enumerate(fields["messages"]):
        content = message.get("content") if isinstance(message, dict) else None
        yield ("messages", number), encode(message), _may_end(content)


def _may_end(content: object) -> bool:
    """True where the last block may carry a mark: empty text and thinking may not."""
    if isinstance(content, list) and content and isinstance(content[-1], dict):
        last = content[-1]
        kind = last.get("type")
        return kind in _MARKABLE and (kind != "text" or bool(last.get("text")))
    return isinstance(content, str) and bool(content)


def _content(content: Any, control: Mapping[str, str]) -> list[Any]:
    if isinstance(content, str):
        return [{"type": "text", "text": content, "cache_control": control}]
    return [*content[:-1], {**content[-1], "cache_control": control}]
