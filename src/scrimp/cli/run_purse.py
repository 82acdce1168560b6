"""`scrimp run --budget`: what a run may spend, held before each attempt, and known after a kill."""

from __future__ import annotations

from scrimp.cli.run_file import Kept
from scrimp.client.allowed import Frame, limits_of
from scrimp.client.counting import InFile, InMemory
from scrimp.client.purses import Pocket
from scrimp.client.reserve import book
from scrimp.errors import StoreError
from scrimp.limits import Amounts, Limit, Standing, Verdict


class Journalled:
    """Implements `Counting`: in memory, and every hold is in the journal before its attempt leaves.

    What was held when the process was killed counts as spent in the next run.
    """

    keeper: InFile | None = None

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._memory = InMemory()
        self._open: dict[str, int] = {}

    async def hold(
        self,
        hold_id: str,
        limits: tuple[Limit, ...],
        worst: Amounts,
        *,
        lease_s: float,
        over_soft: bool = False,
    ) -> Verdict:
        """Reserve the worst case, or nothing. Raises StoreError where it cannot be written down."""
        verdict = await self._memory.hold(
            hold_id, limits, worst, lease_s=lease_s, over_soft=over_soft
        )
        if verdict.denied_by is None:
            self._open[hold_id] = worst.usd_nanousd
            try:
                self._kept.held(hold_id, worst.usd_nanousd)
            except OSError as error:
                self.release(hold_id)
                raise StoreError(f"{self._kept.journal}: {error}") from error
        return verdict

    def settle(self, hold_id: str, actual: Amounts) -> None:
        """Book what it was; below zero: as much as was held."""
        held = self._open.pop(hold_id, 0)
        self._memory.settle(hold_id, actual)
        nanousd = actual.usd_nanousd
        self._kept.settled(hold_id, held if nanousd < 0 else nanousd)

    def release(self, hold_id: str) -> None:
        """End a hold of what never left."""
        self._open.pop(hold_id, None)
        self._memory.release(hold_id)
        self._kept.settled(hold_id, 0)

    async def standing(self, limits: tuple[Limit, ...]) -> tuple[Standing, ...]:
        """How these limits stand now."""
        return await self._memory.standing(limits)

    async def reset(self, limits: tuple[Limit, ...]) -> None:
        """Count these limits from 0 again."""
        await self._memory.reset(limits)

    async def flush(self) -> None:
        """Nothing is pending."""

    async def close(self) -> None:
        """Nothing is open."""

    async def spent(self, limits: tuple[Limit, ...], nanousd: int) -> None:
        """Count what is gone already."""
        await book(self._memory, limits, Amounts(nanousd, 0, 0))


async def budget_of(usd: str, kept: Kept) -> Pocket:
    """What all runs with this OUT may spend together. Raises ConfigError."""
    limits = limits_of(Frame("--budget", "--budget"), usd, None)
    counters = Journalled(kept)
    await counters.spent(limits, kept.spent_nanousd)
    return Pocket(limits, counters)
