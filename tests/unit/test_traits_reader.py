"""How many calls are read for what they are known by."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from scrimp.calls import Call
from scrimp.traits import Traits
from scrimp.traits_reader import MOST, WINDOW_S, Paced
from tests.support.core import call_of


def test_the_first_calls_of_each_window_are_read_and_no_more() -> None:
    """However many come: the rest costs nothing, and the next window begins anew."""
    read: list[Call] = []

    def reader(call: Call) -> Traits:
        read.append(call)
        return Traits(body_bytes=len(read))

    paced = Paced(reader)
    first = call_of()
    begins = first.started_at.replace(second=0, microsecond=0)
    found = [
        paced(replace(first, started_at=begins + timedelta(seconds=WINDOW_S * n / (2 * MOST))))
        for n in range(2 * MOST)
    ]
    assert [one.body_bytes for one in found if one is not None] == list(range(1, MOST + 1))
    assert found[MOST:] == [None] * MOST
    later = replace(first, started_at=begins + timedelta(seconds=WINDOW_S))
    assert paced(later) is not None
    assert len(read) == MOST + 1
