"""A whole reconciliation: rows with verdicts and causes, totals, and the same as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from scrimp.money import decimal_usd
from scrimp.prices.book import PriceBook
from scrimp.reconcile.bill import Bill, by_model
from scrimp.reconcile.books import HourCell
from scrimp.reconcile.causes import Case, Cause, causes_of
from scrimp.reconcile.compare import Row, Tolerance, Verdict, rows_of, total_of
from scrimp.reconcile.shifts import Shifts
from scrimp.reconcile.verdict import verdict_of
from scrimp.reconcile.words import Booked, Vendor


@dataclass(frozen=True, slots=True)
class Judged:
    """A row with what is to be said of it."""

    row: Row
    verdict: Verdict
    causes: tuple[Cause, ...] = ()


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """One vendor's bill beside the ledger. `total` is None when there is no row."""

    vendor: Vendor
    bill: Bill
    since: datetime
    until: datetime
    rows: tuple[Judged, ...]
    total: Row | None

    @property
    def reconciled(self) -> bool:
        """True when every row is equal, or held by tolerance, rounding or bounds."""
        return all(one.verdict != "differs" for one in self.rows)


@dataclass(frozen=True, slots=True)
class Ledger:
    """The ledger's side: sums by hour, and the oldest attempt of all."""

    hours: Mapping[HourCell, Booked]
    first: datetime | None


def reconcile(
    bill: Bill,
    ledger: Ledger,
    period: tuple[datetime, datetime],
    book: PriceBook,
    tolerance: Tolerance,
) -> Reconciliation:
    """Compare, judge, and look for causes."""
    rows = rows_of(bill, ledger.hours, period)
    shifts = Shifts(bill, ledger.hours, period, fees_apart=by_model(bill.dollars))
    judged = []
    for row in rows:
        case = Case(row, rows, bill, shifts, book, ledger.first)
        judged.append(Judged(row, verdict_of(row, tolerance, book), causes_of(case)))
    since, until = max(period[0], bill.since), min(period[1], bill.until)
    total = total_of(rows, bill.vendor)
    return Reconciliation(bill.vendor, bill, since, until, tuple(judged), total)


def to_json(found: Sequence[Reconciliation]) -> dict[str, Any]:
    """All vendors as one document."""
    return {
        "reconciled": all(one.reconciled for one in found),
        "vendors": [_vendor(one) for one in found],
    }


def _vendor(found: Reconciliation) -> dict[str, Any]:
    return {
        "vendor": found.vendor,
        "exports": [shape.name for shape in found.bill.shapes],
        "since": found.since.isoformat(),
        "until": found.until.isoformat(),
        "reconciled": found.reconciled,
        "rows": [_judged(one, found.bill) for one in found.rows],
        "total": None if found.total is None else _numbers(found.total),
    }


def _judged(one: Judged, bill: Bill) -> dict[str, Any]:
    return {
        "day": one.row.day.isoformat(),
        "model": one.row.model,
        "billed_as": list(bill.names.get(one.row.model, ())),
        "verdict": one.verdict,
        **_numbers(one.row),
        "causes": [asdict(cause) for cause in one.causes],
    }


def _numbers(row: Row) -> dict[str, Any]:
    """Both sides and the difference, the bill's less the ledger's; null where not told."""
    ours, tokens, dollars = row.booked, row.tokens, row.dollars
    gap = row.gap_nanousd
    return {
        "tokens": None
        if tokens is None or row.token_gap is None
        else {
            "bill": asdict(tokens.tokens),
            "ledger": asdict(ours.tokens),
            "difference": asdict(row.token_gap),
        },
        "bill_requests": None if tokens is None else tokens.requests,
        "ledger_attempts": ours.billed,
        "bill_nanousd": None if dollars is None else dollars.nanousd,
        "bill_usd": None if dollars is None else decimal_usd(dollars.nanousd),
        "ledger_nanousd": ours.nanousd,
        "ledger_usd": decimal_usd(ours.nanousd),
        "ledger_low_nanousd": ours.low_nanousd,
        "ledger_high_nanousd": ours.high_nanousd,
        "difference_nanousd": gap,
        "difference_usd": None if gap is None else decimal_usd(gap),
    }
