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


OURS = {
    "plain chat": _vector(),
    "reasoning beside the completion": _vector(
        provider="xai",
        model="grok-4",
        usage={
            "prompt_tokens": 1000,
            "completion_tokens": 100,
            "total_tokens": 1500,
            "completion_tokens_details": {"reasoning_tokens": 400},
        },
        expected_usd="0.0105",
    ),
    "ticks of a billionth": _vector(
        provider="xai",
        model="grok-4",
        usage=CHAT | {"cost_in_usd_ticks": 37_756_000},
        expected_usd="0.0037756",
    ),
    "residency that was asked": _vector(
        provider="anthropic",
        api_flavor="default",
        model="claude-opus-4-6",
        usage={"input_tokens": 2000, "output_tokens": 1000},
        context={"inference_geo": "us"},
        expected_usd="0.0385",
    ),
    "residency that was told": _vector(
        provider="anthropic",
        api_flavor="default",
        model="claude-sonnet-4-6",
        usage={"input_tokens": 1000, "output_tokens": 100, "inference_geo": "us"},
        expected_usd="0.00495",
    ),
    "cached audio": _vector(
        provider="google",
        api_flavor="default",
        model="gemini-2.5-flash",
        usage={
            "promptTokenCount": 2100,
            "candidatesTokenCount": 100,
            "totalTokenCount": 2200,
            "cachedContentTokenCount": 2000,
            "promptTokensDetails": [
                {"modality": "TEXT", "tokenCount": 100},
                {"modality": "AUDIO", "tokenCount": 2000},
            ],
            "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 2000}],
        },
        expected_usd="0.00048",
    ),
    "a peak hour at a weekend": _vector(
        provider="deepseek",
        model="deepseek-v4-pro",
        request_time="2026-11-21T02:00:00Z",
        expected_usd="0.000858",
    ),
    "at the cliff, not over it": _vector(
        model="gpt-5.4",
        usage={"prompt_tokens": 272_000, "completion_tokens": 0, "total_tokens": 272_000},
        expected_usd="0.68",
    ),
    "searches in the output": _vector(
        api_flavor="responses",
        model="gpt-5",
        usage={"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100},
        response_extra={"output": [{"type": "web_search_call", "action": {"type": "search"}}]},
        expected_usd="0.01225",
    ),
    "the tier that served, not the one asked": _vector(
        model="gpt-5",
        context={"service_tier": "priority"},
        response_extra={"service_tier": "default"},
        expected_usd="0.00225",
    ),
    "half a nano-dollar is rounded up": _vector(
        model="gpt-5-nano",
        context={"service_tier": "flex"},
        usage={
            "prompt_tokens": 1,
            "completion_tokens": 0,
            "total_tokens": 1,
            "prompt_tokens_details": {"cached_tokens": 1},
        },
        line_items=[{"what": "cached", "quantity": 1, "usd": "0.0025", "per": 1_000_000}],
        expected_usd="0.0000000025",
    ),
    "nobody told": _vector(usage=None, expected_usd=None),
    "an unheard-of model": _vector(model="unheard-of", expected_usd=None),
}


@pytest.mark.parametrize("vector", OURS.values(), ids=OURS)
def test_ours(vector: dict[str, Any]) -> None:
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
    ],
)
def test_a_miss_is_a_miss(change: dict[str, Any], why: str) -> None:
    """Another amount, none, or one where nobody can know; the reason is told."""
    verdict = check(_vector() | change, BOOK)
    assert not verdict.exact
    assert why in verdict.why


@pytest.mark.parametrize("broken", [{}, [], {"id": 1}, _vector(request_time="noon")])
def test_what_is_no_vector_is_an_error(broken: Any) -> None:
    """A file that holds something else is not taken for a bill."""
    with pytest.raises(ValueError, match="not a vector"):
        check(broken, BOOK)


def _shared() -> list[Any]:
    if not SHARED.exists():
        return [pytest.param(None, id="absent")]
    return [pytest.param(one, id=one["id"]) for one in json.loads(SHARED.read_bytes())]


@pytest.mark.parametrize("vector", _shared())
def test_shared_vector(vector: dict[str, Any] | None) -> None:
    """The shared vectors, where they are at hand, are exact."""
    if vector is None:
        pytest.skip("SHARED COST VECTORS ARE MISSING: only our own were checked")
    verdict = check(vector, BOOK)
    assert verdict.exact, verdict
