"""JSON in fewer tokens that reads back as the same value: without white space, in columns. Pure.

A list of objects of the same keys becomes `{"columns":[…],"rows":[[…],…]}`, so that each key stands
there once; a column of objects of the same keys becomes `{"name":[…]}`. No value is ever decoded:
numbers stand as they stood. What cannot be proven to read back equal is left as it is.

One list of alike objects, the usual answer of a tool, is read by a type made for its keys, all else
as any JSON: both are written the same way.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from scrimp.shrinking.rows import rows_of

_COLUMNS, _ROWS = "columns", "rows"
_OBJECTS = {dict}
_HOLDERS = frozenset((dict, list))
_OWN_SIGN = '"rows":'
_SPELLED = re.compile(r"\\u00[67]")
"""A letter by its number: a key may be `rows`, spelled so that nobody sees it."""
_FRAME = len('{"columns":,"rows":}') + len("[]")
_ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\."
)
_GAPS = re.compile(r'("(?:[^"\\]|\\.)*")|[ \t\r\n]+')
_decode = msgspec.json.Decoder(float_hook=lambda digits: msgspec.Raw(digits.encode())).decode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


def minified(text: str) -> str | None:
    """The same JSON without white space between values; None for what is no object or list.

    What only some readers take (`NaN`, half of a pair of surrogates) counts as JSON, too. What is
    too deep to be looked through stays as it is.
    """
    try:
        return msgspec.json.format(text, indent=-1)
    except RecursionError:
        return text
    except (msgspec.MsgspecError, ValueError):
        pass
    try:
        json.loads(text)
    except RecursionError:
        return text
    except ValueError:
        return None
    return _GAPS.sub(_string_or_nothing, text)


def _string_or_nothing(found: re.Match[str]) -> str:
    return found[1] or ""


def unescaped(text: str) -> str:
    r"""JSON with printable characters themselves in place of `\u00e9` and the like."""
    return _ESCAPE.sub(_character, text) if "\\" in text and "\\u" in text else text


def in_columns(text: str) -> str:
    """Minified JSON with its lists of equal objects in columns, where that is shorter.

    JSON that is not spelled as it would be again (a key twice, odd escapes) stays as it is; of one
    list of objects only keys are looked at.
    """
    if "[{" not in text or _OWN_SIGN in text:
        return text
    if "\\" in text and "\\u00" in text and _SPELLED.search(text):
        return text
    data = text.encode("utf-8", "surrogatepass")
    try:
        new = _one_list(data) or _any_json(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return text
    found = new.decode()
    return found if len(found) < len(text) else text


def _any_json(data: bytes) -> bytes:
    value = _decode(data)
    if _encode(value) != data:
        return data
    return _encode(_shrunk(value, lists=data.count(b"[") > 1))


def _one_list(data: bytes) -> bytes | None:
    """JSON with one list of objects, which stands alone or in an object; None for any other."""
    if data.rfind(b"[") > 0 and data.count(b"[{") > 1:  # most hold no list but themselves
        return None
    if data.startswith(b"["):
        return _written(data)
    if not data.startswith(b"{"):
        return None
    fields = _decode_fields(data)
    if _encode(fields) != data:
        return data
    for name, value in fields.items():
        if (one := bytes(value)).startswith(b"[{"):
            new = _written(one)
            return None if new is None else _encode({**fields, name: msgspec.Raw(new)})
    return None


def _written(data: bytes) -> bytes | None:
    """A list of alike objects in columns where that pays; None for any other list."""
    found = rows_of(data)
    if found is None:
        return None
    shape, rows = found
    if not _pays(shape.names, len(rows)):
        return data
    return _encode({_COLUMNS: shape.columns, _ROWS: rows})


def expanded(value: Any) -> Any:
    """A decoded JSON value with columns turned back into lists of objects."""
    if isinstance(value, list):
        return [expanded(one) for one in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {_COLUMNS, _ROWS}:
        return [_row_back(value[_COLUMNS], row) for row in value[_ROWS]]
    return {name: expanded(one) for name, one in value.items()}


def _row_back(columns: Sequence[Any], row: Sequence[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for column, value in zip(columns, row, strict=True):
        if isinstance(column, dict):
            ((name, inner),) = column.items()
            found[name] = _row_back(inner, value)
        else:
            found[column] = expanded(value)
    return found


def _shrunk(value: Any, *, lists: bool = True) -> Any:
    """A decoded value with its lists in columns; what is decoded is nobody else's.

    Without `lists` there is no list in it but itself.
    """
    if type(value) is dict:
        for name, one in value.items():
            if type(one) is dict or type(one) is list:
                value[name] = _shrunk(one)
        return value
    if type(value) is not list:
        return value
    if len(value) > 1 and type(value[0]) is dict:
        names = _names(value)
        if names and _pays(names, len(value)):
            columns, rows = _table(value, names, lists=lists)
            return {_COLUMNS: columns, _ROWS: rows}
    return value if _HOLDERS.isdisjoint(map(type, value)) else list(map(_shrunk, value))


def _pays(names: Sequence[str], rows: int) -> bool:
    """Whether keys that are told once leave out more than the frame takes."""
    return (rows - 1) * (sum(map(len, names)) + 3 * len(names)) > _FRAME


def _names(rows: Sequence[Any]) -> tuple[str, ...]:
    """The keys that all have, in the order of all; none where they differ."""
    if set(map(type, rows)) != _OBJECTS:
        return ()
    every = len(rows)
    try:
        counts = {one.count(one[0]) for one in zip(*rows, strict=True)}
    except ValueError:  # some have more keys
        return ()
    return tuple(rows[0]) if counts == {every} else ()


def _table(
    rows: Sequence[dict[str, Any]], names: Sequence[str], *, lists: bool
) -> tuple[list[Any], list[Any]]:
    columns: list[Any] = []
    values: list[Sequence[Any]] = []
    for name, column in zip(names, zip(*[row.values() for row in rows], strict=True), strict=True):
        inner = _names(column) if type(column[0]) is dict else ()
        if inner:
            under, nested = _table(column, inner, lists=lists)
            columns.append({name: under})
            values.append(nested)
        else:
            columns.append(name)
            plain = not lists or _HOLDERS.isdisjoint(map(type, column))
            values.append(column if plain else list(map(_shrunk, column)))
    return columns, list(zip(*values, strict=True))


def _character(match: re.Match[str]) -> str:
    found = match[0]
    if not found.startswith("\\u"):
        return found
    points = [int(part, 16) for part in found.split("\\u")[1:]]
    point = points[0]
    if len(points) == 2:
        point = 0x10000 + ((point - 0xD800) << 10) + (points[1] - 0xDC00)
    character = chr(point)
    if point < 0x80 or 0xD800 <= point < 0xE000 or not character.isprintable():
        return found
    return character
