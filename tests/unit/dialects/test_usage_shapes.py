"""Usage of every provider's shape becomes disjoint buckets that add up to the provider's total."""

from __future__ import annotations

from typing import Any

import pytest

from scrimp.calls import Usage
from scrimp.dialects.usage_shapes import read_usage

GEMINI = {
    "promptTokenCount": 1100,
    "candidatesTokenCount": 60,
    "thoughtsTokenCount": 40,
    "toolUsePromptTokenCount": 300,
    "cachedContentTokenCount": 500,
    "totalTokenCount": 1500,
    "promptTokensDetails": [
        {"modality": "TEXT", "tokenCount": 200},
        {"modality": "AUDIO", "tokenCount": 800},
        {"modality": "IMAGE", "tokenCount": 100},
    ],
    "cacheTokensDetails": [
        {"modality": "TEXT", "tokenCount": 100},
        {"modality": "AUDIO", "tokenCount": 400},
    ],
    "candidatesTokensDetails": [
        {"modality": "TEXT", "tokenCount": 10},
        {"modality": "IMAGE", "tokenCount": 50},
    ],
}
BEDROCK = {
    "inputTokens": 18,
    "outputTokens": 386,
    "totalTokens": 8406,
    "cacheReadInputTokens": 500,
    "cacheWriteInputTokens": 7502,
    "cacheDetails": [{"ttl": "1h", "inputTokens": 7000}, {"ttl": "5m", "inputTokens": 502}],
    "serverToolUsage": {},
}


def _read(reported: object, **given: Any) -> Usage:
    usage = read_usage(reported, **given).usage
    assert usage is not None
    return usage


def test_gemini_buckets() -> None:
    """Cached is inside the prompt, tools and thoughts beside it, modalities apart."""
    usage = _read(GEMINI)
    assert usage == Usage(
        input_tokens=100 + 300,
        cache_read_tokens=100,
        cache_read_audio_tokens=400,
        input_audio_tokens=400,
        input_image_tokens=100,
        output_tokens=10,
        output_image_tokens=50,
        reasoning_tokens=40,
    )
    assert usage.total_input_tokens + usage.total_output_tokens == GEMINI["totalTokenCount"]


def test_gemini_thoughts_inside_the_candidates() -> None:
    """Where the total says that thoughts are a part of the candidates, they are not added."""
    usage = _read(
        {
            "promptTokenCount": 10,
            "candidatesTokenCount": 100,
            "thoughtsTokenCount": 60,
            "totalTokenCount": 110,
        }
    )
    assert (usage.output_tokens, usage.reasoning_tokens, usage.suspect) == (40, 60, "")


def test_gemini_without_candidates() -> None:
    """A blocked prompt has no candidates, and costs its input."""
    usage = _read({"promptTokenCount": 10, "totalTokenCount": 10})
    assert usage == Usage(input_tokens=10)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"totalTokenCount": 1501}, "1501 tokens reported, the parts make 1500"),
        ({"cachedContentTokenCount": 5000}, "input"),
        ({"cacheTokensDetails": None}, "without their modality"),
        ({"cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 900}]}, "audio input"),
    ],
)
def test_gemini_that_does_not_add_up(change: dict[str, Any], words: str) -> None:
    """The doubt holds both numbers; nothing is clamped or negative."""
    usage = _read(GEMINI | change)
    assert words in usage.suspect
    assert min(usage.input_tokens, usage.cache_read_tokens, usage.output_tokens) >= 0


@pytest.mark.parametrize(
    ("version", "searches"), [("gemini-2.5-flash", 1), ("gemini-3-pro-preview", 2), ("", 2)]
)
def test_gemini_searches(version: str, searches: int) -> None:
    """Gemini 2 is billed by the grounded prompt, later ones by the query."""
    reply = {
        "modelVersion": version,
        "candidates": [{"groundingMetadata": {"webSearchQueries": ["a", "b", ""]}}, {}],
    }
    assert _read(GEMINI, reply=reply).web_search_requests == searches


