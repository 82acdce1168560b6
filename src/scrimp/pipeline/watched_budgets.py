"""A store of budgets that tells, on the way, whose limits were just settled and who was refused."""

from __future__ import annotations

from collections.abc import Callable

from scrimp.limits import Amounts, BudgetStore, Limit, Standing, Verdict

MOST_OPEN = 20_000
MOST_TOLD = 2_000


class WatchedBudgets:
    """Implements `limits.BudgetStore` over another. `wake` is quick and never raises.

    What happened is gathered, up to a bound, until somebody asks: `settled`, `refusal`.
    """

    def __init__(self, store: BudgetStore, wake: Callable[[], None]) -> None:
        self._store = store
        self._wake = wake
        self._open: dict[str, tuple[Limit, ...]] = {}
        self._settled: dict[int, tuple[Limit, ...]] = {}
        self._refused: dict[str, tuple[Standing, int]] = {}

    async def hold(
        self,
        hold_id: str,
        limits: tuple[Limit, ...],
        worst: Amounts,
        *,
        lease_s: float,
        over_soft: bool = False,
    ) -> Verdict:
        """Reserve the worst case; remember which limits they are until it is settled."""
        verdict = await self._store.hold(
            hold_id, limits, worst, lease_s=lease_s, over_soft=over_soft
        )
        if verdict.denied_by is None:
            if self._refused:
                self._refused.pop(_call_of(hold_id), None)  # its exact bound fits
            if len(self._open) >= MOST_OPEN:
                del self._open[next(iter(self._open))]
            self._open[hold_id] = limits
        elif verdict.denied_by.limit.hard:
            if len(self._refused) >= MOST_TOLD:
                del self._refused[next(iter(self._refused))]
            self._refused[_call_of(hold_id)] = (verdict.denied_by, verdict.needed)
        return verdict

    def settle(self, hold_id: str, actual: Amounts) -> None:
        """Book what it was, and tell."""
        self._store.settle(hold_id, actual)
        limits = self._open.pop(hold_id, None)
        if limits is not None:
            if len(self._settled) < MOST_TOLD:
                self._settled[id(limits)] = limits
            self._wake()

    def release(self, hold_id: str) -> None:
        """End a hold of an attempt that never left: nothing was spent, nothing is told."""
        self._store.release(hold_id)
        self._open.pop(hold_id, None)

    def settled(self) -> list[tuple[Limit, ...]]:
        """Limits that calls have used since this was asked last."""
        found = list(self._settled.values())
        self._settled.clear()
        return found

    def refusal(self, call_id: str) -> tuple[Standing, int] | None:
        """The hard limit that turned a call away, with what the call would have needed."""
        return self._refused.pop(call_id, None)

    async def standing(self, limits: tuple[Limit, ...]) -> tuple[Standing, ...]:
        """How these limits stand now."""
        return await self._store.standing(limits)

    async def reset(self, limits: tuple[Limit, ...]) -> None:
        """Count these limits from 0 again."""
        await self._store.reset(limits)

    async def flush(self) -> None:
        """Wait until every settlement so far is written."""
        await self._store.flush()

    async def close(self) -> None:
        """Write what is pending and let go of files."""
        await self._store.close()


def _call_of(hold_id: str) -> str:
    """Holds of one call are numbered: `CALL/0`."""
    return hold_id.partition("/")[0]
