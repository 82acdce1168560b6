"""The budgets of one engine: `Scrimp(budget=…)`, and how all that its calls meet stands.

A number is for the life of the engine and counted in memory. By window they are counted where the
engine keeps its budgets, so that they survive restarts, together with all engines there that are
given some.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scrimp.app import App
from scrimp.budgets.resolve import is_rate
from scrimp.calls import Caller
from scrimp.client.allowed import Frame, Money, Remaining, limits_of, remaining_of
from scrimp.client.budget import Budget
from scrimp.client.counting import InMemory
from scrimp.client.purses import Pocket
from scrimp.limits import Allowance, BudgetStore, Limit, Purse, Standing
from scrimp.pipeline.holds import parts_of

NAME = "Scrimp"
Given = Budget | Money | Mapping[str, Money]
"""A budget, dollars for the life of the engine, or dollars by window: `{"day": 5}`."""


@dataclass(frozen=True, slots=True, eq=False)
class OwnPurse:
    """Implements `limits.Purse` over the counters of the engine itself."""

    limits: tuple[Limit, ...]
    counters: BudgetStore
    lasting: bool = False


class OwnBudgets:
    """What every call of one engine is held against. Raises ConfigError."""

    def __init__(self, given: Given | Sequence[Given] | None) -> None:
        self._pockets: list[Pocket] = []
        self._kept: list[Limit] = []
        if isinstance(given, Sequence) and not isinstance(given, str):
            for one in given:
                self._add(one)
        elif given is not None:
            self._add(given)

    def _add(self, given: Given) -> None:
        if isinstance(given, Budget):
            self._pockets.append(given.pocket)
            return
        limits = limits_of(Frame("Scrimp(budget=…)", NAME), given, None)
        if isinstance(given, Mapping):
            self._kept += limits
        else:
            self._pockets.append(Pocket(limits, InMemory()))

    def purses(self, app: App) -> tuple[Pocket | OwnPurse, ...]:
        """Those of an engine that has been opened."""
        kept = () if app.budgets is None else (OwnPurse(tuple(self._kept), app.budgets),)
        return (*self._pockets, *(one for one in kept if one.limits))


def together(
    here: tuple[Pocket, ...], own: tuple[Pocket | OwnPurse, ...]
) -> tuple[Pocket | OwnPurse, ...]:
    """The budgets of a call's context and those of the engine: each counts once."""
    known = {id(one.limits) for one in here}
    return (*here, *(one for one in own if id(one.limits) not in known))


async def own_standings(app: App, purses: Sequence[Purse], user: str) -> tuple[Remaining, ...]:
    """Its own budgets, then those of the rules for calls of this user. Raises StoreError."""
    found: list[Standing] = []
    for store, limits in parts_of(purses):
        found += await store.standing(limits)
    who = Caller("local", user=user, end_user=user)
    limits = (await app.rules.book()).standing_limits(who)
    spent = tuple(one for one in limits if not _is_rate(one))
    rates = tuple(one for one in limits if _is_rate(one))
    for counters, some in ((app.budgets, spent), (app.rates, rates)):
        if counters is not None and some:
            found += await counters.standing(some)
    return tuple(map(remaining_of, found))


def _is_rate(limit: Limit) -> bool:
    return is_rate(Allowance(limit.unit, limit.amount, limit.window))
