"""The one thread that writes remembered replies: gathers them, packs them, commits in groups.

This is a cache: what cannot be written is given up, and asked for again one day. What is wrong is
told once, stands in `trouble` for those who want to put more, and is tried again after a pause.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue

from scrimp.errors import InvalidRequest, Rejected, StoreError
from scrimp.ports import CacheScope, Clock, StoredReply
from scrimp.stores.reply_codec import pack
from scrimp.stores.scope_counts import Looked
from scrimp.stores.sqlite_held import HeldFile
from scrimp.stores.sqlite_replies_file import open_writer
from scrimp.stores.sqlite_replies_rows import Rows
from scrimp.stores.sqlite_transaction import one_transaction

_PAUSES_S = (1.0, 2.0, 5.0)
_PURGE_S = 60.0  # what is past its time may lie in the file that long


@dataclass(frozen=True, slots=True)
class RepliesOptions:
    """How a cache file is written.

    `linger_ms` is how long a group gathers; until it is committed, replies are read from memory.
    `behind_bytes` is how much may wait there.
    """

    max_bytes: int
    linger_ms: int = 20
    busy_timeout_ms: int = 1000
    behind_bytes: int = 32 * 1024 * 1024
    pauses_s: tuple[float, ...] = _PAUSES_S


@dataclass(frozen=True, slots=True, eq=False)
class Put:
    """One reply to remember."""

    key: bytes
    stored: StoredReply


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """Uses and look-ups since the last one."""

    touched: Sequence[bytes]
    counts: Mapping[CacheScope, Looked]


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """Something that somebody waits for, done in its turn."""

    work: Callable[[Rows], int]
    done: Future[int]


Item = Put | Tally | Job
Result = tuple[Job, int | Rejected]
Packed = tuple[Put, bytes]


class Writer:
    """Owns the connection. Only `queue`, `hurry` and the plain attributes are for other threads."""

    def __init__(
        self, path: Path, clock: Clock, options: RepliesOptions, tell: Callable[[str], None]
    ) -> None:
        self.queue: SimpleQueue[Item | None] = SimpleQueue()
        self.hurry = threading.Event()
        self.evicted = 0
        self.done_with: Callable[[list[Put]], None] = lambda _: None
        self._path = path
        self._clock = clock
        self._options = options
        self.file = HeldFile(path, "cache", options.pauses_s, tell, self._open_rows)
        self._purge_at = 0.0
        self._stopping = False

    def open(self) -> None:
        """Open or make the file before the first use. Never raises: see `file.trouble`."""
        self._attempt([])

    def run(self) -> None:
        """The thread: until a None comes out of the queue."""
        try:
            while not self._stopping:
                group = self._gather()
                if group or not self._stopping:
                    self._attempt(group)
        finally:
            self.file.close()
            self._refuse(self._drain(), StoreError("the cache is closed"))

    def _gather(self) -> list[Item]:
        group: list[Item] = []
        first = self.queue.get()
        if isinstance(first, Put | Tally):
            self.hurry.wait(self._options.linger_ms / 1000)
        self.hurry.clear()
        for item in (first, *self._drain(stop_at_end=True)):
            if item is None:
                self._stopping = True
                break
            group.append(item)
        return group

    def _drain(self, *, stop_at_end: bool = False) -> list[Item]:
        taken: list[Item] = []
        while not self.queue.empty():
            item = self.queue.get_nowait()
            if item is not None:
                taken.append(item)
            elif stop_at_end:
                self._stopping = True
                break
        return taken

    def _attempt(self, group: list[Item]) -> None:
        """Commit the group, or give it up."""
        packed = self._pack(group)
        results = self.file.attempt(partial(self._transaction, group, packed))
        self.done_with([item for item in group if isinstance(item, Put)])
        if results is None:
            self._refuse(group, StoreError(self.file.trouble.said))
            return
        for job, result in results:  # last: whoever hears of it may look at once
            if not job.done.set_running_or_notify_cancel():
                continue
            if isinstance(result, Rejected):
                job.done.set_exception(result)
            else:
                job.done.set_result(result)

    def _pack(self, group: Sequence[Item]) -> dict[Put, bytes]:
        packed: dict[Put, bytes] = {}
        for item in group:
            if isinstance(item, Put):
                with suppress(ValueError, TypeError):  # words that no file can hold
                    packed[item] = pack(item.stored)
        return packed

    def _transaction(
        self, group: Sequence[Item], packed: Mapping[Put, bytes], rows: Rows
    ) -> list[Result]:
        results: list[Result] = []
        if not group:
            return results
        with one_transaction(rows.connection):
            for item in group:
                match item:
                    case Put(key, stored) if item in packed:
                        rows.put(key, stored, packed[item])
                    case Tally(touched, counts):
                        rows.touch(touched)
                        rows.tally(counts)
                    case Job(work):
                        results.append((item, _done(work, rows)))
            self._purge(rows)
            evicted = rows.make_room()
        self.evicted += evicted
        if results:
            rows.connection.execute("PRAGMA incremental_vacuum(2048)").fetchall()
        return results

    def _purge(self, rows: Rows) -> None:
        if time.monotonic() >= self._purge_at:
            rows.purge()
            self._purge_at = time.monotonic() + _PURGE_S

    def _refuse(self, group: Sequence[Item], error: StoreError) -> None:
        for item in group:
            if isinstance(item, Job) and item.done.set_running_or_notify_cancel():
                item.done.set_exception(error)

    def _open_rows(self) -> Rows:
        options = self._options
        connection = open_writer(self._path, busy_timeout_ms=options.busy_timeout_ms)
        return Rows(connection, self._clock, options.max_bytes)


def _done(work: Callable[[Rows], int], rows: Rows) -> int | Rejected:
    """What it came to; a refusal is for who asked, and nothing is wrong with the file."""
    try:
        return work(rows)
    except Rejected as error:
        return error
    except (ValueError, TypeError, OverflowError) as error:  # words that no file can hold
        return InvalidRequest(f"the cache has no room for such words ({type(error).__name__})")
