"""What LangChain tells of a run becomes usage whose parts add up, whoever the provider is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, Generation, LLMResult

from scrimp.calls import Usage
from scrimp.integrations.langchain_usage import Asked, asked_of, heard_of, usage_of_metadata

AT = datetime(2026, 6, 1, tzinfo=UTC)
ASKED = Asked("gpt-4o-mini", "openai", AT)


def metadata(inputs: int, outputs: int, **details: Any) -> UsageMetadata:
    """As LangChain writes it."""
    told: UsageMetadata = {
        "input_tokens": inputs,
        "output_tokens": outputs,
        "total_tokens": inputs + outputs,
    }
    told.update(details)  # type: ignore[typeddict-item]  # names of some providers alone
    return told


def chat_result(told: UsageMetadata | None, **meta: Any) -> LLMResult:
    """One answered chat."""
    message = AIMessage("Hi", usage_metadata=told, response_metadata=meta)
    return LLMResult(generations=[[ChatGeneration(message=message)]])


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        (metadata(9, 4), Usage(input_tokens=9, output_tokens=4)),
        (
            metadata(
                100,
                50,
                input_token_details={"cache_read": 60, "audio": 10},
                output_token_details={"reasoning": 30, "audio": 5},
            ),
            Usage(
                input_tokens=30,
                cache_read_tokens=60,
                input_audio_tokens=10,
                output_tokens=15,
                reasoning_tokens=30,
                output_audio_tokens=5,
            ),
        ),
        (
            metadata(
                100,
                50,
                input_token_details={"flex_cache_read": 60, "flex": 40},
                output_token_details={"flex_reasoning": 30, "flex": 20},
            ),
            Usage(input_tokens=40, cache_read_tokens=60, output_tokens=20, reasoning_tokens=30),
        ),
        (
            metadata(100, 5, input_token_details={"cache_creation": 80, "cache_read": 10}),
            Usage(
                input_tokens=10,
                cache_read_tokens=10,
                cache_write_5m_tokens=80,
                output_tokens=5,
            ),
        ),
        (
            metadata(
                100,
                5,
                input_token_details={
                    "cache_creation": 0,
                    "ephemeral_5m_input_tokens": 20,
                    "ephemeral_1h_input_tokens": 50,
                },
            ),
            Usage(
                input_tokens=30,
                cache_write_5m_tokens=20,
                cache_write_1h_tokens=50,
                output_tokens=5,
            ),
        ),
    ],
    ids=["plain", "cached, audio, reasoning", "flex", "written", "written by life"],
)
def test_every_part_has_one_bucket(told: UsageMetadata, usage: Usage) -> None:
    """And the whole is what LangChain told."""
    assert usage_of_metadata(told) == usage
    assert usage.total_input_tokens == told["input_tokens"]
    assert usage.total_output_tokens == told["output_tokens"]


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"input_tokens": None, "output_tokens": 1},
        metadata(10, 5, input_token_details={"cache_read": 11}),
        metadata(10, 5, output_token_details={"reasoning": 6}),
    ],
)
def test_what_does_not_add_up_is_unknown(told: Any) -> None:
    """Nothing is clamped into a price."""
    assert usage_of_metadata(told) is None


def test_the_providers_own_words_say_more() -> None:
    """Where both say the same total, what LangChain has no word for counts, too."""
    raw = {
        "input_tokens": 20,
        "output_tokens": 5,
        "cache_read_input_tokens": 0,
        "cache_creation_input_tokens": 0,
        "server_tool_use": {"web_search_requests": 2},
        "service_tier": "batch",
    }
    asked = Asked("claude-haiku-4-5", "anthropic", AT)
    heard = heard_of(chat_result(metadata(20, 5), usage=raw, model="claude-haiku-4-5"), asked)
    assert heard.usage is not None
    assert (heard.usage.web_search_requests, heard.service_tier) == (2, "batch")
    other = heard_of(chat_result(metadata(40, 10), usage=raw), asked)
    assert other.usage == Usage(input_tokens=40, output_tokens=10)


def test_a_run_names_its_model_and_provider() -> None:
    """The one that answered before the one that was asked for; the book's names of providers."""
    heard = heard_of(chat_result(metadata(1, 1), model_name="gpt-4o-mini-2024-07-18"), ASKED)
    assert (heard.model, heard.provider) == ("gpt-4o-mini-2024-07-18", "openai")
    assert heard_of(chat_result(None), ASKED).model == "gpt-4o-mini"
    named = {"ls_provider": "google_genai", "ls_model_name": "gemini-2.5-pro"}
    assert asked_of(named, AT) == Asked("gemini-2.5-pro", "google", AT)
    assert asked_of(None, AT) == Asked("", "", AT)


def test_a_cached_answer_is_known_by_langchains_own_mark() -> None:
    """With or without usage in it."""
    told: Any = {**metadata(1, 1), "total_cost": 0}
    assert heard_of(chat_result(told), ASKED).hit
    bare = chat_result(None)
    message = getattr(bare.generations[0][0], "message", None)
    assert isinstance(message, AIMessage)
    marked: Any = {"total_cost": 0}
    message.usage_metadata = marked
    assert heard_of(bare, ASKED).hit
    assert not heard_of(chat_result(metadata(1, 1)), ASKED).hit


def test_a_batch_of_texts_is_counted_once() -> None:
    """Its first prompt has the usage of all; the others none, which is no unknown."""
    text = [[Generation(text="Hi")]]
    raw = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    first = heard_of(LLMResult(generations=text, llm_output={"token_usage": raw}), ASKED)
    other = heard_of(LLMResult(generations=text, llm_output={"token_usage": {}}), ASKED)
    alone = heard_of(LLMResult(generations=text), ASKED)
    assert first.usage == Usage(input_tokens=7, output_tokens=3)
    assert (other.usage, alone.usage) == (Usage(), None)
