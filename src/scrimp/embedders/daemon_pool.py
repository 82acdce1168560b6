"""A few threads that the process does not wait for when it ends.

The standard library's pool joins its threads at exit, so one model that hangs would hang the exit.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")


class DaemonPool(Generic[T]):
    """Runs work in up to so many threads, first come, first served. One thread may use it."""

    def __init__(self, threads: int, name: str) -> None:
        self._queue: SimpleQueue[tuple[Future[T], Callable[[], T]] | None] = SimpleQueue()
        self._names = [f"{name} {number}" for number in range(threads)]
        self._started = 0

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """What it returns or raises, later."""
        future: Future[T] = Future()
        self._queue.put((future, work))
        if self._names:
            name = self._names.pop()
            threading.Thread(target=self._serve, name=name, daemon=True).start()
            self._started += 1
        return future

    def close(self) -> None:
        """Cancel what waits; threads end when what they do now has ended. It does not wait."""
        try:
            while (job := self._queue.get_nowait()) is not None:
                job[0].cancel()
        except Empty:
            pass
        for _ in range(self._started):
            self._queue.put(None)

    def _serve(self) -> None:
        while (job := self._queue.get()) is not None:
            future, work = job
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001 - handed on, whatever it is
                future.set_exception(error)
            else:
                future.set_result(result)
            del job, future, work  # an idle thread holds nothing
