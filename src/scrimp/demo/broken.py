"""One stream that breaks on purpose, after the day: what the ledger says when nobody can know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from scrimp.demo.stage import Stage
from scrimp.demo.traffic import PlannedCall
from scrimp.ports import Entry

_CUT_AFTER_BYTES = 2500


@dataclass(frozen=True, slots=True)
class Broken:
    """A call whose usage never arrived: what the provider billed, and what the ledger says of it.

    Amounts of the ledger are None when it knows of none.
    """

    provider_nanousd: int
    ledger_nanousd: int | None
    low_nanousd: int | None
    high_nanousd: int | None

    @property
    def inside(self) -> bool:
        """True when the truth lies between the bounds that the ledger gives."""
        low, high = self.low_nanousd, self.high_nanousd
        return low is not None and high is not None and low <= self.provider_nanousd <= high


class Newest(Protocol):
    """The part of the ledger's read side that is asked here."""

    def recent(self, limit: int) -> list[Entry]:
        """The newest entries."""
        ...


async def break_one(
    day: Sequence[PlannedCall], stage: Stage, books: Newest, clients: Any
) -> Broken | None:
    """Let the provider hang up in the middle of an answer.

    `clients` is an open `demo.clients.Clients`. None when the day has no call that fits. Raises
    ScrimpError and StoreError.
    """
    call = next((call for call in reversed(day) if _fits(call)), None)
    if call is None:
        return None
    before = await stage.billed_nanousd()
    await stage.plan_cut(after_bytes=_CUT_AFTER_BYTES, path="/v1/chat/completions")
    await clients.ask_in_vain(replace(call, user="broken-stream", session="broken-stream"))
    await stage.settled()
    (entry,) = books.recent(1)
    return Broken(
        provider_nanousd=await stage.billed_nanousd() - before,
        ledger_nanousd=entry.cost_nanousd,
        low_nanousd=entry.cost_low_nanousd,
        high_nanousd=entry.cost_high_nanousd,
    )


def _fits(call: PlannedCall) -> bool:
    return call.sdk == "openai" and call.stream and call.turn == 1
