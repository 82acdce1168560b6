"""The one thread that writes answers by meaning: what waits together is committed together.

This is a cache: what cannot be written is refused, and asked for again one day. What is wrong is
told once, stands in `trouble` for those who want to write more, and is tried again after a pause.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from scrimp.errors import InvalidRequest, StoreError
from scrimp.ports import Clock
from scrimp.stores.private_file import Identity, identity
from scrimp.stores.semantic_plan import SemanticLimits
from scrimp.stores.sqlite_rest import Gate
from scrimp.stores.sqlite_semantic_file import open_writer
from scrimp.stores.sqlite_semantic_rows import Rows
from scrimp.stores.sqlite_trouble import Trouble

_PURGE_S = 60.0  # what is past its time may lie in the file that long
_TOGETHER = 256


@dataclass(frozen=True, slots=True)
class WriterOptions:
    """How the file is written: how long to wait for another process, and after a failure."""

    busy_timeout_ms: int = 1000
    pauses_s: tuple[float, ...] = (1.0, 2.0, 5.0)


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """Something to be done in its turn, whole or not at all."""

    work: Callable[[Rows], Any]
    done: Future[Any]


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
        self.trouble = Trouble(path, "semantic cache", options.pauses_s, tell, self._disconnect)
        self.generation = 0
        self._path = path
        self._clock = clock
        self._limits = limits
        self._options = options
        self._tell = tell
        self._rows: Rows | None = None
        self._identity: Identity | None = None
        self._purge_at = 0.0
        self._stopping = False
        self._gate = Gate(self._disconnect)
        self._thread = threading.Thread(target=self._run, name="scrimp-meanings", daemon=True)

    def start(self) -> None:
        """Open or make the file, and begin. Never raises: see `trouble`."""
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
            with self._gate:
                self._disconnect()
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
        """Commit the group; once more where a damaged file was replaced, else refuse it."""
        outcomes: list[Outcome] | None = None
        for last in (False, True):
            try:
                with self._gate:
                    outcomes = self._commit(group)
            except (sqlite3.Error, OSError, StoreError) as error:
                if not last and self.trouble.mended(error, self._identity):
                    continue
                self.trouble.failed(error)
            else:
                self.trouble.passed()
            break
        if outcomes is None:
            self._refuse(group, StoreError(self.trouble.said))
            return
        for job, result, refused in outcomes:  # last: whoever hears of it may look at once
            if not job.done.set_running_or_notify_cancel():
                continue
            if refused is None:
                job.done.set_result(result)
            else:
                job.done.set_exception(refused)

    def _commit(self, group: Sequence[Job]) -> list[Outcome]:
        while True:
            rows = self._rows or self._connect()
            outcomes = self._transaction(rows, group) if group else []
            if identity(self._path) == self._identity:
                return outcomes
            # Deleted or replaced underneath: this group may have gone into a file without a name.
            self._disconnect()
            self._tell(f"semantic cache: {self._path} was removed while in use; it is made anew")

    def _transaction(self, rows: Rows, group: Sequence[Job]) -> list[Outcome]:
        execute, outcomes = rows.connection.execute, list[Outcome]()
        execute("BEGIN IMMEDIATE")
        try:
            for job in group:
                outcomes.append(self._one(rows, job))
            if time.monotonic() >= self._purge_at:
                rows.purge()
                self._purge_at = time.monotonic() + _PURGE_S
            execute("COMMIT")
        except BaseException:
            if rows.connection.in_transaction:
                execute("ROLLBACK")
            raise
        return outcomes

    def _one(self, rows: Rows, job: Job) -> Outcome:
        execute = rows.connection.execute
        execute("SAVEPOINT job")
        try:
            result = job.work(rows)
        except (StoreError, InvalidRequest) as refused:
            outcome: Outcome = (job, None, refused)
        except (ValueError, TypeError, OverflowError, sqlite3.IntegrityError) as error:
            msg = f"the semantic cache cannot hold this: {type(error).__name__}"
            outcome = (job, None, StoreError(msg))  # words that no file can hold
        else:
            execute("RELEASE job")
            return job, result, None
        execute("ROLLBACK TO job")
        execute("RELEASE job")
        return outcome

    def _refuse(self, group: Sequence[Job], error: StoreError) -> None:
        for job in group:
            if job.done.set_running_or_notify_cancel():
                job.done.set_exception(error)

    def _connect(self) -> Rows:
        connection = open_writer(self._path, busy_timeout_ms=self._options.busy_timeout_ms)
        self._identity = identity(self._path)
        self._rows = Rows(connection, self._clock, self._limits)
        self.generation += 1
        return self._rows

    def _disconnect(self) -> None:
        rows, self._rows, self._identity = self._rows, None, None
        if rows is not None:
            with suppress(sqlite3.Error):
                rows.connection.close()
