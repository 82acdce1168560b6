"""Each model gets its vocabulary, or an honest range."""

from __future__ import annotations

import pytest

from scrimp.tokens import encoding_for, scale


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gpt-4o", "o200k_base"),
        ("gpt-4o-mini-2024-07-18", "o200k_base"),
        ("chatgpt-4o-latest", "o200k_base"),
        ("gpt-4.1-nano", "o200k_base"),
        ("gpt-5.4", "o200k_base"),
        ("o1", "o200k_base"),
        ("o3-mini", "o200k_base"),
        ("o4-mini", "o200k_base"),
        ("gpt-oss-120b", "o200k_base"),
        ("openai/gpt-4o", "o200k_base"),
        ("ft:gpt-4o-mini:org::id", "o200k_base"),
        ("gpt-4", "cl100k_base"),
        ("gpt-4-turbo-2024-04-09", "cl100k_base"),
        ("gpt-3.5-turbo", "cl100k_base"),
        ("gpt-35-turbo", "cl100k_base"),
        ("text-embedding-3-small", "cl100k_base"),
        ("text-embedding-ada-002", "cl100k_base"),
    ],
)
def test_openai_models_are_exact(model: str, name: str) -> None:
    """OpenAI's published models have a known vocabulary, with and without a route before them."""
    choice = encoding_for(model)
    assert (choice.name, choice.exact, choice.method) == (name, True, name)
    assert choice.ratio_low == choice.ratio == choice.ratio_high == 1


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("claude-3-5-sonnet-latest", "(Claude, estimate)"),
        ("claude-opus-4-1", "(Claude, estimate)"),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", "(Claude, estimate)"),
        ("claude-opus-4-7", "new Claude tokenizer"),
        ("claude-opus-4-8", "new Claude tokenizer"),
        ("claude-opus-5", "new Claude tokenizer"),
        ("anthropic/claude-sonnet-5", "new Claude tokenizer"),
        ("claude-fable-5", "new Claude tokenizer"),
        ("gemini-2.5-pro", "Gemini"),
        ("deepseek-chat", "DeepSeek"),
        ("qwen/qwen3-32b", "Qwen"),
        ("meta-llama/llama-3.3-70b", "Llama"),
        ("gpt-6-sol", "newer OpenAI model"),
        ("something-else", "unknown model, assumed"),
        ("", "unknown model, assumed"),
    ],
)
def test_other_models_are_estimates_that_say_so(model: str, family: str) -> None:
    """The method names the family; the range is around the ratio."""
    choice = encoding_for(model)
    assert not choice.exact
    assert family in choice.method
    assert choice.ratio_low < choice.ratio < choice.ratio_high


def test_scale() -> None:
    """An exact choice changes nothing; an estimate rounds its range outwards."""
    exact = scale(10, encoding_for("gpt-4o"))
    assert (exact.tokens, exact.low, exact.high) == (10, 10, 10)
    about = scale(7, encoding_for("claude-3-haiku"))
    assert (about.low, about.tokens, about.high) == (6, 8, 11)
    assert scale(0, encoding_for("nobody")).high == 0
