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
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from scrimp.errors import InvalidRequest, StoreError
from scrimp.ports import Clock
from scrimp.stores.semantic_plan import SemanticLimits
from scrimp.stores.sqlite_held import HeldFile
from scrimp.stores.sqlite_semantic_file import open_writer
from scrimp.stores.sqlite_semantic_rows import Rows
from scrimp.stores.sqlite_transaction import one_transaction

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
            return
        for job, result, refused in outcomes:  # last: whoever hears of it may look at once
            if not job.done.set_running_or_notify_cancel():
                continue
            if refused is None:
                job.done.set_result(result)
            else:
                job.done.set_exception(refused)

    def _transaction(self, group: Sequence[Job], rows: Rows) -> list[Outcome]:
        if not group:
            return []
        with one_transaction(rows.connection):
            outcomes = [self._one(rows, job) for job in group]
            if time.monotonic() >= self._purge_at:
                rows.purge()
                self._purge_at = time.monotonic() + _PURGE_S
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

    def _open_rows(self) -> Rows:
        connection = open_writer(self._path, busy_timeout_ms=self._options.busy_timeout_ms)
        return Rows(connection, self._clock, self._limits)
