"""Recorded bills: raw usage of every provider's shape is priced to the nano-dollar, or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scrimp.prices import load_book
from scrimp.prices.vectors import check

SHARED = Path(__file__).parents[3].parent / "shared" / "data" / "prices" / "cost_vectors.json"
BOOK = load_book()
CHAT = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}


def _vector(**given: Any) -> dict[str, Any]:
    base = {
        "id": "made-up",
        "provider": "openai",
        "api_flavor": "chat",
        "model": "gpt-4o",
        "request_time": "2026-11-20T12:00:00Z",
        "context": {},
        "usage": CHAT,
        "expected_usd": "0.0035",
    }
    return base | given


OURS = json.loads((Path(__file__).parents[2] / "wire" / "bills.json").read_bytes())
BILLS = OURS + (json.loads(SHARED.read_bytes()) if SHARED.exists() else [])
"""Ours, and the shared ones where they are at hand."""


@pytest.mark.parametrize("vector", BILLS, ids=[one["id"] for one in BILLS])
def test_every_recorded_bill_is_exact(vector: dict[str, Any]) -> None:
    """Each kind of bill that is easy to get wrong is exact."""
    verdict = check(vector, BOOK)
    assert verdict.exact, verdict


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"expected_usd": "0.003500001"}, ""),
        ({"expected_usd": None}, ""),
        ({"expected_usd": "much"}, ""),
        ({"usage": None}, "no usage"),
        ({"model": "unheard-of"}, "does not know the model"),
        ({"context": {"moon": "full"}}, "moon"),
        ({"context": {"service_tier": "golden"}}, "golden"),
        ({"context": {"service_tier": 5}}, "service_tier, which is not understood"),
        ({"usage": CHAT | {"total_tokens": 9}, "expected_usd": "1"}, "9 tokens reported"),
    ],
)
def test_a_miss_is_a_miss(change: dict[str, Any], why: str) -> None:
    """Another amount, none, or one where nobody can know; the reason is told."""
    verdict = check(_vector() | change, BOOK)
    assert not verdict.exact
    assert why in verdict.why


@pytest.mark.parametrize(
    "broken",
    [
        {},
        [],
        {"id": 1},
        _vector(request_time="noon"),
        _vector(request_time=5),
        _vector(provider=5),
        _vector(model=None),
        _vector(context="batch"),
        _vector(response_extra=5),
        _vector(api_flavor=[]),
        _vector(expected_usd={}),
    ],
)
def test_what_is_no_vector_is_an_error(broken: Any) -> None:
    """A file that holds something else is not taken for a bill."""
    with pytest.raises(ValueError, match="not a vector"):
        check(broken, BOOK)
