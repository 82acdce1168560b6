"""What a booked call would have cost at other prices, from the facts that its entry keeps.

Pure. Usage, service tier, time, model and place of every attempt are in the entry, so a price can
be found again; what a provider said itself, and what was never told, stays as it was booked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from msgspec.structs import replace

from scrimp.calls import FREE_COST, Attempt, Cost, Line
from scrimp.errors import PriceUnknown
from scrimp.ledger.adjustment import Amounts, booked_amounts
from scrimp.ledger.booking import booked
from scrimp.ledger.rollups import is_hit
from scrimp.ledger.smaller import APART, KNOWN, SMALLER, SUPPOSED
from scrimp.ledger.steps import ESTIMATED, UNESTIMATED
from scrimp.ledger.waited import SAVED
from scrimp.money import line_nanousd
from scrimp.ports import Entry
from scrimp.prices.rates import TOKENS
from scrimp.values import Value

REMARKS: Mapping[str, str] = {
    "reported": "cost what the provider said itself: not priced again",
    "estimate": "broke off before the usage was told: the bounds are priced again",
    "estimate_kept": "broke off, and the counts behind the estimate were not kept: left as booked",
    "no_usage": "told no usage: the cost stays unknown",
    "no_price": "met no price in this book: left as booked",
    "savings_kept": "went through levers that change calls: what those saved is left as booked",
    "baseline_kept": "got a lever's answer, its usage was not kept: the baseline is left as booked",
}
"""What is said of calls that are not simply priced again."""

_SHOWN_IDS = 3
_AS_BOOKED = (SUPPOSED, ESTIMATED, UNESTIMATED, SMALLER, KNOWN, APART, SAVED)


class Prices(Protocol):
    """A price book, as far as an attempt needs one. Both raise PriceUnknown."""

    def exact(self, attempt: Attempt) -> Cost:
        """The cost of the usage that the provider told."""
        ...

    def bounds(self, attempt: Attempt) -> Cost:
        """The bounds of an estimate, from the tokens that `cost.counted` keeps."""
        ...


class Repriced(Value, frozen=True):
    """Amounts at other prices, and which of REMARKS hold for the call."""

    amounts: Amounts
    remarks: frozenset[str] = frozenset()


def reprice(entry: Entry, prices: Prices) -> Repriced:
    """The amounts of a call at these prices; those that were booked where they must stay."""
    if not entry.attempts:
        return _answered(entry, prices)
    remarks: set[str] = set()
    attempts = tuple(
        replace(attempt, cost=_cost(attempt, prices, remarks)) for attempt in entry.attempts
    )
    # moves are left out: their savings hold the price of a model that made no attempt; so are
    # those of smaller calls, which hold an estimate at the price of then
    lines = [line for line in entry.trace if line.verdict not in _AS_BOOKED]
    new = booked(None, attempts, FREE_COST, lines)
    if new.cost.nanousd is None:
        return Repriced(booked_amounts(entry), frozenset(remarks))
    old = booked(None, entry.attempts, FREE_COST, lines)
    baseline, saved = new.baseline_nanousd, new.saved
    if entry.saved != old.saved or entry.baseline_nanousd != old.baseline_nanousd:
        remarks.add("savings_kept")
        saved = entry.saved
        unknown = entry.baseline_nanousd is None and entry.cost_nanousd is not None
        baseline = None if unknown else new.cost.nanousd + sum(part for _, part in saved)
    cost = new.cost
    return Repriced(
        Amounts(
            cost.basis,
            cost.price_version,
            cost.nanousd,
            cost.low_nanousd,
            cost.high_nanousd,
            baseline,
            saved,
        ),
        frozenset(remarks),
    )


def _answered(entry: Entry, prices: Prices) -> Repriced:
    """A call without an attempt: it costs nothing, and saved what the attempt would have cost."""
    amounts = booked_amounts(entry)
    if not is_hit(entry.served_by):
        return Repriced(amounts)
    attempt = entry.untouched
    if attempt is None:
        kept = frozenset({"baseline_kept"} if entry.baseline_nanousd else ())
        return Repriced(amounts, kept)
    if entry.cost_nanousd or dict(entry.saved).keys() - {entry.served_by}:
        return Repriced(amounts, frozenset({"savings_kept"}))
    remarks: set[str] = set()
    cost = _cost(attempt, prices, remarks)
    if cost.nanousd is None:
        return Repriced(amounts, frozenset(remarks))
    saved = ((entry.served_by, cost.nanousd),)
    return Repriced(
        replace(
            amounts,
            price_version=cost.price_version,
            baseline_nanousd=cost.nanousd,
            saved=saved,
        ),
        frozenset(remarks),
    )


def _cost(attempt: Attempt, prices: Prices, remarks: set[str]) -> Cost:
    """What one attempt costs at these prices; what was booked where it cannot be said."""
    cost = attempt.cost
    if cost.basis == "free":
        return cost
    if cost.basis == "reported":
        remarks.add("reported")
        return cost
    try:
        if attempt.usage is not None:
            return _as_parted(prices.exact(attempt), attempt)
        if cost.counted:
            remarks.add("estimate")
            return _as_certain(prices.bounds(attempt), cost)
    except PriceUnknown:
        remarks.add("no_price")
        return cost
    remarks.add("no_usage" if cost.nanousd is None else "estimate_kept")
    return cost


def _as_parted(new: Cost, attempt: Attempt) -> Cost:
    """A part of a shared bill that does not know its place in it: at the same rates it stays.

    It was rounded with the others, and may have a share of what is billed once.
    """
    old, usage = attempt.cost, attempt.usage
    placed = usage is not None and usage.terms is not None and usage.terms.part is not None
    if placed or all(map(_is_whole, old.lines)) or _rates(new) != _rates(old):
        return new
    bill = old.nanousd
    return replace(new, nanousd=bill, low_nanousd=bill, high_nanousd=bill, lines=old.lines)


def _is_whole(line: Line) -> bool:
    return line.nanousd == line_nanousd(line.quantity, line.pico_per_unit)


def _rates(cost: Cost) -> list[tuple[str, int, int]]:
    """Kinds of tokens, how many, at what price."""
    return [
        (line.what, line.quantity, line.pico_per_unit)
        for line in cost.lines
        if line.what in TOKENS and line.quantity
    ]


def _as_certain(new: Cost, old: Cost) -> Cost:
    """Where nothing may have been billed at all, that holds at any price."""
    if old.low_nanousd == 0:
        new = replace(new, low_nanousd=0)
    return replace(new, nanousd=0, lines=()) if old.nanousd == 0 and not old.lines else new


@dataclass(slots=True)
class Row:
    """Sums of one day and model, in nano-dollars: as the books stand, and at the other prices.

    `found` are calls whose price was not known and now is, `unknown` those without one still.
    """

    calls: int = 0
    changed: int = 0
    found: int = 0
    unknown: int = 0
    old_nanousd: int = 0
    new_nanousd: int = 0
    old_saved_nanousd: int = 0
    new_saved_nanousd: int = 0

    @property
    def difference_nanousd(self) -> int:
        """What the calls would have cost more (or less, below zero)."""
        return self.new_nanousd - self.old_nanousd

    def add(self, now: Amounts, then: Amounts, *, changed: bool) -> None:
        """Count one call in."""
        self.calls += 1
        self.changed += changed
        self.found += now.cost_nanousd is None and then.cost_nanousd is not None
        self.unknown += now.cost_nanousd is None and then.cost_nanousd is None
        self.old_nanousd += now.cost_nanousd or 0
        self.new_nanousd += (now if then.cost_nanousd is None else then).cost_nanousd or 0
        self.old_saved_nanousd += sum(part for _, part in now.saved)
        saved = now.saved if then.cost_nanousd is None else then.saved
        self.new_saved_nanousd += sum(part for _, part in saved)


@dataclass(slots=True)
class Found:
    """Calls of one model whose cost was unknown: how many, what they cost, the ids of some."""

    calls: int = 0
    nanousd: int = 0
    ids: list[str] = field(default_factory=list)


class Tally:
    """What re-pricing a period comes to, by day and model; and how many calls each remark is of."""

    def __init__(self) -> None:
        self.rows: dict[tuple[date, str], Row] = {}
        self.total = Row()
        self.remarks: dict[str, int] = {}
        self.versions: set[str] = set()
        self.found: dict[str, Found] = {}

    def add(self, entry: Entry, now: Amounts, told: Repriced, *, changed: bool) -> None:
        """Count one call in."""
        row = self.rows.setdefault((entry.at.date(), entry.model), Row())
        for one in (row, self.total):
            one.add(now, told.amounts, changed=changed)
        for remark in told.remarks:
            self.remarks[remark] = self.remarks.get(remark, 0) + 1
        self.versions.update(version for version in now.price_version.split(",") if version)
        if now.cost_nanousd is None and (nanousd := told.amounts.cost_nanousd) is not None:
            found = self.found.setdefault(entry.model, Found())
            found.calls += 1
            found.nanousd += nanousd
            if len(found.ids) < _SHOWN_IDS:
                found.ids.append(entry.id)

    def ordered(self) -> Iterable[tuple[date, str, Row]]:
        """Rows by day, then by model."""
        for day, model in sorted(self.rows):
            yield day, model, self.rows[day, model]
