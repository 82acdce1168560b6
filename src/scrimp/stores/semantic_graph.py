"""The vectors of a large scope as a graph of neighbours (usearch, int8), in memory and in a file.

A graph only proposes: what it finds is looked up and compared exactly. Its file is a copy that may
be lost; its last bytes say which store it belongs to and how far it had followed, and are a
checksum, because the library would crash on a damaged one.
"""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

with suppress(ImportError):  # first, where it is installed: its import crashes the process when
    import onnxruntime  # type: ignore[import-untyped]  # noqa: F401  # usearch was there before it
from usearch.index import Index

from scrimp.stores.private_file import make_folder, open_private
from scrimp.stores.semantic_vectors import Row

# Share of searches that find the nearest: 99.7 % of 22,119 real questions, 99.15 % of 100,000 (most
# of them mixtures of two real ones); a wider search finds 99.45 % of those and takes twice as long.
_CONNECTIVITY = 16
_EXPANSION_ADD = 128
_EXPANSION_SEARCH = 96
_EXPANSION_SEARCH_LARGE = 192
_LARGE = 150_000
_STEP = 1 << 24
_FOOT = struct.Struct("<16sqqqqII")
_MAGIC = 0x53435247  # the last number of the file


@dataclass(frozen=True, slots=True)
class Place:
    """How far a scope of a store was followed: up to which question, up to which departure."""

    store: bytes
    scope: int
    question: int = 0
    gone: int = 0


class Graph:
    """Not safe for threads: whoever uses it holds a lock. `save` may run beside `near`."""

    def __init__(self, dims: int) -> None:
        self.dims = dims
        self._index = Index(
            ndim=dims,
            metric="cos",
            dtype="i8",
            connectivity=_CONNECTIVITY,
            expansion_add=_EXPANSION_ADD,
            expansion_search=_EXPANSION_SEARCH,
        )

    def __len__(self) -> int:
        return len(self._index)

    def __contains__(self, number: int) -> bool:
        return bool(self._index.contains(number))

    @property
    def size_bytes(self) -> int:
        """What it takes in memory, about."""
        return len(self._index) * (self.dims + 152)

    def add(self, number: int, row: Row) -> None:
        """One more; about 0.3 ms."""
        self._index.add(number, row, threads=1)

    def remove(self, number: int) -> None:
        """One less, if it is there; a few µs."""
        if self._index.contains(number):
            self._index.remove(number)

    def near(self, row: Row, count: int) -> list[tuple[float, int]]:
        """(about the cosine, number) of the nearest."""
        if not len(self._index):
            return []
        width = _EXPANSION_SEARCH if len(self._index) < _LARGE else _EXPANSION_SEARCH_LARGE
        self._index.expansion_search = width  # type: ignore[misc]  # its types miss the setter
        found = self._index.search(row, count, threads=1)
        keys, distances = np.atleast_1d(found.keys), np.atleast_1d(found.distances)
        return [
            (1.0 - float(distance), int(key)) for key, distance in zip(keys, distances, strict=True)
        ]

    def save(self, path: Path, place: Place) -> None:
        """Write the file (0600), whole or not at all. Raises OSError."""
        make_folder(path)
        fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
        try:
            os.close(open_private(fresh, os.O_RDWR))
            self._index.save(os.fspath(fresh))
            with fresh.open("r+b") as file:
                check = 0
                while piece := file.read(_STEP):
                    check = zlib.crc32(piece, check)
                foot = (place.store, place.scope, place.question, place.gone, self.dims)
                file.write(_FOOT.pack(*foot, check, _MAGIC))
            fresh.replace(path)
        except BaseException as error:
            with suppress(OSError):
                fresh.unlink(missing_ok=True)
            if isinstance(error, RuntimeError):  # the library's word for a full disk
                raise OSError(str(error)) from error
            raise

    @classmethod
    def load(cls, path: Path, dims: int) -> tuple[Graph, Place] | None:
        """What was saved; None when there is none, or it is damaged."""
        try:
            place = _read_foot(path, dims)
            if place is None:
                return None
            graph = cls(dims)
            graph._index.load(os.fspath(path))
        except (OSError, ValueError, RuntimeError):
            return None
        return graph, place


def _read_foot(path: Path, dims: int) -> Place | None:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        body_bytes = len(data) - _FOOT.size
        if body_bytes <= 0:
            return None
        store, scope, question, gone, found, check, magic = _FOOT.unpack(data[body_bytes:])
        if magic != _MAGIC or found != dims:
            return None
        seen = 0
        with memoryview(data) as view:
            for start in range(0, body_bytes, _STEP):
                with view[start : min(start + _STEP, body_bytes)] as piece:
                    seen = zlib.crc32(piece, seen)
    return Place(store, scope, question, gone) if seen == check else None
