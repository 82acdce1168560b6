"""Budget levers over the memory engine, with prices of the real book and a clock that is set."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from scrimp.budgets.resolve import CurrentRules
from scrimp.budgets.tables import rules_of
from scrimp.budgets.worst import WorstCase
from scrimp.calls import Caller
from scrimp.errors import StoreError
from scrimp.levers.budget import Budget, BudgetSettings, Measure
from scrimp.limits import Amounts, Limit, Standing, Verdict
from scrimp.prices.book import PriceBook, load_book
from scrimp.settings import parse
from scrimp.stores.memory_budgets import MemoryBudgets
from tests.support.core import FakeClock, LetterEncoder


@cache
def book() -> PriceBook:
    """The prices that ship."""
    return load_book()


def rules(toml: str) -> CurrentRules:
    """The rules of a settings file."""
    settings = parse(toml.encode(), source="the test")
    return CurrentRules(rules_of(settings.budgets, settings.tiers, settings.limits), None)


@dataclass(eq=False)
class DownStore:
    """A store that cannot answer; what is settled and released is remembered."""

    ended: list[str] = field(default_factory=list)

    async def hold(
        self,
        hold_id: str,  # noqa: ARG002 (the port's)
        limits: tuple[Limit, ...],  # noqa: ARG002
        worst: Amounts,  # noqa: ARG002
        *,
        lease_s: float,  # noqa: ARG002
        over_soft: bool = False,  # noqa: ARG002
    ) -> Verdict:
        """Down."""
        raise StoreError("the disk is full")

    def settle(self, hold_id: str, actual: Amounts) -> None:  # noqa: ARG002 (the port's)
        """Remember."""
        self.ended.append(hold_id)

    def release(self, hold_id: str) -> None:
        """Remember."""
        self.ended.append(hold_id)

    async def standing(self, limits: tuple[Limit, ...]) -> tuple[Standing, ...]:  # noqa: ARG002
        """Down."""
        raise StoreError("the disk is full")

    async def reset(self, limits: tuple[Limit, ...]) -> None:  # noqa: ARG002
        """Down."""
        raise StoreError("the disk is full")

    async def flush(self) -> None:
        """Nothing waits."""

    async def close(self) -> None:
        """Nothing is open."""


class Purse:
    """A budget lever with its store, rules and clock."""

    def __init__(
        self, toml: str, *, store: MemoryBudgets | DownStore | None = None, **settings: bool
    ) -> None:
        self.clock = FakeClock()
        self.rules = rules(toml)
        self.store = store or MemoryBudgets.open(self.clock)
        worst_case = WorstCase(book(), {}, {})
        self.lever = Budget(
            self.rules,
            self.store,
            Measure(worst_case, LetterEncoder(), self.clock),
            BudgetSettings(paths={"/v1/images/*": 7}, **settings),
        )

    async def standings(self) -> list[tuple[int, int]]:
        """(used, held) of every limit of everyone, in the order of the rules."""
        limits = (await self.rules.book()).standing_limits(Caller("local"))
        return [(one.used, one.held) for one in await self.store.standing(limits)]
