"""Nearest questions of a SQLite store: candidates of an index, looked up and compared exactly.

The file is the truth. Before each search the index follows what any process has committed since;
what it proposes is read from the file, so that nothing deleted or past its time is ever found.
One thread searches and another tends graphs: methods say which.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from scrimp.errors import StoreError
from scrimp.meanings import Neighbour
from scrimp.ports import Clock
from scrimp.stores.semantic_graph import Graph, Place
from scrimp.stores.semantic_index import ScopeIndex
from scrimp.stores.semantic_plan import IndexOptions
from scrimp.stores.semantic_vectors import Row, ranked, read, wide
from scrimp.stores.sqlite_replies_rows import micros
from scrimp.stores.sqlite_rest import Gate
from scrimp.stores.sqlite_semantic_file import graph_path

_log = logging.getLogger("scrimp.cache")
_SPARE = 8  # candidates beyond those asked for: some are gone, some fall behind when compared
_MOST = 4000
_AT_ONCE = 2000
_SAVE_SHARE = 0.05
_SAVE_AFTER = 5000

_CHANGED = "SELECT id, vector FROM questions WHERE scope = ? AND id > ? ORDER BY id LIMIT ?"
_GONE = "SELECT id, question FROM gone WHERE scope = ? AND id > ? ORDER BY id"
_LAST_GONE = "SELECT coalesce(max(id), 0) FROM gone"
_ROWS = "SELECT id, grp, vector, sketch FROM questions WHERE id IN ({}) AND expires_us > ?"


@dataclass(slots=True)
class Followed:
    """The index of one scope, how far it has followed, and how much its file has."""

    index: ScopeIndex
    place: Place
    version: int
    saved: int = 0

    @property
    def unsaved(self) -> bool:
        """True when too much would have to be followed again after a restart."""
        graph = len(self.index.graph) if self.index.graph is not None else 0
        return abs(graph - self.saved) > max(_SAVE_AFTER, graph * _SAVE_SHARE)


class Searcher:
    """`near` is for the search thread, `tend` and `save` for the one that tends."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        connect: Callable[[], tuple[sqlite3.Connection, int]],
        options: IndexOptions,
        max_bytes: int,
    ) -> None:
        self._path = path
        self._clock = clock
        self._connect = connect
        self._options = options
        self._max_bytes = max_bytes
        self._connection: sqlite3.Connection | None = None
        self._generation = 0
        self._data_version = -1
        self._version = 0
        self._scopes: dict[bytes, Followed] = {}
        self._gate = Gate(self._disconnect)

    def near(
        self, scope: bytes, vector: bytes, count: int, generation: int
    ) -> tuple[tuple[Neighbour, ...], Followed | None]:
        """The nearest, and the index when it should be tended. Raises StoreError, sqlite3.Error."""
        row = read(vector)
        with self._gate:
            connection = self._connected(generation)
            followed = self._followed(connection, scope, len(row))
            if followed is None:
                return (), None
            found = self._nearest(connection, followed.index, row, count)
        busy = followed.index.crowded or followed.unsaved
        return found, followed if busy else None

    def tend(self, followed: Followed) -> None:
        """Move what is new into the graph, and save it when that is due."""
        followed.index.settle()
        if followed.unsaved:
            self.save(followed)

    def save(self, followed: Followed) -> None:
        """Write the graph's file; a disk that is full only makes the next start slower."""
        index = followed.index
        place = replace(followed.place, question=index.settled_up_to(followed.place.question))
        graph = index.begin_saving()
        try:
            if graph is not None:
                graph.save(graph_path(self._path, place.scope), place)
                followed.saved = len(graph)
        except OSError as error:
            followed.saved = len(graph or ())
            _log.warning("semantic cache: an index cannot be saved: %s", error)
        finally:
            index.end_saving()

    def close(self) -> None:
        """Save what changed, and let go of the file; no search may run."""
        for followed in self._scopes.values():
            graph = followed.index.graph
            if graph is not None and len(graph) != followed.saved:
                self.save(followed)
        self._scopes.clear()
        with self._gate:
            self._disconnect()

    def _connected(self, generation: int) -> sqlite3.Connection:
        if generation != self._generation:
            self._disconnect()
            self._scopes.clear()  # another file: what was followed is of the one before
        if self._connection is None:
            self._connection, self._generation = self._connect()
            self._data_version = -1
        version: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
        if version != self._data_version:
            self._data_version = version
            self._version += 1
        return self._connection

    def _followed(self, connection: sqlite3.Connection, scope: bytes, dims: int) -> Followed | None:
        followed = self._scopes.pop(scope, None)
        if followed is None:
            followed = self._load(connection, scope)
        elif followed.version != self._version:
            followed = self._follow(connection, followed) or self._load(connection, scope)
        if followed is None:
            return None
        self._scopes[scope] = followed  # so that it stands last
        if followed.index.dims != dims:
            msg = (
                f"a vector has {dims} numbers, and those of its scope have {followed.index.dims} "
                "(another embedder needs another scope)"
            )
            raise StoreError(msg)
        return followed

    def _load(self, connection: sqlite3.Connection, scope: bytes) -> Followed | None:
        query = "SELECT id, dims, questions FROM scopes WHERE scope = ?"
        found = connection.execute(query, (scope,)).fetchone()
        if found is None or not found[2]:
            return None
        row, dims, questions = found
        store, forgotten = connection.execute("SELECT id, forgotten FROM store").fetchone()
        index = ScopeIndex(dims, self._options)
        place = Place(store, row, 0, connection.execute(_LAST_GONE).fetchone()[0])
        saved = 0
        if questions > self._options.exact_up_to:
            kept = Graph.load(graph_path(self._path, row), dims)
            if kept is not None and _fits(kept[1], place, forgotten):
                index, place, saved = (
                    ScopeIndex(dims, self._options, kept[0]),
                    kept[1],
                    len(kept[0]),
                )
        self._make_room(index.size_bytes + questions * dims)
        return self._follow(connection, Followed(index, place, self._version, saved))

    def _follow(self, connection: sqlite3.Connection, followed: Followed) -> Followed | None:
        """Up to now; None when it is so far behind that departures are not known any more."""
        place, index = followed.place, followed.index
        forgotten = connection.execute("SELECT forgotten FROM store").fetchone()[0]
        if place.gone < forgotten:
            return None
        while rows := connection.execute(
            _CHANGED, (place.scope, place.question, _AT_ONCE)
        ).fetchall():
            index.add([number for number, _ in rows], wide([vector for _, vector in rows]))
            place = replace(place, question=rows[-1][0])
        gone = connection.execute(_GONE, (place.scope, place.gone)).fetchall()
        if gone:
            index.remove([number for _, number in gone])
            place = replace(place, gone=gone[-1][0])
        followed.place, followed.version = place, self._version
        return followed

    def _nearest(
        self, connection: sqlite3.Connection, index: ScopeIndex, row: Row, count: int
    ) -> tuple[Neighbour, ...]:
        asked = count + _SPARE
        while True:
            candidates = index.near(row, asked)
            found = self._compared(connection, row, candidates, count)
            if len(found) >= count or len(candidates) < asked or asked > _MOST:
                return found
            asked *= 8  # many of them are past their time

    def _compared(
        self, connection: sqlite3.Connection, row: Row, candidates: Sequence[int], count: int
    ) -> tuple[Neighbour, ...]:
        if not candidates:
            return ()
        query = _ROWS.format(",".join("?" * len(candidates)))
        values = (*candidates, micros(self._clock.now()))
        return ranked(row, connection.execute(query, values).fetchall(), count)

    def _make_room(self, needed: int) -> None:
        """Indexes that were used longest ago leave memory; their graphs were saved as they grew."""
        held = sum(one.index.size_bytes for one in self._scopes.values())
        while self._scopes and held + needed > self._max_bytes:
            scope = next(iter(self._scopes))
            held -= self._scopes.pop(scope).index.size_bytes

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()


def _fits(kept: Place, now: Place, forgotten: int) -> bool:
    """True when a graph's file belongs to this store, and can follow from where it stopped."""
    return (kept.store, kept.scope) == (now.store, now.scope) and forgotten <= kept.gone <= now.gone
