"""The shared cost vectors, where they are at hand: what providers billed, to the nano-dollar."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from scrimp.calls import Usage
from scrimp.money import parse_usd
from scrimp.prices import load_book, price

PATH = Path(__file__).parents[3].parent / "shared" / "data" / "prices" / "cost_vectors.json"


def _vectors() -> list[Any]:
    if not PATH.exists():
        return [pytest.param(None, id="absent")]
    found = json.loads(PATH.read_text(encoding="utf-8"))
    return [pytest.param(one, id=one["id"]) for one in found if _is_for_the_book(one)]


def _is_for_the_book(one: dict[str, Any]) -> bool:
    """A usage that has to be priced: it is there, and does not bring the provider's own cost."""
    return one["usage"] is not None and "cost" not in one["usage"]


def _usage(one: dict[str, Any]) -> Usage:
    """The buckets of a vector, from its line items: reading wire usage is the dialects' part."""
    words = (
        ("audio in", "input_audio_tokens"),
        ("audio out", "output_audio_tokens"),
        ("audio", "input_audio_tokens"),
        ("1h", "cache_write_1h_tokens"),
        ("write", "cache_write_5m_tokens"),
        ("uncached", "input_tokens"),
        ("search", "web_search_requests"),
        ("read", "cache_read_tokens"),
        ("cached", "cache_read_tokens"),
        ("hit", "cache_read_tokens"),
        ("out", "output_tokens"),
    )
    fields: dict[str, Any] = {}
    for line in one["line_items"]:
        what = line["what"].lower()
        name = next((field for word, field in words if word in what), "input_tokens")
        assert name not in fields, (one["id"], what)
        fields[name] = line["quantity"]
    return Usage(**fields)


@pytest.mark.parametrize("one", _vectors())
def test_vector(one: dict[str, Any] | None) -> None:
    """Line items of the vector, priced by the book, are the bill."""
    if one is None:
        pytest.skip("SHARED COST VECTORS ARE MISSING: nothing was checked")
    context = one["context"]
    tier = "batch" if context.get("processing") == "batch" else context.get("service_tier", "")
    at = datetime.fromisoformat(one["request_time"])
    assert not context.get("inference_geo"), "the book knows no data residency yet"
    cost = price(
        _usage(one), one["model"], one["provider"], at, book=load_book(), service_tier=tier
    )
    assert cost.nanousd == parse_usd(one["expected_usd"])
