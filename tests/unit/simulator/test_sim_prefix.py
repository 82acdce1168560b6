"""The vendors' own prompt caching, as the simulator bills it."""

from __future__ import annotations

from typing import Any

from scrimp.simulator import anthropic_requests, openai_requests
from scrimp.simulator.bill import Usage
from scrimp.simulator.conversation import Question
from scrimp.simulator.prefix import PrefixCache

LONG = "The shop sends parcels on weekdays only. " * 200
SHORT = "The shop sends parcels on weekdays only."


def gpt(*texts: str) -> Question:
    """A conversation in OpenAI's shape."""
    roles = ["system", "user", "assistant"]
    messages = [
        {"role": roles[min(index, 1 + index % 2)], "content": text}
        for index, text in enumerate(texts)
    ]
    return openai_requests.read({"model": "gpt-4o", "messages": messages})


def claude(system: str, text: str, control: dict[str, Any] | None) -> Question:
    """One question behind a system prompt that may be marked."""
    block: dict[str, Any] = {"type": "text", "text": system}
    if control is not None:
        block["cache_control"] = control
    return anthropic_requests.read(
        {
            "model": "claude-haiku-4-5",
            "max_tokens": 100,
            "system": [block],
            "messages": [{"role": "user", "content": text}],
        }
    )


def test_openai_discounts_a_long_beginning_that_it_has_seen() -> None:
    """First call fresh, second with the shared part read, in whole steps of 128."""
    cache = PrefixCache()
    first = cache.applied(gpt(LONG, "Hello")).usage
    second = cache.applied(gpt(LONG, "Another question")).usage
    assert first.cache_read_tokens == 0
    assert second.cache_read_tokens >= 1024
    assert second.cache_read_tokens % 128 == 0
    assert second.total_input_tokens == gpt(LONG, "Another question").usage.input_tokens


def test_openai_does_not_discount_short_or_changed_beginnings() -> None:
    """Below 1,024 tokens, or with another first message, everything is fresh."""
    cache = PrefixCache()
    for _ in range(2):
        assert cache.applied(gpt(SHORT, "Hello")).usage.cache_read_tokens == 0
    cache.applied(gpt(LONG, "Hello"))
    assert cache.applied(gpt(LONG + "!", "Hello")).usage.cache_read_tokens == 0


def test_claude_writes_what_is_marked_then_reads_it() -> None:
    """Written once at the price of its life, read afterwards, fresh after a reset."""
    for life, control in (
        ("5m", {"type": "ephemeral"}),
        ("1h", {"type": "ephemeral", "ttl": "1h"}),
    ):
        cache = PrefixCache()
        first = cache.applied(claude(LONG, "Hello", control)).usage
        second = cache.applied(claude(LONG, "Good day", control)).usage
        written = getattr(first, f"cache_write_{life}_tokens")
        assert written >= 1024
        assert second.cache_read_tokens == written
        assert getattr(second, f"cache_write_{life}_tokens") == 0
        plain = claude(LONG, "Good day", control).usage
        assert second.total_input_tokens == plain.input_tokens
        cache.clear()
        assert cache.applied(claude(LONG, "Hello", control)).usage == first


def test_claude_caches_nothing_that_is_not_marked_or_too_short() -> None:
    """No mark, no cache; below 1,024 tokens the mark is passed over."""
    cache = PrefixCache()
    for system, control in ((LONG, None), (SHORT, {"type": "ephemeral"})):
        for _ in range(2):
            usage = cache.applied(claude(system, "Hello", control)).usage
            assert usage == Usage(input_tokens=usage.input_tokens)
