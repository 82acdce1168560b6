"""Writes jobs down, those that come at the same time together: each waits for one commit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from scrimp.errors import StoreError
from scrimp.jobs import Deferred, Job, JobDesk
from scrimp.pipeline.background import Spawn


class Putting:
    """A job that was handed over is written though whoever handed it over has left."""

    def __init__(self, desk: JobDesk, spawn: Spawn, kept: Callable[[], None]) -> None:
        """`kept` is told when jobs were written."""
        self._desk = desk
        self._kept = kept
        self._spawn = spawn
        self._pending: list[tuple[Job, Deferred, asyncio.Future[Job]]] = []
        self._writing = False

    async def __call__(self, job: Job, deferred: Deferred) -> Job:
        """The job as it is kept. Raises StoreError."""
        future: asyncio.Future[Job] = asyncio.get_running_loop().create_future()
        self._pending.append((job, deferred, future))
        if not self._writing:
            self._writing = True
            work = self._write()
            try:
                self._spawn(work)
            except RuntimeError as error:
                work.close()
                self._writing = False
                self._pending.clear()
                raise StoreError("jobs cannot be kept any more: the gateway is closing") from error
        return await future

    async def _write(self) -> None:
        try:
            while self._pending:
                taken, self._pending = self._pending, []
                await self._put(taken)
        finally:
            self._writing = False

    async def _put(self, taken: list[tuple[Job, Deferred, asyncio.Future[Job]]]) -> None:
        failure: Exception | None = None
        try:
            jobs = [(job, deferred) for job, deferred, _ in taken]
            kept = await asyncio.to_thread(self._desk.put, jobs)
        except Exception as error:  # noqa: BLE001 (whoever waits for it is told, each)
            failure, kept = error, ()
        for number, (_, _, future) in enumerate(taken):
            if future.done():
                continue  # its client has left
            if failure is not None:
                future.set_exception(failure)
            else:
                future.set_result(kept[number])
        if failure is None:
            self._kept()
