"""What a provider itself says that a call cost, in its usage: exact nano-dollars, rounded up.

Sources (checked 2026-11-22): xAI `cost_in_usd_ticks`, 10**10 to the dollar (docs.x.ai,
developers/cost-tracking); OpenRouter `cost` in dollars, where a call on the caller's own provider
key costs `cost_details.upstream_inference_cost` beside it (openrouter.ai, docs on usage accounting
and on bring-your-own-key); Perplexity `cost.total_cost` in dollars (docs.perplexity.ai, API
reference of chat completions). A JSON number that was read as a binary float is taken by its
shortest decimal, which is what the provider wrote.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal
from typing import Any

from scrimp.money import NANO_PER_USD
from scrimp.terms import Terms

TELL_COST = frozenset({"x-ai", "openrouter", "perplexity"})
"""Providers, as the price book names them, whose documented API tells what a call cost."""

_TICKS_PER_NANO = 10
_MOST_USD = 10**6
"""No call costs that much: a greater figure is not believed."""


def terms_of(reported: Mapping[str, Any]) -> tuple[Terms | None, str]:
    """The cost inside a usage, and a note when there is one that cannot be read."""
    ticks, told = reported.get("cost_in_usd_ticks"), reported.get("cost")
    if ticks is None and told is None:
        return None, ""
    nanousd = _ticks(ticks) if ticks is not None else _dollars(reported, told)
    if nanousd is None:
        return None, f"cost: {ticks if ticks is not None else told!r} is no amount"[:120]
    return Terms(reported_nanousd=nanousd), ""


def _ticks(ticks: object) -> int | None:
    if type(ticks) is not int or not 0 <= ticks <= _MOST_USD * NANO_PER_USD * _TICKS_PER_NANO:
        return None
    return -(-ticks // _TICKS_PER_NANO)


def _dollars(reported: Mapping[str, Any], told: object) -> int | None:
    if isinstance(told, dict):
        told = told.get("total_cost")
    nanousd = nanousd_of(told)
    details = reported.get("cost_details")
    if nanousd is not None and reported.get("is_byok") is True and isinstance(details, dict):
        upstream = nanousd_of(details.get("upstream_inference_cost"))
        return None if upstream is None else nanousd + upstream
    return nanousd


def nanousd_of(amount: object) -> int | None:
    """Nano-dollars of a JSON number of dollars, rounded up; None when it cannot be an amount."""
    if type(amount) is int:
        return amount * NANO_PER_USD if 0 <= amount <= _MOST_USD else None
    if type(amount) is not float or not 0 <= amount <= _MOST_USD:
        return None  # a NaN is in no order
    exact = Decimal(repr(amount)) * NANO_PER_USD
    return int(exact.to_integral_value(rounding=ROUND_CEILING))
