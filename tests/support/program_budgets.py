"""What tests of a program's budgets share: how one stands, and calls as an engine holds them."""

from __future__ import annotations

import asyncio

from scrimp.client.budget import Budget
from scrimp.client.purses import purses_here
from scrimp.client.reserve import new_id
from scrimp.limits import Amounts
from scrimp.pipeline.holds import Wanted, hold_all, parts_of


def stand(budget: Budget) -> tuple[str, str]:
    """Used and held of its first limit."""
    first = budget.remaining()[0]
    return f"{first.used:f}", f"{first.held:f}"


class SentCall:
    """A call as an engine holds it: against all budgets of the context in which it begins."""

    def __init__(self, worst_nanousd: int) -> None:
        self.pockets = purses_here()
        self._id = new_id()
        wanted = Wanted(self._id, Amounts(worst_nanousd, 0, 1), 60.0)
        verdict = asyncio.run(hold_all(parts_of(self.pockets), wanted))
        self.denied = verdict.denied_by
        self.needed = verdict.needed

    def ends(self, nanousd: int) -> None:
        """It has cost so much."""
        for store, _ in parts_of(self.pockets):
            store.settle(self._id, Amounts(nanousd, 0, 1))
