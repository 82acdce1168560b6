"""Small price books, and entries that are booked at their prices, for tests of re-pricing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from scrimp.calls import FREE_COST, Attempt, Cost, Target, Usage
from scrimp.ledger.booking import booked
from scrimp.ports import Count, Entry
from scrimp.prices.book import PriceBook, read_book
from scrimp.prices.pricing import bounds, resolve
from scrimp.repricing import BookPrices
from scrimp.settings import Settings
from tests.support.ledger_entries import BEGIN, call_id, entry

SETTINGS = Settings()


def book_json(
    models: Mapping[str, Any],
    *,
    version: str = "a",
    compiled_on: str = "2026-11-01",
    provider: str = "openai",
) -> bytes:
    """A book of one provider: rates by model, or whole models with `rows`."""
    rows = [
        {"id": name, "match": [f"={name}"], **(told if "rows" in told else _flat(told))}
        for name, told in models.items()
    ]
    return json.dumps(
        {
            "version": version,
            "source": f"a list {version}",
            "licence": "none",
            "compiled_on": compiled_on,
            "aliases": {},
            "providers": {provider: {"model_match": ["^gpt"], "models": rows}},
        }
    ).encode()


def _flat(rates: Mapping[str, int]) -> dict[str, Any]:
    return {"rows": [{"rates": dict(rates)}]}


def book(rates: Mapping[str, int], *, version: str = "a", model: str = "gpt-4o-mini") -> PriceBook:
    """A book with one model of OpenAI's."""
    return read_book(book_json({model: rates}, version=version), source="the test")


def prices(made: PriceBook) -> BookPrices:
    """Prices of a book with empty settings."""
    return BookPrices(made, SETTINGS)


def tried(usage: Usage | None, *, model: str = "gpt-4o-mini", **changes: Any) -> Attempt:
    """An attempt that is not priced yet."""
    target = Target("openai", model, "openai.chat")
    return replace(Attempt(target, "ok", 200, BEGIN, 10.0, usage=usage), **changes)


def priced_by(made: PriceBook, attempt: Attempt) -> Attempt:
    """The attempt at the prices of a book."""
    return replace(attempt, cost=prices(made).exact(attempt))


def broken(made: PriceBook) -> Attempt:
    """An attempt that broke off, settled at the prices of a book."""
    attempt = tried(None, outcome="cut")
    rates = resolve("gpt-4o-mini", "openai", BEGIN, book=made)
    cost = bounds(Count(100, 90, 110, "test"), Count(10, 5, 50, "test"), rates)
    return replace(attempt, cost=cost)


def call_with(number: int, *attempts: Attempt, **changes: Any) -> Entry:
    """An entry that is booked from its attempts."""
    result = booked(None, attempts, FREE_COST)
    one = replace(
        entry(number),
        id=call_id(number),
        at=BEGIN + timedelta(minutes=number),
        model=attempts[-1].target.model,
        usage=attempts[-1].usage or Usage(),
        attempts=attempts,
        **_amounts(result.cost),
        baseline_nanousd=result.baseline_nanousd,
        saved=result.saved,
    )
    return replace(one, **changes)


def hit_for(number: int, attempt: Attempt) -> Entry:
    """A call that the exact cache answered in place of an attempt."""
    saved = attempt.cost.nanousd
    one = call_with(number, attempt, served_by="exact_cache", attempts=(), usage=Usage())
    return replace(
        one,
        **_amounts(FREE_COST),
        baseline_nanousd=saved,
        saved=() if saved is None else (("exact_cache", saved),),
        untouched=replace(attempt, cost=replace(attempt.cost, lines=())),
    )


def _amounts(cost: Cost) -> dict[str, Any]:
    return {
        "cost_basis": cost.basis,
        "cost_nanousd": cost.nanousd,
        "cost_low_nanousd": cost.low_nanousd,
        "cost_high_nanousd": cost.high_nanousd,
        "price_version": cost.price_version,
    }
