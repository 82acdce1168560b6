"""The soak's comparison finds what it is there for: a book that is wrong in any way."""

from __future__ import annotations

import pytest

from benchmarks.gateway.soak_books import Booked, Books

ASKED = range(1, 4)
RIGHT = (
    Booked(1, 500, 500, 500, "upstream"),
    Booked(2, 70, 40, 900, "upstream"),
    Booked(3, 0, 0, 0, "exact_cache"),
)
BILL = {1: 500, 2: 80}


def compared(booked: tuple[Booked, ...], bill: dict[int, int], *left: int) -> Books:
    """Both books side by side."""
    books = Books()
    books.compare(booked, bill, ASKED, frozenset(left))
    return books


def test_books_that_agree() -> None:
    """Equal where usage was told, within the bounds elsewhere, nothing for a hit."""
    books = compared(RIGHT, BILL)
    assert books.wrong == []
    assert (books.entries, books.exact_calls, books.bounded_calls) == (3, 2, 1)
    assert books.exact_ledger_nanousd == books.exact_bill_nanousd == 500
    assert (books.bounded_low_nanousd, books.bounded_high_nanousd) == (40, 900)
    assert books.bounded_bill_nanousd == 80
    assert books.served_by == {"upstream": 2, "exact_cache": 1}


@pytest.mark.parametrize(
    ("booked", "bill", "said"),
    [
        (RIGHT, {1: 501, 2: 80}, "call 1 is booked 500, billed 501"),
        (RIGHT, {1: 500, 2: 901}, "call 2 is booked [40, 900], billed 901"),
        (RIGHT, {1: 500, 2: 39}, "call 2 is booked [40, 900], billed 39"),
        (RIGHT, {**BILL, 3: 1}, "call 3 is booked 0, billed 1"),
        (RIGHT[:2], BILL, "call 3 is not booked"),
        (RIGHT[:1], BILL, "call 2 was billed 80 and is not booked"),
        ((*RIGHT, RIGHT[2]), BILL, "call 3 was booked twice, or never asked"),
        ((*RIGHT, Booked(9, 0, 0, 0, "")), BILL, "call 9 was booked twice, or never asked"),
        (
            (Booked(1, None, None, None, ""), *RIGHT[1:]),
            BILL,
            "call 1 has no price; it was billed 500",
        ),
    ],
)
def test_each_way_to_be_wrong_is_said(
    booked: tuple[Booked, ...], bill: dict[int, int], said: str
) -> None:
    """By the call's number, with both amounts."""
    assert said in compared(booked, bill).wrong


def test_a_client_that_left_may_never_have_been_seen() -> None:
    """Its call is in neither book; it counts apart, unless its entry comes late."""
    books = compared(RIGHT[:2], BILL, 3)
    assert books.wrong == []
    assert books.never_seen == 1
    books.compare([RIGHT[2]], {}, range(4, 4), frozenset())
    assert books.wrong == []
    assert books.never_seen == 0
