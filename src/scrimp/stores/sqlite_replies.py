"""Remembered replies in one SQLite file: compressed, bounded in bytes, shared by processes.

Reads happen on the event loop: a look-up in the system's page cache takes a few dozen microseconds,
which is less than a way to another thread and back. Writes go to one thread that commits them in
groups; until then they are read from memory. No reply is lost but those of the last moments before
a kill.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path

from scrimp.errors import StoreError
from scrimp.ports import CacheScope, Clock, StoredReply, StoreStats
from scrimp.remembered import Chosen, check_chosen
from scrimp.stores.reply_choice import part
from scrimp.stores.reply_codec import unpack
from scrimp.stores.scope_counts import Counts
from scrimp.stores.sqlite_replies_file import Locks, is_damage, open_reader
from scrimp.stores.sqlite_replies_forget import is_forgotten, micros
from scrimp.stores.sqlite_replies_rows import ROW_OVERHEAD_BYTES, SELECT, Rows, read_scopes
from scrimp.stores.sqlite_replies_writer import Job, Put, RepliesOptions, Tally, Writer
from scrimp.stores.sqlite_rest import Gate

__all__ = ["RepliesOptions", "SqliteReplies", "file_stats"]

_log = logging.getLogger("scrimp.cache")
_TALLY_S = 1.0  # how late the file may learn of uses and look-ups
_LARGE_BYTES = 128 * 1024  # unpacking more would hold the event loop up
_READ_PAUSE_S = 1.0


class SqliteReplies:
    """Implements `ports.ReplyStore` and `ports.Claims` on one event loop. Make it with `open`."""

    def __init__(self, path: Path, clock: Clock, writer: Writer, options: RepliesOptions) -> None:
        self._path = path
        self._clock = clock
        self._options = options
        self._writer = writer
        self._thread = threading.Thread(target=writer.run, name="scrimp-cache", daemon=True)
        self._connection: sqlite3.Connection | None = None
        self._generation = 0
        self._unread_until = 0.0
        self._why_unread = ""
        self._pending: dict[bytes, StoredReply] = {}
        self._pending_bytes = 0
        self._touched: dict[bytes, None] = {}
        self._counts = Counts()
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._locks = Locks(path)
        self._late: set[bytes] = set()
        self._closed = False
        self._gate = Gate(self._disconnect)
        writer.done_with = self._written

    @classmethod
    def open(
        cls,
        path: Path,
        clock: Clock,
        options: RepliesOptions,
        *,
        tell: Callable[[str], None] = _log.warning,
    ) -> SqliteReplies:
        """Open or make the file (0600) and start its writer. Never raises.

        A file that cannot be used (another's, of a newer Scrimp, unwritable) is told once, and
        every look-up raises StoreError; a damaged one is set aside and made anew. `tell` gets one
        line for each turn of fortune, from any thread.
        """
        writer = Writer(path, clock, options, tell)
        writer.open()
        replies = cls(path, clock, writer, options)
        replies._thread.start()
        return replies

    async def get(
        self, key: bytes, scope: CacheScope | None = None, *, max_age_s: int | None = None
    ) -> StoredReply | None:
        """The reply, or None."""
        stored = self._pending.get(key)
        if stored is None and (data := self._read(key)) is not None:
            few = len(data) < _LARGE_BYTES
            stored = unpack(data) if few else await asyncio.to_thread(unpack, data)
        if stored is not None:
            now = self._clock.now()
            if stored.expires_at <= now or (
                max_age_s is not None and (now - stored.stored_at).total_seconds() >= max_age_s
            ):
                stored = None
        if scope is not None:
            self._counts.count(scope, hit=stored is not None)
        if stored is not None:
            self._touched.pop(key, None)  # so that it stands last
            self._touched[key] = None
        self._arm()
        return stored

    async def put(self, key: bytes, stored: StoredReply) -> bool:
        """Remember it. False when it is too large, or was asked for before it was forgotten."""
        size_bytes = _size(stored)
        if size_bytes > self._options.max_bytes:
            return False
        self._check()
        if stored.asked_at is not None and self._is_forgotten(stored):
            return False
        writer = self._writer
        if writer.file.trouble.said and time.monotonic() < writer.file.trouble.retry_at:
            raise StoreError(writer.file.trouble.said)
        if self._pending_bytes + size_bytes > self._options.behind_bytes:
            msg = (
                f"the cache {self._path} is {self._pending_bytes:,} bytes behind, and "
                f"{self._options.behind_bytes:,} may wait"
            )
            raise StoreError(msg)
        self._forget_pending(key)
        self._pending[key] = stored
        self._pending_bytes += size_bytes
        self._loop = asyncio.get_running_loop()
        if self._touched:  # what was used before this one stands before it
            self._hand_over()
        writer.queue.put(Put(key, stored))
        return True

    def used(self, key: bytes, scope: CacheScope | None) -> None:
        """A tier above answered from its own copy: count it here, and keep the reply young."""
        if scope is not None:
            self._counts.count(scope, hit=True)
        self._touched.pop(key, None)
        self._touched[key] = None
        self._arm()

    async def delete(self, key: bytes) -> bool:
        """Forget it. False when it was not there."""
        return bool(await self._do(lambda rows: rows.delete(key)))

    async def invalidate(self, chosen: Chosen, *, dry_run: bool = False) -> int:
        """Forget all that is chosen; how many there were."""
        check_chosen(chosen)
        return await self._do(lambda rows: rows.forget(chosen, dry_run=dry_run))

    async def clear(self, tenant: str | None = None, task: str | None = None) -> int:
        """Forget all, or all of a tenant, a task type, or both; how many there were."""
        return await self._do(lambda rows: rows.forget(part(tenant, task)))

    async def stats(self, tenant: str | None = None) -> StoreStats:
        """What is kept and counted now, by all processes."""
        await self._do(_purge)
        evicted, max_bytes = self._writer.evicted, self._options.max_bytes
        return await asyncio.to_thread(file_stats, self._path, max_bytes, tenant, evicted)

    async def claim(self, key: bytes, *, lease_s: float) -> bool:  # noqa: ARG002 - the system ends it
        """True: this process asks. The claim of a process that ends is free at once."""
        self._check()
        self._late.discard(key)
        try:
            return self._locks.take(key)
        except OSError as error:
            msg = f"the locks beside {self._path} cannot be used: {error.strerror}"
            raise StoreError(msg) from error

    def release(self, key: bytes) -> None:
        """Give a claim back, if it is held; once others can read what was put, where that waits."""
        if key in self._pending:
            self._late.add(key)
        else:
            self._locks.give(key)

    async def close(self) -> None:
        """Commit what is pending and let go of the file. May be called twice."""
        if not self._closed:
            self._hand_over()
            self._closed = True
            self._writer.queue.put(None)
            self._writer.hurry.set()
        await asyncio.to_thread(self._thread.join)
        self._disconnect()
        self._locks.close()

    def _check(self) -> None:
        if self._closed:
            raise StoreError(f"the cache {self._path} is closed")

    def _read(self, key: bytes) -> bytes | None:
        """The bytes of a reply. Raises StoreError."""
        with self._gate:
            connection = self._connection
            if connection is None or self._generation != self._writer.file.generation:
                connection = self._connect()
            try:
                rows = connection.execute(SELECT, (key,)).fetchall()
            except sqlite3.Error as error:
                raise self._unreadable(error) from error
        data: bytes | None = rows[0][0] if rows else None
        return data

    def _is_forgotten(self, stored: StoredReply) -> bool:
        """As far as the file tells now; the writer looks again when it commits."""
        with self._gate, suppress(StoreError):
            connection = self._connection
            if connection is None or self._generation != self._writer.file.generation:
                connection = self._connect()
            try:
                return is_forgotten(connection, stored, micros(self._clock.now()))
            except sqlite3.Error as error:
                raise self._unreadable(error) from error
        return False

    def _connect(self) -> sqlite3.Connection:
        self._check()
        generation = self._writer.file.generation
        if not generation:
            raise StoreError(self._writer.file.trouble.said)
        if generation == self._generation and time.monotonic() < self._unread_until:
            raise StoreError(self._why_unread)
        self._disconnect()
        self._generation = generation
        try:
            self._connection = open_reader(self._path)
        except StoreError as error:
            raise self._unreadable(error) from error
        return self._connection

    def _unreadable(self, error: sqlite3.Error | StoreError) -> StoreError:
        self._disconnect()
        self._unread_until = time.monotonic() + _READ_PAUSE_S
        words = str(error) if isinstance(error, StoreError) else f"{self._path}: {error}"
        self._why_unread = f"the cache cannot be read now: {words}"
        if is_damage(error):
            self._writer.queue.put(Job(_check_whole, Future()))
        return StoreError(self._why_unread)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    async def _do(self, work: Callable[[Rows], int]) -> int:
        """Have the writer do something in its turn. Raises StoreError."""
        self._check()
        self._loop = asyncio.get_running_loop()
        self._hand_over()
        done: Future[int] = Future()
        self._writer.queue.put(Job(work, done))
        self._writer.hurry.set()
        return await asyncio.wrap_future(done)

    def _arm(self) -> None:
        if self._timer is None and not self._closed:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(_TALLY_S, self._hand_over)

    def _hand_over(self) -> None:
        """Uses and look-ups go to the writer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if (self._touched or self._counts) and not self._closed:
            self._writer.queue.put(Tally(tuple(self._touched), self._counts.take()))
            self._touched = {}

    def _written(self, puts: list[Put]) -> None:
        """On the writer's thread: these are in the file, or given up."""
        if puts and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._settle, puts)

    def _settle(self, puts: list[Put]) -> None:
        for put in puts:
            if self._pending.get(put.key) is put.stored:
                self._forget_pending(put.key)
                if put.key in self._late:
                    self._late.discard(put.key)
                    self._locks.give(put.key)

    def _forget_pending(self, key: bytes) -> None:
        if (stored := self._pending.pop(key, None)) is not None:
            self._pending_bytes -= _size(stored)


def file_stats(
    path: Path, max_bytes: int, tenant: str | None = None, evicted: int = 0
) -> StoreStats:
    """What a cache file says of itself, whether or not a gateway uses it. Raises StoreError."""
    connection = open_reader(path, busy_timeout_ms=1000)
    try:
        scopes = read_scopes(connection, tenant)
    finally:
        connection.close()
    return StoreStats(
        engine="sqlite",
        entries=sum(one.entries for one in scopes),
        size_bytes=sum(one.size_bytes for one in scopes),
        max_bytes=max_bytes,
        evicted=evicted,
        scopes=scopes,
    )


def _size(stored: StoredReply) -> int:
    return ROW_OVERHEAD_BYTES + len(stored.reply.body or b"")


def _purge(rows: Rows) -> int:
    rows.purge()
    return 0


def _check_whole(rows: Rows) -> int:
    """Come upon the damage that a reader saw, so that it is mended."""
    rows.check()
    return 0
