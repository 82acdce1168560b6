"""Strict reading of a client's JSON body: what we read is what the provider will read.

Refused, with a message that never holds any of the content: malformed JSON, anything but an
object, bytes that are not UTF-8, NaN and infinities, lone surrogates, deep nesting, an absurd
number of values, and a key that stands twice in one object (JSON parsers differ in which of the two
they keep, so a client could show us a cheap model and the provider a dear one).
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from scrimp.errors import InvalidRequest

MAX_DEPTH = 200
MAX_VALUES = 100_000
"""A body in which each value takes two bytes would cost seconds and thirty times its size."""

_SMALL_BYTES = 512 * 1024  # what so little can hold is built in a tenth of a second
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`. Raises InvalidRequest saying what is wrong with it."""
    if not body:
        raise InvalidRequest("the request body is empty: send a JSON object")
    _check_values(body)
    value = _decoded(body)
    if not isinstance(value, dict):
        raise InvalidRequest(f"the request body is a JSON {_kind(value)}: send a JSON object")
    _check_depth(body, value)
    _check_keys(body, value)
    return value


def encode(value: object) -> bytes:
    """Compact JSON; the order of keys is kept."""
    return _encode(value)


def parse(data: bytes) -> Any:
    """JSON that a provider sent, or None when it is not JSON at all. Never raises."""
    try:
        return _decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def parse_object(data: bytes) -> dict[str, Any] | None:
    """A JSON object that a provider sent, or None when it is anything else. Never raises."""
    value = parse(data)
    return value if isinstance(value, dict) else None


def _check_values(body: bytes) -> None:
    # Of a small body, or one with few commas and brackets, nothing more has to be known.
    if len(body) <= _SMALL_BYTES or _marks(body) <= MAX_VALUES:
        return
    between = _STRING.split(body, maxsplit=MAX_VALUES)  # a string is a value too, or a key
    if len(between) > MAX_VALUES or _marks(b"".join(between)) > MAX_VALUES:
        msg = f"the request body has more values than are read: at most {MAX_VALUES:,} values"
        raise InvalidRequest(msg)


def _marks(data: bytes) -> int:
    """At least as many values as this stand in JSON, and at most one more."""
    return data.count(b",") + data.count(b"{") + data.count(b"[")


def _decoded(body: bytes) -> Any:
    try:
        return _decode(body)
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"the request body is not UTF-8{_bad_byte(body)}") from error
    except msgspec.ValidationError as error:
        raise InvalidRequest("the request body has a number that is out of range") from error
    except msgspec.DecodeError as error:
        half = b"\\ud" in body.lower()  # half a pair at a text's end is told as a cut body
        hint = " (a text may hold a lone surrogate, \\ud800 to \\udfff)" if half else ""
        raise InvalidRequest(f"the request body is not JSON: {error}{hint}") from error
    except RecursionError as error:
        raise InvalidRequest(_too_deep()) from error


def _bad_byte(body: bytes) -> str:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        return f" (byte {error.start})"
    return ""


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "number"


def _too_deep() -> str:
    return (
        f"the request body is nested {MAX_DEPTH + 1} levels deep or more: "
        f"at most {MAX_DEPTH} levels are read"
    )


def _check_depth(body: bytes, value: dict[str, Any]) -> None:
    # So many opening brackets are needed at least; the count is wrong only to the safe side.
    if body.count(b"{") + body.count(b"[") <= MAX_DEPTH:
        return
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for parent in level
            for child in (parent.values() if type(parent) is dict else parent)
            if type(child) is dict or type(child) is list
        ]
        if not level:
            return
    raise InvalidRequest(_too_deep())


def _check_keys(body: bytes, value: dict[str, Any]) -> None:
    # A decoded object has no key twice, so a body that is its encoding has none either. SDKs
    # send just that; others differ in white space only; the rest takes the long way.
    encoded = _encode(value)
    if encoded == body or encoded == msgspec.json.format(body, indent=-1):
        return
    json.loads(
        body.decode(), object_pairs_hook=_unique, parse_int=_no_number, parse_float=_no_number
    )


def _unique(pairs: list[tuple[str, Any]]) -> None:
    if len({key for key, _ in pairs}) != len(pairs):
        raise InvalidRequest(
            "the request body has an object in which the same key stands twice: "
            "parsers disagree on which one counts, so send each key once"
        )


def _no_number(_: str) -> None:
    """Numbers were checked before; only keys matter here."""
