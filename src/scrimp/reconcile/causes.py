"""Why a row differs: hypotheses that are computed and compared with the difference.

A cause whose own number is the difference stands alone. Where there is none, flags of the ledger
and of the export are hints, the most telling first. None of them changes a verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Literal

from scrimp.money import format_usd
from scrimp.prices.book import PriceBook
from scrimp.prices.rates import Rates
from scrimp.reconcile.bill import Bill
from scrimp.reconcile.compare import Row
from scrimp.reconcile.shifts import Shifts
from scrimp.reconcile.verdict import at_rates, in_bounds, only_rounded, rates_of
from scrimp.reconcile.words import FEES, Tokens, rounded_nanousd

Code = Literal[
    "rounding",
    "estimate",
    "duplicates",
    "time_zone",
    "midnight",
    "model_name",
    "credits",
    "batch",
    "service_tier",
    "cache",
    "retries",
    "refused",
    "tools",
    "unpriced",
    "assumed",
    "unread",
    "suspect",
    "usage",
    "price",
    "exports",
    "before_ledger",
    "outside",
    "incomplete",
    "not_billed",
]

_MOST_HINTS = 2
TIERS = ("batch", "flex", "priority", "fast")


@dataclass(frozen=True, slots=True)
class Cause:
    """A likely reason, in one word for machines and in one sentence for people."""

    code: Code
    text: str


@dataclass(frozen=True, slots=True)
class Case:
    """A row, and all that may explain it. `rows` are the vendor's, `first` the oldest attempt."""

    row: Row
    rows: Sequence[Row]
    bill: Bill
    shifts: Shifts
    book: PriceBook
    first: datetime | None

    @property
    def gap(self) -> int:
        """Dollars that the bill has more; 0 where it tells none."""
        return self.row.gap_nanousd or 0

    @property
    def tokens(self) -> Tokens:
        """Tokens that the bill has more; none where it tells none."""
        return self.row.token_gap or Tokens()

    @property
    def more(self) -> bool:
        """The bill is higher, in no kind lower."""
        return self.gap >= 0 and min(self.tokens.each) >= 0

    @property
    def less(self) -> bool:
        """The ledger is higher, in no kind lower."""
        return self.gap <= 0 and max(self.tokens.each) <= 0

    def explains(self, nanousd: int | None, tokens: Tokens | None = None) -> bool:
        """Whether these differences, expected of a cause, are the row's."""
        if self.row.token_gap is not None and self.tokens != (tokens or Tokens()):
            return False
        if self.row.dollars is None:
            return any(self.tokens.each)
        if nanousd is None or not (nanousd or any(self.tokens.each)):
            return False
        return abs(self.gap - nanousd) <= self.row.rounding_nanousd + 1


def causes_of(case: Case) -> tuple[Cause, ...]:
    """The likely causes, the likeliest first; a row that is equal has none."""
    if case.row.same_tokens and not case.gap:
        return ()
    for look in _COMPUTED:
        if (cause := look(case)) is not None:
            return (cause,)
    return tuple(cause for look in _HINTS if (cause := look(case)) is not None)[:_MOST_HINTS]


def _rounding(case: Case) -> Cause | None:
    if not only_rounded(case.row) or not case.row.same_tokens:
        return None
    lines = f"{case.row.booked.lines:,} line items that the ledger rounds up"
    text = "amounts of the export are rounded" if case.row.slack_nanousd else lines
    return Cause("rounding", f"rounding: {text}")


def _estimate(case: Case) -> Cause | None:
    ours = case.row.booked
    if not in_bounds(case.row, case.book):
        return None
    low, high = format_usd(ours.estimate_low_nanousd), format_usd(ours.estimate_high_nanousd)
    which = "1 broken call is" if ours.estimated == 1 else f"{ours.estimated:,} broken calls are"
    return Cause("estimate", f"{which} in the ledger between {low} and {high}: the bill is inside")


def _duplicates(case: Case) -> Cause | None:
    found = case.row.tokens, case.row.dollars
    times = max(one.twice if one else 0 for one in found)
    if not times:
        return None
    tokens = case.row.tokens.twice_tokens if case.row.tokens else None
    nanousd = rounded_nanousd(case.row.dollars.twice_atto) if case.row.dollars else None
    if not case.explains(nanousd, tokens):
        return None
    rows = "1 row stands" if times == 1 else f"{times:,} rows stand"
    return Cause("duplicates", f"{rows} twice in what was given (a page read twice?)")


