"""What routes learn, in a small SQLite file that several processes write.

The file is opened for each piece of work and closed again: lessons come in handfuls, seconds apart.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from scrimp.choosing import Change, Lesson, Place
from scrimp.stores.fair_shares import share
from scrimp.stores.sqlite_brief import Brief
from scrimp.stores.sqlite_schema import Schema

T = TypeVar("T")

APPLICATION_ID = 0x53435243
"""`SCRC` in the file's header: this database holds what routes of Scrimp's have learned."""

SCHEMA = Schema("file of what routes have learned", "routes_", APPLICATION_ID)
MOST_OF_A_PLACE = 20_000
MOST = 200_000
MOST_STATES = 2048
"""Of those with a colon in their names, such as certificates."""
_BUSY_S = 2.0
_INSERT = "INSERT INTO lessons (tenant, task, prompt, lesson) VALUES (?, ?, ?, ?)"
_OF_ALL = "SELECT lesson FROM lessons ORDER BY number DESC LIMIT ?"
_SHARED = """
SELECT lesson FROM lessons WHERE number IN (
  SELECT number FROM (
    SELECT number, row_number() OVER (PARTITION BY tenant ORDER BY number DESC) AS turn
    FROM lessons)
  WHERE turn <= ?)
ORDER BY number DESC LIMIT ?
"""
_COUNT = "SELECT count(*) FROM lessons"
_COUNTS = "SELECT tenant, count(*) FROM lessons GROUP BY tenant"
_OF_A_PLACE = (
    "SELECT lesson FROM lessons WHERE tenant = ? AND task = ? AND prompt = ? "
    "ORDER BY number DESC LIMIT ?"
)
_TRIM_PLACE = """
DELETE FROM lessons WHERE tenant = :tenant AND task = :task AND prompt = :prompt AND number <= (
  SELECT number FROM lessons WHERE tenant = :tenant AND task = :task AND prompt = :prompt
  ORDER BY number DESC LIMIT 1 OFFSET :most)
"""
_TRIM_TENANT = """
DELETE FROM lessons WHERE tenant = :tenant AND number <= (
  SELECT number FROM lessons WHERE tenant = :tenant ORDER BY number DESC LIMIT 1 OFFSET :most)
"""
_LOAD = "SELECT state FROM states WHERE name = ?"
_NEWER = "SELECT name, state FROM states WHERE saved > ? ORDER BY saved"
_NUMBERED = "SELECT 1 FROM pragma_table_info('states') WHERE name = 'saved'"
_NEWEST = "SELECT coalesce(max(saved), 0) FROM states"
_SAVE = """
INSERT INTO states (name, state, saved)
  VALUES (?, ?, (SELECT coalesce(max(saved), 0) + 1 FROM states))
  ON CONFLICT (name) DO UPDATE SET state = excluded.state, saved = excluded.saved
"""
_MAKE_ROOM = """
DELETE FROM states WHERE name LIKE '%:%' AND saved <= (SELECT saved FROM states
  ORDER BY saved DESC LIMIT 1 OFFSET ?)
