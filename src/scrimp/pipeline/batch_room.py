"""How much of a lane its provider takes at once: learned when a batch is refused for its size.

A provider bounds what may wait in batches of a model (OpenAI: tokens in its queue, by account).
What it has no room for costs nothing, and is sent again: half as much, and later each time.
"""

from __future__ import annotations

from dataclasses import dataclass

from scrimp.jobs import Batch, Lane

_MOST_PAUSE_S = 900.0
_MOST_DOUBLINGS = 16


@dataclass(slots=True)
class _Known:
    """Of one lane: so many calls at once, not before then; `refused` so often in a row."""

    items: int
    not_before_s: float
    refused: int


class Room:
    """By lane, for as long as the process lives: the next one learns it again at no cost."""

    def __init__(self, pause_s: float) -> None:
        self._pause_s = pause_s
        self._known: dict[Lane, _Known] = {}

    def refused(self, batch: Batch, now_s: float) -> None:
        """There was none for so many."""
        known = self._known.setdefault(batch.lane, _Known(batch.items, 0.0, 0))
        known.items = max(1, min(known.items, batch.items) // 2)
        known.not_before_s = now_s + min(
            _MOST_PAUSE_S, self._pause_s * 2.0 ** min(known.refused, _MOST_DOUBLINGS)
        )
        known.refused += 1

    def taken(self, batch: Batch) -> None:
        """There was: the next one may be twice as large."""
        known = self._known.get(batch.lane)
        if known is None:
            return
        known.refused = 0
        if batch.items >= known.items:
            known.items *= 2

    def most(self, lane: Lane, many: int, now_s: float) -> int:
        """How many of so many calls go at once; 0: none now."""
        known = self._known.get(lane)
        if known is None:
            return many
        return 0 if now_s < known.not_before_s else min(many, known.items)
