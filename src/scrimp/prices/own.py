"""Prices that users state themselves: what they may say, and the rows that it becomes.

All amounts are decimal text, so that they are exact: US dollars per million tokens, per thousand
calls of a tool (`web_search` and `tools`), per request, per second.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from scrimp.money import PICO_PER_USD
from scrimp.prices.book import Own, PriceBook
from scrimp.prices.rates import BUCKETS, PER_REQUEST, PriceRow, Rate, pico_per_unit

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_WEEK: tuple[Weekday, ...] = get_args(Weekday)
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")
_MS_PER_S = 1000
_PER_THOUSAND = 1000
_DAY_MINUTES = 24 * 60


class _Table(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A kind that is left out has no price, and is never $0."""


class Kinds(_Table, frozen=True, kw_only=True):
    """A price for each kind of usage."""

    input: str = ""
    output: str = ""
    cache_read: str = ""
    cache_write_5m: str = ""
    cache_write_1h: str = ""
    reasoning: str = ""
    input_audio: str = ""
    cache_read_audio: str = ""
    output_audio: str = ""
    input_image: str = ""
    output_image: str = ""
    web_search: str = ""


class LongContext(Kinds, frozen=True, kw_only=True):
    """Prices of the whole call once its prompt is above so many tokens, cached ones included."""

    above: Annotated[int, Meta(ge=1)]


class PriceSettings(Kinds, frozen=True, kw_only=True):
    """What a model costs. `free` and `per_second` say so explicitly for a model of one's own.

    With several tables for one model, the last one that is in force at a time prices it: `hours`
    (such as `01:00-04:00`) and `weekdays` are UTC. `residency` is by what all token prices are
    multiplied in a place; without it they hold everywhere. `like` takes all prices and limits from
    a model of the price book: it stands alone, for a deployment under a name of its own.
    """

    like: str = ""
    long_context: tuple[LongContext, ...] = ()
    tiers: dict[str, Kinds] = {}
    tools: dict[str, str] = {}
    per_request: str = ""
    per_second: str = ""
    free: bool = False
    since: date | None = None
    until: date | None = None
    hours: str = ""
    weekdays: tuple[Weekday, ...] = ()
    residency: dict[str, str] = {}
    source: str = ""

    def __post_init__(self) -> None:
        """Raises ValueError for a table that leaves the usual kinds without a price."""
        stated = any(getattr(self, name) for name in self.__struct_fields__ if name != "like")
        if self.like and stated:
            msg = "'like' takes all prices from another model: leave out the others"
            raise ValueError(msg)
        if self.free or self.per_second or self.like:
            return
        for name in ("input", "output"):
            if not getattr(self, name):
                msg = f"'{name}' is missing (a model that costs nothing says free = true)"
                raise ValueError(msg)


class UnpricedSection(_Table, frozen=True, kw_only=True):
    """What happens to a call whose model has no price.

    `allow` books its cost as unknown, `refuse` turns it away, `assume` books it at `price` and
    marks it so.
    """

    policy: Literal["allow", "refuse", "assume"] = "allow"
    price: PriceSettings | None = None

    def __post_init__(self) -> None:
        """Raises ValueError when there is nothing to assume."""
        if self.policy == "assume" and self.price is None:
            msg = "'price' is missing: policy = \"assume\" needs the price that it assumes"
            raise ValueError(msg)


PriceTables = PriceSettings | tuple[PriceSettings, ...]


def own_prices(tables: PriceTables, source: str) -> Own:
    """Rows of one model. Raises ValueError for what is no price."""
    stated = (tables,) if isinstance(tables, PriceSettings) else tables
    if not stated:
        msg = "there is no table in it"
        raise ValueError(msg)
    if any(one.like for one in stated):
        msg = "'like' has no dates: it stands alone in [prices.\"…\"]"
        raise ValueError(msg)
    tiers: dict[str, list[PriceRow]] = {}
    for one in stated:
        for name, kinds in one.tiers.items():
            tiers.setdefault(name.lower(), []).append(_dated(_rates(kinds), one))
    own = Own(
        tuple(own_row(one, source) for one in stated),
        {name: tuple(reversed(rows)) for name, rows in tiers.items()},
    )
    places = {name: share for one in stated for name, share in one.residency.items()}
    if not places:
        return own
    return replace(own, residency={name: _fraction(name, text) for name, text in places.items()})


