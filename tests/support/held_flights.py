"""Hold every flight of a gateway on the ground until so many callers are aboard."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from scrimp.levers.coalesce import Coalesce
from tests.support.gateway import RunningGateway

_TURN_S = 0.001


class _HeldGroup(asyncio.TaskGroup):
    """Stands for the app's group: what it starts waits for its callers first."""

    def __init__(self, lever: Coalesce, callers: int) -> None:
        super().__init__()
        self._lever = lever
        self._callers = callers
        self._tasks_held: set[asyncio.Task[Any]] = set()

    def create_task(self, coro: Coroutine[Any, Any, Any], **_: Any) -> asyncio.Task[Any]:  # type: ignore[override]  # as it is used
        """Start it later."""
        task = asyncio.get_running_loop().create_task(self._held(coro))
        self._tasks_held.add(task)
        task.add_done_callback(self._tasks_held.discard)
        return task

    async def _held(self, work: Coroutine[Any, Any, Any]) -> None:
        try:
            while self._lever.aboard < self._callers:  # noqa: ASYNC110 (nobody tells a test)
                await asyncio.sleep(_TURN_S)
            await work
        finally:
            work.close()


def coalesce_of(running: RunningGateway) -> Coalesce:
    """The lever of a gateway that has one."""
    lever = running.app.levers["coalesce"]
    assert isinstance(lever, Coalesce)
    return lever


def hold_flights(running: RunningGateway, *, callers: int) -> None:
    """From now on no flight of this gateway leaves with fewer callers than these."""
    running.app.background.open(_HeldGroup(coalesce_of(running), callers))


@contextmanager
def crowd(callers: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that call at the same time."""
    with ThreadPoolExecutor(callers) as pool:
        yield pool
