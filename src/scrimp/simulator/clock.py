"""The simulator's clock: it can be put forward, so that no test waits for five minutes to pass."""

from __future__ import annotations

import time


class Clock:
    """Monotonic seconds, plus what it was put forward by. Lives and limits go by it, pace not."""

    def __init__(self) -> None:
        self._ahead_s = 0.0

    def now_s(self) -> float:
        """Seconds since some moment."""
        return time.monotonic() + self._ahead_s

    def advance(self, seconds: float) -> None:
        """Put it forward. Raises ValueError for less than nothing."""
        if seconds < 0:
            raise ValueError(f"the clock only goes forward, not by {seconds:g} s")
        self._ahead_s += seconds
