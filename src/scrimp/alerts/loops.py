"""The same call again and again: counted by who asks and what, in bounded memory. Pure.

What is counted is equal to the last byte. Time is passed in, as seconds that never step back.
"""

from __future__ import annotations

MOST_KNOWN = 4096


class Repeats:
    """How often each thing was seen since its count began, at most `within_s` ago."""

    def __init__(self, within_s: float) -> None:
        self.within_s = within_s
        self._seen: dict[int, list[float]] = {}

    def seen(self, what: int, now_s: float) -> int:
        """Count it once more; how often it was seen in its stretch of time."""
        counted = self._seen.get(what)
        if counted is None or now_s - counted[0] >= self.within_s:
            self._seen.pop(what, None)
            if len(self._seen) >= MOST_KNOWN:
                del self._seen[next(iter(self._seen))]
            self._seen[what] = [now_s, 1]
            return 1
        counted[1] += 1
        return int(counted[1])

    def rest_s(self, what: int, now_s: float) -> float:
        """How long until its count begins anew."""
        counted = self._seen.get(what)
        return 0.0 if counted is None else max(0.0, counted[0] + self.within_s - now_s)
