"""Whatever happens to calls, and whatever headers say, the pace stays one that can be gone at."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from scrimp.many.pace import MOST_WAIT_S, News, Pace, after, begin, crowded
from scrimp.many.rates import Left, Room, Size, room_in

NOW = datetime(2026, 11, 23, tzinfo=UTC)
counts = st.integers(0, 10**15)
times = st.none() | st.floats(0, 1e12, allow_nan=False)
lefts = st.builds(
    Left,
    st.sampled_from(["requests", "tokens", "input-tokens", "output-tokens"]),
    counts,
    st.none() | counts,
    times,
)
sizes = st.builds(Size, st.integers(0, 10**9), st.integers(0, 10**9))
rooms: st.SearchStrategy[Room] = st.lists(lefts, max_size=3).map(tuple)
news = st.builds(
    News,
    begun_at=st.floats(0, 1000),
    ended_at=st.floats(0, 1000),
    in_air=st.integers(0, 100),
    answered=st.booleans(),
    refused=st.booleans(),
    begun=st.integers(0, 100),
    waiting=st.booleans(),
    wait_s=times,
    room=rooms,
)
NAMES = [
    f"{vendor}{what}"
    for vendor, whats in (
        ("x-ratelimit-", ("limit-", "remaining-", "reset-")),
        ("anthropic-ratelimit-", ("",)),
    )
    for what in whats
]


@given(st.integers(1, 1024), st.lists(st.tuples(news, sizes), max_size=40))
def test_there_is_always_a_pace(most: int, told: list[tuple[News, Size]]) -> None:
    """One call at least, never more than allowed; no wait for ever; a refusal never hurries."""
    pace = begin(most)
    for one, size in told:
        before, pace = pace, after(pace, one, size)
        assert 1 <= pace.at_once <= most
        assert pace.not_before >= before.not_before
        assert pace.not_before <= max(before.not_before, one.ended_at + MOST_WAIT_S)
        if one.refused:
            assert pace.at_once <= before.at_once
        assert pace.may_begin(0, pace.not_before)
        assert 1 <= crowded(pace, one.in_air).at_once <= pace.at_once


@given(st.integers(1, 200), st.integers(1, 1024), st.integers(0, 64))
def test_it_grows_to_all_that_is_allowed(answers: int, most: int, in_air: int) -> None:
    """While every call is answered and none is told to wait, no answer slows it down."""
    pace = begin(most)
    for number in range(answers):
        before = pace
        at = float(number)
        pace = after(pace, News(at, at, max(in_air, int(pace.at_once) - 1), answered=True), Size())
        assert pace.at_once == min(float(most), before.at_once + 1)
        assert pace.not_before == 0


@given(st.integers(2, 1024), st.integers(1, 60))
def test_halving_ends_at_one(most: int, refusals: int) -> None:
    """Refusals that follow each other leave one call in the air, and longer waits."""
    pace = Pace(most, float(most))
    waited = 0.0
    for number in range(refusals):
        at = 1000.0 * (number + 1)
        pace = after(pace, News(at, at, 0, answered=False, refused=True), Size())
        assert pace.not_before - at >= waited
        waited = pace.not_before - at
    assert pace.at_once == max(1.0, most / 2**refusals)
    assert waited <= 60.0
    calm = after(replace(pace, not_before=0.0), News(1e6, 1e6, 0, answered=True), Size())
    assert calm.refused_in_a_row == 0


@given(
    st.lists(
        st.tuples(
            st.sampled_from(NAMES).flatmap(
                lambda name: st.sampled_from(["requests", "tokens", "input-tokens-remaining"]).map(
                    lambda what: name + what
                )
            ),
            st.text(max_size=30) | st.integers(-5, 10**20).map(str),
        ),
        max_size=12,
    ),
    sizes,
)
def test_no_header_breaks_it(headers: list[tuple[str, str]], size: Size) -> None:
    """Texts of any kind are numbers, durations and times, or not there."""
    room = room_in(tuple(headers), NOW)
    for left in room:
        assert left.left >= 0
        assert math.isfinite(left.wait_s(size))
        assert left.wait_s(size) >= 0
        assert (left.calls(size) or 0) >= 0
    assert 1 <= after(begin(8), News(0, 0, 0, answered=True, room=room), size).at_once <= 8
