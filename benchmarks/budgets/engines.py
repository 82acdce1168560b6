"""Engines of budgets that the benchmarks know, by name; a new one joins by a line in ENGINES."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scrimp.clock import SystemClock
from scrimp.limits import BudgetStore
from scrimp.stores.memory_budgets import MemoryBudgets
from scrimp.stores.sqlite_budgets import BudgetsOptions, SqliteBudgets


@dataclass(frozen=True, slots=True)
class Engine:
    """How to open one in a folder that lasts, and how many processes may share it."""

    name: str
    open: Callable[[Path], BudgetStore]
    most_processes: int | None = None


def _memory(_: Path) -> BudgetStore:
    return MemoryBudgets.open(SystemClock())


def _journal(folder: Path) -> BudgetStore:
    return MemoryBudgets.open(SystemClock(), folder / "budgets.journal")


def _full(folder: Path) -> BudgetStore:
    return SqliteBudgets.open(folder / "budgets.db", SystemClock())


def _normal(folder: Path) -> BudgetStore:
    options = BudgetsOptions(synchronous="NORMAL")
    return SqliteBudgets.open(folder / "budgets.db", SystemClock(), options)


ENGINES = {
    "memory": Engine("memory + journal", _journal, most_processes=1),
    "sqlite": Engine("SQLite FULL", _full),
    "sqlite-normal": Engine("SQLite NORMAL", _normal),
}
"""Those that survive a kill, for the hammer."""

MEASURED = {"bare": Engine("memory", _memory), **ENGINES}
"""Those whose speed is measured."""
