"""Merging books keeps all history, takes all news, and does nothing twice."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from scrimp.prices.merge import rows_of

_FIRST = date(2026, 1, 1)
_DAYS = [(_FIRST + timedelta(days=n)).isoformat() for n in range(6)]
_START = _DAYS[3]


@st.composite
def _rows(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A row for all times, and some from a day on, for hours or up to another day."""
    rows: list[dict[str, Any]] = [{"rates": {"input": draw(st.integers(1, 3))}}]
    for _ in range(draw(st.integers(0, 3))):
        row: dict[str, Any] = {"rates": {"input": draw(st.integers(1, 3))}}
        if draw(st.booleans()):
            row["since"] = draw(st.sampled_from(_DAYS))
        if draw(st.booleans()):
            row["until"] = draw(st.sampled_from(_DAYS))
        if draw(st.booleans()):
            row["minutes"] = [60, 120]
        rows.append(row)
    return rows


def _price(rows: list[dict[str, Any]], day: str, *, peak: bool) -> int:
    """The last row that holds is the price."""
    held = [
        row["rates"]["input"]
        for row in rows
        if row.get("since", "") <= day < row.get("until", "9") and (peak or "minutes" not in row)
    ]
    last: int = held[-1]
    return last


@given(old=_rows(), new=_rows(), peak=st.booleans())
def test_old_before_and_new_after(
    *, old: list[dict[str, Any]], new: list[dict[str, Any]], peak: bool
) -> None:
    """Before the change what was known, unless the new book dates it; from then on what is new."""
    both = rows_of(old, new, _START)
    dated = min((row["since"] for row in new if "since" in row), default="9")
    for day in _DAYS:
        told = _price(both, day, peak=peak)
        if day >= _START:
            assert told == _price(new, day, peak=peak)
        elif day < dated:
            assert told == _price(old, day, peak=peak)
        else:
            assert told in (_price(old, day, peak=peak), _price(new, day, peak=peak))


@given(_rows(), _rows())
def test_the_same_book_again_adds_nothing(
    old: list[dict[str, Any]], new: list[dict[str, Any]]
) -> None:
    """Whenever it is taken again, every price of every day is the same."""
    both = rows_of(old, new, _START)
    again = rows_of(both, new, _DAYS[5])
    for day in (*_DAYS, "2025-01-01", "2030-01-01"):
        for peak in (True, False):
            assert _price(again, day, peak=peak) == _price(both, day, peak=peak)
