"""The way to a PostgreSQL: connections made when they are needed, the newest schema, bounded waits.

A server that is away or does not answer costs one time limit, then nothing for a pause: whoever
asks meanwhile is refused at once. What is said of it never holds its URL, nor a server's own words,
which may repeat what was written.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import asyncpg  # type: ignore[import-untyped]  # ships no types

from scrimp.errors import ConfigError, StoreError

SCHEMA_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_PGVECTOR = (0, 8)
"""The first that goes on searching where what it found first is past its time."""
_MIGRATION_S = 60.0
_IS_THERE = "SELECT 1 FROM pg_tables WHERE schemaname = $1 AND tablename = $2"
_KNOWN: tuple[tuple[type[BaseException], str], ...] = (
    (asyncpg.InvalidPasswordError, "it does not take the password of the URL"),
    (asyncpg.InvalidAuthorizationSpecificationError, "it does not take the user of the URL"),
    (asyncpg.InvalidCatalogNameError, "it has no database of that name"),
    (
        asyncpg.InsufficientPrivilegeError,
        "it does not allow this (its administrator makes schema and extension for this user)",
    ),
    (asyncpg.UndefinedFileError, "it has no pgvector (install it on the server)"),
    (asyncpg.FeatureNotSupportedError, "it has no pgvector (install it on the server)"),
    (asyncpg.ReadOnlySQLTransactionError, "it is a read-only replica"),
    (asyncpg.TooManyConnectionsError, "it has no connection left"),
    (asyncpg.DiskFullError, "its disk is full"),
    (asyncpg.PostgresConnectionError, "the connection broke"),
    (asyncpg.InterfaceError, "its URL cannot be used, or the connection broke"),
    (TimeoutError, "it does not answer in time"),
    (OSError, "it cannot be reached"),
)


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """`schema` holds the tables. `timeout_s` bounds each statement, connecting included."""

    schema: str = "scrimp"
    timeout_s: float = 2.0
    connections: int = 8
    pause_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Script:
    """One kind of tables: `what` in messages, and how its migrations' names begin."""

    what: str
    prefix: str

    def all(self) -> tuple[str, ...]:
        """The SQL of each version, from 1 on."""
        folder = files("scrimp.stores") / "migrations"
        found = sorted((f.name, f) for f in folder.iterdir() if f.name.startswith(self.prefix))
        return tuple(f.read_text(encoding="utf-8") for _, f in found)


