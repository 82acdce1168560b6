"""How much a provider takes at once: half after a refusal, later each time, more with room."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from scrimp.batches.forms import seen_of
from scrimp.jobs import Batch, Lane
from scrimp.pipeline.batch_room import Room

LANE = Lane("openai", "openai.chat", "/v1/chat/completions", "gpt-4o-mini")


def batch(items: int, lane: Lane = LANE) -> Batch:
    """One of so many calls."""
    return Batch("b", lane, "sent", items, datetime(2026, 11, 23, tzinfo=UTC))


def test_nothing_is_known_before_a_refusal() -> None:
    """All of it goes at once."""
    room = Room(60.0)
    room.taken(batch(9))
    assert room.most(LANE, 10_000, 0.0) == 10_000


def test_a_refusal_halves_and_waits_longer_each_time() -> None:
    """A quarter of an hour at most, and one call at least."""
    room, now_s, waits = Room(60.0), 0.0, []
    for _ in range(30):
        room.refused(batch(max(1, room.most(LANE, 1_000, now_s))), now_s)
        assert room.most(LANE, 1_000, now_s) == 0
        before = now_s
        while not room.most(LANE, 1_000, now_s):
            now_s += 30.0
        waits.append(now_s - before)
    assert waits[:5] == [60.0, 120.0, 240.0, 480.0, 900.0]
    assert waits[-1] == 900.0
    assert room.most(LANE, 1_000, now_s) == 1


def test_other_models_have_room_of_their_own() -> None:
    """A provider counts by model."""
    room = Room(60.0)
    room.refused(batch(8), 0.0)
    other = Lane("openai", "openai.chat", "/v1/chat/completions", "gpt-4o")
    assert room.most(other, 8, 0.0) == 8


def test_what_was_taken_lets_the_next_one_be_larger() -> None:
    """Once for each that was as large as it might be; a small one proves nothing."""
    room = Room(60.0)
    room.refused(batch(8), 0.0)
    room.taken(batch(1))
    assert room.most(LANE, 100, 60.0) == 4
    for _ in range(3):
        room.taken(batch(4))
    assert room.most(LANE, 100, 60.0) == 8


@pytest.mark.parametrize(
    ("status", "errors", "full"),
    [
        ("failed", {"data": [{"code": "token_limit_exceeded"}]}, True),
        ("failed", {"data": [{"code": "invalid_json_line"}]}, False),
        ("failed", {"data": [7]}, False),
        ("failed", {"data": []}, False),
        ("failed", None, False),
        ("in_progress", {"data": [{"code": "token_limit_exceeded"}]}, False),
    ],
)
def test_want_of_room_is_told_from_other_refusals(
    status: str, errors: object, *, full: bool
) -> None:
    """Whatever stands in the provider's list of errors."""
    seen = seen_of("openai.chat", {"id": "batch_1", "status": status, "errors": errors})
    assert seen is not None
    assert seen.full is full
    assert bool(seen.refused) is (status == "failed")
