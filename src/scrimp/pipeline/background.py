"""The app's own tasks: work that belongs to no single call, and ends with the app."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol


class Running(Protocol):
    """Work that goes on by itself."""

    def cancel(self) -> bool:
        """Ask it to end. False when it has."""
        ...


class Helper(Protocol):
    """Work beside the calls, for as long as the app is open."""

    async def run(self) -> None:
        """Work until `stop`."""
        ...

    def stop(self) -> None:
        """Let it end in order."""
        ...


class Closing(Protocol):
    """What holds files or connections."""

    async def close(self) -> None:
        """Let go of them."""
        ...


class Spawn(Protocol):
    """Starts work that belongs to the app and not to one call: it may outlive its first caller."""

    def __call__(self, work: Coroutine[Any, Any, None]) -> Running:
        """Start it. Raises RuntimeError when nothing can be started (any more)."""
        ...


class Background:
    """Hands work to the app's task group. Implements `Spawn`."""

    def __init__(self) -> None:
        self._group: asyncio.TaskGroup | None = None

    def open(self, group: asyncio.TaskGroup) -> None:
        """From now on there is a group, entered by the app."""
        self._group = group

    def __call__(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start it. Raises RuntimeError while the app is not open, or closing."""
        if self._group is None:
            raise RuntimeError("the app is not open (use open_app)")
        return self._group.create_task(work)
