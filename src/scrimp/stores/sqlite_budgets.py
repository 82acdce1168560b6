"""Budgets in one SQLite file that several processes of a machine share.

One thread commits all that waits in one transaction, so that a hold is durable when it is answered
and sixty-four of them cost one fsync. A process that dies leaves its holds behind: when their lease
ends, whoever has the next turn charges them.

A hold is known by its id for an hour after its end; one that was charged may be settled for a day
after its lease. After that, both are as unknown as any.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

from scrimp.budgets.counters import NOTHING, Needs, lease_us_of, needs_of, used_of
from scrimp.errors import StoreError
from scrimp.limits import Amounts, Limit, Standing, Verdict
from scrimp.ports import Clock
from scrimp.stores.sqlite_budgets_rows import Rows
from scrimp.stores.sqlite_budgets_writer import Ask, BudgetsOptions, Writer

__all__ = ["BudgetsOptions", "SqliteBudgets"]

_log = logging.getLogger("scrimp.budgets")
_T = TypeVar("_T")


class SqliteBudgets:
    """Implements `limits.BudgetStore`. Make it with `open`; one per process and file."""

    def __init__(
        self, path: Path, writer: Writer, thread: threading.Thread, options: BudgetsOptions
    ) -> None:
        self._path = path
        self._writer = writer
        self._thread = thread
        self._answer_s = options.answer_s
        self._put = writer.queue.put
        self._closed = False

    @classmethod
    def open(
        cls,
        path: Path,
        clock: Clock,
        options: BudgetsOptions | None = None,
        *,
        tell: Callable[[str], None] = _log.warning,
    ) -> SqliteBudgets:
        """Open or make the file (0600) and start its writer.

        `tell` gets one line for each turn of fortune, from the writer's thread. Raises StoreError
        when the file is not one of budgets that this Scrimp can write. A file that is locked, full
        or unwritable is not an error: holds are refused until it is well, and `trouble` says why.
        """
        options = options or BudgetsOptions()
        writer = Writer(path, clock, options, tell)
        writer.open()
        thread = threading.Thread(target=writer.run, name="scrimp-budgets", daemon=True)
        thread.start()
        return cls(path, writer, thread, options)

    @property
    def trouble(self) -> str:
        """Why holds are refused now; empty while all is well."""
        return self._writer.trouble

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
        needs, lease_us = needs_of(worst), lease_us_of(lease_s)

        is_new = False

        def work(rows: Rows) -> Verdict:
            nonlocal is_new
            verdict, is_new = rows.hold(hold_id, limits, needs, lease_us, soft=over_soft)
            return verdict

        def undo(rows: Rows) -> None:
            if is_new:
                rows.end(hold_id, NOTHING)

        try:
            return await self._ask(work)
        except (asyncio.CancelledError, StoreError):
            if not self._closed:  # it may be held by now, or be so in a moment: nobody will use it
                ask = Ask(undo)
                ask.future.add_done_callback(_ignore)
                self._put(ask)
            raise

    def settle(self, hold_id: str, actual: Amounts) -> None:
        """Book what it was and end the hold; returns at once."""
        self._end(hold_id, used_of(actual))

    def release(self, hold_id: str) -> None:
        """End a hold of an attempt that provably never left."""
        self._end(hold_id, NOTHING)

    async def standing(self, limits: tuple[Limit, ...]) -> tuple[Standing, ...]:
        """How these limits stand now."""
        return await self._ask(lambda rows: rows.standing(limits))

    async def reset(self, limits: tuple[Limit, ...]) -> None:
        """Count these limits from 0 again in their current windows; open holds stay held."""
        await self._ask(lambda rows: rows.reset(limits))

    async def flush(self) -> None:
        """Wait until every settlement so far is committed or set aside. Raises StoreError."""
        await self._ask(None)

    async def close(self) -> None:
        """Commit or set aside what is pending and let go of the file. May be called twice."""
        if not self._closed:
            self._closed = True
            self._put(None)
        await asyncio.to_thread(self._thread.join)

    def _end(self, hold_id: str, used: Needs) -> None:
        if self._closed:
            self._writer.refuse(hold_id)
        else:
            self._put((hold_id, used))

    async def _ask(self, work: Callable[[Rows], _T] | None) -> _T:
        if self._closed or not self._thread.is_alive():
            raise StoreError(f"the budgets in {self._path} are closed")
        ask = Ask(work)
        self._put(ask)
        try:
            async with asyncio.timeout(self._answer_s):
                return cast("_T", await ask.future)
        except TimeoutError as error:
            if ask.future.done() and not ask.future.cancelled():
                return cast("_T", ask.future.result())  # this process slept; the answer is here
            raise StoreError(
                f"the budgets in {self._path} gave no answer for {self._answer_s:g} s"
            ) from error


def _ignore(future: asyncio.Future[object]) -> None:
    """Nobody waits for it; a hold that stays behind is charged when its lease ends."""
    if not future.cancelled():
        future.exception()
