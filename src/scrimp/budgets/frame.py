"""A request without the texts of its conversation, to look for parts that are no text. Pure.

A search for a dozen signs through all that was said takes longer than most levers do; what is left
without it is short, and no sign is found in it that somebody merely wrote.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scrimp.calls import Request
from scrimp.dialects.json_body import encode

_LISTS = ("messages", "input")
_HOLDERS = ("content", "output", "text")
"""Fields of messages, results and parts that hold a text, or parts with texts of their own."""


def frame_of(request: Request) -> bytes:
    """The request in JSON, its conversation's texts left out; without odd escapes."""
    fields = request.fields
    told = {name: _emptied_all(fields[name]) for name in _LISTS if type(fields.get(name)) is list}
    return encode({**fields, **told} if told else fields)


def _emptied_all(items: list[Any]) -> list[Any]:
    return [_emptied(item) if type(item) is dict else item for item in items]


def _emptied(item: Mapping[str, Any]) -> dict[str, Any]:
    """A message, a result or a part without its texts; all other fields stay."""
    new = dict(item)
    for name in _HOLDERS:
        value = item.get(name)
        if type(value) is str:
            new[name] = ""
        elif type(value) is list:
            new[name] = _emptied_all(value)
    return new
