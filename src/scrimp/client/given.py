"""What a program gives to the library's functions, checked before anything of it is paid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from scrimp.errors import InvalidRequest

C = TypeVar("C")


def only(function: str, options: Mapping[str, Any], known: type) -> None:
    """Raises TypeError for an option that `known` has not, as Python does: a slip is not free."""
    if unknown := options.keys() - known.__annotations__.keys():
        msg = f"{function}() got an unexpected keyword argument {min(unknown)!r}"
        raise TypeError(msg)


def text_of(name: str, value: object) -> str:
    """A text that a request can carry. Raises InvalidRequest."""
    if not isinstance(value, str):
        raise InvalidRequest(f"{name} is a {type(value).__name__}: give a string")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise InvalidRequest(f"{name} has lone surrogates: no request can carry them") from None
    return value


def several(name: str, values: Any) -> Iterable[Any]:
    """A list of them. One text, or one mapping, is none: its characters or keys would be paid.

    Raises InvalidRequest.
    """
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        kind = type(values).__name__
        raise InvalidRequest(f"{name} is a {kind}: give a list, and a list of one for one")
    return values


def called(name: str, value: C) -> C:
    """A function, or None. Raises InvalidRequest."""
    if value is not None and not callable(value):
        raise InvalidRequest(f"{name} is a {type(value).__name__}: give a function")
    return value


def whole(name: str, value: object, *, least: int = 1) -> int:
    """A number of something, such as tokens or messages. Raises InvalidRequest."""
    if type(value) is not int or value < least:
        raise InvalidRequest(f"{name}={value!r}: a whole number is needed, {least} or more")
    return value
