"""What routes learn, in this process only: for tests, backtests and programs without a folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from scrimp.choosing import Change, Lesson, Place
from scrimp.stores.fair_shares import share

MOST = 20_000
MOST_STATES = 2048


class MemoryRoutes:
    """Implements `RouteStore`."""

    def __init__(self) -> None:
        self._lessons: list[Lesson] = []
        self._states: dict[str, bytes] = {}
        self._saved: dict[str, int] = {}
        self._number = 0

    async def add(self, lessons: tuple[Lesson, ...]) -> None:
        """The oldest of the tenant that has most make room."""
        self._lessons += lessons
        if len(self._lessons) > MOST:
            self._lessons = _shared(self._lessons, MOST)

    async def lessons(self, place: Place | None = None, *, most: int = 10_000) -> list[Lesson]:
        """The newest, oldest first."""
        if place is None:
            return _shared(self._lessons, most)
        return [one for one in self._lessons if one.place == place][-most:]

    async def load(self, name: str) -> bytes | None:
        """The state of a name."""
        return self._states.get(name)

    async def save(self, name: str, state: bytes) -> None:
        """In place of the one before."""
        self._number += 1
        self._saved[name] = self._number
        self._states.pop(name, None)
        self._states[name] = state
        if len(self._states) > MOST_STATES:
            del self._states[next(one for one in self._states if ":" in one)]

    async def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        return tuple(sorted(self._states))

    async def exchange(
        self, changes: Mapping[str, Change], since: int
    ) -> tuple[int, Mapping[str, bytes]]:
        """Nobody comes between, for nothing is waited for."""
        for name, change in changes.items():
            await self.save(name, change(self._states.get(name)))
        newer = {name: state for name, state in self._states.items() if self._saved[name] > since}
        return self._number, newer

    async def close(self) -> None:
        """Forget nothing: whoever holds it may go on."""


def _shared(lessons: list[Lesson], most: int) -> list[Lesson]:
    """The newest, of each tenant its share where there are more; oldest first."""
    if len(lessons) <= most:
        return list(lessons)
    each = max(1, share(Counter(one.place.tenant for one in lessons), most))
    kept: list[Lesson] = []
    taken: Counter[str] = Counter()
    for one in reversed(lessons):
        if taken[one.place.tenant] < each and len(kept) < most:
            taken[one.place.tenant] += 1
            kept.append(one)
    return kept[::-1]
