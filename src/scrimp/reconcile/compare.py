"""Both sides beside each other: one row per vendor, UTC day and model, and whether it agrees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Literal

from scrimp.ledger.rollups import EPOCH, HOUR
from scrimp.reconcile.bill import Bill, Cell, by_model
from scrimp.reconcile.books import HourCell
from scrimp.reconcile.words import (
    ALL_MODELS,
    ATTO_PER_NANO,
    FEES,
    NOTHING_BILLED,
    NOTHING_BOOKED,
    Billed,
    Booked,
    Tokens,
    Vendor,
)

Verdict = Literal["equal", "within", "differs"]
"""equal: to the token and the nano-dollar · within: tolerance, rounding or bounds hold the
difference · differs: they do not."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How much a row may differ: dollars, or a share of what is billed (of tokens too)."""

    nanousd: int = 0
    share: Fraction = Fraction(0)

    def allows(self, difference: int, whole: int) -> bool:
        """Whether dollars this far apart are near enough."""
        return abs(difference) <= self.nanousd + self.share * abs(whole)

    def allows_tokens(self, difference: Tokens, whole: Tokens) -> bool:
        """Whether every kind is near enough: tokens have no tolerance in dollars."""
        pairs = zip(difference.each, whole.each, strict=True)
        return all(abs(apart) <= self.share * abs(of) for apart, of in pairs)


@dataclass(frozen=True, slots=True)
class Row:
    """One day of one model. `tokens` and `dollars` are None where no export tells them here.

    Differences are the bill less the ledger. `slack_nanousd` is what the export's rounding hides.
    """

    vendor: Vendor
    day: date
    model: str
    booked: Booked
    tokens: Billed | None
    dollars: Billed | None
    slack_nanousd: int = 0

    @property
    def token_gap(self) -> Tokens | None:
        """None where the export tells no tokens."""
        return None if self.tokens is None else self.tokens.tokens.less(self.booked.tokens)

    @property
    def gap_nanousd(self) -> int | None:
        """None where the export tells no dollars."""
        return None if self.dollars is None else self.dollars.nanousd - self.booked.nanousd

    @property
    def rounding_nanousd(self) -> int:
        """How far roundings can lead apart: ours up by line item, the export's either way."""
        return self.booked.lines + self.slack_nanousd

    @property
    def same_tokens(self) -> bool:
        """True also where they are not told."""
        return self.token_gap is None or not any(self.token_gap.each)


def rows_of(
    bill: Bill, hours: Mapping[HourCell, Booked], period: tuple[datetime, datetime]
) -> list[Row]:
    """All rows of a vendor inside a period, by day and model."""
    since, until = max(period[0], bill.since), min(period[1], bill.until)
    booked = _days(bill.vendor, hours, since, until)
    of_tokens, of_dollars = _cells(bill.tokens, booked), _cells(bill.dollars, booked)
    if by_model(bill.dollars):
        of_dollars |= {(day, FEES) for (day, _), sums in booked.items() if sums.fees_nanousd}
    rows = []
    for cell in of_tokens | of_dollars:
        if not period[0].date() <= cell[0] < _end_day(period[1]):
            continue
        tokens = (bill.tokens or {}).get(cell, NOTHING_BILLED) if cell in of_tokens else None
        dollars = (bill.dollars or {}).get(cell, NOTHING_BILLED) if cell in of_dollars else None
        ours = _ours(booked, cell, apart=by_model(bill.dollars))
        slack = _amounts(ours, dollars) * bill.slack_atto // ATTO_PER_NANO
        rows.append(Row(bill.vendor, *cell, ours, tokens, dollars, slack))
    return sorted(rows, key=lambda row: (row.day, row.model))


def _cells(sums: Mapping[Cell, Billed] | None, booked: Mapping[Cell, Booked]) -> set[Cell]:
    """Where an export tells something, and where it says by its silence that nothing was billed."""
    if sums is None:
        return set()
    seen = {cell for cell, one in booked.items() if one.billed}
    return {*sums, *(seen if by_model(sums) else ((day, ALL_MODELS) for day, _ in seen))}


def _amounts(ours: Booked, dollars: Billed | None) -> int:
    """How many amounts an export may have rounded, the ones that became nothing too."""
    kinds = sum(quantity > 0 for quantity in ours.tokens.each)
    return max(dollars.rows if dollars else 0, kinds)


def _days(
    vendor: Vendor, hours: Mapping[HourCell, Booked], since: datetime, until: datetime
) -> dict[Cell, Booked]:
    """The ledger's sums by day, of the hours that the export covers."""
    days: dict[Cell, Booked] = {}
    for (whose, hour, model), sums in hours.items():
        at = EPOCH + hour * HOUR
        if whose == vendor and since <= at < until:
            cell = (at.date(), model)
            days[cell] = days[cell].plus(sums) if cell in days else sums
    return days


def _ours(booked: Mapping[Cell, Booked], cell: Cell, *, apart: bool) -> Booked:
    """The ledger's part of a row; fees are apart where the export has them apart."""
    day, model = cell
    if model in (ALL_MODELS, FEES):
        total = NOTHING_BOOKED
        for (on, _), sums in booked.items():
            total = total.plus(sums) if on == day else total
        return total if model == ALL_MODELS else _fees(total)
    sums = booked.get(cell, NOTHING_BOOKED)
    return _without_fees(sums) if apart else sums


def _fees(total: Booked) -> Booked:
    fees = total.fees_nanousd
    return Booked(nanousd=fees, low_nanousd=fees, high_nanousd=fees, fees_nanousd=fees)


def _without_fees(sums: Booked) -> Booked:
    fees = sums.fees_nanousd
    return replace(
        sums,
        nanousd=sums.nanousd - fees,
        low_nanousd=sums.low_nanousd - fees,
        high_nanousd=sums.high_nanousd - fees,
        fees_nanousd=0,
    )


def _end_day(until: datetime) -> date:
    """The first day that is not inside."""
    whole = until.replace(hour=0, minute=0, second=0, microsecond=0)
    return whole.date() if whole == until else (whole + timedelta(days=1)).date()


def total_of(rows: Sequence[Row], vendor: Vendor) -> Row | None:
    """All rows of a vendor together: tokens of rows with tokens, dollars of rows with dollars."""
    if not rows:
        return None
    tokens = [row for row in rows if row.tokens is not None]
    dollars = [row for row in rows if row.dollars is not None]
    ours = replace(
        _sum([row.booked for row in dollars]), tokens=_sum([row.booked for row in tokens]).tokens
    )
    return Row(
        vendor,
        rows[-1].day,
        ALL_MODELS,
        ours,
        _sum_billed([row.tokens for row in tokens if row.tokens]) if tokens else None,
        _sum_billed([row.dollars for row in dollars if row.dollars]) if dollars else None,
        sum(row.slack_nanousd for row in dollars),
    )


def _sum(all_of: Sequence[Booked]) -> Booked:
    total = NOTHING_BOOKED
    for one in all_of:
        total = total.plus(one)
    return total


def _sum_billed(all_of: Sequence[Billed]) -> Billed:
    total = NOTHING_BILLED
    for one in all_of:
        total = total.plus(one)
    return total
