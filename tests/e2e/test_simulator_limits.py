"""Rate limits of the simulator as SDKs meet them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import anthropic
import openai
import pytest

from scrimp.simulator import Simulator

CHAT: dict[str, Any] = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "user", "content": "Reset my password?"}],
}
CLAUDE: dict[str, Any] = {"model": "claude-haiku-4-5", "max_tokens": 100} | {
    "messages": CHAT["messages"]
}


def gpt(sim: Simulator, key: str = "a") -> openai.OpenAI:
    """A client that does not retry by itself."""
    return openai.OpenAI(base_url=sim.openai_url, api_key=key, max_retries=0)


def test_openai_says_what_is_left_and_when_it_is_full(sim: Simulator) -> None:
    """With each reply, and with the refusal, which costs nothing; another key is not touched."""
    sim.limit(requests_per_minute=2)
    with gpt(sim) as client:
        raw = client.chat.completions.with_raw_response.create(**CHAT)
        assert raw.headers["x-ratelimit-limit-requests"] == "2"
        assert raw.headers["x-ratelimit-remaining-requests"] == "1"
        assert 29 <= float(raw.headers["x-ratelimit-reset-requests"].removesuffix("s")) <= 30
        client.responses.create(model="gpt-4o-mini", input="Hello")
        with pytest.raises(openai.RateLimitError) as refused:
            client.chat.completions.create(**CHAT)
    headers = refused.value.response.headers
    assert refused.value.code == "rate_limit_exceeded"
    assert refused.value.type == "requests"
    assert 28 <= int(headers["retry-after"]) <= 30
    assert headers["x-ratelimit-remaining-requests"] == "0"
    with gpt(sim, "b") as other:
        other.chat.completions.create(**CHAT)
    assert len(sim.bill.rows) == 3


def test_it_goes_on_when_the_time_is_over(sim: Simulator) -> None:
    """The simulator's clock is put forward, nobody waits."""
    sim.limit(requests_per_minute=1)
    with gpt(sim) as client:
        for _ in range(3):
            client.chat.completions.create(**CHAT)
            sim.advance(60)
    assert len(sim.bill.rows) == 3


def test_openai_refuses_too_many_tokens(sim: Simulator) -> None:
    """`max_tokens` counts as if all of it came; what can never fit has no `retry-after`."""
    sim.limit(tokens_per_minute=1000)
    with gpt(sim) as client:
        client.chat.completions.create(**CHAT, max_tokens=900)
        with pytest.raises(openai.RateLimitError) as refused:
            client.chat.completions.create(**CHAT, max_tokens=900)
        with pytest.raises(openai.RateLimitError) as never:
            client.chat.completions.create(**CHAT, max_tokens=1001)
    assert refused.value.type == "tokens"
    assert "retry-after" in refused.value.response.headers
    assert "retry-after" not in never.value.response.headers


def test_anthropic_says_it_in_its_own_words(sim: Simulator) -> None:
    """RFC 3339 resets, `retry-after`, and output that counts once it was produced."""
    sim.limit(requests_per_minute=50, tokens_per_minute=10_000, output_tokens_per_minute=20)
    with anthropic.Anthropic(base_url=sim.url, api_key="k", max_retries=0) as client:
        raw = client.messages.with_raw_response.create(**CLAUDE)
        assert raw.headers["anthropic-ratelimit-requests-remaining"] == "49"
        with pytest.raises(anthropic.RateLimitError) as refused:
            client.messages.create(**CLAUDE)
    headers = refused.value.response.headers
    assert headers["anthropic-ratelimit-output-tokens-remaining"] == "0"
    reset = datetime.fromisoformat(headers["anthropic-ratelimit-output-tokens-reset"])
    assert reset > datetime.now(UTC)
    assert int(headers["retry-after"]) > 0
    assert len(sim.bill.rows) == 1


@pytest.mark.parametrize("vendor", ["openai", "anthropic"])
def test_a_limit_can_be_reached_on_demand(sim: Simulator, vendor: str) -> None:
    """`rate-limit=7` looks as the vendor's own, whatever was called before."""
    sim.fault("rate-limit=7", count=1)
    if vendor == "openai":
        with gpt(sim) as client, pytest.raises(openai.RateLimitError) as one:
            client.chat.completions.create(**CHAT)
        headers = one.value.response.headers
        assert headers["x-ratelimit-remaining-tokens"] == "0"
        assert headers["x-ratelimit-reset-tokens"] == "7s"
        assert headers["retry-after-ms"] == "7000"
    else:
        with (
            anthropic.Anthropic(base_url=sim.url, api_key="k", max_retries=0) as claude,
            pytest.raises(anthropic.RateLimitError) as other,
        ):
            claude.messages.create(**CLAUDE)
        headers = other.value.response.headers
        assert headers["anthropic-ratelimit-tokens-remaining"] == "0"
    assert headers["retry-after"] == "7"
    assert sim.bill.rows == ()


def test_limits_and_clock_are_there_over_http(sim: Simulator) -> None:
    """For whoever has no Python at hand."""
    with gpt(sim) as client:
        root = sim.url
        client.post(f"{root}/_sim/limits", body={"requests_per_minute": 1}, cast_to=object)
        client.chat.completions.create(**CHAT)
        with pytest.raises(openai.RateLimitError):
            client.chat.completions.create(**CHAT)
        client.post(f"{root}/_sim/clock", body={"advance_s": 60}, cast_to=object)
        client.chat.completions.create(**CHAT)
        with pytest.raises(openai.BadRequestError):
            client.post(f"{root}/_sim/limits", body={"nonsense": 1}, cast_to=object)
        with pytest.raises(openai.BadRequestError):
            client.post(f"{root}/_sim/limits", body={"requests_per_minute": 0}, cast_to=object)
