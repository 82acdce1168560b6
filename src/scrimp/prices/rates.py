"""Rates of one model: integer pico-dollars per unit, with the dates and hours when they hold.

Pure values and arithmetic; nothing here reads a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation

from scrimp.calls import CostBasis
from scrimp.money import PICO_PER_USD

BUCKETS = (
    "input",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "output",
    "reasoning",
    "input_audio",
    "cache_read_audio",
    "output_audio",
    "input_image",
    "output_image",
    "web_search",
)
"""What can stand on a bill, in the order of its lines; one for each field of `Usage`."""

UNITS_PER_PRICE = dict.fromkeys(BUCKETS, 1_000_000) | {"web_search": 1_000}
"""Price lists quote tokens by the million and web searches by the thousand."""

TOKENS = frozenset(BUCKETS) - {"web_search"}
"""Kinds that are tokens: what multipliers of a price list (data residency) are meant for."""

PER_REQUEST = "request"
"""The fee that each call costs, whatever it uses; other fees go by the name of a hosted tool."""

Rate = int | tuple[int, ...]
"""Pico-dollars per unit; or (base, threshold, rate, threshold, rate, ...), where the whole call is
at the rate of the highest threshold that its prompt (all input tokens) is larger than."""


@dataclass(frozen=True, slots=True)
class PriceRow:
    """Rates, and when they hold; the last row of a model that holds at a time is its price.

    `since` and `until` are UTC dates (from, and up to but not including), `minutes` a daily window
    of UTC minutes (it may pass midnight), `weekdays` days in UTC with Monday = 0 (empty: all).
    `fees` are pico-dollars for each call of a hosted tool, or for each request (PER_REQUEST);
    `per_ms` is the rate of a
    millisecond that a call takes. `unpriced` says why this row cannot price a call
    yet. A `scheduled` row was announced, but not yet in force when the book was compiled. `source`
    is the page that a row of ours was read from, with the date.
    """

    rates: Mapping[str, Rate]
    since: date | None = None
    until: date | None = None
    minutes: tuple[int, int] | None = None
    weekdays: tuple[int, ...] = ()
    unpriced: str = ""
    scheduled: bool = False
    fees: Mapping[str, int] = field(default_factory=dict)
    per_ms: int | None = None
    source: str = ""

    @classmethod
    def usd(
        cls, prices: Mapping[str, Decimal | str | int], *, since: date | None = None
    ) -> PriceRow:
        """A row from US dollars per million tokens (`web_search`: per thousand), kept exactly.

        Keys are names of `BUCKETS`. Raises ValueError for a key that is none, for a price that is
        not a decimal number >= 0, and for one finer than a pico-dollar per token.
        """
        return cls({what: pico_per_unit(what, text) for what, text in prices.items()}, since=since)

    def holds(self, at: datetime) -> bool:
        """Whether the row is in force at an aware UTC time."""
        today = at.date()
        if self.since is not None and today < self.since:
            return False
        if self.until is not None and today >= self.until:
            return False
        if self.weekdays and at.weekday() not in self.weekdays:
            return False
        if self.minutes is None:
            return True
        start, end = self.minutes
        minute = at.hour * 60 + at.minute
        return start <= minute < end if start <= end else minute >= start or minute < end

    def edges(self, day: date) -> list[datetime]:
        """The moments around a day at which this row may begin or cease to hold."""
        days = {one for one in (self.since, self.until) if one is not None}
        if self.minutes is None and not self.weekdays:
            return [_midnight(one) for one in days]
        days |= {day, day + timedelta(days=1)}
        found = [_midnight(one) for one in days]
        found += [_midnight(day) + timedelta(minutes=minute) for minute in self.minutes or ()]
        return found


@dataclass(frozen=True, slots=True)
class ModelPrice:
    """All that the book knows of one model at one provider.

    `tiers` holds, by service tier, rows that overlay the standard ones; `residency`, by place, the
    fraction (above, below) by which all token rates are multiplied there ("*": any other place).
    `max_output_tokens` is None where the data does not say. `own` prices are the user's.
    """

    id: str
    match: tuple[str | tuple[str, ...], ...]
    rows: tuple[PriceRow, ...]
    tiers: Mapping[str, tuple[PriceRow, ...]] = field(default_factory=dict)
    context_window: int | None = None
    max_output_tokens: int | None = None
    provider: str = ""
    residency: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    own: bool = False


@dataclass(frozen=True, slots=True)
class Rates:
    """The rates of one model at one time, ready to multiply; `plan` is aligned with BUCKETS.

    They hold for `since <= time < until` (None: without end). `tiered` says that a rate depends on
    the size of the prompt, `plain` that tokens and searches are all that costs. `basis` is
    `assumed` for the price of models without one. `source` says who told these rates.
    """

    provider: str
    model: str
    version: str
    plan: tuple[Rate | None, ...]
    tiered: bool
    since: datetime | None = None
    until: datetime | None = None
    plain: bool = True
    basis: CostBasis = "usage"
    fees: Mapping[str, int] = field(default_factory=dict)
    per_ms: int | None = None
    places: Mapping[str, tuple[Rate | None, ...]] = field(default_factory=dict)
    source: str = ""

    def of(self, what: str) -> Rate | None:
        """The rate of one bucket, None when it is not known."""
        return self.plan[BUCKETS.index(what)]


def pico_per_unit(what: str, price: Decimal | str | int) -> int:
    """Pico-dollars per token (or search) of a listed price in US dollars.

    Raises ValueError as `PriceRow.usd` says.
    """
    if what not in UNITS_PER_PRICE:
        msg = f"unknown kind of price {what!r} (known: {', '.join(BUCKETS)})"
        raise ValueError(msg)
    try:
        pico = Decimal(price) * PICO_PER_USD / UNITS_PER_PRICE[what]
    except InvalidOperation:
        msg = f"price of {what!r} is not a decimal number: {price!r} (write it like 0.40)"
        raise ValueError(msg) from None
    if not pico.is_finite() or pico < 0 or pico != pico.to_integral_value():
        unit = "thousand" if what == "web_search" else "million tokens"
        msg = f"price of {what!r} must be >= 0 USD per {unit}, at most 6 decimals: {price!r}"
        raise ValueError(msg)
    return int(pico)


def rate_at(rate: Rate, prompt_tokens: int) -> int:
    """The rate for a prompt of this many input tokens, cached ones counted too.

    The cliff is on the whole prompt: all tokens of the call, output included, move together
    (OpenAI, Google and Anthropic long-context pricing).
    """
    if isinstance(rate, int):
        return rate
    best = rate[0]
    for index in range(1, len(rate), 2):
        if prompt_tokens > rate[index]:
            best = rate[index + 1]
    return best


def multiplied(rate: Rate | None, fraction: tuple[int, int]) -> Rate | None:
    """A rate times a fraction; thresholds stay. What is no whole pico-dollar is rounded up."""
    above, below = fraction
    if rate is None:
        return None
    if isinstance(rate, int):
        return -(-rate * above // below)
    return tuple(
        step if index % 2 else -(-step * above // below) for index, step in enumerate(rate)
    )


def span(rate: Rate, low_tokens: int, high_tokens: int) -> tuple[int, int]:
    """The smallest and the largest rate that a prompt inside [low, high] tokens can meet."""
    if isinstance(rate, int):
        return rate, rate
    steps = [step for step in rate[1::2] if low_tokens <= step < high_tokens]
    met = [rate_at(rate, tokens) for tokens in (low_tokens, high_tokens, *(s + 1 for s in steps))]
    return min(met), max(met)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)