def like_another(name: str, book: PriceBook) -> Own:
    """All that the book knows of another model. Raises ValueError when that is nothing."""
    known = book.find(name)
    if known is None:
        near = book.suggest(name)
        hint = f" (did you mean {near}?)" if near else ""
        msg = f"'like': the price book knows no model {name!r}{hint}"
        raise ValueError(msg)
    told = f"as {known.provider}/{known.id}, {book.source_of(known.provider)}"
    rows = tuple(replace(row, source=row.source or told) for row in known.rows)
    return Own(rows, known.tiers, known.residency, known)


def own_row(stated: PriceSettings, source: str) -> PriceRow:
    """One table as a row. Raises ValueError for what is no price."""
    rates = _rates(stated)
    if stated.free or stated.per_second:
        rates = {what: rates.get(what, 0) for what in BUCKETS}
    fees = {name: _per_call("tools." + name, text) for name, text in stated.tools.items()}
    if stated.per_request:
        fees[PER_REQUEST] = _whole("per_request", stated.per_request, 1)
    return replace(
        _dated(_stepped(rates, stated.long_context), stated),
        fees=fees,
        per_ms=_whole("per_second", stated.per_second, _MS_PER_S) if stated.per_second else None,
        source=stated.source or source,
    )


def _dated(rates: Mapping[str, Rate], stated: PriceSettings) -> PriceRow:
    """A row with these rates, in force when the table says so."""
    return PriceRow(
        rates,
        since=stated.since,
        until=stated.until,
        minutes=_minutes(stated.hours),
        weekdays=tuple(sorted({_WEEK.index(day) for day in stated.weekdays})),
    )


def _minutes(hours: str) -> tuple[int, int] | None:
    """Minutes of the day; a window may pass midnight."""
    if not hours:
        return None
    found = _HOURS.fullmatch(hours)
    numbers = [int(number) for number in found.groups()] if found else [0, 0, 0, 0]
    start, end = numbers[0] * 60 + numbers[1], numbers[2] * 60 + numbers[3]
    if start == end or end > _DAY_MINUTES:
        msg = f"'hours' is no time of the day: {hours!r} (write it like 22:00-06:00, in UTC)"
        raise ValueError(msg)
    return start, end


def _fraction(place: str, text: str) -> tuple[int, int]:
    """By what the prices of tokens are multiplied in a place."""
    try:
        share = Fraction(Decimal(text))
    except (InvalidOperation, ValueError, OverflowError):
        share = Fraction(0)
    if share <= 0:
        msg = f"'residency.{place}' is no factor above 0: {text!r} (write it like 1.1)"
        raise ValueError(msg)
    return share.numerator, share.denominator


def _rates(stated: Kinds) -> dict[str, Rate]:
    given = ((what, getattr(stated, what)) for what in BUCKETS)
    return {what: pico_per_unit(what, text) for what, text in given if text}


def _stepped(rates: Mapping[str, Rate], steps: Sequence[LongContext]) -> dict[str, Rate]:
    """Flat rates with the steps of long prompts; a kind that a step leaves out keeps its rate."""
    stepped = dict(rates)
    for step in sorted(steps, key=lambda one: one.above):
        for what, rate in _rates(step).items():
            known = stepped.get(what)
            if known is None:
                msg = f"long_context prices {what!r}, which has no price below {step.above:,}"
                raise ValueError(msg)
            before = (known,) if isinstance(known, int) else known
            stepped[what] = (*before, step.above, *_flat(rate))
    return stepped


def _flat(rate: Rate) -> Iterable[int]:
    return (rate,) if isinstance(rate, int) else rate


def _per_call(name: str, text: str) -> int:
    return _whole(name, text, _PER_THOUSAND)


def _whole(name: str, text: str, parts: int) -> int:
    """Pico-dollars of one of so many parts. Raises ValueError unless that is a whole number."""
    try:
        pico = Decimal(text) * PICO_PER_USD / parts
    except InvalidOperation:
        msg = f"{name!r} is not a decimal number: {text!r} (write it like 0.40)"
        raise ValueError(msg) from None
    if not pico.is_finite() or pico < 0 or pico != pico.to_integral_value():
        msg = f"{name!r} must be >= 0 US dollars, at most 9 decimals: {text!r}"
        raise ValueError(msg)
    return int(pico)
