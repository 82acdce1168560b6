"""Whether an export's days are those of another time zone: by trying all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, datetime, timedelta

from scrimp.ledger.rollups import EPOCH, HOUR
from scrimp.reconcile.bill import Bill
from scrimp.reconcile.books import HourCell
from scrimp.reconcile.words import (
    ALL_MODELS,
    FEES,
    NOTHING_BILLED,
    NOTHING_BOOKED,
    Billed,
    Booked,
)

_FARTHEST_H = 14


class Shifts:
    """Looks each model up once. The ledger's hours reach a day beyond the export on both sides."""

    def __init__(
        self,
        bill: Bill,
        hours: Mapping[HourCell, Booked],
        period: tuple[datetime, datetime],
        *,
        fees_apart: bool,
    ) -> None:
        self._bill = bill
        self._period = period
        self._fees_apart = fees_apart
        self._hours: defaultdict[str, dict[int, Booked]] = defaultdict(dict)
        for (vendor, hour, model), sums in hours.items():
            if vendor == bill.vendor:
                self._hours[model][hour] = sums
        self._known: dict[str, int | None] = {}

    def hours(self, model: str) -> int | None:
        """How many hours after midnight UTC days begin, if all days agree then; None: never."""
        if model not in self._known:
            self._known[model] = None if model in (ALL_MODELS, FEES) else self._found(model)
        return self._known[model]

    def _found(self, model: str) -> int | None:
        told = int(self._bill.shift / HOUR)
        tried = sorted(
            (hour for hour in range(-_FARTHEST_H, _FARTHEST_H + 1) if hour),
            key=lambda hour: (hour != told, abs(hour)),
        )
        return next((hour for hour in tried if self._agrees(model, hour)), None)

    def _agrees(self, model: str, shift: int) -> bool:
        days: dict[date, Booked] = {}
        for hour, sums in self._hours[model].items():
            day = (EPOCH + hour * HOUR - shift * HOUR).date()
            days[day] = days.get(day, NOTHING_BOOKED).plus(sums)
        inside = self._days()
        return any(days.get(day) for day in inside) and all(
            self._equal(day, model, days.get(day, NOTHING_BOOKED)) for day in inside
        )

    def _days(self) -> list[date]:
        shift = self._bill.shift
        first = (max(self._bill.since, self._period[0]) - shift).date()
        end = min(self._bill.until, self._period[1]) - shift - timedelta(microseconds=1)
        return [first + timedelta(days=step) for step in range((end.date() - first).days + 1)]

    def _equal(self, day: date, model: str, ours: Booked) -> bool:
        tokens, dollars = (
            None if sums is None else sums.get((day, model), NOTHING_BILLED)
            for sums in (self._bill.tokens, self._bill.dollars)
        )
        if tokens is not None and tokens.tokens != ours.tokens:
            return False
        return dollars is None or self._same_dollars(dollars, ours)

    def _same_dollars(self, dollars: Billed, ours: Booked) -> bool:
        booked = ours.nanousd - (ours.fees_nanousd if self._fees_apart else 0)
        return 0 <= booked - dollars.nanousd <= ours.lines
