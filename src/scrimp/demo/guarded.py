"""Two calls over a budget, after the day: a hard one refuses, a soft one takes a cheaper model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scrimp.demo.broken import Newest
from scrimp.demo.stage import GENTLE, STRICT, Stage

ASKED = "gpt-4o"
_QUESTION = "Which lamp goes with a grey sofa? One sentence will do."
_MOST_TOKENS = 200


@dataclass(frozen=True, slots=True)
class Guarded:
    """What became of them: what the provider billed for the refused one, who answered the other.

    Both numbers of the refusal are in dollars, as its headers tell them.
    """

    limit_usd: str
    needed_usd: str
    refused_billed_nanousd: int
    rung: str
    answered_by: str
    saved_nanousd: int

    @property
    def good(self) -> bool:
        """True when the one was refused before it cost anything, and the other was cheaper."""
        refused = bool(self.needed_usd) and not self.refused_billed_nanousd
        return refused and self.rung == "cheaper_model" and self.saved_nanousd > 0


async def spend_too_much(stage: Stage, books: Newest, clients: Any) -> Guarded:
    """Ask over both budgets. `clients` is an open `demo.clients.Clients`.

    Raises ScrimpError and StoreError.
    """
    before = await stage.billed_nanousd()
    fields = {
        "model": ASKED,
        "max_completion_tokens": _MOST_TOKENS,
        "messages": [{"role": "user", "content": _QUESTION}],
    }
    refused = await clients.headers_of(fields, tag=STRICT)
    billed = await stage.billed_nanousd() - before
    told = await clients.headers_of(fields, tag=GENTLE)
    await stage.settled()
    (entry,) = books.recent(1)
    return Guarded(
        limit_usd=refused.get("x-scrimp-budget-limit-usd", ""),
        needed_usd=refused.get("x-scrimp-budget-needed-usd", ""),
        refused_billed_nanousd=billed,
        rung=told.get("x-scrimp-degraded", ""),
        answered_by=entry.model,
        saved_nanousd=dict(entry.saved).get("degrade", 0),
    )