def _time_zone(case: Case) -> Cause | None:
    hours = case.shifts.hours(case.row.model)
    if hours is None:
        return None
    how = "after" if hours > 0 else "before"
    return Cause(
        "time_zone",
        f"days of the export begin {abs(hours)} h {how} midnight UTC: with such days both agree",
    )


def _midnight(case: Case) -> Cause | None:
    for step in (-1, 1):
        day = case.row.day + timedelta(days=step)
        other = _row_at(case, day, case.row.model)
        if other is not None and _opposite(case, other):
            return Cause("midnight", f"the same stands on {day}: calls that passed midnight UTC")
    return None


def _model_name(case: Case) -> Cause | None:
    for other in case.rows:
        if other.day == case.row.day and other.model != case.row.model and _opposite(case, other):
            return Cause("model_name", f"the same under another name: {other.model}")
    return None


def _credits(case: Case) -> Cause | None:
    if case.row.dollars is None or not case.row.dollars.credit_atto:
        return None
    credit = rounded_nanousd(case.row.dollars.credit_atto)
    if not case.explains(credit):
        return None
    return Cause("credits", f"credits of {format_usd(-credit)} in the export")


def _batch(case: Case) -> Cause | None:
    row = case.row
    tokens = row.tokens.deferred if row.tokens else None
    nanousd = rounded_nanousd(row.dollars.deferred_atto) if row.dollars else None
    if not (nanousd or (tokens and any(tokens.each))) or not case.explains(nanousd, tokens):
        return None
    return Cause("batch", "work of the batch API, which the ledger does not read")


def _service_tier(case: Case) -> Cause | None:
    standard = rates_of(case.row, case.book)
    if standard is None or not case.row.same_tokens or not case.gap:
        return None
    for tier in TIERS:
        other = rates_of(case.row, case.book, tier)
        change = _repriced(case.row.booked.tokens, standard, other)
        if change and case.explains(change):
            return Cause("service_tier", f"billed at the price of {tier}, booked at the standard")
        if change and case.explains(-change):
            return Cause("service_tier", f"booked at the price of {tier}, billed at the standard")
    return None


def _cache(case: Case) -> Cause | None:
    tokens, ours = case.tokens, case.row.booked.tokens
    if any(tokens.each) and not tokens.all_input and not tokens.output:
        return Cause("cache", "the same input, split otherwise into fresh, cached and written")
    rates = rates_of(case.row, case.book)
    if rates is None or not case.row.same_tokens:
        return None
    written = ours.cache_write_5m + ours.cache_write_1h
    for what, moved in (
        ("reads", replace(ours, input=ours.input + ours.cache_read, cache_read=0)),
        (
            "writes",
            replace(ours, input=ours.input + written, cache_write_5m=0, cache_write_1h=0),
        ),
    ):
        before, after = at_rates(ours, rates), at_rates(moved, rates)
        if before is not None and after is not None and case.explains(after - before):
            return Cause("cache", f"cache {what} are billed as fresh input")
    return None


def _retries(case: Case) -> Cause | None:
    earlier = case.row.booked.earlier_nanousd
    if not earlier or case.row.dollars is None or not case.explains(-earlier, case.tokens):
        return None
    tries = f"{case.row.booked.earlier:,} attempts that were tried again"
    return Cause("retries", f"{tries} ({format_usd(earlier)}) are not on the bill")


def _refused(case: Case) -> Cause | None:
    ours = case.row.booked
    requests = case.row.tokens.requests if case.row.tokens else 0
    if not ours.refused or requests - ours.billed != ours.refused or not case.more:
        return None
    return Cause("refused", f"{ours.refused:,} attempts that the provider refused are on the bill")


def _tools(case: Case) -> Cause | None:
    if case.row.model != FEES:
        return None
    where = "on the bill only" if case.gap > 0 else "in the ledger, not on the bill"
    return Cause("tools", f"fees of hosted tools or storage that are {where}")


def _flagged(code: Code, number: int, words: str) -> Cause | None:
    return (
        Cause(code, f"{number:,} {'call' if number == 1 else 'calls'} {words}") if number else None
    )


def _unpriced(case: Case) -> Cause | None:
    words = "in the ledger without a known price (scrimp prices set MODEL ...)"
    number = case.row.booked.unpriced if case.gap > 0 else 0
    return _flagged("unpriced", number, words)


