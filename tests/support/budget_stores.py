"""Stores of budgets, opened for tests by the name of their engine, and short words for limits."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import cast

from scrimp.limits import Amounts, BudgetStore, Limit, Scope, ScopeKind, Unit, Window, WindowKind
from scrimp.ports import Clock
from scrimp.stores.memory_budgets import MemoryBudgets
from scrimp.stores.sqlite_budgets import BudgetsOptions, SqliteBudgets

LEASE_S = 60.0
ENGINES = ("memory", "journal", "sqlite")
RESTARTING = ("journal", "sqlite")


def quiet(_: str) -> None:
    """A `tell` that nobody hears."""


async def open_store(
    stack: AsyncExitStack,
    engine: str,
    clock: Clock,
    folder: Path,
    tell: Callable[[str], None] = quiet,
) -> BudgetStore:
    """A store that the stack closes; the same folder is the same store."""
    store: BudgetStore
    if engine == "sqlite":
        # Without fsync: what a loss of power takes is no matter of these tests.
        options = BudgetsOptions(synchronous="NORMAL")
        store = SqliteBudgets.open(folder / "budgets.db", clock, options, tell=tell)
    else:
        assert engine in ENGINES
        journal = folder / "budgets.journal" if engine == "journal" else None
        store = MemoryBudgets.open(clock, journal, tell=tell)
    stack.push_async_callback(store.close)
    return store


def limit(
    amount: int,
    window: Window | WindowKind = "day",
    whom: str = "team:red",
    *,
    unit: Unit = "usd",
    hard: bool = True,
) -> Limit:
    """A limit of a team's money in a day, unless told otherwise."""
    kind, _, name = whom.partition(":")
    scope = Scope(cast("ScopeKind", kind), name)
    of = window if isinstance(window, Window) else Window(window)
    return Limit(whom, scope, unit, amount, of, hard)


def rolling(seconds: int) -> Window:
    """The last so many seconds."""
    return Window("rolling", seconds)


def usd(nanousd: int, tokens: int = 0) -> Amounts:
    """Money, tokens, and one call."""
    return Amounts(nanousd, tokens)


async def held(store: BudgetStore, hold_id: str, limits: tuple[Limit, ...], worst: Amounts) -> bool:
    """Hold it; True when it is held."""
    return (await store.hold(hold_id, limits, worst, lease_s=LEASE_S)).denied_by is None


async def stand(store: BudgetStore, one: Limit) -> tuple[int, int]:
    """What is used and held of a limit."""
    (standing,) = await store.standing((one,))
    return standing.used, standing.held
