"""`scrimp jobs submit --budget`: what the jobs of a file may cost together, in all its hand-ins.

What the file's jobs have cost, and what those may still cost that are not over, counts first. Each
line that is handed in is then held at its worst case, at the plain price: what no batch answers may
be asked by itself. Such a hold is never given back by this process; the next hand-in counts anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from scrimp.app import open_encoder
from scrimp.billing import book_of, places_of, price_names
from scrimp.budgets.worst import WorstCase, asked
from scrimp.calls import Target
from scrimp.cli.console import say
from scrimp.cli.jobs_queue import may_cost_more
from scrimp.client.allowed import Frame, limits_of
from scrimp.client.counting import InMemory
from scrimp.client.purses import Pocket
from scrimp.client.reserve import book
from scrimp.dialects import DIALECTS
from scrimp.errors import ConfigError, PriceUnknown
from scrimp.limits import Amounts
from scrimp.money import decimal_usd, format_usd, parse_usd

if TYPE_CHECKING:
    from scrimp.cli.jobs_queue import Found
    from scrimp.many.asked import Item
    from scrimp.settings import Settings

_NAME = "--budget"


@dataclass(frozen=True, slots=True)
class Gone:
    """What of a budget is gone before a hand-in, in nano-dollars."""

    spent_nanousd: int = 0
    open_nanousd: int = 0
    """The most that jobs may still cost which are not over, or not booked."""

    def __add__(self, other: Gone) -> Gone:
        """Both."""
        return Gone(
            self.spent_nanousd + other.spent_nanousd, self.open_nanousd + other.open_nanousd
        )

    @property
    def nanousd(self) -> int:
        """In all."""
        return self.spent_nanousd + self.open_nanousd


class Worth:
    """Knows what jobs that there are have cost, and may."""

    def __init__(self, settings: Settings) -> None:
        self._worst = WorstCase(book_of(settings), price_names(settings), places_of(settings))
        self._encoder = open_encoder(settings)

    def of(self, item: Item, found: Found) -> Gone:
        """What a line's jobs take of a budget. Raises ConfigError where nobody knows it."""
        spent = Gone(found.earlier_nanousd + (found.cost_nanousd or 0))
        unknown = found.earlier_unknown + may_cost_more(found)
        if not unknown:
            return spent
        request = DIALECTS[item.dialect].read_request(item.body)
        target = Target(found.provider, found.model or item.model, item.dialect)
        count = self._encoder.request_now(target.model, request.fields, item.dialect)
        try:
            worst = self._worst(asked(request, item.dialect, count), target, datetime.now(UTC))
        except PriceUnknown as error:
            raise ConfigError(
                f"{error}: job {found.id} may have cost anything, so --budget cannot hold"
            ) from error
        return spent + Gone(open_nanousd=unknown * worst.nanousd)


def check_place(budget: str | None, url: str) -> None:
    """Raises click.UsageError for a budget that would have to be held elsewhere."""
    if budget is not None and url:
        raise click.UsageError(
            "--budget holds in an engine of this process: with --url set it at the gateway "
            "(scrimp budget set)"
        )


async def pocket_of(budget: str, gone: Gone) -> Pocket:
    """What may be handed in yet. Raises ConfigError."""
    limits = limits_of(Frame(_NAME, _NAME), budget, None)
    counters = InMemory()
    await book(counters, limits, Amounts(gone.nanousd, 0, 0))
    return Pocket(limits, counters, lasting=True)


def left_of(budget: str, gone: Gone) -> int:
    """What may be spent yet, in nano-dollars."""
    return max(0, parse_usd(budget) - gone.nanousd)


def show_gone(budget: str | None, gone: Gone) -> None:
    """How a budget stands before anything is handed in: who has too little may raise it or wait."""
    if budget is None or not gone.nanousd:
        return
    spent, held = format_usd(gone.spent_nanousd), format_usd(gone.open_nanousd)
    waits = f", and at most {held} may be by jobs that are not over" if gone.open_nanousd else ""
    say(f"--budget ${budget}: {spent} is spent{waits}.")


def gone_told(budget: str | None, gone: Gone) -> dict[str, str]:
    """The same for machines."""
    if budget is None:
        return {}
    return {
        "budget_usd": budget,
        "budget_spent_usd": decimal_usd(gone.spent_nanousd),
        "budget_open_usd": decimal_usd(gone.open_nanousd),
    }
