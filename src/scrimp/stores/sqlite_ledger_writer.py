"""The one thread that writes the ledger: gathers entries, commits them, survives bad days.

A bad day goes like this: the entry stays in memory and the commit is tried again; what has waited
too long, or is too much to hold, is set aside in the spill file; when even that fails, the newest
are given up, counted, and told. Nothing is lost without a word.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Literal

from scrimp.errors import StoreError
from scrimp.ports import Entry, LedgerHealth
from scrimp.stores import sqlite_ledger_spill as spill
from scrimp.stores.sqlite_errors import is_busy, words_of
from scrimp.stores.sqlite_ledger_file import Identity, identity, open_writer
from scrimp.stores.sqlite_ledger_rows import write
from scrimp.stores.sqlite_rest import Gate

_TRANSACTION = 1000
"""Most entries in one transaction."""

Flushed = Future[None]


@dataclass(frozen=True, slots=True)
class LedgerOptions:
    """How a SQLite ledger is written.

    `linger_ms` is how long a group gathers after its first entry; with the commit itself the
    unacknowledged window stays under 50 ms. `synchronous` NORMAL survives the end of the process,
    FULL also the loss of power, for an fsync per group. `patience_s` is how long entries wait in
    memory for a database that refuses them, `buffer_entries` how many may, before they are set
    aside in the spill file.
    """

    linger_ms: int = 20
    synchronous: Literal["NORMAL", "FULL"] = "NORMAL"
    busy_timeout_ms: int = 1000
    patience_s: float = 1.0
    retry_max_s: float = 5.0
    buffer_entries: int = 10_000


class Writer:
    """Owns the connection. Only `queue`, `hurry` and `health` are for other threads."""

    def __init__(self, path: Path, options: LedgerOptions, tell: Callable[[str], None]) -> None:
        self.queue: SimpleQueue[Entry | Flushed | None] = SimpleQueue()
        self.hurry = threading.Event()
        self._path = path
        self._options = options
        self._tell = tell
        self._connection: sqlite3.Connection | None = None
        self._identity: Identity | None = None
        self._buffer: list[Entry] = []
        self._waiters: list[Flushed] = []
        self._stopping = False
        self._spilled = 0
        self._dropped = 0
        self._last_error = ""
        self._failing_since: float | None = None
        self._retry_at = 0.0
        self._retry_s = 0.0
        self._gate = Gate(self._disconnect)

    @property
    def ok(self) -> bool:
        """True while entries are committed as they come."""
        return self._failing_since is None and not self._spilled

    def health(self) -> LedgerHealth:
        """What is true now; safe from any thread. What was dropped is past: it has its count."""
        return LedgerHealth(
            ok=self.ok,
            pending=self.queue.qsize() + len(self._buffer),
            spilled=self._spilled,
            last_error=self._last_error,
            dropped=self._dropped,
        )

    def open(self) -> None:
        """Open the database before the first entry, and read back what waits in a spill file.

        Raises StoreError only when the file is not a ledger that this Scrimp can write; a database
        that is locked, unwritable or full now is a bad day, and is tried again.
        """
        try:
            with self._gate:
                self._spilled = spill.count(self._path)
                self._connect()
                self._read_back()
        except (sqlite3.Error, OSError) as error:
            self._fail(error)

    def run(self) -> None:
        """The thread: until a None comes out of the queue."""
        try:
            while not self._stopping:
                self._gather()
                if self._due():
                    with self._gate:
                        self._commit()
                self._relieve()
                self._answer()
        finally:
            with self._gate:
                self._disconnect()
            self._answer(StoreError("the ledger's writer has ended; see the log"))

    def refuse(self, entry: Entry, why: str) -> None:
        """Count an entry that was not kept, and say so."""
        self._dropped += 1
        self._tell(f"ledger: call {entry.id} is NOT booked: {why}")

    def _gather(self) -> None:
        """Wait for something to do, linger for more, and take all there is."""
        try:
            first = self.queue.get(timeout=self._idle_s())
        except Empty:
            return
        self._take(first)
        if not self._waiters and not self._stopping:
            self.hurry.wait(self._options.linger_ms / 1000)
        self.hurry.clear()
        while not self.queue.empty():
            self._take(self.queue.get_nowait())

    def _due(self) -> bool:
        return self._stopping or time.monotonic() >= self._retry_at

    def _idle_s(self) -> float | None:
        """How long there is nothing to do unless an entry comes; None for ever."""
        if self._failing_since is None:
            return None
        now = time.monotonic()
        wake_at = self._retry_at
        late_at = self._failing_since + self._options.patience_s
        if self._buffer and now < late_at:
            wake_at = min(wake_at, late_at)
        return max(wake_at - now, 0.001)

    def _take(self, item: Entry | Flushed | None) -> None:
        if item is None:
            self._stopping = True
        elif isinstance(item, Entry):
            self._buffer.append(item)
        else:
            self._waiters.append(item)

    def _commit(self) -> None:
        """Write the buffer, then what waits in the spill file."""
        try:
            if self._connection is None:
                self._connect()
            while self._buffer:
                piece = self._buffer[:_TRANSACTION]
                self._write(piece)
                del self._buffer[: len(piece)]
            if self._spilled:
                self._read_back()
        except (sqlite3.Error, OSError, StoreError) as error:
            self._fail(error)
        else:
            self._recover()

    def _write(self, entries: Sequence[Entry]) -> None:
        """Commit one group into the file that still has the ledger's name."""
        while True:
            if self._connection is None:
                self._connect()
            assert self._connection is not None  # noqa: S101 - told to the type checker
            _, unfit = write(self._connection, entries)
            if identity(self._path) == self._identity:
                break
            # Deleted or replaced underneath: this group may have gone into a file without a name.
            self._disconnect()
            self._tell(
                f"ledger: {self._path} was removed or replaced while in use; it is made anew"
            )
        for entry, why in unfit:
            self.refuse(entry, f"no row can hold it ({why})")

    def _read_back(self) -> None:
        if not spill.spill_path(self._path).exists():
            self._spilled = 0
            return
        done = spill.read_back(self._path, self._write)
        self._spilled = 0
        self._tell(f"ledger: {done.entries} entries were read back from the spill file")
        if done.unreadable:
            self._dropped += done.unreadable
            where = spill.unreadable_path(self._path)
            self._tell(f"ledger: {done.unreadable} spilled lines cannot be read; kept in {where}")

    def _relieve(self) -> None:
        """Set aside what has waited too long or is too much to hold."""
        if not self._buffer or self._failing_since is None:
            return
        options = self._options
        over = len(self._buffer) - options.buffer_entries
        late = time.monotonic() - self._failing_since >= options.patience_s
        if not (late or over > 0 or self._stopping):
            return
        try:
            unfit = spill.set_aside(self._path, self._buffer, sync=options.synchronous == "FULL")
        except OSError as error:
            self._give_up(error, len(self._buffer) if self._stopping else over)
            return
        if not self._spilled:
            self._tell(f"ledger: entries are set aside in {spill.spill_path(self._path)}")
        self._spilled += len(self._buffer) - len(unfit)
        self._buffer.clear()
        for entry, why in unfit:
            self.refuse(entry, f"no line can hold it ({why})")

    def _give_up(self, error: OSError, entries: int) -> None:
        """Neither database nor spill file: count and tell what can no longer be held."""
        self._last_error = f"{self._last_error}; spill file: {words_of(error)}"
        if entries > 0:
            lost = self._buffer[-entries:]
            del self._buffer[-entries:]
            self._dropped += len(lost)
            first, last = lost[0].id, lost[-1].id
            self._tell(
                f"ledger: {len(lost)} calls are NOT booked ({first} to {last}; {self._dropped} in "
                f"all): {self._last_error}"
            )
        # Last: whoever hears of it may look at the counts at once.
        self._answer(StoreError(f"the ledger cannot be written: {self._last_error}"))

    def _fail(self, error: Exception) -> None:
        now = time.monotonic()
        self._last_error = words_of(error)
        if not is_busy(error):
            self._disconnect()
        if self._failing_since is None:
            self._failing_since = now
            self._tell(f"ledger: {self._path} cannot be written now: {self._last_error}")
        self._retry_s = min(max(self._retry_s * 2, 0.05), self._options.retry_max_s)
        self._retry_at = now + self._retry_s

    def _recover(self) -> None:
        self._retry_s = self._retry_at = 0.0
        if self._failing_since is not None:
            self._failing_since = None
            self._tell(f"ledger: {self._path} is written again")

    def _answer(self, error: StoreError | None = None) -> None:
        """Tell whoever waits for a flush: all is kept, or it cannot be."""
        if error is None and self._buffer:
            return
        for waiter in self._waiters:
            if waiter.set_running_or_notify_cancel():
                if error is None:
                    waiter.set_result(None)
                else:
                    waiter.set_exception(error)
        self._waiters.clear()

    def _connect(self) -> None:
        options = self._options
        self._connection = open_writer(
            self._path,
            synchronous=options.synchronous,
            busy_timeout_ms=options.busy_timeout_ms,
        )
        self._identity = identity(self._path)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except sqlite3.Error as error:
                self._tell(f"ledger: closing {self._path}: {words_of(error)}")
