"""What is known of upstreams, in a small SQLite file that all workers of a machine share.

Each change reads, decides and writes inside one transaction, so no worker undoes what another has
seen, and of many that want to probe one does. The file is opened for each piece of work and closed
again: that is once a second at most, unless something fails.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec

from scrimp.errors import StoreError
from scrimp.health import Health, Healths
from scrimp.stores.sqlite_brief import Brief
from scrimp.stores.sqlite_schema import Schema

APPLICATION_ID = 0x53435248
"""`SCRH` in the file's header: this database holds what Scrimp knows of upstreams."""

SCHEMA = Schema("file of what is known of upstreams", "health_", APPLICATION_ID)
MOST_UPSTREAMS = 4096
_BUSY_SHARE = 0.8
"""Of the limit: so long a file is waited for that another process has."""
_TURN_S = 5.0
_SELECT = "SELECT upstream, health FROM upstreams LIMIT ?"
_UPSERT = """
INSERT INTO upstreams (upstream, health) VALUES (?, ?)
ON CONFLICT (upstream) DO UPDATE SET health = excluded.health
"""
_DELETE = "DELETE FROM upstreams WHERE upstream = ?"


class SqliteHealth:
    """Implements `health.HealthStore`."""

    def __init__(self, path: Path, *, limit_s: float = 1.0) -> None:
        self._path = path
        self._limit_s = limit_s
        self._turn = threading.Lock()
        says = "what is known of upstreams (it may be deleted)"
        self._file = Brief(path, SCHEMA, says, busy_s=limit_s * _BUSY_SHARE)

    async def look(self) -> Healths:
        """All that is known; nothing while there is no such file. Raises StoreError."""
        return await self._in_time(self._look)

    async def change(self, change: Callable[[Healths], Healths]) -> Healths:
        """Put what `change` makes of it in its place, in one transaction. Raises StoreError."""
        return await self._in_time(partial(self._change, change))

    async def _in_time(self, work: Callable[[], Healths]) -> Healths:
        """A disk that hangs keeps nobody waiting for long, and no more than a thread or two."""
        try:
            async with asyncio.timeout(self._limit_s):
                return await asyncio.to_thread(self._in_turn, work)
        except TimeoutError:
            msg = f"{self._path} did not answer within {self._limit_s:g} s"
            raise StoreError(msg) from None

    def _in_turn(self, work: Callable[[], Healths]) -> Healths:
        if not self._turn.acquire(timeout=_TURN_S):
            raise StoreError(f"{self._path} has not answered for {_TURN_S:g} s")
        try:
            return work()
        finally:
            self._turn.release()

    def _look(self) -> Healths:
        with self._file.reading() as connection:
            return {} if connection is None else _known(connection)

    def _change(self, change: Callable[[Healths], Healths]) -> Healths:
        with self._file.writing() as connection:
            old = _known(connection)
            new = change(old)
            _write(connection, old, new)
            return new


def _known(connection: sqlite3.Connection) -> Healths:
    """What stands there and can be read: a row that somebody has edited misleads nobody."""
    found: dict[str, Health] = {}
    for upstream, text in connection.execute(_SELECT, (MOST_UPSTREAMS,)):
        try:
            found[upstream] = msgspec.json.decode(text, type=Health)
        except (msgspec.DecodeError, msgspec.ValidationError):
            continue
    return found


def _write(connection: sqlite3.Connection, old: Healths, new: Healths) -> None:
    rows = [
        (upstream, msgspec.json.encode(health).decode())
        for upstream, health in new.items()
        if old.get(upstream) != health
    ]
    connection.executemany(_UPSERT, rows)
    gone = [(upstream,) for upstream in old if upstream not in new]
    connection.executemany(_DELETE, gone)
