"""What routes learn, in this process only: for tests, backtests and programs without a folder."""

from __future__ import annotations

from collections import deque

from scrimp.choosing import Lesson, Place

MOST_OF_A_PLACE = 20_000
MOST_STATES = 2048


class MemoryRoutes:
    """Implements `RouteStore`."""

    def __init__(self) -> None:
        self._lessons: deque[Lesson] = deque(maxlen=MOST_OF_A_PLACE)
        self._states: dict[str, bytes] = {}

    async def add(self, lessons: tuple[Lesson, ...]) -> None:
        """The oldest make room."""
        self._lessons.extend(lessons)

    async def lessons(self, place: Place | None = None, *, most: int = 10_000) -> list[Lesson]:
        """The newest, oldest first."""
        found = [one for one in self._lessons if place is None or one.place == place]
        return found[-most:]

    async def load(self, name: str) -> bytes | None:
        """The state of a name."""
        return self._states.get(name)

    async def save(self, name: str, state: bytes) -> None:
        """In place of the one before."""
        self._states.pop(name, None)
        self._states[name] = state
        if len(self._states) > MOST_STATES:
            del self._states[next(one for one in self._states if ":" in one)]

    async def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        return tuple(sorted(self._states))

    async def close(self) -> None:
        """Forget nothing: whoever holds it may go on."""
