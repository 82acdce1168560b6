"""Messages as a program holds them: mappings, and objects of an SDK among them.

What an SDK answered is put into the next call as it is: a message, items of output, or a list of
blocks. They are read as the SDK would send them, and handed back as they were given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scrimp.errors import InvalidRequest

_LANGCHAIN = ("human", "ai", "system", "tool", "function", "chat", "remove")
"""Types of its messages, which no API knows: they would stay, all of them, as what nobody knows."""


class Said:
    """A conversation. `items` are its messages as JSON has them; what is such already is itself.

    Raises InvalidRequest for what is no message of any of the three APIs.
    """

    __slots__ = ("_given", "items")

    def __init__(self, messages: Sequence[Any]) -> None:
        self.items: list[Any] = [_message(one, at) for at, one in enumerate(messages)]
        self._given = {id(one): given for one, given in zip(self.items, messages, strict=True)}

    def back(self, items: Sequence[Any]) -> list[Any]:
        """These, and in place of each that stayed what was given."""
        return [self._given.get(id(one), one) for one in items]


def said(messages: object) -> Said:
    """Raises InvalidRequest for what is no list of messages."""
    if isinstance(messages, str | bytes | Mapping) or not isinstance(messages, Sequence):
        kind = type(messages).__name__
        raise InvalidRequest(f"messages are a list of messages, and this is a {kind}")
    return Said(messages)


def _message(given: object, number: int) -> Any:
    found = as_sent(given)
    if isinstance(found, dict) and getattr(given, "type", None) not in _LANGCHAIN:
        return found
    kind = type(given).__name__
    raise InvalidRequest(
        f"message {number} is a {kind}: messages are mappings, or an SDK's objects "
        "(LangChain's: convert_to_openai_messages)"
    )


def as_sent(value: Any) -> Any:
    """The value as an SDK would send it; itself where there is nothing of an SDK's in it."""
    if type(value) is dict:
        parts = {name: as_sent(one) for name, one in value.items()}
        same = all(one is value[name] for name, one in parts.items())
        return value if same else parts
    if type(value) is list:
        items = [as_sent(one) for one in value]
        return value if all(map(_is, items, value)) else items
    found = dumped(value)
    return value if found is None else found


def dumped(value: object) -> Any:
    """What an object of an SDK's says, without what the SDK itself never sends; None for others."""
    dump = getattr(value, "model_dump", None)
    if dump is None:
        return dict(value) if isinstance(value, Mapping) and type(value) is not dict else None
    never = getattr(value, "__api_exclude__", None)  # what `parse` has made of an answer
    return dump(exclude_unset=True) if never is None else dump(exclude_unset=True, exclude=never)


def _is(one: object, other: object) -> bool:
    return one is other
