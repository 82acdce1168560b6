"""What is known of upstreams, in the memory of one process."""

from __future__ import annotations

from collections.abc import Callable

from scrimp.health import Healths


class MemoryHealth:
    """Implements `health.HealthStore`. Nothing waits."""

    def __init__(self) -> None:
        self._known: Healths = {}

    async def look(self) -> Healths:
        """All that is known."""
        return self._known

    async def change(self, change: Callable[[Healths], Healths]) -> Healths:
        """Put what `change` makes of it in its place."""
        self._known = change(self._known)
        return self._known
