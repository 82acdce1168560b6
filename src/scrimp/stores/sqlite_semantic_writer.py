"""The one thread that writes answers by meaning: what waits together is committed together.

This is a cache: what cannot be written is refused, and asked for again one day. What is wrong is
told once, stands in `trouble` for those who want to write more, and is tried again after a pause.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple

from scrimp.errors import InvalidRequest, StoreError
from scrimp.ports import Clock
from scrimp.stores.semantic_plan import SemanticLimits
from scrimp.stores.sqlite_held import HeldFile
from scrimp.stores.sqlite_semantic_file import open_writer
from scrimp.stores.sqlite_semantic_rows import Rows
from scrimp.stores.sqlite_transaction import one_transaction

_PURGE_S = 60.0  # what is past its time may lie in the file that long
_TOGETHER = 256

# Before a page changes, SQLite keeps what undoes it. In memory that takes half the time and no file
# is written for it, but it is as large as all pages that change.
_UNDO_IN_MEMORY = "PRAGMA temp_store = MEMORY"
_UNDO_IN_FILE = "PRAGMA temp_store = FILE"


@dataclass(frozen=True, slots=True)
class WriterOptions:
    """How the file is written: how long to wait for another process, and after a failure."""

    busy_timeout_ms: int = 1000
    pauses_s: tuple[float, ...] = (1.0, 2.0, 5.0)


class Leaving(NamedTuple):
    """A group that is to be forgotten: true when it was there."""

    scope: bytes
    group: int


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """Something to be done in its turn, whole or not at all.

    `done` is who waits for it, on its own loop. `many`: it may forget many groups at once.
    """

    work: Callable[[Rows], Any] | Leaving
    done: asyncio.Future[Any] | None = None
    many: bool = False


Outcome = tuple[Job, Any, Exception | None]


class Writer:
    """Owns the connection. Only `queue` and the plain attributes are for other threads."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        limits: SemanticLimits,
        options: WriterOptions,
        tell: Callable[[str], None],
    ) -> None:
        self.queue: SimpleQueue[Job | None] = SimpleQueue()
        self._path = path
        self._clock = clock
        self._limits = limits
        self._options = options
        self.file = HeldFile(path, "semantic cache", options.pauses_s, tell, self._open_rows)
        self._purge_at = 0.0
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="scrimp-meanings", daemon=True)

    def start(self) -> None:
        """Open or make the file, and begin. Never raises: see `file.trouble`."""
        self._attempt([])
        self._thread.start()

    def stop(self) -> None:
        """Do what waits, and end; may be called twice. Waits."""
        self.queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stopping:
                group = self._gather()
                if group or not self._stopping:
                    self._attempt(group)
        finally:
            self.file.close()
            self._refuse(self._gather_rest(), StoreError(f"{self._path} is closed"))

    def _gather(self) -> list[Job]:
        group: list[Job] = []
        item = self.queue.get()
        while item is not None:
            group.append(item)
            if len(group) >= _TOGETHER or self.queue.empty():
                return group
            item = self.queue.get_nowait()
        self._stopping = True
        return group

    def _gather_rest(self) -> list[Job]:
        rest: list[Job] = []
        while not self.queue.empty():
            if (item := self.queue.get_nowait()) is not None:
                rest.append(item)
        return rest

    def _attempt(self, group: list[Job]) -> None:
        """Commit the group, or refuse it."""
        outcomes = self.file.attempt(partial(self._transaction, group))
        if outcomes is None:
            self._refuse(group, StoreError(self.file.trouble.said))
        else:
            _tell(outcomes)  # last: whoever hears of it may look at once

    def _transaction(self, group: Sequence[Job], rows: Rows) -> list[Outcome]:
        if not group:
            return []
        due = time.monotonic() >= self._purge_at
        large = due or any(job.many for job in group)
        rows.connection.execute(_UNDO_IN_FILE if large else _UNDO_IN_MEMORY)
        with one_transaction(rows.connection):
            outcomes = self._leave(rows, group)
            for job in group:
                if not isinstance(job.work, Leaving):
                    result, refused = self._one(rows, job.work)
                    outcomes.append((job, result, refused))
            if due:
                rows.purge()
                self._purge_at = time.monotonic() + _PURGE_S
        return outcomes

    def _leave(self, rows: Rows, group: Sequence[Job]) -> list[Outcome]:
        """Groups that leave, all at once: one by one takes three to six times as long."""
        leaving = {job: job.work for job in group if isinstance(job.work, Leaving)}
        if not leaving:
            return []
        result, refused = self._one(rows, lambda rows: rows.delete(leaving.values()))
        left: set[tuple[bytes, int]] = result or set()
        outcomes: list[Outcome] = []
        for job, one in leaving.items():
            outcomes.append((job, one in left, refused))
            left.discard(one)  # who asks for the same once more finds nothing
        return outcomes

    def _one(
        self, rows: Rows, work: Callable[[Rows], Any]
    ) -> tuple[Any, StoreError | InvalidRequest | None]:
        execute = rows.connection.execute
        execute("SAVEPOINT job")
        refused: StoreError | InvalidRequest
        try:
            result = work(rows)
        except (StoreError, InvalidRequest) as error:
            refused = error
        except (ValueError, TypeError, OverflowError, sqlite3.IntegrityError) as error:
            msg = f"the semantic cache cannot hold this: {type(error).__name__}"
            refused = StoreError(msg)  # words that no file can hold
        else:
            execute("RELEASE job")
            return result, None
        execute("ROLLBACK TO job")
        execute("RELEASE job")
        return None, refused

    def _refuse(self, group: Sequence[Job], error: StoreError) -> None:
        _tell([(job, None, error) for job in group])

    def _open_rows(self) -> Rows:
        connection = open_writer(self._path, busy_timeout_ms=self._options.busy_timeout_ms)
        return Rows(connection, self._clock, self._limits)


def _tell(outcomes: Sequence[Outcome]) -> None:
    """To those who wait; a loop is woken once for all of them."""
    waiting: dict[asyncio.AbstractEventLoop, list[Outcome]] = {}
    for outcome in outcomes:
        if (done := outcome[0].done) is not None:
            waiting.setdefault(done.get_loop(), []).append(outcome)
    for loop, theirs in waiting.items():
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, theirs)


def _settle(outcomes: Sequence[Outcome]) -> None:
    for job, result, refused in outcomes:
        if job.done is None or job.done.done():  # who was cancelled waits no more
            continue
        if refused is None:
            job.done.set_result(result)
        else:
            job.done.set_exception(refused)
