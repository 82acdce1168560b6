"""Vectors as they are given, kept and compared: float32 outside, int16 in stores.

Only the direction is kept: numbers are scaled so that the largest is 32,767, and a vector has
length 1 again when it is read. A cosine is then off by about one in a million; float16 takes as
many bytes, errs ten times more and is slower to read, and int8 errs some hundred times more.
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
_NARROW = np.dtype("<i2")
_LARGEST = 32767
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


def narrow(row: Row) -> bytes:
    """As a store keeps it."""
    scale = _LARGEST / float(np.abs(row).max())
    kept = np.asarray(np.rint(row * scale), _NARROW)
    return kept.tobytes()


def wide(kept: Sequence[bytes]) -> Rows:
    """Kept vectors, as they are compared: of length 1 again. All are of one size."""
    dims = dims_of(kept[0]) if kept else 0
    rows = np.frombuffer(b"".join(kept), _NARROW).reshape(len(kept), dims).astype(np.float32)
    rows /= np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
    return rows


def dims_of(kept: bytes) -> int:
    """How many numbers a kept vector has."""
    return len(kept) // _NARROW.itemsize


def ranked(
    row: Row, found: Sequence[tuple[int, int, bytes, bytes]], count: int
) -> tuple[Neighbour, ...]:
    """(number, group, kept vector, sketch) as the nearest neighbours of a vector, nearest first."""
    size = len(row) * _NARROW.itemsize
    kept = [one[2] for one in found]
    if any(len(one) != size for one in kept):
        found = [one for one in found if len(one[2]) == size]
        kept = [one[2] for one in found]
    if not found:
        return ()
    rows = wide(kept)
    cosines = np.clip(rows @ row, -1.0, 1.0)
    order = np.argsort(-cosines, kind="stable")[:count]
    vectors, size = rows[order].tobytes(), len(row) * _WHOLE.itemsize
    return tuple(
        [
            Neighbour(
                found[at][0], found[at][1], cosine, vectors[start : start + size], found[at][3]
            )
            for at, cosine, start in zip(
                order.tolist(), cosines[order].tolist(), range(0, len(vectors), size), strict=True
            )
        ]
    )
