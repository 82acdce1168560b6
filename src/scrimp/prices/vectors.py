"""Recorded bills beside ours: raw usage of a provider, when it was, and what it really cost.

A vector is a JSON object with `id`, `provider`, `model`, `request_time`, the provider's own `usage`
and `expected_usd` (null: nobody can know); `api_flavor`, `context` (what was asked: processing,
service tier, residency), `response_extra` (what stood around the usage) and `line_items` may be
there. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import Any

import msgspec

from scrimp.calls import Cost, Usage
from scrimp.dialects.usage_shapes import read_usage
from scrimp.errors import PriceUnknown
from scrimp.money import NANO_PER_USD
from scrimp.prices.book import PriceBook
from scrimp.prices.pricing import at_place, price

_CONTEXT = frozenset({"processing", "service_tier", "inference_geo", "speed"})
_ANYWHERE = frozenset({"", "global", "not_available"})


class _Vector(msgspec.Struct, frozen=True):
    """One recorded bill, as far as it is read here."""

    id: str | int
    provider: str
    model: str
    request_time: str
    usage: Any
    expected_usd: str | int | float | None
    api_flavor: str = ""
    context: dict[str, Any] | None = None
    response_extra: dict[str, Any] | None = None
    line_items: Any = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one vector fared; `cost` is None when no price could be told, and `why` says so.

    With a cost, `why` holds both numbers of a usage that does not add up.
    """

    id: str
    expected_usd: str | None
    cost: Cost | None
    why: str
    exact: bool


def check(vector: Mapping[str, Any], book: PriceBook) -> Verdict:
    """Price one vector as a call of its time would be priced.

    It is exact when the amounts are equal, or when ours is the sum of the vector's own line items,
    each rounded up to a nano-dollar. Raises ValueError for an object that is no vector.
    """
    try:
        given = msgspec.convert(vector, _Vector)
        at = datetime.fromisoformat(given.request_time)
    except (msgspec.ValidationError, ValueError) as error:
        raise ValueError(f"not a vector: {str(error)[:120]}") from error
    cost, why = None, ""
    try:
        cost, why = _cost(given, at if at.tzinfo is not None else at.replace(tzinfo=UTC), book)
    except PriceUnknown as error:
        why = str(error)
    text = None if given.expected_usd is None else str(given.expected_usd)
    return Verdict(str(given.id), text, cost, why, _exact(text, cost, given.line_items))


def _cost(vector: _Vector, at: datetime, book: PriceBook) -> tuple[Cost, str]:
    """The cost, and what does not add up in the usage. Raises PriceUnknown."""
    asked = _asked(vector.context or {})
    read = read_usage(
        vector.usage,
        provider=book.provider_id(vector.provider),
        flavor=vector.api_flavor,
        reply=vector.response_extra or {},
    )
    if read.usage is None:
        raise PriceUnknown("the provider reported no usage that can be read")
    tier = read.service_tier or asked.get("service_tier", "")
    if asked.get("processing") == "batch":
        tier = "batch"
    elif asked.get("speed") == "fast":
        tier = "fast"
    usage = _in(read.usage, asked.get("inference_geo", ""))
    cost = price(usage, vector.model, vector.provider, at, book=book, service_tier=tier)
    return cost, usage.suspect


def _asked(context: Mapping[str, Any]) -> dict[str, str]:
    """What was asked. Raises PriceUnknown for what is not understood: prices may depend on it."""
    told = {name: value for name, value in context.items() if value is not None}
    strange = sorted(
        name for name, value in told.items() if name not in _CONTEXT or not isinstance(value, str)
    )
    if strange:
        raise PriceUnknown(f"its context has {', '.join(strange)}, which is not understood")
    return told


def _in(usage: Usage, place: str) -> Usage:
    """The usage with the residency that was asked, where the reply does not tell its own."""
    return usage if place in _ANYWHERE else at_place(usage, place)


def _exact(expected: str | None, cost: Cost | None, lines: object) -> bool:
    if expected is None or cost is None or cost.nanousd is None:
        return expected is None and cost is None
    try:
        wanted = Decimal(expected) * NANO_PER_USD
    except InvalidOperation:
        return False
    return cost.nanousd in (wanted, _rounded(lines, wanted))


def _rounded(lines: object, wanted: Decimal) -> int | None:
    """The vector's line items, each rounded up, where they make the amount that it expects."""
    if not isinstance(lines, Sequence) or not lines:
        return None
    try:
        amounts = [
            Decimal(str(line["usd"])) * line["quantity"] * NANO_PER_USD / line["per"]
            for line in lines
        ]
    except (KeyError, TypeError, ArithmeticError):
        return None
    if sum(amounts) != wanted:
        return None
    return sum(int(amount.to_integral_value(rounding=ROUND_CEILING)) for amount in amounts)
