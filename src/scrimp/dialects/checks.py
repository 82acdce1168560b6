"""Type checks of the request fields that Scrimp reads; all other fields pass through unread.

Every function raises InvalidRequest naming the field, never its value. JSON null counts as
absent, as it does at the providers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scrimp.errors import InvalidRequest

Fields = Mapping[str, Any]


def model(fields: Fields) -> str:
    """The model id, which every request must name."""
    value = fields.get("model")
    if value is None or value == "":
        raise InvalidRequest("missing 'model'")
    if not isinstance(value, str):
        raise InvalidRequest("'model' must be a string")
    return value


def messages(fields: Fields) -> list[dict[str, Any]]:
    """The conversation: a list of objects with at least one in it."""
    value = fields.get("messages")
    if value is None:
        raise InvalidRequest("missing 'messages'")
    if not isinstance(value, list) or not value:
        raise InvalidRequest("'messages' must be a list with at least one message")
    for position, message in enumerate(value):
        if not isinstance(message, dict):
            raise InvalidRequest(f"'messages[{position}]' must be an object")
    return value


def flag(fields: Fields, name: str) -> bool:
    """A boolean that is false when absent."""
    value = fields.get(name)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise InvalidRequest(f"'{name}' must be true or false")
    return value


def whole_number(fields: Fields, name: str, *, least: int = 1) -> int | None:
    """An integer of at least `least`, None when absent."""
    value = fields.get(name)
    if value is None:
        return None
    if type(value) is not int:
        raise InvalidRequest(f"'{name}' must be an integer")
    if value < least:
        raise InvalidRequest(f"'{name}' must be at least {least}")
    return value


def text(fields: Fields, name: str) -> str:
    """A string, empty when absent."""
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidRequest(f"'{name}' must be a string")
    return value


def mapping(fields: Fields, name: str) -> dict[str, Any]:
    """An object, empty when absent."""
    value = fields.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidRequest(f"'{name}' must be an object")
    return value


def names_any(fields: Fields, names: frozenset[str]) -> bool:
    """Whether one of these fields, or a `previous_*` one, has a value that says anything."""
    return any((name in names or name.startswith("previous_")) and fields[name] for name in fields)
