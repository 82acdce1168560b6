"""What a comparison would mean in a month, at the traffic that the ledger has seen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from scrimp.errors import StoreError

if TYPE_CHECKING:
    from scrimp.settings import Settings
    from scrimp.studies.summary import Summary

_DAYS = 30
Traffic = tuple[int, int]
"""Calls, and nano-dollars."""


@dataclass(frozen=True, slots=True)
class Month:
    """Thirty days past of one model's calls, and what they would have cost by the other."""

    model: str
    other: str
    calls: int
    cost_nanousd: int
    other_nanousd: int


def month_of(found: Summary, traffic: Traffic | None) -> list[Month]:
    """For the first model beside each other, as far as its traffic and all costs are known."""
    if traffic is None:
        return []
    calls, nanousd = traffic
    return [
        Month(
            model=pair.one,
            other=pair.two,
            calls=calls,
            cost_nanousd=nanousd,
            other_nanousd=round(nanousd * pair.cost_ratio.value),
        )
        for pair in found.pairs
        if pair.cost_ratio is not None
    ]


def traffic_of(model: str, settings: Settings) -> Traffic | None:
    """What clients have asked of a model; comparisons, shadows and judges are no traffic.

    A ledger that cannot be read is no reason to fail now.
    """
    from scrimp.app import open_ledger_reader

    if not settings.ledger_path.exists():
        return None
    now = datetime.now(UTC)
    try:
        found = open_ledger_reader(settings).asked_by_clients(
            model, now - timedelta(days=_DAYS), now
        )
    except StoreError:
        return None
    return found if found[0] else None