def _assumed(case: Case) -> Cause | None:
    words = "booked at your price for models without one"
    return _flagged("assumed", case.row.booked.assumed if case.gap else 0, words)


def _unread(case: Case) -> Cause | None:
    words = "passed through unread, or answered without usage"
    return _flagged("unread", case.row.booked.unread if case.more else 0, words)


def _suspect(case: Case) -> Cause | None:
    words = "whose usage did not add up when it came (scrimp explain shows both numbers)"
    return _flagged("suspect", case.row.booked.suspect, words)


def _usage(case: Case) -> Cause | None:
    told = case.row.tokens
    if told is None or not told.requests or told.requests != case.row.booked.billed:
        return None
    if case.row.same_tokens:
        return None
    how = f"as many requests on both sides ({told.requests:,})"
    return Cause("usage", f"{how}: a call used other tokens than its reply told")


def _price(case: Case) -> Cause | None:
    ours = case.row.booked
    if case.row.token_gap is None or not case.row.same_tokens or not case.gap:
        return None
    if not ours.nanousd or case.row.dollars is None or ours.unpriced or ours.unread:
        return None
    times = case.row.dollars.nanousd / ours.nanousd
    return Cause(
        "price",
        f"the same tokens at another price: the bill is {times:.4g} times the ledger "
        "(scrimp prices show MODEL; a discount or a newer price)",
    )


def _exports(case: Case) -> Cause | None:
    if case.row.dollars is None or case.gap or case.row.same_tokens:
        return None
    return Cause("exports", "dollars agree and tokens do not: the exports contradict each other")


def _before_ledger(case: Case) -> Cause | None:
    if not case.more or (case.first is not None and case.first.date() <= case.row.day):
        return None
    begins = "has no calls yet" if case.first is None else f"begins on {case.first.date()}"
    return Cause("before_ledger", f"the ledger {begins}")


def _outside(case: Case) -> Cause | None:
    if not case.more or (case.first is None or case.first.date() > case.row.day):
        return None
    if _usage(case) is not None:
        return None
    if not case.row.booked.billed:
        return Cause("outside", "no call of this model in the ledger: made without the gateway")
    requests = (case.row.tokens.requests if case.row.tokens else 0) - case.row.booked.billed
    how = f"{requests:,} requests" if requests > 0 else "calls"
    return Cause("outside", f"{how} made without the gateway (another key, project or machine)")


def _incomplete(case: Case) -> Cause | None:
    if not case.less:
        return None
    if case.bill.unfinished:
        return Cause("incomplete", "the export has further pages that were not given")
    if case.row.day < case.bill.until.date() - timedelta(days=1):
        return None
    return Cause("incomplete", "the last day of the export, which may not have been complete yet")


def _not_billed(case: Case) -> Cause | None:
    if not case.less:
        return None
    return Cause(
        "not_billed",
        "calls that this export leaves out: another organization or project, or not billed",
    )


def _opposite(case: Case, other: Row) -> bool:
    """Whether another row lacks exactly what this one has more, or the other way round."""
    gap, tokens = other.gap_nanousd, other.token_gap
    if (gap is None) != (case.row.gap_nanousd is None):
        return False
    minus = Tokens().less(tokens) if tokens is not None else None
    return bool(gap or (tokens and any(tokens.each))) and case.explains(-(gap or 0), minus)


def _row_at(case: Case, day: date, model: str) -> Row | None:
    return next((row for row in case.rows if row.day == day and row.model == model), None)


def _repriced(tokens: Tokens, standard: Rates, other: Rates | None) -> int | None:
    if other is None:
        return None
    before, after = at_rates(tokens, standard), at_rates(tokens, other)
    return None if before is None or after is None else after - before


_COMPUTED: tuple[Callable[[Case], Cause | None], ...] = (
    _rounding,
    _estimate,
    _duplicates,
    _time_zone,
    _midnight,
    _model_name,
    _credits,
    _batch,
    _service_tier,
    _cache,
    _retries,
    _refused,
)
_HINTS: tuple[Callable[[Case], Cause | None], ...] = (
    _tools,
    _unpriced,
    _assumed,
    _unread,
    _suspect,
    _price,
    _exports,
    _usage,
    _before_ledger,
    _outside,
    _incomplete,
    _not_billed,
)
