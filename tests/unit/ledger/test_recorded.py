"""Usage that is only told of: every shape is read as the provider's replies are, or refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from scrimp.calls import Usage
from scrimp.errors import InvalidRequest
from scrimp.ledger.recorded import check_tags, check_time, usage_and_tier, usage_of

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SHAPES: tuple[tuple[dict[str, Any], Usage], ...] = (
    (
        {"input_tokens": 5, "cache_read_tokens": 3, "reasoning_tokens": 2},
        Usage(input_tokens=5, cache_read_tokens=3, reasoning_tokens=2),
    ),
    (
        {
            "prompt_tokens": 10,
            "completion_tokens": 7,
            "total_tokens": 17,
            "prompt_tokens_details": {"cached_tokens": 4},
            "completion_tokens_details": {"reasoning_tokens": 2},
        },
        Usage(input_tokens=6, cache_read_tokens=4, output_tokens=5, reasoning_tokens=2),
    ),
    ({"prompt_tokens": 10, "total_tokens": 10}, Usage(input_tokens=10)),
    (
        {
            "input_tokens": 10,
            "output_tokens": 7,
            "total_tokens": 17,
            "input_tokens_details": {"cached_tokens": 4},
            "output_tokens_details": {"reasoning_tokens": 2},
        },
        Usage(input_tokens=6, cache_read_tokens=4, output_tokens=5, reasoning_tokens=2),
    ),
    (
        {
            "input_tokens": 10,
            "output_tokens": 7,
            "cache_read_input_tokens": 4,
            "cache_creation_input_tokens": 3,
            "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 2},
            "service_tier": "standard",
        },
        Usage(
            input_tokens=10,
            output_tokens=7,
            cache_read_tokens=4,
            cache_write_5m_tokens=1,
            cache_write_1h_tokens=2,
        ),
    ),
    (
        {
            "promptTokenCount": 10,
            "cachedContentTokenCount": 4,
            "candidatesTokenCount": 7,
            "thoughtsTokenCount": 2,
            "totalTokenCount": 19,
        },
        Usage(input_tokens=6, cache_read_tokens=4, output_tokens=7, reasoning_tokens=2),
    ),
    (
        {"inputTokens": 6, "cacheReadInputTokens": 4, "outputTokens": 7, "totalTokens": 17},
        Usage(input_tokens=6, cache_read_tokens=4, output_tokens=7),
    ),
    (
        {"prompt_tokens": 10, "prompt_cache_hit_tokens": 4, "completion_tokens": 7},
        Usage(input_tokens=6, cache_read_tokens=4, output_tokens=7),
    ),
)


@pytest.mark.parametrize(("given", "usage"), SHAPES)
def test_a_known_shape_is_read(given: dict[str, Any], usage: Usage) -> None:
    """Chat, embeddings, responses, messages, Gemini, Bedrock, DeepSeek, and our own names."""
    assert usage_of(given) == usage


def test_the_tier_inside_a_usage_is_told() -> None:
    """Anthropic says it there; a batch is not booked at the full price."""
    counts = {"input_tokens": 1, "output_tokens": 1, "cache_read_input_tokens": 0}
    assert usage_and_tier({**counts, "service_tier": "batch"})[1] == "batch"
    assert usage_and_tier({**counts, "speed": "fast"})[1] == "fast"
    assert usage_and_tier(counts)[1] == ""


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "holds nothing"),
        ({"tokens": 5}, "holds tokens"),
        ({"input_tokens": -1}, "-1: a count is from 0"),
        ({"input_tokens": 2.5}, "'2.5', not a whole number"),
        ({"input_tokens": True}, "'True', not a whole number"),
        ({"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": -2}}, "-2: a count"),
        ({"input_tokens": 5, "cache_creation": {"ephemeral_5m_input_tokens": "x"}}, "'x'"),
    ],
)
def test_what_is_no_usage_is_refused(given: dict[str, Any], words: str) -> None:
    """With the number, or with what is known."""
    with pytest.raises(InvalidRequest, match=words.replace(".", r"\.")):
        usage_of(given)


def test_a_time_is_aware_and_past() -> None:
    """In UTC from then on; a clock that is a little ahead is forgiven."""
    there = datetime(2026, 11, 22, 13, tzinfo=timezone(timedelta(hours=1)))
    assert check_time(there, NOW) == NOW
    assert check_time(NOW + timedelta(minutes=4), NOW) > NOW
    for wrong in (NOW + timedelta(minutes=6), datetime(1999, 1, 1, tzinfo=UTC)):
        with pytest.raises(InvalidRequest, match="2026-11-22"):
            check_time(wrong, NOW)
    with pytest.raises(InvalidRequest, match="without a zone"):
        check_time(NOW.replace(tzinfo=None), NOW)


def test_tags_are_few_short_and_different() -> None:
    """Twice would count twice in reports."""
    assert check_tags(("a", "b", "a", "")) == ("a", "b")
    with pytest.raises(InvalidRequest, match="17 tags; at most 16"):
        check_tags(tuple(map(str, range(17))))
