"""Win rates and intervals: right on known numbers, honest at the edges."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrimp.routing.pairs import Draw, Span, Wins, per_dollar, resampled, wilson


def drawn(dice: random.Random) -> Draw:
    """Chance that repeats itself."""
    return lambda count: dice.choices(range(count), k=count)


def test_wilson_on_known_numbers() -> None:
    """As in Wilson's paper's form: 81 of 263 is .255 to .366; none of 10 is not surely none."""
    found = wilson(81, 263)
    assert (round(found.low, 3), round(found.high, 3)) == (0.255, 0.366)
    none, all_ = wilson(0, 10), wilson(10, 10)
    assert (none.low, round(none.high, 3)) == (0.0, 0.278)
    assert (round(all_.low, 3), all_.high) == (0.722, 1.0)
    with pytest.raises(ValueError, match="3 of 0"):
        wilson(3, 0)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_share_lies_in_its_interval(pair: tuple[int, int]) -> None:
    """And that within 0 and 1."""
    found = wilson(*pair)
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_ties_count_half() -> None:
    """Of a win rate; without verdicts there is none."""
    rate = Wins(3, 4, 1).rate
    assert rate is not None
    assert rate.value == pytest.approx(5 / 8)
    assert Wins().rate is None


def test_resampling_covers_what_it_should() -> None:
    """Of 200 samples of a known coin, about 95 % of the intervals hold the truth."""
    held = 0
    for seed in range(200):
        dice = random.Random(seed)  # noqa: S311 (no secret)
        rows = [[float(dice.random() < 0.7), 1.0] for _ in range(120)]
        found = resampled(
            rows,
            {"mean": lambda means: means[0]},
            drawn(dice),
            rounds=400,
        )["mean"]
        held += found.low <= 0.7 <= found.high
    assert 178 <= held <= 199


def test_pairs_of_the_same_questions_are_resampled_together() -> None:
    """A constant gain is a constant in every resample, however much both qualities vary."""
    rows = [[value, value - 0.1] for value in (0.1, 0.9, 0.3, 1.0, 0.2)]
    found = resampled(
        rows,
        {"gain": lambda means: means[0] - means[1], "none": lambda _: None},
        drawn(random.Random(1)),  # noqa: S311 (no secret)
    )
    assert set(found) == {"gain"}
    assert found["gain"].low == pytest.approx(0.1)
    assert found["gain"].high == pytest.approx(0.1)
    assert resampled([], {"gain": lambda means: means[0]}, lambda _: []) == {}


def test_what_a_dollar_buys() -> None:
    """Right answers per dollar; nothing where nothing was paid."""
    assert per_dollar(0.8, 1_000_000) == 800
    assert per_dollar(0.8, 0) is None
    assert Span(1, 0, 2) == Span(1, 0, 2)
