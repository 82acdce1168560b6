"""What a comparison would mean in a month, at the traffic that the ledger has seen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from scrimp.errors import StoreError
from scrimp.ledger.report import ReportRow

if TYPE_CHECKING:
    from scrimp.settings import Settings
    from scrimp.studies.summary import Summary

_DAYS = 30


@dataclass(frozen=True, slots=True)
class Month:
    """Thirty days past of one model's calls, and what they would have cost by the other."""

    model: str
    other: str
    calls: int
    cost_nanousd: int
    other_nanousd: int


def month_of(found: Summary, row: ReportRow | None) -> list[Month]:
    """For the first model beside each other, as far as its traffic and all costs are known."""
    if row is None:
        return []
    return [
        Month(
            model=pair.one,
            other=pair.two,
            calls=row.calls,
            cost_nanousd=row.cost_nanousd,
            other_nanousd=round(row.cost_nanousd * pair.cost_ratio.value),
        )
        for pair in found.pairs
        if pair.cost_ratio is not None
    ]


def traffic_of(model: str, settings: Settings) -> ReportRow | None:
    """What the ledger says of a model: to be asked before a comparison adds its own calls.

    A ledger that cannot be read is no reason to fail now.
    """
    from scrimp.app import open_ledger_reader

    if not settings.ledger_path.exists():
        return None
    now = datetime.now(UTC)
    try:
        report = open_ledger_reader(settings).report(now - timedelta(days=_DAYS), now, "model")
    except StoreError:
        return None
    return next((row for row in report.rows if row.value == model and row.calls), None)
