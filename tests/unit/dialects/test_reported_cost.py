"""What a provider itself says that a call cost is read exactly, or said to be unreadable."""

from __future__ import annotations

from typing import Any

import pytest

from scrimp.dialects import anthropic_usage, openai_responses_usage, openai_usage
from scrimp.terms import Terms

CHAT = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}


@pytest.mark.parametrize(
    ("fields", "nanousd"),
    [
        ({"cost": 0.00385}, 3_850_000),
        ({"cost": 0}, 0),
        ({"cost": 1}, 10**9),
        ({"cost": 1.1e-9}, 2),
        ({"cost": 0.1}, 10**8),
        ({"cost": 0.95, "cost_details": {"upstream_inference_cost": 19}}, 950_000_000),
        (
            {"cost": 0.05, "is_byok": True, "cost_details": {"upstream_inference_cost": 1.2}},
            1_250_000_000,
        ),
        ({"cost": {"total_cost": 0.006, "request_cost": 0.005}}, 6_000_000),
        ({"cost_in_usd_ticks": 37_756_000}, 3_775_600),
        ({"cost_in_usd_ticks": 1}, 1),
    ],
)
def test_a_reported_cost_is_exact(fields: dict[str, Any], nanousd: int) -> None:
    """Dollars and ticks become nano-dollars, rounded up, by the digits that were written."""
    usage = openai_usage.read_usage(CHAT | fields)
    assert usage is not None
    assert usage.terms == Terms(reported_nanousd=nanousd)
    assert usage.suspect == ""


@pytest.mark.parametrize(
    "fields",
    [
        {"cost": -0.1},
        {"cost": "0.1"},
        {"cost": float("nan")},
        {"cost": float("inf")},
        {"cost": True},
        {"cost": {}},
        {"cost": 1e300},
        {"cost": 0.1, "is_byok": True, "cost_details": {}},
        {"cost_in_usd_ticks": 0.5},
        {"cost_in_usd_ticks": -1},
    ],
)
def test_what_is_no_amount_is_not_believed(fields: dict[str, Any]) -> None:
    """The usage is then priced as any other, and marked."""
    usage = openai_usage.read_usage(CHAT | fields)
    assert usage is not None
    assert usage.terms is None
    assert "no amount" in usage.suspect


def test_every_dialect_reads_it() -> None:
    """Responses and messages of an aggregator tell their cost like its chat completions."""
    told = {"input_tokens": 1, "output_tokens": 1, "cost": 0.5}
    for usage in (openai_responses_usage.read_usage(told), anthropic_usage.read_usage(told)):
        assert usage is not None
        assert usage.terms == Terms(reported_nanousd=500_000_000)


@pytest.mark.parametrize(
    ("geo", "terms"),
    [("us", Terms(geo="us")), ("global", None), ("not_available", None), (None, None), (7, None)],
)
def test_where_the_model_ran(geo: object, terms: Terms | None) -> None:
    """A residency that changes the price is kept; the ordinary one leaves nothing."""
    told = {"input_tokens": 1, "output_tokens": 1, "inference_geo": geo}
    usage = anthropic_usage.read_usage(told)
    assert usage is not None
    assert usage.terms == terms


def test_fast_mode_is_a_tier() -> None:
    """Anthropic's fast mode is priced by its own rates, whatever tier served."""
    assert anthropic_usage.read_tier({"speed": "fast", "service_tier": "standard"}) == "fast"
    assert anthropic_usage.read_tier({"speed": "standard", "service_tier": "batch"}) == "batch"


def test_hits_and_misses_make_the_prompt() -> None:
    """DeepSeek's own fields are read where the usual ones are missing, and checked."""
    own = {"prompt_cache_hit_tokens": 7, "prompt_cache_miss_tokens": 3}
    usage = openai_usage.read_usage(CHAT | own)
    assert usage is not None
    assert (usage.input_tokens, usage.cache_read_tokens, usage.suspect) == (3, 7, "")
    odd = openai_usage.read_usage(CHAT | own | {"prompt_cache_miss_tokens": 4})
    assert odd is not None
    assert odd.suspect == "input: 7 hits + 4 misses in a prompt of 10"
