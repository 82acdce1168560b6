"""Room that nobody fills alone: who has most gives up first, whoever has little keeps it."""

from __future__ import annotations

from collections.abc import Mapping


def share(counts: Mapping[str, int], most: int) -> int:
    """The most that each may have, so that all together have no more than `most`; 0 or more.

    Whoever has less than that leaves the rest to the others.
    """
    left, waiting = most, len(counts)
    for count in sorted(counts.values()):
        if count * waiting > left:
            return left // waiting
        left -= count
        waiting -= 1
    return max(counts.values(), default=most)
