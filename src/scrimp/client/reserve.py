"""What one run of a function has reserved, and how the calls inside it draw on that first.

A function is admitted with an estimate of all that it will spend. Its calls need no second room for
what is reserved already; what they need beyond it is held as it would be without. When the run and
all its calls have ended, the reservation is settled with what of it was really spent.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import partial

from msgspec.structs import replace

from scrimp.client.counting import Counting, InFile
from scrimp.client.in_turn import TURN, soon
from scrimp.limits import Amounts, Limit, Standing, Verdict

LEASE_S = 3600.0
"""How long a run of a function may last before its reservation counts as spent, until it ends."""

Rest = Callable[[int, int], int]
"""What a run spent beside (what its calls have cost, what it has told), in nano-dollars."""


class Reserve:
    """Implements `Counting` over the counters in which a run's estimate is held by `hold_id`."""

    def __init__(self, counters: Counting, hold_id: str, nanousd: int) -> None:
        self._counters = counters
        self._hold_id = hold_id
        self._free = nanousd
        self._used = 0
        self._told = 0
        self._by_calls = 0
        self._drawn: dict[str, tuple[int, int]] = {}  # by hold: of the reserve, in all
        self._rest: Rest | None = None
        self._over = False  # what begins later, in a thread that was left behind, has no reserve

    @property
    def keeper(self) -> InFile | None:
        """That of the counters."""
        return self._counters.keeper

    async def hold(
        self,
        hold_id: str,
        limits: tuple[Limit, ...],
        worst: Amounts,
        *,
        lease_s: float,
        over_soft: bool = False,
    ) -> Verdict:
        """Hold what the reserve does not bear. Raises StoreError."""
        with TURN:
            share = min(self._free, worst.usd_nanousd)
            self._free -= share
            self._drawn[hold_id] = share, worst.usd_nanousd
        held = False
        try:
            verdict = await self._counters.hold(
                hold_id,
                limits,
                replace(worst, usd_nanousd=worst.usd_nanousd - share),
                lease_s=lease_s,
                over_soft=over_soft,
            )
            held = verdict.denied_by is None
        finally:
            if not held:
                soon(partial(self._take_back, hold_id))
        denied = verdict.denied_by
        if denied is None or denied.limit.unit != "usd":
            return verdict
        return replace(verdict, needed=verdict.needed + share)

    def settle(self, hold_id: str, actual: Amounts) -> None:
        """Book what it was: from the reserve as far as that bore it."""
        soon(partial(self._settle, hold_id, actual))

    def release(self, hold_id: str) -> None:
        """End a hold of what never left."""
        soon(partial(self._release, hold_id))

    async def standing(self, limits: tuple[Limit, ...]) -> tuple[Standing, ...]:
        """As the counters say."""
        return await self._counters.standing(limits)

    async def reset(self, limits: tuple[Limit, ...]) -> None:
        """As the counters do."""
        await self._counters.reset(limits)

    async def flush(self) -> None:
        """As the counters do."""
        await self._counters.flush()

    async def close(self) -> None:
        """It is not open."""

    async def book(self, limits: tuple[Limit, ...], spent: Amounts) -> None:
        """Book what was spent beside the calls. What the reserve does not bear is booked at once.

        Raises StoreError.
        """
        with TURN:
            share = min(self._free, spent.usd_nanousd)
            self._free -= share
            self._used += share
            self._told += spent.usd_nanousd
        beyond = replace(spent, usd_nanousd=spent.usd_nanousd - share)
        if beyond.usd_nanousd or beyond.tokens:
            await book(self._counters, limits, beyond)

    def end(self, rest: Rest) -> None:
        """The run has ended. `rest` is asked once all its calls have."""
        soon(partial(self._end, rest))

    def _end(self, rest: Rest) -> None:
        self._rest = rest
        self._end_with_the_last()

    def _settle(self, hold_id: str, actual: Amounts) -> None:
        share, worst = self._drawn.pop(hold_id, (0, 0))
        nanousd = actual.usd_nanousd
        if nanousd < 0:  # as much as was held
            part, beyond = share, nanousd
            self._by_calls += worst
        else:
            part = min(nanousd, share)
            beyond = nanousd - part
            self._by_calls += nanousd
        self._used += part
        self._free += 0 if self._over else share - part
        self._counters.settle(hold_id, replace(actual, usd_nanousd=beyond))
        self._end_with_the_last()

    def _release(self, hold_id: str) -> None:
        self._counters.release(hold_id)
        self._take_back(hold_id)

    def _take_back(self, hold_id: str) -> None:
        if hold_id in self._drawn:
            share, _ = self._drawn.pop(hold_id)
            self._free += 0 if self._over else share
            self._end_with_the_last()

    def _end_with_the_last(self) -> None:
        if self._rest is not None and not self._drawn:
            used = self._used + self._rest(self._by_calls, self._told)
            self._counters.settle(self._hold_id, Amounts(used, 0, 0))
            self._rest, self._over, self._free = None, True, 0


async def book(counters: Counting, limits: tuple[Limit, ...], spent: Amounts) -> None:
    """Count what is spent already, whatever is left. Raises StoreError."""
    if isinstance(counters, Reserve):
        await counters.book(limits, spent)
        return
    hold_id = new_id()
    await counters.hold(hold_id, limits, Amounts(0, 0, 0), lease_s=LEASE_S)
    counters.settle(hold_id, spent)
    await counters.flush()


def new_id() -> str:
    """The id of a hold that no other process makes."""
    return uuid.uuid4().hex
