"""A request while it is translated: what it will say, what was left out, and how to refuse.

The law of this package: a field has a counterpart, or is known to change no answer and is left out
by name, or the call is refused with the field's name. Nothing is dropped in silence. Messages name
fields, never their content.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from scrimp.errors import InvalidRequest

Fields = Mapping[str, Any]

_UNSAFE_ID = re.compile(r"[^a-zA-Z0-9_-]")
_MOST_NAMED = 80


class Table(NamedTuple):
    """What becomes of a request's fields, by name.

    `placed` are looked at elsewhere, `taken` have a function each, `passed` keep name and value,
    `left_out` change no answer. `says_nothing` lists values that ask for what is so anyway. All
    others are refused; `ways_out` says what to do instead.
    """

    placed: frozenset[str]
    taken: Mapping[str, Callable[[Any, Draft], None]]
    left_out: frozenset[str]
    says_nothing: Mapping[str, tuple[Any, ...]]
    ways_out: Mapping[str, str]
    passed: frozenset[str] = frozenset()


class Draft:
    """What the provider will be told. `left_out` names what changes no answer.

    `marks`: it takes breakpoints for its prompt cache, as the call's own words on that cache say.
    """

    __slots__ = ("fields", "left_out", "marks", "spoken")

    def __init__(self, spoken: str) -> None:
        self.spoken = spoken
        self.fields: dict[str, Any] = {}
        self.left_out: dict[str, None] = {}
        self.marks = False

    def refusal(self, where: str, way_out: str) -> InvalidRequest:
        """To be raised: this has no counterpart."""
        return InvalidRequest(
            f"{where!r} has no counterpart in {self.spoken}, which this model's provider speaks "
            f"({way_out})"
        )

    def take(self, fields: Fields, table: Table) -> None:
        """Every field that says something. Raises InvalidRequest."""
        for name, value in fields.items():
            if value is None or name in table.placed:
                continue
            if (take := table.taken.get(name)) is not None:
                take(value, self)
            elif name in table.passed:
                self.fields[name] = value
            elif name in table.left_out:
                self.leave_out(name)
            elif value not in table.says_nothing.get(name, ()):
                way_out = table.ways_out.get(name, "leave it out")
                raise self.refusal(name[:_MOST_NAMED], way_out)

    def leave_out(self, name: str) -> None:
        """Remember what is not passed on; of many fields of one name the name once."""
        self.left_out[name] = None

    def without(self, given: Fields, *names: str) -> None:
        """Remember which of these are not passed on."""
        for name in names:
            if given.get(name):
                self.leave_out(name)

    def mark_of(self, block: Fields) -> dict[str, Any]:
        """A block's `cache_control` as OpenAI's breakpoint; nothing, where none is taken."""
        if not self.marks:
            self.without(block, "cache_control")
        elif block.get("cache_control"):
            return {"prompt_cache_breakpoint": {"mode": "explicit"}}
        return {}

    def only(self, given: Fields, known: Iterable[str], where: str) -> None:
        """Raises InvalidRequest for a field that nobody here knows; null says nothing."""
        for name in given:
            if name not in known and given[name] is not None:
                raise self.refusal(f"{where}.{name[:_MOST_NAMED]}", "leave it out")


def wrong(where: str, what: str) -> InvalidRequest:
    """To be raised for a value of the wrong kind."""
    return InvalidRequest(f"{where!r} must be {what}")


def text(given: Fields, name: str, where: str) -> str:
    """A string that must be there. Raises InvalidRequest."""
    value = given.get(name)
    if not isinstance(value, str):
        raise wrong(f"{where}.{name}" if where else name, "a string")
    return value


def mapping(value: object, where: str) -> dict[str, Any]:
    """An object that must be there. Raises InvalidRequest."""
    if not isinstance(value, dict):
        raise wrong(where, "an object")
    return value


def items(value: object, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a list, each with its place. Raises InvalidRequest."""
    if not isinstance(value, list):
        raise wrong(where, "a list")
    for number, one in enumerate(value):
        place = f"{where}[{number}]"
        yield place, mapping(one, place)


def safe_id(given: str) -> str:
    """An id of letters, digits, `_` and `-`, as Anthropic will have it; equal ids stay equal."""
    clean = _UNSAFE_ID.sub("_", given)
    return clean if clean == given and given else f"{clean}_{zlib.crc32(given.encode()):08x}"
