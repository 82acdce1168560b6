"""Every rate of the book equals what the source itself answers, but for what we say we change."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version
from typing import Any

import pytest

pytest.importorskip("genai_prices", reason="the source of the prices is a development dependency")

from genai_prices import types as source_types
from genai_prices.data import providers as source_providers

from scrimp.errors import PriceUnknown
from scrimp.prices import Rates, load_book, resolve
from scrimp.prices.source import BUCKET_OF

BOOK = load_book()
MOMENTS = (
    datetime(2025, 6, 1, 2, tzinfo=UTC),
    datetime(2026, 9, 1, 12, tzinfo=UTC),
    datetime(2026, 11, 20, 2, tzinfo=UTC),
    datetime(2026, 11, 20, 20, tzinfo=UTC),
)
TIERS: dict[str, dict[str, str] | None] = {
    "": None,
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
    "batch": {"processing": "batch"},
}
KEYS = (
    *("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok"),
    *("cache_write_1h_mtok", "web_searches_kcount"),
)
OURS = {
    ("openai", "gpt-4o-audio-preview"),
    *(
        ("deepseek", f"deepseek-{name}")
        for name in ("v4-pro", "v4-flash", "flash", "chat", "reasoner")
    ),
}
OURS_IN_TIER = {
    ("openai", f"text-embedding-3-{size}", "batch", "input_mtok") for size in ("small", "large")
}


def _rate(key: str, value: Any) -> list[Decimal] | None:
    """A price of the source in pico-dollars: base, then thresholds and rates."""
    per = Decimal(10**12) / (1000 if key.endswith("_kcount") else 10**6)
    if value is None:
        return None
    if isinstance(value, source_types.TieredPrices):
        steps = [value.base * per]
        for tier in value.tiers:
            steps += [Decimal(tier.start), tier.price * per]
        return steps
    return [value * per]


def _differs(key: str, prices: source_types.ModelPrice, rates: Rates) -> bool:
    wanted, found = _rate(key, getattr(prices, key)), rates.of(BUCKET_OF[key])
    if wanted is None or found is None:
        return (wanted is None) != (found is None)
    steps = (found,) if isinstance(found, int) else found
    # Within the one pico-dollar that rounding up may add.
    pairs = zip(steps, wanted, strict=True)
    return any(abs(Decimal(step) - want) >= 1 for step, want in pairs)


def _changed_on_purpose(provider: str, model: str, key: str, prices: Any) -> bool:
    return (
        (provider, model) in OURS
        or (model.endswith(":free") and not prices.__dict__)
        or (key == "cache_write_1h_mtok" and "claude" in model)
        or (key == "cache_read_mtok" and prices.cache_image_read_mtok is not None)
    )


@pytest.mark.parametrize("provider", source_providers, ids=lambda provider: provider.id)
def test_every_model_at_every_moment(provider: source_types.Provider) -> None:
    """The same model is found, and each rate is the same, in each tier that has a price."""
    if f"genai-prices {version('genai-prices')}" not in BOOK.source:
        pytest.skip(f"the book is from {BOOK.source}")
    wrong = []
    for name in [model.id for model in provider.models]:
        theirs = provider.find_model(name, all_providers=source_providers)
        ours = BOOK.find(name, provider.id)
        assert (ours and ours.id) == (theirs and theirs.id), name
        if theirs is None:
            continue
        for at in MOMENTS:
            for tier, context in TIERS.items():
                try:
                    rates = resolve(name, provider.id, at, book=BOOK, service_tier=tier)
                except PriceUnknown:
                    continue
                prices = theirs.get_prices(at, context)
                wrong += [
                    (name, tier, at, key)
                    for key in KEYS
                    if _differs(key, prices, rates)
                    and not _changed_on_purpose(provider.id, name, key, prices)
                    and (provider.id, name, tier, key) not in OURS_IN_TIER
                ]
    assert wrong == []
