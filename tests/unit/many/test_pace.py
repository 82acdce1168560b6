"""How fast calls may go, and what headers of rate limits say."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from scrimp.many.pace import MOST_WAIT_S, News, Pace, after, begin, crowded
from scrimp.many.rates import Left, Room, Size, room_in
from scrimp.simulator.limits import Bucket, claude_headers, openai_headers

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
SIZE = Size(100, 50)


def news(at: float = 1.0, *, in_air: int = 7, answered: bool = True, **more: Any) -> News:
    """A call that has begun a second before."""
    return News(begun_at=at - 1, ended_at=at, in_air=in_air, answered=answered, **more)


def test_it_begins_quickly_and_goes_on_slowly_after_a_refusal() -> None:
    """One more for each answer at first; half after a refusal; then one more for each round."""
    pace = begin(64)
    assert pace.at_once == 8
    for _ in range(8):
        pace = after(pace, news(in_air=int(pace.at_once) - 1), SIZE)
    assert pace.at_once == 16
    pace = after(pace, news(2.0, answered=False, refused=True, wait_s=3.0), SIZE)
    assert (pace.at_once, pace.not_before, pace.quick) == (8, 5.0, False)
    for _ in range(8):
        pace = after(pace, news(7.0, in_air=int(pace.at_once) - 1), SIZE)
    assert 8.9 < pace.at_once < 9.1


def test_one_jam_is_one_step() -> None:
    """Refusals of calls that had begun before the last step change no more than the wait."""
    pace = Pace(64, 32.0)
    for number in range(20):
        pace = after(pace, news(1.0 + number / 100, answered=False, refused=True), SIZE)
    assert pace.at_once == 16
    later = after(pace, news(9.0, answered=False, refused=True), SIZE)
    assert later.at_once == 8
    assert later.not_before > 9.0 + 8.0  # longer each time that nobody says how long


def test_it_grows_only_where_room_was_used() -> None:
    """A lane in which few calls wait learns nothing of how many would go."""
    pace = begin(64)
    assert after(pace, news(in_air=1), SIZE).at_once == 8
    assert after(pace, news(in_air=7, waiting=False), SIZE).at_once == 8
    assert begin(3).at_once == 3
    assert after(Pace(8, 8.0), news(in_air=7), SIZE).at_once == 8


def test_a_retry_that_was_answered_slows_down_too() -> None:
    """The refusal was real; it has waited by itself already."""
    pace = after(Pace(64, 32.0), news(refused=True), SIZE)
    assert (pace.at_once, pace.not_before) == (16, 1.0)


def test_no_more_is_begun_than_there_is_room_for() -> None:
    """What is in the air and began later is not in the header yet; at nothing it waits."""
    room: Room = (Left("requests", 3, 60, 57.0),)
    assert after(Pace(64, 32.0), news(in_air=10, room=room), SIZE).at_once == 13
    assert after(Pace(64, 32.0), news(in_air=10, begun=2, room=room), SIZE).at_once == 11
    pace = after(Pace(64, 32.0), news(in_air=0, room=(Left("requests", 0, 60, 60.0),)), SIZE)
    assert (pace.at_once, pace.not_before) == (1, 2.0)
    assert pace.may_begin(0, 2.0)
    assert not pace.may_begin(0, 1.9)
    assert not pace.may_begin(1, 2.0)


def test_tokens_count_as_vendors_count_them() -> None:
    """OpenAI: the longer of input and limit; Anthropic: input, and output once it was written."""
    room: Room = (Left("tokens", 250, 1000, 45.0),)
    assert after(Pace(64, 32.0), news(in_air=1, room=room), Size(100, 20)).at_once == 3
    assert after(Pace(64, 32.0), news(in_air=1, room=room), Size(20, 125)).at_once == 3
    assert Left("output-tokens", 5, 100, 60.0).calls(SIZE) is None
    assert Left("output-tokens", 0, 100, 60.0).wait_s(SIZE) == pytest.approx(0.6)
    assert Left("input-tokens", 40, 100, 60.0).wait_s(SIZE) == 60.0
    assert Left("input-tokens", 99).wait_s(SIZE) == 0.0  # nobody says how fast it refills


def test_where_a_budget_is_crowded_fewer_go() -> None:
    """As many as there are; never none."""
    assert crowded(Pace(64, 64.0), 5).at_once == 5
    assert crowded(Pace(64, 3.0), 0).at_once == 1


def test_nobody_is_waited_for_too_long() -> None:
    """Neither by `retry-after` nor by a header."""
    pace = after(begin(8), news(answered=False, refused=True, wait_s=1e9), SIZE)
    assert pace.not_before == 1.0 + MOST_WAIT_S
    room: Room = (Left("requests", 0, None, 1e9),)
    assert after(begin(8), news(room=room), SIZE).not_before == 61.0


def test_both_vendors_headers_are_read() -> None:
    """As the simulator writes them, after the vendors' own pages."""
    buckets = {"requests": Bucket(60, 30.0, 0.0), "tokens": Bucket(1000, 0.0, 0.0)}
    found = room_in(openai_headers(buckets), NOW)  # type: ignore[arg-type] # names of OpenAI's
    assert found == (Left("requests", 30, 60, 30.0), Left("tokens", 0, 1000, 60.0))
    full = {name: Bucket(50, 50.0, 0.0) for name in ("requests", "input-tokens", "output-tokens")}
    read = room_in(claude_headers(full), datetime.now(UTC))  # type: ignore[arg-type] # Anthropic's
    assert [(one.what, one.left, one.limit) for one in read] == [
        ("requests", 50, 50),
        ("input-tokens", 50, 50),
        ("output-tokens", 50, 50),
    ]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("6m0s", 360.0),
        ("120ms", 0.12),
        ("1h0m30s", 3630.0),
        ("1.5s", 1.5),
        ("2d", 172_800.0),
        ("12", 12.0),
        ("0s", 0.0),
        ("2026-11-23T04:01:00Z", 60.0),
        ("2026-11-23T03:00:00Z", 0.0),
        ("soon", None),
        ("", None),
        ("-5", None),
        ("\u0661s", None),
    ],
)
def test_resets_are_durations_or_times(text: str, seconds: float | None) -> None:
    """What is neither is not there."""
    headers = (("x-ratelimit-remaining-requests", "1"), ("x-ratelimit-reset-requests", text))
    (left,) = room_in(headers, NOW)
    assert left.reset_s == seconds


def test_what_is_no_number_is_not_there() -> None:
    """Nothing is guessed."""
    for text in ("", "-1", "many", "1e9", "9" * 40, "\u0661"):
        assert room_in((("x-ratelimit-remaining-requests", text),), NOW) == ()