"""


class SqliteRoutes:
    """Implements `RouteStore`."""

    def __init__(self, path: Path) -> None:
        self._file = Brief(path, SCHEMA, "what routes have learned", busy_s=_BUSY_S)

    async def add(self, lessons: tuple[Lesson, ...]) -> None:
        """All of them or none."""
        await self._write(lambda connection: _add(connection, lessons))

    async def lessons(self, place: Place | None = None, *, most: int = 10_000) -> list[Lesson]:
        """The newest, oldest first; what cannot be read any more is left out."""

        def read(connection: sqlite3.Connection) -> list[Lesson]:
            if place is None:
                rows = _newest(connection, most)
            else:
                where = (place.tenant, place.task, place.prompt, most)
                rows = connection.execute(_OF_A_PLACE, where).fetchall()
            return [lesson for (data,) in reversed(rows) if (lesson := _read(data)) is not None]

        return await self._look(read, [])

    async def load(self, name: str) -> bytes | None:
        """The state of a name."""

        def read(connection: sqlite3.Connection) -> bytes | None:
            row = connection.execute(_LOAD, (name,)).fetchone()
            return None if row is None else bytes(row[0])

        return await self._look(read, None)

    async def save(self, name: str, state: bytes) -> None:
        """In place of the one before."""
        await self._write(lambda connection: _save(connection, name, state))

    async def names(self) -> tuple[str, ...]:
        """All names, sorted."""

        def read(connection: sqlite3.Connection) -> tuple[str, ...]:
            rows = connection.execute("SELECT name FROM states ORDER BY name")
            return tuple(name for (name,) in rows)

        return await self._look(read, ())

    async def exchange(
        self, changes: Mapping[str, Change], since: int
    ) -> tuple[int, Mapping[str, bytes]]:
        """In one transaction; where there is nothing to change it only reads."""
        return await asyncio.to_thread(self._exchange, changes, since)

    def _exchange(
        self, changes: Mapping[str, Change], since: int
    ) -> tuple[int, Mapping[str, bytes]]:
        if not changes:
            with self._file.reading() as connection:
                return (since, {}) if connection is None else _newer(connection, since)
        with self._file.writing() as connection:
            for name, change in changes.items():
                row = connection.execute(_LOAD, (name,)).fetchone()
                _save(connection, name, change(None if row is None else bytes(row[0])))
            return _newer(connection, since)

    async def close(self) -> None:
        """Nothing stays open between pieces of work."""

    async def _look(self, read: Callable[[sqlite3.Connection], T], nothing: T) -> T:
        def work() -> T:
            with self._file.reading() as connection:
                return nothing if connection is None else read(connection)

        return await asyncio.to_thread(work)

    async def _write(self, write: Callable[[sqlite3.Connection], object]) -> None:
        def work() -> None:
            with self._file.writing() as connection:
                write(connection)

        await asyncio.to_thread(work)


def _add(connection: sqlite3.Connection, lessons: Sequence[Lesson]) -> None:
    rows = [(*_where(one.place), msgspec.msgpack.encode(one)) for one in lessons]
    connection.executemany(_INSERT, rows)
    for tenant, task, prompt in dict.fromkeys(_where(one.place) for one in lessons):
        of = {"tenant": tenant, "task": task, "prompt": prompt, "most": MOST_OF_A_PLACE}
        connection.execute(_TRIM_PLACE, of)
    if _number_of(connection) > MOST:
        counts: dict[str, int] = dict(connection.execute(_COUNTS))
        each = share(counts, MOST)
        for tenant in (one for one, count in counts.items() if count > each):
            connection.execute(_TRIM_TENANT, {"tenant": tenant, "most": each})


def _newest(connection: sqlite3.Connection, most: int) -> list[tuple[bytes]]:
    """Of all, newest first; where there are more, of each tenant its share."""
    if _number_of(connection) <= most:
        return connection.execute(_OF_ALL, (most,)).fetchall()
    each = max(1, share(dict(connection.execute(_COUNTS)), most))
    return connection.execute(_SHARED, (each, most)).fetchall()


def _number_of(connection: sqlite3.Connection) -> int:
    (count,) = connection.execute(_COUNT).fetchone()
    return int(count)


def _save(connection: sqlite3.Connection, name: str, state: bytes) -> None:
    connection.execute(_SAVE, (name, state))
    connection.execute(_MAKE_ROOM, (MOST_STATES,))


def _newer(connection: sqlite3.Connection, since: int) -> tuple[int, Mapping[str, bytes]]:
    """A file that is younger than what was asked for has begun anew: all of it is new.

    So is all of one that nobody has brought to this schema yet.
    """
    if connection.execute(_NUMBERED).fetchone() is None:
        rows = connection.execute("SELECT name, state FROM states")
        return since, {name: bytes(state) for name, state in rows}
    (newest,) = connection.execute(_NEWEST).fetchone()
    rows = connection.execute(_NEWER, (since if newest >= since else -1,))
    return int(newest), {name: bytes(state) for name, state in rows}


def _where(place: Place) -> tuple[str, str, str]:
    return (place.tenant, place.task, place.prompt)


def _read(data: bytes) -> Lesson | None:
    try:
        return msgspec.msgpack.decode(data, type=Lesson)
    except msgspec.DecodeError:
        return None
