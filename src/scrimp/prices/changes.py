"""What differs between two price books: models that came and went, and prices with both numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from scrimp.prices.book import PriceBook, differences
from scrimp.prices.rates import ModelPrice, PriceRow, Rate

_Key = tuple[str, str, str]
"""Service tier, hours and days of the week (empty: always), what is priced."""
_Table = dict[_Key, Rate]


@dataclass(frozen=True, slots=True)
class Change:
    """A price that is another one from a day on (UTC), in pico-dollars per unit; None: unknown.

    `model` is `provider/model`; `tier` and `hours` are empty for the ordinary price of all hours.
    """

    model: str
    since: date
    tier: str
    hours: str
    what: str
    old: Rate | None
    new: Rate | None


def changes(old: PriceBook, new: PriceBook, on: date) -> Iterator[Change]:
    """Prices that differ on a day or at a later date of either book, or that the new one dates."""
    before, after = _models(old), _models(new)
    for name in differences(old, new)["changed"]:
        yield from _of_model(name, before[name], after[name], on)


def _models(book: PriceBook) -> dict[str, ModelPrice]:
    return {f"{name}/{one.id}": one for name in book.providers() for one in book.of(name)}


def _of_model(name: str, old: ModelPrice, new: ModelPrice, on: date) -> Iterator[Change]:
    told: dict[_Key, tuple[Rate | None, Rate | None]] = {}
    for day in sorted({on, *_begins(old), *_begins(new)}):
        before, after = _table(old, day), _table(new, day)
        for key in sorted(before.keys() | after.keys()):
            both = before.get(key), after.get(key)
            if both[0] == both[1]:
                told.pop(key, None)
            elif told.get(key) != both:
                told[key] = both
                yield Change(name, day, *key, *both)


def _begins(model: ModelPrice) -> set[date]:
    rows = (*model.rows, *(row for rows in model.tiers.values() for row in rows))
    return {row.since for row in rows if row.since is not None}


def _table(model: ModelPrice, day: date) -> _Table:
    """All that is priced on a day."""
    table: _Table = {}
    active = _active(model.rows, day)
    whole = [at for at, row in enumerate(active) if not _hours(row)]
    for row in active[whole[-1] if whole else 0 :]:
        table |= _rates(row, "")
    for tier, rows in model.tiers.items():
        for row in reversed(_active(rows, day)):  # of several, the first that names a kind
            table |= _rates(row, tier)
    return table


def _active(rows: Sequence[PriceRow], day: date) -> list[PriceRow]:
    return [
        row
        for row in rows
        if (row.since is None or row.since <= day) and (row.until is None or day < row.until)
    ]


def _rates(row: PriceRow, tier: str) -> _Table:
    if row.unpriced:
        return {}
    hours = _hours(row)
    told: dict[str, Rate] = dict(row.rates)
    told |= {f"each {name}": fee for name, fee in row.fees.items()}
    if row.per_ms is not None:
        told["per_ms"] = row.per_ms
    return {(tier, hours, what): rate for what, rate in told.items()}


def _hours(row: PriceRow) -> str:
    days = ",".join(("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[day] for day in row.weekdays)
    if row.minutes is None:
        return days
    start, end = (f"{minute // 60:02d}:{minute % 60:02d}" for minute in row.minutes)
    return f"{days} {start}-{end} UTC".strip()
