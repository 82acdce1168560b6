"""What became of a call's amounts after it was booked: differences that are added to its entry.

Pure. An entry is never changed; what stands in the books of a call is the entry and all of its
adjustments together, and the sums of a report hold both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from scrimp.ledger.rollups import COUNTERS, Counts, RollupKey, hour_of, places_of
from scrimp.ports import Entry
from scrimp.values import Value

REPRICED = "reprice"
"""The reason of a correction that another price book asked for."""

_NO_TOKENS = (0,) * (len(COUNTERS) - COUNTERS.index("input_tokens"))


class Amounts(Value, frozen=True):
    """What is known of a call's money, in nano-dollars; None is unknown.

    `baseline - cost = sum(saved)` whenever both are known.
    """

    basis: str
    price_version: str
    cost_nanousd: int | None
    low_nanousd: int | None
    high_nanousd: int | None
    baseline_nanousd: int | None
    saved: tuple[tuple[str, int], ...] = ()


class Adjustment(Value, frozen=True):
    """One correction of one call: what to add to its amounts, an unknown one counting as 0.

    `known` says that the cost was not known before. `saved` has for each lever its difference, and
    1 where the lever had not saved anything in this call so far.
    """

    call_id: str
    call_at: datetime
    at: datetime
    reason: str
    price_version: str
    cost_basis: str
    known: bool
    cost_nanousd: int
    cost_low_nanousd: int
    cost_high_nanousd: int
    baseline_nanousd: int
    saved: tuple[tuple[str, int, int], ...] = ()


class Period(Value, frozen=True):
    """Calls begun from `since` until before `until` (aware); of one model when it is named."""

    since: datetime
    until: datetime
    model: str = ""


def booked_amounts(entry: Entry) -> Amounts:
    """What was booked when the call ended."""
    return Amounts(
        entry.cost_basis,
        entry.price_version,
        entry.cost_nanousd,
        entry.cost_low_nanousd,
        entry.cost_high_nanousd,
        entry.baseline_nanousd,
        entry.saved,
    )


def amounts_now(entry: Entry, adjustments: Sequence[Adjustment]) -> Amounts:
    """What stands in the books now: the entry and its adjustments, oldest first."""
    amounts = booked_amounts(entry)
    for one in adjustments:
        known = amounts.cost_nanousd is not None or one.known
        saved = by_lever(amounts.saved)
        for lever, nanousd, _ in one.saved:
            saved[lever] = saved.get(lever, 0) + nanousd
        amounts = Amounts(
            one.cost_basis,
            one.price_version,
            _sum(amounts.cost_nanousd, one.cost_nanousd) if known else None,
            _sum(amounts.low_nanousd, one.cost_low_nanousd) if known else None,
            _sum(amounts.high_nanousd, one.cost_high_nanousd) if known else None,
            _moved(amounts.baseline_nanousd, one),
            tuple(saved.items()),
        )
    return amounts


def difference(
    entry: Entry, now: Amounts, then: Amounts, *, at: datetime, reason: str
) -> Adjustment | None:
    """What turns `now` into `then`; None when the money is the same already.

    An amount that is known never becomes unknown again.
    """
    if then.cost_nanousd is None:
        return None
    before, after = by_lever(now.saved), by_lever(then.saved)
    saved = tuple(
        (lever, after.get(lever, 0) - before.get(lever, 0), int(lever not in before))
        for lever in dict.fromkeys((*before, *after))
        if after.get(lever, 0) != before.get(lever, 0)
    )
    known = now.cost_nanousd is None
    cost = then.cost_nanousd - (now.cost_nanousd or 0)
    low = (then.low_nanousd or 0) - (now.low_nanousd or 0)
    high = (then.high_nanousd or 0) - (now.high_nanousd or 0)
    baseline = 0
    if then.baseline_nanousd is not None:
        baseline = then.baseline_nanousd - (now.baseline_nanousd or 0)
    if not (known or cost or low or high or baseline or saved):
        return None
    return Adjustment(
        call_id=entry.id,
        call_at=entry.at,
        at=at,
        reason=reason,
        price_version=then.price_version,
        cost_basis=then.basis,
        known=known,
        cost_nanousd=cost,
        cost_low_nanousd=low,
        cost_high_nanousd=high,
        baseline_nanousd=baseline,
        saved=saved,
    )


def by_lever(saved: Iterable[tuple[str, int]]) -> dict[str, int]:
    """What each lever saved; one may stand there twice."""
    sums: dict[str, int] = {}
    for lever, nanousd in saved:
        sums[lever] = sums.get(lever, 0) + nanousd
    return sums


def adjusted_sums(adjusted: Iterable[tuple[Entry, Adjustment]]) -> dict[RollupKey, Counts]:
    """What these adjustments add to the hourly sums, one row per sum that they touch."""
    sums: dict[RollupKey, Counts] = {}

    def add(key: RollupKey, added: Counts) -> None:
        known = sums.get(key)
        sums[key] = added if known is None else tuple(map(int.__add__, known, added))

    for entry, one in adjusted:
        hour = hour_of(entry.at)
        saved = sum(nanousd for _, nanousd, _ in one.saved)
        cost = (one.cost_nanousd, one.cost_low_nanousd, one.cost_high_nanousd)
        money = (*cost, one.baseline_nanousd, saved)
        added = (0, 0, 0, -int(one.known), *money, *_NO_TOKENS)
        for dimension, value in places_of(entry):
            add((dimension, hour, entry.tenant, value), added)
        for lever, nanousd, first in one.saved:
            hits = first * int(entry.served_by == lever)
            own = (first, hits, 0, 0, 0, 0, 0, 0, nanousd, *_NO_TOKENS)
            add(("lever", hour, entry.tenant, lever), own)
    return sums


def _sum(known: int | None, added: int) -> int:
    return (known or 0) + added


def _moved(baseline: int | None, one: Adjustment) -> int | None:
    """A baseline that was unknown is known once something was added to it."""
    touched = one.baseline_nanousd or one.known or one.saved
    return _sum(baseline, one.baseline_nanousd) if touched or baseline is not None else None
