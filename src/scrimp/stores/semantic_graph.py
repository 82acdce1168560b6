"""The vectors of a large scope as a graph of neighbours (usearch, int8), in memory and in a file.

A graph only proposes: what it finds is looked up and compared exactly. Its file is a copy that may
be lost; its last bytes say which store it belongs to and how far it had followed, and are a
checksum, because the library would crash on a damaged one. After a start the file is searched as it
lies, mapped and shared by processes, until it has to change.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
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
_METRIC = "ip"
"""The inner product: a search takes a quarter less than by cosine, and finds as much, since vectors
of length 1 have about one length in 8 bits too."""
_EXPANSION_ADD = 128
_EXPANSION_SEARCH = 96
_EXPANSION_SEARCH_LARGE = 192
_LARGE = 150_000
_ONE = 127
_STEP = 1 << 24
_TURN = 4096
"""The library keeps every other thread out while it moves so many vectors: a few milliseconds."""
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
    """Not safe for threads: whoever uses it holds a lock. `save`, `thawed` may run beside `near`.

    A frozen one is a file that is mapped: it can be searched, not changed.
    """

    def __init__(self, dims: int, frozen: mmap.mmap | None = None) -> None:
        self.dims = dims
        self._frozen = frozen
        self._index = Index(
            ndim=dims,
            metric=_METRIC,
            dtype="i8",
            connectivity=_CONNECTIVITY,
            expansion_add=_EXPANSION_ADD,
            expansion_search=_EXPANSION_SEARCH,
        )

        if frozen is not None:
            self._index.view(memoryview(frozen), progress=_let_others_in)
            self._index.metric = _METRIC  # not what the file says

    @property
    def frozen(self) -> bool:
        """True while it cannot change."""
        return self._frozen is not None

    def thawed(self) -> Graph:
        """The same in memory, where it can change."""
        graph = Graph(self.dims)
        if self._frozen is not None:
            graph._index.load(memoryview(self._frozen), progress=_let_others_in)
            graph._index.metric = _METRIC
        return graph

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

    def near(self, row: Row, count: int) -> tuple[list[int], list[float]]:
        """Numbers of the nearest, nearest first, and about their cosines."""
        if not len(self._index):
            return [], []
        width = _EXPANSION_SEARCH if len(self._index) < _LARGE else _EXPANSION_SEARCH_LARGE
        self._index.expansion_search = width  # type: ignore[misc]  # its types miss the setter
        found = self._index.search(row, count, threads=1)
        asked = np.trunc(row * _ONE)  # as the library keeps it
        cosines = (1.0 - np.atleast_1d(found.distances)) / float(asked @ asked)
        return np.atleast_1d(found.keys).tolist(), cosines.tolist()

    def save(self, path: Path, place: Place) -> None:
        """Write the file (0600), whole or not at all. Raises OSError."""
        make_folder(path)
        loose, fresh = (
            path.with_name(f"{path.name}.{os.getpid()}.{end}") for end in ("raw", "new")
        )
        try:
            os.close(open_private(loose, os.O_RDWR))
            self._index.save(os.fspath(loose), progress=_let_others_in)
            _write_whole(
                loose, fresh, (place.store, place.scope, place.question, place.gone, self.dims)
            )
            fresh.replace(path)
        except BaseException as error:
            with suppress(OSError):
                fresh.unlink(missing_ok=True)
            if isinstance(error, RuntimeError):  # the library's word for a full disk
                raise OSError(str(error)) from error
            raise
        finally:
            with suppress(OSError):
                loose.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: Path, dims: int) -> tuple[Graph, Place] | None:
        """What was saved, frozen; None when there is none, or it is damaged."""
        try:
            with path.open("rb") as file:
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            place = _read_foot(data, dims)
            return None if place is None else (cls(dims, data), place)
        except (OSError, ValueError, RuntimeError):
            return None


def _write_whole(loose: Path, fresh: Path, foot: tuple[bytes, int, int, int, int]) -> None:
    """Copy what the library wrote in small pieces, with its foot, in large ones.

    Linux (6.16, on ext4; others sooner or later) then holds and maps it in pages of 2 MB, and a
    search, which reads here and there in all of it, takes a sixth less time, in all processes.
    """
    descriptor = open_private(fresh, os.O_RDWR | os.O_TRUNC)
    with os.fdopen(descriptor, "wb") as file, loose.open("rb") as source:
        check = 0
        while piece := source.read(_STEP):
            check = zlib.crc32(piece, check)
            file.write(piece)
        file.write(_FOOT.pack(*foot, check, _MAGIC))


def _read_foot(data: mmap.mmap, dims: int) -> Place | None:
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


def _let_others_in(done: int, total: int) -> bool:
    """Called for each vector: the library holds the interpreter's lock for all of them."""
    if not done % _TURN or done == total:
        time.sleep(0)
    return True


# The library reads them, and does not understand the words that the future import leaves.
_let_others_in.__annotations__ = {"done": int, "total": int, "return": bool}
