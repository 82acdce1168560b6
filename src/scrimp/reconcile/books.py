"""The ledger's side: attempts, summed by vendor, UTC hour and model.

A provider bills attempts, not calls: an answer from a cache has none, a call that was retried has
several. Amounts are those that were booked then; what a correction added later is not on the bill.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime

from scrimp.calls import NEVER_BILLED, Attempt
from scrimp.ledger.rollups import hour_of
from scrimp.prices.rates import TOKENS
from scrimp.reconcile.names import Names
from scrimp.reconcile.words import KINDS, Booked, Tokens, Vendor, tokens_of

HourCell = tuple[Vendor, int, str]
"""A vendor, whole hours since 1970 UTC, and the key of a model."""

_REPORTED = "reported"
_NUMBERS = tuple(one.name for one in fields(Booked) if one.name != "tokens")


class Books:
    """Takes the attempts of one call after another.

    `vendors` says whose bill each configured provider is on; attempts at others are left out.
    """

    def __init__(self, names: Names, vendors: Mapping[str, Vendor]) -> None:
        self._names = names
        self._vendors = vendors
        self._cells: defaultdict[HourCell, defaultdict[str, int]] = defaultdict(
            lambda: defaultdict(int)
        )
        self.first: datetime | None = None

    def add(self, attempts: Sequence[Attempt]) -> None:
        """All attempts of one call."""
        last = attempts[-1] if attempts else None
        for attempt in attempts:
            vendor = self._vendors.get(attempt.target.provider)
            if vendor is None or attempt.outcome == "unsent":
                continue
            if self.first is None or attempt.started_at < self.first:
                self.first = attempt.started_at
            key = self._names.answered(vendor, attempt.target.model, attempt.reported_model)
            cell = self._cells[vendor, hour_of(attempt.started_at), key]
            _add(cell, attempt, earlier=attempt is not last)

    def sums(self) -> dict[HourCell, Booked]:
        """All cells."""
        return {key: _booked(cell) for key, cell in self._cells.items()}


def _add(cell: defaultdict[str, int], attempt: Attempt, *, earlier: bool) -> None:
    cost, usage = attempt.cost, attempt.usage
    if attempt.outcome in NEVER_BILLED:
        cell["refused"] += 1
        return
    cell["billed"] += 1
    if usage is not None:
        for kind, quantity in zip(KINDS, tokens_of(usage).each, strict=True):
            cell[kind] += quantity
        cell["suspect"] += bool(usage.suspect)
    nanousd = cost.nanousd
    if nanousd is None or cost.low_nanousd is None or cost.high_nanousd is None:
        cell["unread" if usage is None else "unpriced"] += 1
        return
    cell["nanousd"] += nanousd
    cell["low_nanousd"] += cost.low_nanousd
    cell["high_nanousd"] += cost.high_nanousd
    cell["lines"] += len(cost.lines)
    for line in cost.lines:
        if line.what not in TOKENS and line.what != _REPORTED:
            cell["fees_nanousd"] += line.nanousd
    cell["assumed"] += cost.basis == "assumed"
    if cost.basis == "estimate":
        cell["estimated"] += 1
        cell["estimate_low_nanousd"] += cost.low_nanousd
        cell["estimate_high_nanousd"] += cost.high_nanousd
    if earlier:
        cell["earlier"] += 1
        cell["earlier_nanousd"] += nanousd


def _booked(cell: Mapping[str, int]) -> Booked:
    tokens = Tokens(*(cell.get(kind, 0) for kind in KINDS))
    return Booked(tokens, *(cell.get(name, 0) for name in _NUMBERS))
