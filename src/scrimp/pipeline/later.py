"""Work that nobody waits for: a bounded queue, a few workers, each job with a time limit.

What does not fit is dropped and counted: a client's call is never held up by it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from scrimp.errors import kind_and_place

log = logging.getLogger(__name__)

Job = Callable[[], Awaitable[None]]


class Later:
    """Runs jobs in the order they came. What is queued at the end is dropped; what runs may end."""

    def __init__(
        self, *, workers: int = 2, most: int = 256, limit_s: float = 120.0, grace_s: float = 5.0
    ) -> None:
        self._workers = workers
        self._most = most
        self._limit_s = limit_s
        self._grace_s = grace_s
        self._queue: asyncio.Queue[Job | None] = asyncio.Queue()
        self._running: set[asyncio.Timeout] = set()
        self._open = True
        self.dropped = 0
        self.failed = 0

    def put(self, job: Job) -> bool:
        """Hand it over. False when too much waits already, or it is over."""
        if not self._open or self._queue.qsize() >= self._most:
            self.dropped += 1
            return False
        self._queue.put_nowait(job)
        return True

    async def drained(self) -> None:
        """Wait until everything handed over so far is done."""
        await self._queue.join()

    async def run(self) -> None:
        """Work until `stop`."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._workers):
                group.create_task(self._work(), name="scrimp later")

    def stop(self) -> None:
        """Drop what waits, and let what runs end within the grace."""
        self._open = False
        end_s = asyncio.get_running_loop().time() + self._grace_s
        for running in self._running:
            running.reschedule(min(end_s, running.when() or end_s))
        while not self._queue.empty():
            self._queue.get_nowait()
            self._queue.task_done()
        for _ in range(self._workers):
            self._queue.put_nowait(None)

    async def _work(self) -> None:
        while (job := await self._queue.get()) is not None:
            limit = asyncio.timeout(self._limit_s)
            try:
                async with limit:
                    self._running.add(limit)
                    await job()
            except Exception as error:  # noqa: BLE001 (an edge: the app's other tasks must go on)
                self.failed += 1
                log.warning("work in the background failed: %s", kind_and_place(error))
            finally:
                self._running.discard(limit)
                self._queue.task_done()
        self._queue.task_done()
