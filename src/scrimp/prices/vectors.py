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

from scrimp.calls import Cost, Usage
from scrimp.dialects.usage_shapes import read_usage
from scrimp.errors import PriceUnknown
from scrimp.money import NANO_PER_USD
from scrimp.prices.book import PriceBook
from scrimp.prices.pricing import at_place, price

_CONTEXT = frozenset({"processing", "service_tier", "inference_geo", "speed"})
_ANYWHERE = frozenset({"", "global", "not_available"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one vector fared; `cost` is None when no price could be told, and `why` says so."""

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
        name, expected = str(vector["id"]), vector["expected_usd"]
        told = (vector["provider"], vector["model"], datetime.fromisoformat(vector["request_time"]))
        usage = vector["usage"]
    except (KeyError, TypeError, ValueError) as error:
        msg = f"not a vector: {type(error).__name__} at {str(error)[:80]}"
        raise ValueError(msg) from error
    cost, why = None, ""
    try:
        cost = _cost(vector, usage, told, book)
    except PriceUnknown as error:
        why = str(error)
    text = None if expected is None else str(expected)
    return Verdict(name, text, cost, why, _exact(text, cost, vector.get("line_items")))


def _cost(
    vector: Mapping[str, Any], reported: object, told: tuple[str, str, datetime], book: PriceBook
) -> Cost:
    provider, model, at = told
    context = vector.get("context") or {}
    if strange := sorted(context.keys() - _CONTEXT):
        raise PriceUnknown(f"its context has {', '.join(strange)}, which is not understood")
    reply = vector.get("response_extra") or {}
    read = read_usage(
        reported,
        provider=book.provider_id(provider),
        flavor=vector.get("api_flavor", ""),
        reply=reply,
    )
    if read.usage is None:
        raise PriceUnknown("the provider reported no usage that can be read")
    tier = read.service_tier or context.get("service_tier", "")
    if context.get("processing") == "batch":
        tier = "batch"
    elif context.get("speed") == "fast":
        tier = "fast"
    usage = _in(read.usage, context.get("inference_geo", ""))
    aware = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return price(usage, model, provider, aware, book=book, service_tier=tier)


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
