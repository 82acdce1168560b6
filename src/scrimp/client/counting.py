"""Where a program's budgets are counted: in its memory, or in a file that processes share.

Both may be asked by any thread and on any event loop. What is in memory answers at once. A file has
a thread of its own, which a forked child starts anew and the interpreter's exit drains last.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from scrimp.app import open_program_budgets
from scrimp.client.engine import ClosedError, Engine, Job
from scrimp.client.in_turn import TURN, heed_forks, soon
from scrimp.client.mailbox import Item
from scrimp.limits import Amounts, BudgetStore, Limit, Standing, Verdict

R = TypeVar("R")


class Counting(BudgetStore, Protocol):
    """Counters for all threads. `keeper` is the file that must be waited for, if there is one."""

    @property
    def keeper(self) -> InFile | None:
        """None where nothing ever waits."""
        ...


class InMemory:
    """Implements `Counting` for this process alone."""

    keeper: InFile | None = None

    def __init__(self) -> None:
        heed_forks()
        self._store = open_program_budgets(None)

    async def hold(
        self,
        hold_id: str,
        limits: tuple[Limit, ...],
        worst: Amounts,
        *,
        lease_s: float,
        over_soft: bool = False,
    ) -> Verdict:
        """Reserve the worst case in every limit, or in none."""
        work = self._store.hold(hold_id, limits, worst, lease_s=lease_s, over_soft=over_soft)
        with TURN:
            return at_once(work)

    def settle(self, hold_id: str, actual: Amounts) -> None:
        """Book what it was and end the hold."""
        soon(partial(self._store.settle, hold_id, actual))

    def release(self, hold_id: str) -> None:
        """End a hold of what never left."""
        soon(partial(self._store.release, hold_id))

    async def standing(self, limits: tuple[Limit, ...]) -> tuple[Standing, ...]:
        """How these limits stand now."""
        with TURN:
            return at_once(self._store.standing(limits))

    async def reset(self, limits: tuple[Limit, ...]) -> None:
        """Count these limits from 0 again."""
        with TURN:
            at_once(self._store.reset(limits))

    async def flush(self) -> None:
        """Nothing is pending."""

    async def close(self) -> None:
        """Nothing is open."""


class InFile:
    """Implements `Counting` for all processes that name this file; opened when first asked."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._engine: Engine[BudgetStore] = Engine(partial(_opened, path), last=True)

    @property
    def keeper(self) -> InFile | None:
        """Itself."""
        return self

    async def hold(
        self,
        hold_id: str,
        limits: tuple[Limit, ...],
        worst: Amounts,
        *,
        lease_s: float,
        over_soft: bool = False,
    ) -> Verdict:
        """Reserve the worst case in every limit, or in none. Raises StoreError."""

        def work(store: BudgetStore) -> Coroutine[Any, Any, Verdict]:
            return store.hold(hold_id, limits, worst, lease_s=lease_s, over_soft=over_soft)

        return await self._engine.acall(work)

    def settle(self, hold_id: str, actual: Amounts) -> None:
        """Book what it was and end the hold; the file has it a moment later."""
        self._send(partial(_settle, hold_id, actual))

    def release(self, hold_id: str) -> None:
        """End a hold of what never left."""
        self._send(partial(_settle, hold_id, None))

    async def standing(self, limits: tuple[Limit, ...]) -> tuple[Standing, ...]:
        """How these limits stand now. Raises StoreError."""
        return await self._engine.acall(lambda store: store.standing(limits))

    async def reset(self, limits: tuple[Limit, ...]) -> None:
        """Count these limits from 0 again. Raises StoreError."""
        await self._engine.acall(lambda store: store.reset(limits))

    async def flush(self) -> None:
        """Wait until every settlement so far is in the file. Raises StoreError."""
        await self._engine.acall(lambda store: store.flush())

    async def close(self) -> None:
        """It is closed with the process: others may share it."""

    def run(self, work: Callable[[], Coroutine[Any, Any, R]]) -> R:
        """Run it on the event loop of the file's own thread; the caller waits."""
        return self._engine.call(lambda _: work())

    def _send(self, work: Callable[[BudgetStore], Coroutine[Any, Any, None]]) -> None:
        if not self._engine.started:
            return  # a hold from before a fork: the parent ends it
        with suppress(ClosedError):  # the process ends: the hold is charged with its lease
            self._engine.running().submit(Job(work, _NOBODY))


class _Nobody:
    """A mailbox of work that nobody waits for."""

    def put(self, item: Item) -> None:
        """It never fails: what cannot be written is in the store's own log."""

    async def put_piece(self, piece: bytes) -> None:
        """There are none."""


_NOBODY = _Nobody()
_files: dict[Path, InFile] = {}
_memory: list[InMemory] = []


def in_file(path: Path) -> InFile:
    """The one for this file in this process."""
    with TURN:
        return _files.setdefault(path, InFile(path))


def by_name() -> InMemory:
    """The one in which budgets of this process are counted that have a name."""
    if not _memory:
        made = InMemory()
        with TURN:
            if not _memory:
                _memory.append(made)
    return _memory[0]


def waited_for(work: Callable[[], Coroutine[Any, Any, R]], keeper: InFile | None) -> R:
    """What a coroutine over counters returns, for a caller that is no coroutine itself."""
    return at_once(work()) if keeper is None else keeper.run(work)


def at_once(work: Coroutine[Any, Any, R]) -> R:
    """What a coroutine returns that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as done:
        value: R = done.value
        return value
    work.close()
    msg = "budgets in memory never wait"
    raise RuntimeError(msg)


async def _settle(hold_id: str, actual: Amounts | None, store: BudgetStore) -> None:
    if actual is None:
        store.release(hold_id)
    else:
        store.settle(hold_id, actual)


@asynccontextmanager
async def _opened(path: Path) -> AsyncIterator[BudgetStore]:
    store = open_program_budgets(path)
    try:
        yield store
    finally:
        await store.close()
