"""The one thread that writes budgets: gathers what waits and commits it as one transaction.

A bad day goes like this: whoever asks is refused, in a bounded time, with the reason; settlements
wait and are tried again; what has waited too long is set aside in the spill file. When even that
fails the newest are given up, counted, and told: their holds are charged in full one day.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Literal

from scrimp.budgets.windows import micros
from scrimp.errors import ScrimpError, StoreError
from scrimp.ports import Clock
from scrimp.stores import sqlite_budgets_spill as spill
from scrimp.stores.private_file import Identity, identity
from scrimp.stores.sqlite_budgets_file import Turns, open_database
from scrimp.stores.sqlite_budgets_rows import Rows
from scrimp.stores.sqlite_budgets_spill import End
from scrimp.stores.sqlite_errors import words_of
from scrimp.stores.sqlite_rest import Gate

_TRANSACTION = 512
_BEHIND_US = 60 * 1_000_000
_MANY = 4
_PAUSE_S = 0.0005
_PAUSES = 8


@dataclass(frozen=True, slots=True)
class BudgetsOptions:
    """How a file of budgets is written.

    `synchronous` FULL survives the loss of power, NORMAL the end of the process only. `busy_s` is
    how long to wait for other processes, `answer_s` how long a hold may wait in all. `gather_ms` is
    how long settlements wait for a hold to share a transaction with; `patience_s` how long they
    wait for a database that refuses them, before they are set aside. Every `sweep_s` the leases
    that have ended are charged, also those of processes that are gone.
    """

    synchronous: Literal["NORMAL", "FULL"] = "FULL"
    busy_s: float = 2.0
    answer_s: float = 5.0
    gather_ms: int = 5
    patience_s: float = 1.0
    sweep_s: float = 5.0
    buffer_ends: int = 100_000


class Ask:
    """Somebody waits for this, in its turn. Without `work`: for all that was settled before."""

    __slots__ = ("future", "loop", "work")

    def __init__(self, work: Callable[[Rows], object] | None) -> None:
        self.work = work
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[object] = self.loop.create_future()


Answer = tuple[Ask, object]


class Writer:
    """Owns the connection. Only `queue`, `trouble` and `refuse` are for other threads."""

    def __init__(
        self, path: Path, clock: Clock, options: BudgetsOptions, tell: Callable[[str], None]
    ) -> None:
        self.queue: SimpleQueue[Ask | End | None] = SimpleQueue()
        self.trouble = ""
        self._path = path
        self._clock = clock
        self._options = options
        self._tell = tell
        self._rows: Rows | None = None
        self._turns: Turns | None = None
        self._identity: Identity | None = None
        self._ends: list[End] = []
        self._waiters: list[Ask] = []
        self._look_aside = True  # a process that is gone may have left a spill file
        self._aside = False
        self._failing_since: float | None = None
        self._retry_at = 0.0
        self._many = False
        self._behind = False
        self._stopping = False
        self._gate = Gate(self._disconnect)

    def open(self) -> None:
        """Open the file before the first use, and read back what waits in a spill file.

        Raises StoreError only when the file is not one of budgets that this Scrimp can write; one
        that is locked, unwritable or full now is a bad day, and is tried again.
        """
        try:
            with self._gate:
                self._connect()
        except (sqlite3.Error, OSError) as error:
            self._fail(error)
        else:
            self._attempt([])

    def run(self) -> None:
        """The thread: until a None comes out of the queue."""
        try:
            while not self._stopping:
                self._attempt(self._gather())
            while not self.queue.empty():
                self._attempt(self._gather())
        finally:
            with self._gate:
                self._disconnect()
            ended = StoreError(f"the budgets in {self._path} are closed")
            _answer([(ask, ended) for ask in (*self._waiters, *self._left())])

    def refuse(self, hold_id: str) -> None:
        """Say that a settlement came too late to be kept."""
        self._tell(f"budgets: {hold_id} was settled after the end; it will be charged in full")

    def _gather(self) -> list[Ask | End]:
        """Wait for something to do, and take what there is."""
        group: list[Ask | End] = []
        try:
            first = self.queue.get(timeout=self._idle_s())
        except Empty:
            self._look_aside = True
            return group
        if isinstance(first, tuple) and not self._stopping:
            first = self._for_company(first, group)
        elif self._many:
            self._for_more()
        self._take(first, group)
        while len(group) < _TRANSACTION and not self.queue.empty():
            self._take(self.queue.get_nowait(), group)
        self._many = len(group) >= _MANY
        return group

    def _for_company(self, first: Ask | End | None, group: list[Ask | End]) -> Ask | End | None:
        """Settlements wait a little for somebody who must be answered: one fsync serves both."""
        late = time.monotonic() + self._options.gather_ms / 1000
        while isinstance(first, tuple) and len(group) < _TRANSACTION:
            left = late - time.monotonic()
            if left <= 0:
                break
            self._take(first, group)
            try:
                first = self.queue.get(timeout=left)
            except Empty:
                return group.pop()
        return first

    def _for_more(self) -> None:
        """Those who were answered a moment ago ask again, one by one: wait while they do."""
        seen = -1
        for _ in range(_PAUSES):
            if (waiting := self.queue.qsize()) == seen or waiting >= _TRANSACTION:
                return
            seen = waiting
            time.sleep(_PAUSE_S)

    def _take(self, item: Ask | End | None, group: list[Ask | End]) -> None:
        if item is None:
            self._stopping = True
        else:
            group.append(item)

    def _left(self) -> list[Ask]:
        left: list[Ask | End] = []
        while not self.queue.empty():
            self._take(self.queue.get_nowait(), left)
        return [item for item in left if isinstance(item, Ask)]

    def _idle_s(self) -> float:
        if not self._ends or self._stopping:
            return self._options.sweep_s
        return max(self._retry_at - time.monotonic(), 0.001)

    def _attempt(self, group: list[Ask | End]) -> None:
        """Commit the group, or refuse those who ask and keep what was settled."""
        asks = [item for item in group if isinstance(item, Ask)]
        ends = [item for item in group if not isinstance(item, Ask)]
        self._waiters += [ask for ask in asks if ask.work is None]
        asked = any(ask.work is not None for ask in asks)
        if not asked and not self._stopping and time.monotonic() < self._retry_at:
            self._ends += ends
        else:
            try:
                with self._gate:
                    answers = self._commit(group)
            except (sqlite3.Error, OSError, StoreError) as error:
                self._ends += ends
                self._fail(error)
                refused = StoreError(f"budgets cannot be counted now: {self.trouble}")
                _answer([(ask, refused) for ask in asks if ask.work is not None])
            else:
                self._ends.clear()
                self._recover()
                _answer(answers)
        self._relieve()

    def _commit(self, group: Sequence[Ask | End]) -> list[Answer]:
        rows = self._rows or self._connect()
        if self._look_aside and spill.spill_path(self._path).exists():
            count = spill.read_back(self._path, lambda ends: self._transaction(rows, ends))
            self._tell(f"budgets: {count} settlements were read back from the spill file")
        self._look_aside = False
        return self._transaction(rows, [*self._ends, *group])

    def _transaction(self, rows: Rows, items: Sequence[Ask | End]) -> list[Answer]:
        assert self._turns is not None  # noqa: S101 - told to the type checker
        self._turns.begin(rows.connection, within_s=self._options.busy_s)
        answers: list[Answer] = []
        try:
            self._watch(rows.begin(micros(self._clock.now())))
            for item in items:
                if isinstance(item, tuple):
                    with suppress(ValueError):  # an id that could not have been held either
                        rows.end(*item)
                elif item.work is not None and not item.future.cancelled():
                    answers.append((item, _done(item.work, rows)))
            rows.finish()
            if self._stopping:
                rows.keep_time()
            rows.connection.execute("COMMIT")
        except BaseException:
            rows.forget()
            if rows.connection.in_transaction:
                rows.connection.execute("ROLLBACK")
            raise
        if identity(self._path) != self._identity:
            self._disconnect()
            raise StoreError(f"{self._path} was removed or replaced while in use")
        return answers

    def _watch(self, behind_us: int) -> None:
        if behind_us > _BEHIND_US and not self._behind:
            behind_s = behind_us // 1_000_000
            self._tell(f"budgets: the clock is {behind_s} s behind; windows wait for it")
        self._behind = behind_us > _BEHIND_US

    def _relieve(self) -> None:
        """Set aside what has waited too long; tell who waits for a flush that all is kept."""
        if self._ends and self._failing_since is not None:
            late = time.monotonic() - self._failing_since >= self._options.patience_s
            full = len(self._ends) >= self._options.buffer_ends
            if late or full or self._stopping:
                self._set_aside(full=full)
        if not self._ends:
            _answer([(waiter, None) for waiter in self._waiters])
            self._waiters.clear()

    def _set_aside(self, *, full: bool) -> None:
        try:
            spill.set_aside(self._path, self._ends, sync=self._options.synchronous == "FULL")
        except OSError as error:
            if full or self._stopping:
                self._tell(
                    f"budgets: {len(self._ends)} settlements are lost, their holds will be charged "
                    f"in full: {self.trouble}; spill file: {words_of(error)}"
                )
                self._ends.clear()
            lost = StoreError(f"settlements cannot be kept: {self.trouble}")
            _answer([(waiter, lost) for waiter in self._waiters])
            self._waiters.clear()
        else:
            if not self._aside:
                self._tell(f"budgets: settlements are set aside in {spill.spill_path(self._path)}")
            self._aside = self._look_aside = True
            self._ends.clear()

    def _fail(self, error: Exception) -> None:
        self.trouble = f"{self._path}: {words_of(error)}"
        if not isinstance(error, StoreError):
            self._disconnect()
        now = time.monotonic()
        if self._failing_since is None:
            self._failing_since = now
            self._tell(f"budgets: holds are refused, settlements wait: {self.trouble}")
        self._retry_at = now + 0.1

    def _recover(self) -> None:
        self._retry_at = 0.0
        if self._failing_since is not None:
            self._failing_since, self.trouble, self._aside = None, "", False
            self._tell(f"budgets: {self._path} is in use again")

    def _connect(self) -> Rows:
        options = self._options
        connection = open_database(
            self._path, synchronous=options.synchronous, busy_s=options.busy_s
        )
        try:
            self._turns = Turns(self._path)
            self._identity = identity(self._path)
        except BaseException:
            connection.close()
            raise
        self._rows = Rows(connection)
        return self._rows

    def _disconnect(self) -> None:
        rows, self._rows = self._rows, None
        turns, self._turns = self._turns, None
        if turns is not None:
            turns.close()
        if rows is not None:
            with suppress(sqlite3.Error):
                rows.connection.close()


def _done(work: Callable[[Rows], object], rows: Rows) -> object:
    """Its result, or what it raised: a limit that makes no sense is one caller's matter."""
    try:
        return work(rows)
    except ScrimpError as error:
        return error
    except (ValueError, OverflowError) as error:  # such as half a character in a name
        return StoreError(f"a name or window cannot be kept: {type(error).__name__}")


def _answer(answers: Sequence[Answer]) -> None:
    """Wake those who wait: once for each event loop, not once for each of them."""
    for loop in {ask.loop for ask, _ in answers}:
        with suppress(RuntimeError):  # that loop is closed, and nobody waits there any more
            loop.call_soon_threadsafe(_wake, [one for one in answers if one[0].loop is loop])


def _wake(answers: Sequence[Answer]) -> None:
    for ask, result in answers:
        if ask.future.done():
            continue
        if isinstance(result, Exception):
            ask.future.set_exception(result)
        else:
            ask.future.set_result(result)