def test_bedrock_buckets() -> None:
    """All counts stand beside each other; writes are split by their time to live."""
    usage = _read(BEDROCK)
    assert usage == Usage(
        input_tokens=18,
        cache_read_tokens=500,
        cache_write_5m_tokens=502,
        cache_write_1h_tokens=7000,
        output_tokens=386,
    )
    assert usage.total_input_tokens + usage.total_output_tokens == BEDROCK["totalTokens"]


def test_bedrock_older_names() -> None:
    """Counts under their older names are the same counts, not more of them."""
    older = {"cacheReadInputTokenCount": 5, "cacheWriteInputTokenCount": 7}
    usage = _read({"inputTokens": 1, "outputTokens": 1, "totalTokens": 14} | older)
    assert (usage.cache_read_tokens, usage.cache_write_5m_tokens, usage.suspect) == (5, 7, "")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"totalTokens": 404}, "404 tokens reported, the parts make 8406"),
        ({"cacheWriteInputTokens": 1}, "1 tokens reported, 502 + 7000"),
        ({"serverToolUsage": {"searches": 2}}, "2 calls"),
    ],
)
def test_bedrock_that_does_not_add_up(change: dict[str, Any], words: str) -> None:
    """The doubt holds both numbers."""
    assert words in _read(BEDROCK | change).suspect


def test_the_fields_tell_the_reader() -> None:
    """Where the fields leave it open, the API's name or the provider's decides."""
    both = {"input_tokens": 10, "output_tokens": 5}
    cached = both | {"input_tokens_details": {"cached_tokens": 4}}
    assert _read(cached).input_tokens == 6
    assert _read(both | {"cache_read_input_tokens": 4}).input_tokens == 10
    assert _read(both | {"total_tokens": 15}, flavor="responses").suspect == ""
    assert _read(cached, provider="anthropic").input_tokens == 10
    assert read_usage(None).usage is None
    assert read_usage({"promptTokenCount": -1}).usage is None
    assert read_usage({"inputTokens": "x", "outputTokens": 1}).usage is None


@pytest.mark.parametrize(
    ("reported", "reply", "tier"),
    [
        ({"prompt_tokens": 1, "completion_tokens": 1}, {"service_tier": "flex"}, "flex"),
        ({"prompt_tokens": 1, "completion_tokens": 1}, {"service_tier": "auto"}, ""),
        ({"inputTokens": 1, "outputTokens": 1}, {"serviceTier": {"type": "priority"}}, "priority"),
        ({"input_tokens": 1, "output_tokens": 1, "service_tier": "batch"}, {}, "batch"),
    ],
)
def test_the_tier_that_served(reported: dict[str, Any], reply: dict[str, Any], tier: str) -> None:
    """It is told beside the usage or inside it; what was asked is not what served."""
    assert read_usage(reported, reply=reply).service_tier == tier


def test_hosted_searches_in_the_output() -> None:
    """Without a count of its own, a response's searches are those in its output."""
    output = [
        {"type": "web_search_call", "action": {"type": "search"}},
        {"type": "web_search_call", "action": {"type": "open_page"}},
        {"type": "web_search_call"},
        {"type": "file_search_call"},
        {"type": "message", "content": None},
    ]
    reported = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
    usage = _read(reported, reply={"output": output})
    assert usage.web_search_requests == 2
    assert usage.terms is not None
    assert usage.terms.tool_calls == (("file_search", 1),)
    told = {"output": output, "tool_usage": {"web_search": {"num_requests": 5}}}
    assert _read(reported, reply=told).web_search_requests == 5


def test_usage_of_embeddings_has_no_output() -> None:
    """Their total is their prompt; a chat that leaves its output out is not readable."""
    assert _read({"prompt_tokens": 8, "total_tokens": 8}) == Usage(input_tokens=8)
    for odd in ({"prompt_tokens": 8}, {"prompt_tokens": 8, "total_tokens": 9}):
        assert read_usage(odd).usage is None
