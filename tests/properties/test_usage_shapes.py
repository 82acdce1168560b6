"""Properties of every usage reader: no input breaks it, nothing is negative, doubts are marked."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from scrimp.calls import COUNTERS, Usage
from scrimp.dialects.usage_shapes import read_usage

counts = st.integers(0, 5000)
junk = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-10, 10**12),
    st.floats(),
    st.text(max_size=3),
    st.lists(st.integers(0, 9), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(0, 9), max_size=2),
)
fuzzy = st.one_of(counts, counts, counts, junk)


def _fields(*names: str, **more: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names, fuzzy) | more)


details = st.one_of(
    junk,
    _fields("cached_tokens", "cache_write_tokens", "audio_tokens", "reasoning_tokens"),
)
modal = st.one_of(
    junk,
    st.lists(
        st.one_of(
            junk,
            st.fixed_dictionaries(
                {
                    "modality": st.sampled_from(["TEXT", "AUDIO", "IMAGE", "VIDEO"]),
                    "tokenCount": fuzzy,
                }
            ),
        ),
        max_size=3,
    ),
)
told = st.one_of(
    _fields(
        *("prompt_tokens", "completion_tokens", "total_tokens", "cost", "cost_in_usd_ticks"),
        *("prompt_cache_hit_tokens", "prompt_cache_miss_tokens", "is_byok"),
        prompt_tokens_details=details,
        completion_tokens_details=details,
        cost_details=details,
    ),
    _fields(
        *("input_tokens", "output_tokens", "total_tokens", "cache_read_input_tokens"),
        *("cache_creation_input_tokens", "service_tier", "speed", "inference_geo", "iterations"),
        input_tokens_details=details,
        output_tokens_details=details,
        cache_creation=details,
        server_tool_use=details,
    ),
    _fields(
        *("promptTokenCount", "candidatesTokenCount", "totalTokenCount", "thoughtsTokenCount"),
        *("toolUsePromptTokenCount", "cachedContentTokenCount"),
        promptTokensDetails=modal,
        cacheTokensDetails=modal,
        candidatesTokensDetails=modal,
        toolUsePromptTokensDetails=modal,
    ),
    _fields(
        *("inputTokens", "outputTokens", "totalTokens", "cacheReadInputTokens"),
        *("cacheWriteInputTokens", "cacheReadInputTokenCount"),
        cacheDetails=st.one_of(
            junk, st.lists(_fields("inputTokens", ttl=st.sampled_from(["5m", "1h"])), max_size=3)
        ),
        serverToolUsage=details,
    ),
    junk,
)
replies = _fields("service_tier", "serviceTier", "output", "candidates", "tool_usage")


def _in_all(usage: Usage) -> int:
    return usage.total_input_tokens + usage.total_output_tokens


@given(told, replies, st.sampled_from(["", "responses", "anthropic", "chat"]))
def test_no_usage_breaks_a_reader(reported: object, reply: dict[str, Any], flavor: str) -> None:
    """Odd types and numbers make no usage or a marked one; no counter is below zero."""
    found = read_usage(reported, flavor=flavor, reply=reply)
    assert isinstance(found.service_tier, str)
    if found.usage is not None:
        assert all(getattr(found.usage, name) >= 0 for name in COUNTERS)


@given(told, st.sampled_from(["", "responses"]))
def test_buckets_add_up_to_the_total_or_it_is_said(reported: object, flavor: str) -> None:
    """Where a provider tells its total, an unmarked usage has exactly that many tokens."""
    usage = read_usage(reported, flavor=flavor).usage
    if usage is None or usage.suspect or not isinstance(reported, dict):
        return
    names = ("total_tokens", "totalTokenCount", "totalTokens")
    total = next((reported[name] for name in names if reported.get(name) is not None), None)
    messages = "input_tokens" in reported and not flavor and "total_tokens" not in reported
    if total is not None and not messages:
        assert _in_all(usage) == total


@given(
    st.lists(counts, min_size=5, max_size=5),
    st.lists(counts, min_size=4, max_size=4),
    st.booleans(),
)
def test_what_adds_up_is_not_marked(into: list[int], out: list[int], inside: bool) -> None:  # noqa: FBT001 - drawn
    """The same tokens in Gemini's and Bedrock's words are the same buckets, without a doubt."""
    text, cached, audio, kept, tool = into
    said, thought, spoken, drawn = out
    candidates = said + spoken + drawn + (thought if inside else 0)
    gemini = read_usage(
        {
            "promptTokenCount": text + cached + audio + kept,
            "cachedContentTokenCount": cached + kept,
            "toolUsePromptTokenCount": tool,
            "candidatesTokenCount": candidates,
            "thoughtsTokenCount": thought,
            "totalTokenCount": sum(into) + sum(out),
            "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": audio + kept}],
            "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": kept}],
            "candidatesTokensDetails": [
                {"modality": "AUDIO", "tokenCount": spoken},
                {"modality": "IMAGE", "tokenCount": drawn},
            ],
        }
    ).usage
    assert gemini == Usage(
        input_tokens=text + tool,
        cache_read_tokens=cached,
        input_audio_tokens=audio,
        cache_read_audio_tokens=kept,
        output_tokens=said,
        reasoning_tokens=thought,
        output_audio_tokens=spoken,
        output_image_tokens=drawn,
    )
    bedrock = read_usage(
        {
            "inputTokens": text,
            "outputTokens": said,
            "cacheReadInputTokens": cached,
            "cacheWriteInputTokens": audio + kept,
            "cacheDetails": [
                {"ttl": "1h", "inputTokens": kept},
                {"ttl": "5m", "inputTokens": audio},
            ],
            "totalTokens": text + said + cached + audio + kept,
        }
    ).usage
    assert bedrock == Usage(
        input_tokens=text,
        cache_read_tokens=cached,
        cache_write_5m_tokens=audio,
        cache_write_1h_tokens=kept,
        output_tokens=said,
    )
