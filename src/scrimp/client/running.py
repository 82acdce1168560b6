"""One run of a function inside a budget: admitted with an estimate, settled with the truth.

What it comes to, in the order in which something is known: what `spent` says of the result; what
its calls of Scrimp's cost and what it told by `spend`; the estimate. After an error nobody knows
the result: where only that would have told, the estimate counts in full. Never less than was spent.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from scrimp.budgets.words import exceeded
from scrimp.client.purses import Pocket, Run, enter, leave
from scrimp.client.reserve import LEASE_S, Reserve, new_id
from scrimp.limits import Amounts
from scrimp.pipeline.holds import Wanted, hold_all, parts_of


class Admitted:
    """A run that may begin. `spent_nanousd` is what its result says, once it is there.

    `asks` says that there is somebody who reads the result.
    """

    def __init__(
        self, pockets: tuple[Pocket, ...], reserves: Iterable[Reserve], most: int, *, asks: bool
    ) -> None:
        self.spent_nanousd: int | None = None
        self._pockets = pockets
        self._reserves = tuple(reserves)
        self._most = most
        self._asks = asks
        self._run = Run()
        self._process = os.getpid()

    def __enter__(self) -> Self:
        enter(self, self._pockets, self._run)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        leave(self)
        if os.getpid() == self._process:  # else forked on the way: the parent ends it
            for reserve in self._reserves:
                reserve.end(self._rest)

    def _rest(self, by_calls: int, told: int) -> int:
        """What was spent beside calls and what was told."""
        known = by_calls + told
        if self.spent_nanousd is not None:
            return max(0, self.spent_nanousd - known)
        if self._asks or not (self._run.calls or self._run.tells):
            return max(0, self._most - known)
        return 0


async def admit(pockets: tuple[Pocket, ...], nanousd: int, *, asks: bool) -> Admitted:
    """Hold the estimate in every pocket. Raises BudgetExceeded, StoreError."""
    hold_id = new_id()
    verdict = await hold_all(parts_of(pockets), Wanted(hold_id, Amounts(nanousd, 0, 0), LEASE_S))
    if verdict.denied_by is not None:
        raise exceeded(verdict.denied_by, verdict.needed, fixed=False)
    reserves = {one.counters: Reserve(one.counters, hold_id, nanousd) for one in pockets}
    inside = [Pocket(one.limits, reserves[one.counters]) for one in pockets]
    return Admitted(tuple(inside), reserves.values(), nanousd, asks=asks)
