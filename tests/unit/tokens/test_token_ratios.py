"""Ratios come near the truth, bound it, forget, and are not led astray."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrimp.tokens import encoding_for, scale
from scrimp.tokens.ratios import (
    MIN_OBSERVATIONS,
    MIN_TEXT_TOKENS,
    Learned,
    learn,
    model_key,
    observed,
    taught,
)


def _after(ratios: list[float], known: Learned | None = None) -> Learned:
    for ratio in ratios:
        known = learn(known, ratio)
    assert known is not None
    return known


def _around(centre: float, spread: float, number: int, seed: int = 1) -> list[float]:
    dice = random.Random(seed)  # noqa: S311 (no secret)
    return [centre * math.exp(dice.gauss(0, spread)) for _ in range(number)]


def test_the_ratio_of_real_usage_is_found_and_bounded() -> None:
    """Within 2 % after 200 calls; the range holds what comes after, and is not wide."""
    known = _after(_around(1.37, 0.05, 200))
    low, likely, high = known.bounds
    assert likely == pytest.approx(1.37, rel=0.02)
    later = _around(1.37, 0.05, 500, seed=2)
    assert sum(low <= ratio <= high for ratio in later) >= 495
    assert high / low < 1.6


def test_few_observations_say_nothing() -> None:
    """The built-in ratio stays until enough calls were seen."""
    choice = encoding_for("claude-sonnet-4-5")
    few = _after([1.3] * (MIN_OBSERVATIONS - 1))
    assert taught(choice, few) == taught(choice, None) == choice
    assert taught(choice, learn(few, 1.3)) != choice


def test_what_is_learned_replaces_the_ratio_and_says_so() -> None:
    """The estimate, its range and the method are those of the calls that were seen."""
    choice = taught(encoding_for("claude-sonnet-4-5"), _after([1.3] * 200))
    count = scale(1000, choice)
    assert count.tokens == pytest.approx(1300, abs=2)
    assert 1200 < count.low < count.tokens < count.high < 1400
    assert count.method == "o200k_base x 1.3 (learned from 200 calls)"


def test_an_exact_tokenizer_learns_nothing() -> None:
    """OpenAI's own models stay exact."""
    for model in ("gpt-4o", "gpt-4"):
        assert taught(encoding_for(model), _after([2.0] * 50)) == encoding_for(model)


def test_outliers_are_left_out() -> None:
    """Now and then a call with something unseen in it does not move the ratio."""
    ratios = _around(1.2, 0.03, 300)
    for at in range(20, 300, 10):
        ratios[at] = 3.5
    known = _after(ratios)
    assert known.bounds[1] == pytest.approx(1.2, rel=0.02)
    assert known.bounds[2] < 1.5


def test_a_bad_start_is_overcome() -> None:
    """When the first call was the odd one, learning begins again."""
    assert _after([4.0, *([1.2] * 100)]).bounds[1] == pytest.approx(1.2, rel=0.02)


def test_a_new_tokenizer_is_learned_anew() -> None:
    """When only far-off calls come, the model has changed."""
    known = _after([1.5] * 40, _after([1.1] * 300))
    assert known.bounds[1] == pytest.approx(1.5, rel=0.01)
    assert known.count < 40


def test_slow_change_is_followed() -> None:
    """Old observations lose their weight."""
    known = _after(_around(1.2, 0.02, 400), _after(_around(1.15, 0.02, 400)))
    assert known.bounds[1] == pytest.approx(1.2, rel=0.01)


@given(st.lists(st.floats(0.21, 4.9), min_size=1, max_size=80))
def test_learning_never_leaves_what_is_believable(ratios: list[float]) -> None:
    """Whatever comes, the numbers stay finite and in order."""
    known = _after(ratios)
    assert known.credible
    low, likely, high = known.bounds
    assert 0 < low <= likely <= high < math.inf


@pytest.mark.parametrize(
    "change",
    [
        {"count": 0},
        {"count": -5},
        {"centre": math.nan},
        {"centre": 9.0},
        {"variance": -1.0},
        {"variance": math.inf},
    ],
)
def test_numbers_that_learning_never_makes_are_not_believed(change: dict[str, float]) -> None:
    """A file that was edited or damaged misleads nobody."""
    assert not replace(_after([1.2] * 10), **change).credible  # type: ignore[arg-type]  # on purpose


def test_what_is_no_text_is_taken_off_first() -> None:
    """300 tokens of a tools prompt say nothing of the tokenizer."""
    assert observed(1000, (300, 300, 300), 1500) == pytest.approx(1.2)


@pytest.mark.parametrize(
    ("raw", "others", "reported"),
    [
        (MIN_TEXT_TOKENS - 1, (0, 0, 0), 120),
        (1000, (0, 500, 50_000), 1500),
        (1000, (0, 0, 0), 0),
        (1000, (0, 0, 0), 100_000),
        (1000, (0, 0, 0), 10),
        (1000, (2000, 2000, 2000), 1500),
    ],
)
def test_what_shows_nothing_is_not_observed(
    raw: int, others: tuple[int, int, int], reported: int
) -> None:
    """Short texts, wide doubts, absurd reports."""
    assert observed(raw, others, reported) is None


@pytest.mark.parametrize(
    ("model", "key"),
    [
        ("claude-sonnet-4-5", "claude-sonnet-4-5"),
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("anthropic/Claude-Sonnet-4-5", "claude-sonnet-4-5"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5"),
        ("claude-sonnet-4-5@20250929", "claude-sonnet-4-5"),
        ("mistral-large-latest", "mistral-large"),
        ("models/gemini-2.5-pro", "gemini-2.5-pro"),
        ("deepseek-chat", "deepseek-chat"),
        ("-latest", "-latest"),
    ],
)
def test_one_name_for_a_model(model: str, key: str) -> None:
    """Dated, routed and regional names share what was learned."""
    assert model_key(model) == key
