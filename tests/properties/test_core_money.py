"""Money as text and back, to the nano-dollar."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrimp.money import decimal_usd, format_usd, line_nanousd, parse_usd

AMOUNTS = st.integers(-(10**26), 10**26)


@given(AMOUNTS)
def test_what_machines_are_given_reads_back(nanousd: int) -> None:
    """Headers, JSON and CSV lose nothing."""
    assert parse_usd(decimal_usd(nanousd)) == nanousd


@given(AMOUNTS)
def test_what_people_are_given_reads_back(nanousd: int) -> None:
    """But for the commas between thousands, which are for eyes only."""
    assert parse_usd(format_usd(nanousd).replace(",", "")) == nanousd


@given(AMOUNTS, st.integers(0, 8))
def test_rounding_is_half_up_and_never_further(nanousd: int, places: int) -> None:
    """At most half of the last place away, away from zero on the half."""
    shown = parse_usd(format_usd(nanousd, places=places).replace(",", ""))
    half = 10 ** (9 - places) // 2
    assert abs(shown - nanousd) <= half
    if abs(nanousd) % 10 ** (9 - places) == half:
        assert abs(shown) > abs(nanousd)


@given(st.decimals(-(10**9), 10**9, places=9))
def test_decimals_are_read_exactly(amount: Decimal) -> None:
    """As a fraction would have them."""
    assert parse_usd(f"{amount:f}") == Fraction(amount) * 10**9


@given(st.text(max_size=12))
def test_anything_else_is_a_value_error(text: str) -> None:
    """Never another exception, never a guess: what is read is what a plain number says."""
    try:
        nanousd = parse_usd(text)
    except ValueError:
        return
    assert Fraction(nanousd, 10**9) == Fraction(text.strip().replace("$", ""))


@pytest.mark.parametrize(
    "text",
    [
        *("", "$", "-", ".", "-$", "0,40", "1,000", "1_000", "1e3", "1e999999", "nan", "inf"),
        *("sNaN", "0.0000000001", "٣", "$-1", "--1", "1 2", "12345678901234567890123456789012"),
    ],
)
def test_what_is_no_amount(text: str) -> None:
    """A decimal comma above all: `0,40` must not become forty dollars."""
    with pytest.raises(ValueError, match="not an amount of dollars"):
        parse_usd(text)


@pytest.mark.parametrize(
    ("text", "nanousd"),
    [
        ("0.40", 400_000_000),
        ("$12", 12_000_000_000),
        (" .5 ", 500_000_000),
        ("3.", 3_000_000_000),
        ("-$0.000000001", -1),
        ("1.0000000000", 1_000_000_000),
    ],
)
def test_what_is_one(text: str, nanousd: int) -> None:
    """With or without a sign of currency; zeros beyond the ninth decimal say nothing."""
    assert parse_usd(text) == nanousd


@pytest.mark.parametrize(
    ("nanousd", "places", "shown"),
    [
        (3_252_500, None, "$0.0032525"),
        (0, None, "$0.00"),
        (1_234_500_000_000, None, "$1,234.50"),
        (5_000_000, 2, "$0.01"),
        (4_999_999, 2, "$0.00"),
        (-1, 2, "$0.00"),
        (-5_000_000, 2, "-$0.01"),
        (1_500_000_000, 0, "$2"),
        (1, 9, "$0.000000001"),
    ],
)
def test_as_people_read_it(nanousd: int, places: int | None, shown: str) -> None:
    """Nothing is shown as minus zero."""
    assert format_usd(nanousd, places=places) == shown


@given(st.integers(0, 10**9), st.integers(0, 10**12))
def test_a_line_is_rounded_up_once(quantity: int, pico: int) -> None:
    """Less than a nano-dollar above the exact amount, never below it."""
    exact = Fraction(quantity * pico, 1000)
    assert exact <= line_nanousd(quantity, pico) < exact + 1


@pytest.mark.parametrize(("quantity", "pico"), [(-1, 5), (5, -1)])
def test_a_line_is_never_negative(quantity: int, pico: int) -> None:
    """Both numbers are in the message."""
    with pytest.raises(ValueError, match=f"quantity {quantity}, price {pico}"):
        line_nanousd(quantity, pico)