class PostgresLink:
    """Connections to one schema, for one event loop. Nothing is opened before it is asked."""

    def __init__(
        self, url: str, script: Script, options: LinkOptions, tell: Callable[[str], None]
    ) -> None:
        """Raises ConfigError for a name that is no schema's."""
        if not SCHEMA_NAME.fullmatch(options.schema):
            raise ConfigError(
                f"'{options.schema[:80]}' is no name of a schema (small letters, digits and _, at "
                "most 63)"
            )
        self.place = place_of(url)
        self._url = url
        self._script = script
        self._options = options
        self._tell = tell
        self._pool: Any = None
        self._opening = asyncio.Lock()
        self._migrated = False
        self._why = ""
        self._rests_until_s = 0.0
        self._closed = False

    @asynccontextmanager
    async def connection(self, *, patient: bool = False) -> AsyncIterator[Any]:
        """One of the pool. Raises StoreError; at once while the server is away.

        A `patient` one has no time limit, and neither spoils nor mends what others hear.
        """
        self._check(patient=patient)
        held: Any = None
        pool: Any = None
        try:
            pool = await self._opened()
            held = await self._acquired(pool)
            yield held
            if not patient:
                self._well()
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise self._failure(error) from None  # its words may repeat what was written
        except asyncio.CancelledError:
            if held is not None:
                _drop(held)  # else a server that hangs would hold up whoever gives up waiting
            raise
        finally:
            if held is not None:
                if not patient and self._why:
                    _drop(held)
                await pool.release(held)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Any]:
        """A connection in a transaction: one writer at a time. Raises StoreError."""
        async with self.connection() as connection, connection.transaction():
            await connection.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", self._lock
            )
            yield connection

    async def close(self) -> None:
        """Let go of all connections. May be called twice."""
        self._closed = True
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            async with asyncio.timeout(self._options.timeout_s):
                await pool.close()
        except (TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            pool.terminate()

    @property
    def _lock(self) -> str:
        return f"scrimp {self._script.prefix} {self._options.schema}"

    def _check(self, *, patient: bool) -> None:
        if self._closed:
            raise StoreError(f"the {self._script.what} in {self.place} is closed")
        if self._why and not patient and time.monotonic() < self._rests_until_s:
            raise StoreError(self._why)

    async def _opened(self) -> Any:
        async with self._opening:
            if self._pool is None:
                self._pool = await self._new_pool()
            if not self._migrated:
                connection = await self._acquired(self._pool)
                try:
                    await self._migrate(connection)
                finally:
                    await self._pool.release(connection)
                self._migrated = True
        return self._pool

    async def _new_pool(self) -> Any:
        options = self._options
        return await asyncpg.create_pool(
            self._url,
            min_size=0,
            max_size=options.connections,
            timeout=options.timeout_s,
            command_timeout=options.timeout_s,
            reset=_as_it_was,
            server_settings={
                "application_name": "scrimp",
                "search_path": f"{options.schema}, public, extensions",
                "hnsw.ef_search": "200",
                "hnsw.iterative_scan": "strict_order",
            },
        )

    async def _acquired(self, pool: Any) -> Any:
        try:
            return await pool.acquire(timeout=self._options.timeout_s)
        except ValueError as error:  # one of a URL that cannot be read; it may repeat it
            raise asyncpg.InterfaceError(type(error).__name__) from None

    async def _migrate(self, connection: Any) -> None:
        """The newest tables, whole or not at all. Raises StoreError."""
        scripts = self._script.all()
        if await self._version(connection) == len(scripts):
            return
        async with connection.transaction():
            await connection.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", self._lock
            )
            found = await self._version(connection)  # another process may have been first
            if found > len(scripts):
                raise StoreError(
                    f"the {self._script.what} in {self.place} has schema version {found}, this "
                    f"Scrimp knows versions up to {len(scripts)} (upgrade Scrimp)"
                )
            await self._prepare(connection)
            for version, script in enumerate(scripts[found:], found + 1):
                await connection.execute(script, timeout=_MIGRATION_S)
                done = f"INSERT INTO {self._table} VALUES ($1)"  # noqa: S608 (a checked name)
                await connection.execute(done, version)

    async def _prepare(self, connection: Any) -> None:
        schema = self._options.schema
        known = "SELECT 1 FROM pg_namespace WHERE nspname = $1"
        if not await connection.fetchval(known, schema):
            await connection.execute(f"CREATE SCHEMA {schema}")
        version = "SELECT extversion FROM pg_extension WHERE extname = 'vector'"
        found = await connection.fetchval(version)
        if found is None:
            lock = "SELECT pg_advisory_xact_lock(hashtextextended('scrimp pgvector', 0))"
            await connection.execute(lock)
            await connection.execute("CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public")
            found = await connection.fetchval(version)
        numbers = tuple(int(one) for one in re.findall(r"\d+", found)[:2])
        if numbers < _PGVECTOR:
            raise StoreError(
                f"{self.place} has pgvector {found}, and 0.8 or newer is needed (ALTER EXTENSION "
                "vector UPDATE, once the server has it)"
            )
        await connection.execute(
            f"CREATE TABLE IF NOT EXISTS {self._table} (version INTEGER PRIMARY KEY)"
        )

    async def _version(self, connection: Any) -> int:
        """Of the tables: 0 where there are none."""
        # to_regclass may still know that there was none, when another has just made it
        schema, _, name = self._table.partition(".")
        if await connection.fetchval(_IS_THERE, schema, name) is None:
            return 0
        query = f"SELECT coalesce(max(version), 0) FROM {self._table}"  # noqa: S608 (a checked name)
        version: int = await connection.fetchval(query)
        return version

    @property
    def _table(self) -> str:
        return f"{self._options.schema}.{self._script.prefix}versions"

    def _failure(self, error: Exception) -> StoreError:
        if isinstance(error, asyncpg.DataError | asyncpg.exceptions.DataError):
            return StoreError(f"the {self._script.what} cannot hold this: {type(error).__name__}")
        why = next((why for kind, why in _KNOWN if isinstance(error, kind)), "")
        kind = type(error).__name__
        told = f"the {self._script.what} in {self.place} cannot be used now: {why or kind}"
        if not self._why:
            self._tell(f"{told}; calls go on without it")
        self._why = told
        self._rests_until_s = time.monotonic() + self._options.pause_s
        return StoreError(told)

    def _well(self) -> None:
        if self._why:
            self._tell(f"the {self._script.what} in {self.place} is in use again")
        self._why = ""


def _drop(connection: Any) -> None:
    with suppress(asyncpg.InterfaceError):  # the pool has let go of it already
        connection.terminate()


async def _as_it_was(_connection: Any) -> None:
    """Nothing is set on a connection that another may not find so; a reset would cost a trip."""


def place_of(url: str) -> str:
    """Host and database of a URL, without who and how."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "PostgreSQL"
    known = parts.scheme in ("postgres", "postgresql") and parts.hostname
    return f"PostgreSQL at {parts.hostname}{port}{parts.path[:80]}" if known else "PostgreSQL"
