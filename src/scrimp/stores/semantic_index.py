"""The vectors of one scope in memory: compared one by one while few, by a graph when many.

What is new always stands in the exact part, so that it is found at once; a thread of its own moves
it into the graph, one vector at a time, and searches go on in between.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from scrimp.stores.semantic_graph import Graph
from scrimp.stores.semantic_plan import IndexOptions
from scrimp.stores.semantic_vectors import Row, Rows

_FIRST_ROWS = 64
_CHUNK = 64


class ScopeIndex:
    """Safe for threads, though only one at a time may call `settle` or `saving`."""

    def __init__(self, dims: int, options: IndexOptions, graph: Graph | None = None) -> None:
        self.dims = dims
        self.graph = graph
        self._options = options
        self._numbers: NDArray[np.int64] = np.empty(_FIRST_ROWS, np.int64)
        self._rows: Rows = np.empty((_FIRST_ROWS, dims), np.float32)
        self._count = 0
        self._places: dict[int, int] = {}
        self._saving = False
        self._late: list[int] = []
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self._count + (len(self.graph) if self.graph is not None else 0)

    @property
    def exact(self) -> int:
        """How many are compared one by one."""
        return self._count

    @property
    def size_bytes(self) -> int:
        """What it takes in memory, about."""
        graph_bytes = self.graph.size_bytes if self.graph is not None else 0
        return self._rows.nbytes + self._numbers.nbytes + graph_bytes

    @property
    def crowded(self) -> bool:
        """True when `settle` has something to do."""
        options = self._options
        if self.graph is None:
            return self._count > options.exact_up_to
        return self._count > options.tail or (self.graph.frozen and len(self._late) > options.tail)

    def add(self, numbers: Sequence[int], rows: Rows) -> None:
        """These are found from now on. Numbers that are known already stay as they are."""
        with self._lock:
            self._reserve(self._count + len(numbers))
            for number, row in zip(numbers, rows, strict=True):
                if number not in self._places:
                    self._places[number] = self._count
                    self._numbers[self._count] = number
                    self._rows[self._count] = row
                    self._count += 1

    def remove(self, numbers: Iterable[int]) -> None:
        """These are found no more."""
        with self._lock:
            for number in numbers:
                self._take_out(number)
                if self.graph is None:
                    continue
                if self._saving or self.graph.frozen:
                    self._late.append(number)
                else:
                    self.graph.remove(number)

    def near(self, row: Row, count: int) -> list[int]:
        """Numbers of the likeliest nearest, nearest first, at most so many."""
        with self._lock:
            if self.graph is not None:
                numbers, cosines = self.graph.near(row, count)
                if not self._count:
                    return numbers
                found = list(zip(cosines, numbers, strict=True))
            else:
                found = []
            found += self._compare(row, count)
        found.sort(reverse=True)
        return list(dict.fromkeys(number for _, number in found))[:count]

    def settle(self) -> int:
        """Move what is exact into the graph, until it is not crowded; how many were moved."""
        moved = 0
        if self.crowded:
            self._open_graph()
        while self.graph is not None and self._count > self._options.tail // 2:
            chunk = self._oldest()
            for number in chunk:
                self._move(self.graph, number)
                time.sleep(self._options.pause_s)
            with self._lock:
                for number in chunk:
                    self._take_out(number)
                self._shrink()
            moved += len(chunk)
        return moved

    def settled_up_to(self, newest: int) -> int:
        """All numbers up to this one are in the graph, or gone; `newest` was the last to come."""
        with self._lock:
            return int(self._numbers[: self._count].min()) - 1 if self._count else newest

    def begin_saving(self) -> Graph | None:
        """The graph, which stays as it is until `end_saving`."""
        with self._lock:
            self._saving = True
            return self.graph

    def end_saving(self) -> None:
        """What was removed meanwhile is taken out of the graph."""
        with self._lock:
            self._saving = False
            self._take_late_out()

    def _open_graph(self) -> None:
        """One that can change; only who tends the index changes it."""
        if self.graph is None:
            self.graph = Graph(self.dims)
        elif self.graph.frozen:
            fresh = self.graph.thawed()
            with self._lock:
                self.graph = fresh
                self._take_late_out()

    def _take_late_out(self) -> None:
        if self.graph is not None and not self.graph.frozen:
            late, self._late = self._late, []
            for number in late:
                self.graph.remove(number)

    def _oldest(self) -> list[int]:
        with self._lock:
            numbers = self._numbers[: self._count]
            size = min(self._count, max(_CHUNK, self._count // 16))
            if size < self._count:
                numbers = np.partition(numbers, size)[:size]
            chunk: list[int] = numbers.tolist()
            return chunk

    def _move(self, graph: Graph, number: int) -> None:
        with self._lock:
            place = self._places.get(number)
            if place is not None and number not in graph:
                graph.add(number, self._rows[place])

    def _compare(self, row: Row, count: int) -> list[tuple[float, int]]:
        if not self._count:
            return []
        cosines = self._rows[: self._count] @ row
        if self._count > count:
            best = np.argpartition(cosines, self._count - count)[self._count - count :]
        else:
            best = np.arange(self._count)
        return list(zip(cosines[best].tolist(), self._numbers[best].tolist(), strict=True))

    def _take_out(self, number: int) -> None:
        place = self._places.pop(number, None)
        if place is None:
            return
        self._count -= 1
        last = self._count
        if place != last:
            moved = int(self._numbers[last])
            self._numbers[place] = moved
            self._rows[place] = self._rows[last]
            self._places[moved] = place

    def _reserve(self, count: int) -> None:
        if count > len(self._numbers):
            self._resize(max(count, len(self._numbers) * 3 // 2))

    def _shrink(self) -> None:
        if self._count * 4 < len(self._numbers) > _FIRST_ROWS * 16:
            self._resize(max(self._count * 2, _FIRST_ROWS))

    def _resize(self, size: int) -> None:
        numbers, rows = np.empty(size, np.int64), np.empty((size, self.dims), np.float32)
        numbers[: self._count] = self._numbers[: self._count]
        rows[: self._count] = self._rows[: self._count]
        self._numbers, self._rows = numbers, rows
