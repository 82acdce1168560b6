"""A JSON list of alike objects as rows of its columns, read without a look at its values. Pure.

A type is made for the keys of the first object, and kept for the lists that come: a tool answers in
the same keys again and again. It takes each value as the bytes that it is, in half the time in
which dictionaries of values are built.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec
from msgspec.structs import astuple

_MOST_SHAPES = 256
_MOST_KEYS = 64
"""Lists of objects with more are no table; a type for them would be dear to make."""

_Names = tuple[str | tuple[str, Any], ...]
"""Keys in their order; where an object stands, the key and those of the object."""

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class Shape:
    """How a list of objects of the same keys is read. `columns` names them as they are written."""

    __slots__ = ("_inner", "columns", "names", "read", "row")

    row: Any  # a type; the checker cannot know one that is made here

    def __init__(self, keys: _Names) -> None:
        self.names = [key if isinstance(key, str) else key[0] for key in keys]
        self._inner = {at: Shape(key[1]) for at, key in enumerate(keys) if isinstance(key, tuple)}
        self.columns: list[Any] = [
            {name: self._inner[at].columns} if at in self._inner else name
            for at, name in enumerate(self.names)
        ]
        kinds: Mapping[int, Any] = {at: shape.row for at, shape in self._inner.items()}
        fields = [(f"of_{at}", kinds.get(at, msgspec.Raw)) for at in range(len(keys))]
        spelled = {f"of_{at}": name for at, name in enumerate(self.names)}
        row: Any = msgspec.defstruct(
            "Row", fields, rename=spelled, forbid_unknown_fields=True, gc=False
        )
        self.row, self.read = row, msgspec.json.Decoder(list[row]).decode

    def rows(self, objects: Sequence[Any]) -> list[tuple[Any, ...]]:
        """The values of each."""
        rows = list(map(astuple, objects))
        if not self._inner:
            return rows
        columns = [*zip(*rows, strict=True)]
        for at, shape in self._inner.items():
            columns[at] = tuple(shape.rows(columns[at]))
        return [*zip(*columns, strict=True)]


def rows_of(data: bytes) -> tuple[Shape, list[tuple[Any, ...]]] | None:
    """The rows of a minified list; None for one that is not surely of objects of the same keys.

    What is read is written again and must be the same bytes: so all have the same keys in the same
    order, no key stands there twice, and none is spelled in another way.
    """
    try:
        first = _decode(data[1 : data.index(b"},{") + 1])
        keys = _keys_of(first, _MOST_KEYS)
        if not keys:
            return None
        shape = _shape_of(keys)
        objects = shape.read(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return (shape, shape.rows(objects)) if _encode(objects) == data else None


def _keys_of(value: Any, most: int) -> _Names:
    """Those of an object that is not empty, and of objects in it; none where they are too many."""
    if type(value) is not dict or len(value) > most:
        return ()
    found: list[str | tuple[str, Any]] = []
    for name, one in value.items():
        inner = _keys_of(one, most - len(value)) if one and type(one) is dict else ()
        if one and type(one) is dict and not inner:
            return ()
        found.append((name, inner) if inner else name)
    return tuple(found)


@lru_cache(_MOST_SHAPES)
def _shape_of(keys: _Names) -> Shape:
    """Raises ValueError for keys that no type can have."""
    return Shape(keys)
