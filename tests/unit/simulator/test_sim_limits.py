"""Rate limits: how buckets fill, whom they refuse, and how vendors say so."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from scrimp.simulator.bill import Usage
from scrimp.simulator.clock import Clock
from scrimp.simulator.conversation import Refusal
from scrimp.simulator.limits import Bucket, Limits, duration, estimated, moment, retry_headers
from scrimp.simulator.settings import Settings

BODY = b"x" * 400  # 100 tokens by its length


def test_a_bucket_refills_at_an_even_rate_and_not_above_its_size() -> None:
    """60 per minute is one per second."""
    bucket = Bucket(60, 60.0, 0.0).without(60)
    assert bucket.wait_s(1) == 1
    assert bucket.at(0.5).wait_s(1) == 0.5
    assert bucket.at(2.0).wait_s(1) == 0
    assert bucket.at(1000.0).left == 60
    assert bucket.reset_s == 60


def test_more_than_there_ever_is_can_not_be_waited_for() -> None:
    """And then there is no `retry-after` either."""
    assert math.isinf(Bucket(60, 60.0, 0.0).wait_s(61))
    assert retry_headers("openai", math.inf) == ()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.0121, "13ms"),
        (1, "1s"),
        (1.5, "1.5s"),
        (59.9996, "1m0s"),
        (360, "6m0s"),
        (90.25, "1m30.25s"),
        (3630, "1h0m30s"),
    ],
)
def test_openai_writes_durations(seconds: float, text: str) -> None:
    """Rounded up, so that nobody comes too early."""
    assert duration(seconds) == text


def test_anthropic_writes_moments() -> None:
    """RFC 3339 in UTC, not before the time is over."""
    before = datetime.now(UTC)
    at = datetime.fromisoformat(moment(30))
    assert 30 <= (at - before).total_seconds() <= 32


def test_retry_after_is_rounded_up() -> None:
    """OpenAI adds milliseconds."""
    assert retry_headers("anthropic", 1.2) == (("retry-after", "2"),)
    assert retry_headers("openai", 1.2) == (("retry-after", "2"), ("retry-after-ms", "1200"))


def test_a_call_counts_by_its_length_and_with_openai_by_its_limit() -> None:
    """Whichever is more; Anthropic does not look at `max_tokens`."""
    body = b'{"max_tokens": 5000}'
    assert estimated("openai", BODY) == estimated("anthropic", BODY) == 100
    assert estimated("openai", body) == 5000
    assert estimated("anthropic", body) == 5


def test_requests_are_limited_per_key_and_come_back() -> None:
    """The third of two per minute waits for half a minute; another key does not."""
    clock = Clock()
    limits = Limits(clock, Settings(requests_per_minute=2))
    for _ in range(2):
        limits.admit("openai", "a", BODY)
    with pytest.raises(Refusal) as refused:
        limits.admit("openai", "a", BODY)
    assert refused.value.status == 429
    assert dict(refused.value.headers)["retry-after"] == "30"
    limits.admit("openai", "b", BODY)
    clock.advance(30)
    limits.admit("openai", "a", BODY)


def test_tokens_are_limited_and_a_refusal_takes_nothing() -> None:
    """Two of 100 tokens fit into 250, the third does not, and leaves the rest as it was."""
    limits = Limits(Clock(), Settings(requests_per_minute=100, tokens_per_minute=250))
    for _ in range(2):
        limits.admit("openai", "a", BODY)
    with pytest.raises(Refusal, match="limit 250, left 50, requested 100") as refused:
        limits.admit("openai", "a", BODY)
    assert refused.value.kind == "tokens_limited"
    shown = dict(limits.headers("openai", "a"))
    assert shown["x-ratelimit-remaining-requests"] == "98"
    assert shown["x-ratelimit-remaining-tokens"] == "50"


def test_anthropic_counts_what_was_used_and_not_what_was_read_from_the_prompt_cache() -> None:
    """Input is corrected once it is known; output that was produced blocks the next call."""
    limits = Limits(Clock(), Settings(tokens_per_minute=1000, output_tokens_per_minute=50))
    limits.admit("anthropic", "a", BODY)
    usage = Usage(input_tokens=10, cache_read_tokens=900, output_tokens=60)
    limits.settle("anthropic", "a", BODY, usage)
    shown = dict(limits.headers("anthropic", "a"))
    assert shown["anthropic-ratelimit-input-tokens-remaining"] == "990"
    assert shown["anthropic-ratelimit-output-tokens-remaining"] == "0"
    assert shown["anthropic-ratelimit-tokens-limit"] == "1050"
    with pytest.raises(Refusal, match="output tokens per minute"):
        limits.admit("anthropic", "a", BODY)


def test_without_limits_nothing_is_refused() -> None:
    """But headers are there, as clients expect them."""
    limits = Limits(Clock(), Settings())
    for _ in range(20_000):
        limits.admit("openai", "a", BODY)
    assert dict(limits.headers("openai", "a"))["x-ratelimit-limit-requests"] == "10000"
