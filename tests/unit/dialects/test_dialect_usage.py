"""Usage in disjoint buckets: what each provider reports, and what is made of impossible figures."""

from __future__ import annotations

from typing import Any

import pytest

from scrimp.calls import Usage
from scrimp.dialects import anthropic_usage, openai_usage


def openai(prompt: object, completion: object, total: object = None, **more: Any) -> Usage | None:
    """Usage read from OpenAI's shape."""
    reported = {"prompt_tokens": prompt, "completion_tokens": completion, **more}
    if total is not None:
        reported["total_tokens"] = total
    return openai_usage.read_usage(reported)


def test_openai_parts_are_taken_out_of_their_wholes() -> None:
    """No token stands in two buckets; predicted tokens are plain output."""
    assert openai(
        1000,
        500,
        1500,
        prompt_tokens_details={"cached_tokens": 600, "audio_tokens": 50, "cache_write_tokens": 100},
        completion_tokens_details={
            "reasoning_tokens": 320,
            "audio_tokens": 20,
            "accepted_prediction_tokens": 30,
            "rejected_prediction_tokens": 40,
        },
    ) == Usage(
        input_tokens=250,
        cache_read_tokens=600,
        cache_write_5m_tokens=100,
        input_audio_tokens=50,
        output_tokens=160,
        reasoning_tokens=320,
        output_audio_tokens=20,
    )


def test_xai_counts_reasoning_beside_the_completion() -> None:
    """Its own example: 32 + 9 + 94 = 135."""
    usage = openai(32, 9, 135, completion_tokens_details={"reasoning_tokens": 94})
    assert usage == Usage(input_tokens=32, output_tokens=9, reasoning_tokens=94)


def test_deepseek_reports_hits_beside_the_prompt() -> None:
    """Hits are part of the prompt; OpenAI's own field wins where both stand, and differ aloud."""
    hits = {"prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36}
    assert openai(100, 5, 105, **hits) == Usage(
        input_tokens=36, cache_read_tokens=64, output_tokens=5
    )
    both = openai(100, 5, 105, prompt_tokens_details={"cached_tokens": 60}, **hits)
    assert both == Usage(
        input_tokens=40,
        cache_read_tokens=60,
        output_tokens=5,
        suspect="cache: 64 hits, 60 cached tokens",
    )
    same = openai(100, 5, 105, prompt_tokens_details={"cached_tokens": 64}, **hits)
    assert same == Usage(input_tokens=36, cache_read_tokens=64, output_tokens=5)


def test_a_total_that_does_not_add_up_is_suspect() -> None:
    """Both numbers are in the note, and the parts are taken as reported."""
    usage = openai(10, 5, 99, completion_tokens_details={"reasoning_tokens": 2})
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.reasoning_tokens) == (10, 3, 2)
    assert "99" in usage.suspect
    assert "10 + 5" in usage.suspect


def test_a_part_greater_than_its_whole_is_counted_beside_it() -> None:
    """Never negative, never clamped, never dropped, and marked."""
    usage = openai(
        10,
        5,
        prompt_tokens_details={"cached_tokens": 600},
        completion_tokens_details={"reasoning_tokens": 70},
    )
    assert usage is not None
    assert (usage.input_tokens, usage.cache_read_tokens) == (10, 600)
    assert (usage.output_tokens, usage.reasoning_tokens) == (5, 70)
    assert "600 tokens in a whole of 10" in usage.suspect
    assert "70 tokens in a whole of 5" in usage.suspect


BAD_COUNTS: list[object] = [None, "5", -1, 1.5, True, [], {}, 10**10, 10**40]


@pytest.mark.parametrize("bad", BAD_COUNTS)
def test_openai_counts_of_a_wrong_type_are_unknown(bad: object) -> None:
    """Never guessed, never 0, never raised."""
    assert openai(bad, 5) is None
    assert openai(5, bad) is None
    if bad is not None:
        assert openai(5, 5, bad) is None
        assert openai(5, 5, prompt_tokens_details={"cached_tokens": bad}) is None


