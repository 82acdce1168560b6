"""Sums and features of any texts: bounded, finite, always the same."""

from __future__ import annotations

from fractions import Fraction
from math import isfinite

from hypothesis import given
from hypothesis import strategies as st

from scrimp.checks.named import CHECKS, run
from scrimp.checks.sums import sums
from scrimp.checks.words import Answer, Failed, Passed, Question, Unknown
from scrimp.routing.answer_features import NAMES, features, packed, unpacked

PIECES = st.sampled_from(
    [
        *("1", "23", "4.5", "1,000", ".5", "7%", "$", "x", "=", "+", "-", "*", "/", "(", ")", " "),
        *("<<", ">>", "####", "\n", "apples", "^", "```python\n", "```", "{", "}", '"a":', "[1]"),
        *(
            "\\frac{1}{2}",
            "≈",
            "Answer:",
            "half",
            "twice",
            ".",
            ",",
            "\x00",
            "ü",
            "\N{MATHEMATICAL DOUBLE-STRUCK DIGIT TWO}",
            "²",
            "٣",
        ),
    ]
)
TEXTS = st.lists(PIECES, max_size=40).map("".join) | st.text(max_size=200)


@given(TEXTS, TEXTS)
def test_features_of_any_text_are_finite_and_fixed(question: str, answer: str) -> None:
    """One order of names, no infinity, the same twice."""
    found = features(question, answer)
    assert tuple(found) == NAMES
    assert all(isfinite(value) for value in found.values())
    assert features(question, answer) == found
    assert all(isfinite(value) for value in unpacked(packed(question, answer)))


@given(TEXTS, TEXTS, st.sampled_from(sorted(CHECKS)), TEXTS)
def test_no_text_breaks_a_check(question: str, answer: str, name: str, argument: str) -> None:
    """Whatever stands in question, answer and argument."""
    verdict = run(name, Question(question), Answer(answer), argument)
    assert isinstance(verdict, Passed | Failed | Unknown)


@given(
    st.integers(-10_000, 10_000),
    st.integers(1, 10_000),
    st.sampled_from("+-*"),
    st.integers(-50, 50),
)
def test_a_sum_is_right_exactly_where_it_is(one: int, two: int, sign: str, off: int) -> None:
    """Written plainly, with the true result or one beside it."""
    true = {"+": one + two, "-": one - two, "*": one * two}[sign]
    (found,) = (
        sums(f"so {one} {sign} {two} = {true + off} in all")
        if one >= 0
        else sums(f"{one} {sign} {two} = {true + off}")
    )
    assert found.right == (off == 0)
    assert found.value == Fraction(true)
