"""One hold over several stores: in all of them or in none, whatever happens on the way."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from scrimp.errors import StoreError
from scrimp.limits import Amounts, Limit, Scope, Window
from scrimp.pipeline.holds import Holds, Wanted
from scrimp.stores.memory_budgets import MemoryBudgets
from tests.support.budgets import DownStore
from tests.support.core import FakeClock


def limit(name: str, amount: int) -> tuple[Limit, ...]:
    """One limit of dollars."""
    return (Limit(name, Scope("program", name), "usd", amount, Window("lifetime")),)


@dataclass(frozen=True, slots=True, eq=False)
class Purse:
    """A purse with counters of its own, unless it is given some."""

    limits: tuple[Limit, ...]
    counters: MemoryBudgets | DownStore
    lasting: bool = False


def memory() -> MemoryBudgets:
    """Counters from 0."""
    return MemoryBudgets.open(FakeClock())


def wanted(nanousd: int, hold_id: str = "call/0") -> Wanted:
    """A hold of so much."""
    return Wanted(hold_id, Amounts(nanousd, 0, 1), 60.0)


async def stands(purse: Purse) -> tuple[int, int]:
    """Used and held."""
    (one,) = await purse.counters.standing(purse.limits)
    return one.used, one.held


async def test_all_hold_or_none_does() -> None:
    """Denied by the last, the first lets go; the same call may ask for less, and is held then."""
    rules = Purse(limit("rules", 100), memory())
    wide, tight = Purse(limit("wide", 90), memory()), Purse(limit("tight", 10), memory())
    holds = Holds(rules.counters)
    denied = await holds.hold(rules.limits, (wide, tight), wanted(20))
    assert denied.denied_by is not None
    assert (denied.denied_by.limit.name, denied.needed) == ("tight", 20)
    assert [await stands(one) for one in (rules, wide, tight)] == [(0, 0)] * 3
    held = await holds.hold(rules.limits, (wide, tight), wanted(10))
    assert held.denied_by is None
    assert [one.limit.name for one in held.standings] == ["rules", "wide", "tight"]
    assert [await stands(one) for one in (rules, wide, tight)] == [(0, 10)] * 3
    holds.settle("call/0", Amounts(7, 0, 1))
    holds.settle("call/0", Amounts(9, 0, 1))
    assert [await stands(one) for one in (rules, wide, tight)] == [(7, 0)] * 3


async def test_purses_of_one_store_are_held_in_one_step() -> None:
    """With the rules, too, where they are counted there; released together."""
    store = memory()
    first, second = Purse(limit("first", 10), store), Purse(limit("second", 10), store)
    holds = Holds(store)
    verdict = await holds.hold(limit("rules", 10), (first, second), wanted(4))
    assert [one.held for one in verdict.standings] == [4, 4, 4]
    holds.release("call/0")
    assert [await stands(one) for one in (first, second)] == [(0, 0)] * 2


async def test_a_store_that_is_down_leaves_nothing_held() -> None:
    """The error is the caller's to judge."""
    store = DownStore()
    first, down = Purse(limit("first", 10), memory()), Purse(limit("down", 10), store)
    with pytest.raises(StoreError):
        await Holds(memory()).hold((), (first, down), wanted(4))
    assert await stands(first) == (0, 0)
    assert not store.ended  # what failed has held nothing, and is not told of it


async def test_who_leaves_while_it_is_held_leaves_nothing_behind() -> None:
    """Cancelled in the second store, the first has let go."""

    class Slow(MemoryBudgets):
        async def hold(self, *_: object, **__: object) -> None:  # type: ignore[override]  # it never answers
            await asyncio.Event().wait()

    first, slow = (
        Purse(limit("first", 10), memory()),
        Purse(limit("slow", 10), Slow(FakeClock(), None)),
    )
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await Holds(memory()).hold((), (first, slow), wanted(4))
    assert await stands(first) == (0, 0)