@pytest.mark.parametrize("bad", [None, "x", 5, True, [], {}, [{"prompt_tokens": 1}]])
def test_what_is_not_a_usage_is_unknown(bad: object) -> None:
    """For both vendors."""
    assert openai_usage.read_usage(bad) is None
    assert anthropic_usage.read_usage(bad) is None
    assert anthropic_usage.read_tier(bad) == ""


def test_null_details_are_no_details() -> None:
    """Providers send null where they have nothing to say."""
    assert openai(
        5, 6, 11, prompt_tokens_details=None, completion_tokens_details={"reasoning_tokens": None}
    ) == Usage(input_tokens=5, output_tokens=6)


def anthropic(**reported: Any) -> Usage | None:
    """Usage read from Anthropic's shape."""
    return anthropic_usage.read_usage({"input_tokens": 10, "output_tokens": 20, **reported})


def test_anthropic_buckets() -> None:
    """Input excludes the cache, output includes thinking, writes are split by time to live."""
    assert anthropic(
        cache_read_input_tokens=1000,
        cache_creation_input_tokens=300,
        cache_creation={"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
        output_tokens_details={"thinking_tokens": 15},
        server_tool_use={"web_search_requests": 2, "web_fetch_requests": 1},
    ) == Usage(
        input_tokens=10,
        cache_read_tokens=1000,
        cache_write_5m_tokens=100,
        cache_write_1h_tokens=200,
        output_tokens=5,
        reasoning_tokens=15,
        web_search_requests=2,
    )


def test_anthropic_writes_without_a_split_are_short() -> None:
    """Five minutes is the provider's default."""
    assert anthropic(cache_creation_input_tokens=7, cache_creation=None) == Usage(
        input_tokens=10, cache_write_5m_tokens=7, output_tokens=20
    )
    assert anthropic(cache_creation={"ephemeral_1h_input_tokens": 8}) == Usage(
        input_tokens=10, cache_write_1h_tokens=8, output_tokens=20
    )


@pytest.mark.parametrize(("total", "short"), [(300, 200), (50, 100)])
def test_anthropic_split_that_does_not_add_up(total: int, short: int) -> None:
    """What no split covers is short; both numbers are in the note; the greater reading counts."""
    usage = anthropic(
        cache_creation_input_tokens=total,
        cache_creation={"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 100},
    )
    assert usage is not None
    assert (usage.cache_write_5m_tokens, usage.cache_write_1h_tokens) == (short, 100)
    assert str(total) in usage.suspect
    assert "100 + 100" in usage.suspect


def test_anthropic_thinking_greater_than_the_output() -> None:
    """Counted beside it, and marked."""
    usage = anthropic(output_tokens_details={"thinking_tokens": 21})
    assert usage is not None
    assert (usage.output_tokens, usage.reasoning_tokens) == (20, 21)
    assert "21 tokens in a whole of 20" in usage.suspect


@pytest.mark.parametrize("bad", BAD_COUNTS)
def test_anthropic_counts_of_a_wrong_type_are_unknown(bad: object) -> None:
    """Never guessed, never 0, never raised."""
    assert anthropic(input_tokens=bad) is None
    assert anthropic(output_tokens=bad) is None
    if bad is not None:
        assert anthropic(cache_read_input_tokens=bad) is None
        assert anthropic(cache_creation=bad if bad != {} else 1) is None


def test_anthropic_work_beside_the_reply_is_marked() -> None:
    """Compactions and advisors are billed, but not in these counts; plain turns are in them."""
    turn = {"input_tokens": 10, "output_tokens": 20}
    assert anthropic(iterations=[{"type": "message", **turn}]) == Usage(
        input_tokens=10, output_tokens=20
    )
    usage = anthropic(iterations=[{"type": "compaction", **turn}, {"type": "message", **turn}, 5])
    assert usage is not None
    assert usage.suspect == "iterations: 30 tokens beside the reply's 30"
