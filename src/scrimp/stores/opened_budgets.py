"""The engine of budgets that the settings choose, opened when it is first asked.

Where nobody has a budget no file is made and none is locked.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from scrimp.errors import StoreError
from scrimp.limits import Amounts, BudgetStore, Limit, Standing, Verdict
from scrimp.ports import Clock
from scrimp.stores.memory_budgets import MemoryBudgets
from scrimp.stores.sqlite_budgets import SqliteBudgets
from scrimp.stores.sqlite_budgets_writer import BudgetsOptions


def open_budgets(engine: str, path: Path, clock: Clock) -> OpenedBudgets:
    """What budgets have used: in a file that processes share, unless `memory` is asked for."""
    if engine == "memory":
        return OpenedBudgets(lambda: MemoryBudgets.open(clock, path.with_suffix(".journal")))
    return OpenedBudgets(lambda: SqliteBudgets.open(path, clock))


def open_rates(workers: int, path: Path, clock: Clock) -> OpenedBudgets:
    """What limits have used: in memory, or for several workers in a file that they share."""
    if workers == 1:
        return OpenedBudgets(lambda: MemoryBudgets.open(clock))
    shared, quickly = path.with_name("rates.sqlite"), BudgetsOptions(synchronous="NORMAL")
    return OpenedBudgets(lambda: SqliteBudgets.open(shared, clock, quickly))


def program_budgets(path: Path | None, clock: Clock) -> BudgetStore:
    """What budgets of a program have used, opened at once. Raises StoreError.

    In memory nothing waits: each coroutine ends with its first step.
    """
    return MemoryBudgets.open(clock) if path is None else SqliteBudgets.open(path, clock)


class OpenedBudgets:
    """Implements `limits.BudgetStore` over one that `opened` opens. Raises what it raises."""

    def __init__(self, opened: Callable[[], BudgetStore]) -> None:
        self._opened = opened
        self._store: BudgetStore | None = None
        self._closed = False

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
        store = self._store or self._open()
        return await store.hold(hold_id, limits, worst, lease_s=lease_s, over_soft=over_soft)

    def settle(self, hold_id: str, actual: Amounts) -> None:
        """Book what it was; before anything was opened nothing was held."""
        if self._store is not None:
            self._store.settle(hold_id, actual)

    def release(self, hold_id: str) -> None:
        """End a hold of an attempt that never left."""
        if self._store is not None:
            self._store.release(hold_id)

    async def standing(self, limits: tuple[Limit, ...]) -> tuple[Standing, ...]:
        """How these limits stand now."""
        return await (self._store or self._open()).standing(limits)

    async def reset(self, limits: tuple[Limit, ...]) -> None:
        """Count these limits from 0 again."""
        await (self._store or self._open()).reset(limits)

    async def flush(self) -> None:
        """Wait until every settlement so far is written."""
        if self._store is not None:
            await self._store.flush()

    async def close(self) -> None:
        """Write what is pending and let go of files; may be called twice."""
        store, self._store, self._closed = self._store, None, True
        if store is not None:
            await store.close()

    def _open(self) -> BudgetStore:
        if self._closed:
            raise StoreError("the store of budgets is closed")
        store = self._store = self._opened()
        return store
