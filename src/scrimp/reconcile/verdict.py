"""Whether a row agrees: equal, or held by tolerance, by rounding, or by the ledger's own bounds."""

from __future__ import annotations

from datetime import UTC, datetime, time

from scrimp.errors import PriceUnknown
from scrimp.money import PICO_PER_NANO
from scrimp.prices.book import PriceBook
from scrimp.prices.pricing import resolve
from scrimp.prices.rates import Rates, rate_at
from scrimp.reconcile.compare import Row, Tolerance, Verdict
from scrimp.reconcile.words import KINDS, Tokens


def verdict_of(row: Row, tolerance: Tolerance, book: PriceBook) -> Verdict:
    """The verdict on both numbers: the worse of the two."""
    if row.same_tokens and not row.gap_nanousd:
        return "equal"
    held = in_bounds(row, book)
    dollars = held or _dollars_fit(row, tolerance)
    return "within" if dollars and (held or _tokens_fit(row, tolerance)) else "differs"


def _dollars_fit(row: Row, tolerance: Tolerance) -> bool:
    gap = row.gap_nanousd
    if gap is None or row.dollars is None:
        return True
    return only_rounded(row) or tolerance.allows(gap, row.dollars.nanousd)


def _tokens_fit(row: Row, tolerance: Tolerance) -> bool:
    gap = row.token_gap
    if gap is None or row.tokens is None:
        return True
    return tolerance.allows_tokens(gap, row.tokens.tokens)


def only_rounded(row: Row) -> bool:
    """Whether roundings alone can make the difference in dollars."""
    gap = row.gap_nanousd
    slack = row.slack_nanousd
    return gap is not None and -(row.booked.lines + slack) <= gap <= slack


def in_bounds(row: Row, book: PriceBook) -> bool:
    """Whether attempts that the ledger knows by bounds only hold the difference.

    In dollars, the bill lies inside the bounds; without dollars, what the bill's further tokens
    cost does.
    """
    ours = row.booked
    if not ours.estimated or (row.token_gap is not None and min(row.token_gap.each) < 0):
        return False
    if row.dollars is not None:
        low, high = ours.low_nanousd - row.rounding_nanousd, ours.high_nanousd + row.slack_nanousd
        return low <= row.dollars.nanousd <= high
    rates = rates_of(row, book)
    if row.token_gap is None or rates is None:
        return False
    priced = at_rates(row.token_gap, rates)
    return priced is not None and ours.estimate_low_nanousd <= priced <= ours.estimate_high_nanousd


def rates_of(row: Row, book: PriceBook, tier: str = "") -> Rates | None:
    """What the model costs at noon of the day; None where the book does not know it."""
    noon = datetime.combine(row.day, time(12), tzinfo=UTC)
    try:
        return resolve(row.model, row.vendor, noon, book=book, service_tier=tier)
    except PriceUnknown:
        return None


def at_rates(tokens: Tokens, rates: Rates) -> int | None:
    """Nano-dollars of a sum of many calls, at the rates of short prompts; None without a rate."""
    pico = 0
    for kind, quantity in zip(KINDS, tokens.each, strict=True):
        if not quantity:
            continue
        rate = rates.of(kind)
        if rate is None:
            return None
        pico += quantity * rate_at(rate, 0)
    return pico // PICO_PER_NANO
