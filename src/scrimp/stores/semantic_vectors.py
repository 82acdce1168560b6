"""Vectors as they are given, kept and compared: float32 outside, float16 in stores.

A float16 of a number of a unit vector is off by less than one part in two thousand, and cosines of
such vectors by about one in a hundred thousand; int8 would halve the file and err fifty times more.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scrimp.errors import StoreError
from scrimp.meanings import Neighbour

Row = NDArray[np.float32]
"""One vector."""
Rows = NDArray[np.float32]
"""Vectors under each other."""

_WHOLE = np.dtype("<f4")
_HALF = np.dtype("<f2")
_LENGTH_OFF = 0.01


def read(vector: bytes, dims: int = 0) -> Row:
    """The numbers of a vector of length 1, of so many (0: any). Raises StoreError."""
    if not vector or len(vector) % _WHOLE.itemsize:
        msg = f"a vector has {len(vector)} bytes, which are no float32 numbers"
        raise StoreError(msg)
    row = np.frombuffer(vector, _WHOLE)
    if dims and len(row) != dims:
        msg = (
            f"a vector has {len(row)} numbers, and those of its scope have {dims} "
            "(another embedder needs another scope)"
        )
        raise StoreError(msg)
    length = float(row @ row) ** 0.5
    if not abs(length - 1) <= _LENGTH_OFF:  # also when it is not a number
        raise StoreError(f"a vector has length {length:g}, and 1 is asked for")
    return row


def half(row: Row) -> bytes:
    """As a store keeps it."""
    return row.astype(_HALF).tobytes()


def whole(halves: Sequence[bytes]) -> Rows:
    """Kept vectors, as they are compared: of length 1 again. All are of one size."""
    dims = len(halves[0]) // _HALF.itemsize if halves else 0
    rows = np.frombuffer(b"".join(halves), _HALF).reshape(len(halves), dims).astype(np.float32)
    rows /= np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
    return rows


def dims_of(kept: bytes) -> int:
    """How many numbers a kept vector has."""
    return len(kept) // _HALF.itemsize


def ranked(row: Row, found: Sequence[tuple[int, int, bytes, bytes]]) -> tuple[Neighbour, ...]:
    """(number, group, kept vector, sketch) as neighbours of a vector, nearest first."""
    found = [one for one in found if dims_of(one[2]) == len(row)]
    if not found:
        return ()
    rows = whole([vector for _, _, vector, _ in found])
    cosines = np.clip(rows @ row, -1.0, 1.0)
    order = np.argsort(-cosines, kind="stable").tolist()
    return tuple(
        Neighbour(found[at][0], found[at][1], float(cosines[at]), rows[at].tobytes(), found[at][3])
        for at in order
    )
