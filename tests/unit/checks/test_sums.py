"""Sums in answers: what is surely a sum is worked out again, and nothing else is touched."""

from __future__ import annotations

import time
from fractions import Fraction

import pytest

from scrimp.checks.sums import sums


@pytest.mark.parametrize(
    "text",
    [
        "7 + 7 = $<<7+7=14>>14",
        "House cost = 3 * $30,000 = $90,000.",
        "2 x 55 = 110 chips",
        "10/3 = 3.33",
        "3 * (4 + 5) = 27.",
        "2+3 = 5*4 = 20",
        "20% of 50 = 10",
        "15/60 = 25%",
        "60 minutes / 2 = 30 minutes",
        "3 * 4 red apples = 12 apples",
        r"\frac{1}{2} \times 10 = 5",
        "2^10 = 1024",
        "12 = 3 * 4",
        "8 ÷ 2 \N{MINUS SIGN} 1 = 3",
        "-3 + 5 = 2",
    ],
)
def test_a_right_sum_is_right(text: str) -> None:
    """As models write them: currencies, units, percentages, chains, LaTeX, notes."""
    assert [one.right for one in sums(text)] == [True] * len(sums(text))
    assert sums(text)


@pytest.mark.parametrize(
    "text",
    ["2 + 2 = 5", "so 6 - 4 = 3 apples", "125 + 6*(41-20) = $313.", "<<15*2=40>>", "9/3 = 4"],
)
def test_a_wrong_sum_is_wrong(text: str) -> None:
    """However it is dressed."""
    assert [one.right for one in sums(text)] == [False]


@pytest.mark.parametrize(
    "text",
    [
        "L + 3L = 120,000",
        "4L = 120,000",
        "x = 3",
        "2x + 3 = 13",
        "1,5 + 2 = 3,5",
        "1.000 + 500 = 1.500",
        "2 1/2 * 4 = 10",
        "v1.2.3 + 1 = 4",
        "5 dollars + 20 cents = 5.20 dollars",
        "1/0 = 3",
        "2**1000 = 4",
        "10:30 - 10:00 = 0:30",
        "Area = 5 m * 3 m = 15 m^2",
        "no sums here",
        "",
    ],
)
def test_what_is_not_surely_a_sum_is_left_alone(text: str) -> None:
    """Letters for numbers, other ways of writing numbers, times, mixed units, what has no value."""
    assert sums(text) == sums(text, clauses=True) == []


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("7 + 5 = 11, 3 + 4 = 7", [False, True]),
        ("3 + 4 = 7; 7 * 2 = 14", [True, True]),
        ("5 * 3 = 15, so 15 + 2 = 18.", [True, False]),
        ("12/3 = 4. Then 4 * 2 = 8 apples and 8 - 1 = 7", [True, True, True]),
        ("1,000 + 2 = 1,002, 3 + 3 = 6", [True, True]),
        ("2+3 = 5*4 = 20", [True, True]),
        ("x = 5, y = 3 + 4 = 7", [True]),
        ("a = 3, b = 4, a + b = 8", []),
        ("1,5 + 2 = 3,5 und 1 = 1", []),
    ],
)
def test_several_sums_in_one_line_are_all_looked_at(text: str, right: list[bool]) -> None:
    """Where a clause ends between them: one that is wrong must not hide behind another."""
    assert [one.right for one in sums(text, clauses=True)] == right


def test_a_sum_tells_what_went_in_and_came_out() -> None:
    """Exactly, for features of the answer."""
    (one,) = sums("0.1 + 0.2 = 0.3")
    assert one.operands == (Fraction(1, 10), Fraction(1, 5))
    assert (one.value, one.result, one.operators, one.rounded) == (
        *(Fraction(3, 10), Fraction(3, 10)),
        *("+", False),
    )
    assert sums("7/2 = 3")[0].rounded


@pytest.mark.parametrize(
    "text",
    [
        "(" * 50_000 + "=1",
        "1+" * 30_000 + "1=2",
        "9" * 60_000 + "=1",
        "2^12^12^12^12 = 3",
        "= " * 30_000,
        "1=" * 30_000,
        "1=\n" * 20_000,
        ("\\frac{" * 10_000) + "=",
        ("<<1+1=2" * 9_000),
        "1 apple + " * 6_000 + "= 2",
    ],
)
def test_no_text_takes_long(text: str) -> None:
    """Bounded in depth, digits, length and number."""
    begun = time.thread_time()
    assert len(sums(text)) <= 200
    assert time.thread_time() - begun < 1.0
