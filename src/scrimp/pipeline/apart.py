"""Runs what may block for ever, such as a user's function: a thread for each, a few at once.

The process does not wait for these threads when it ends, and they take no place of the threads that
all other work shares: one that hangs costs itself alone.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from typing import TypeVar

from scrimp.errors import StoreError

T = TypeVar("T")


class Apart:
    """`name` is for messages. Belongs to one event loop."""

    def __init__(self, name: str, *, most: int = 8) -> None:
        self._name = name
        self._most = most
        self._guard = threading.Lock()
        self._running = 0

    async def run(self, work: Callable[[], T]) -> T:
        """What it returns or raises. Raises StoreError while too many hang."""
        with self._guard:
            if self._running >= self._most:
                raise StoreError(
                    f"{self._name} is stuck: {self._running} calls of it are not done, at most "
                    f"{self._most} may run"
                )
            self._running += 1
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()
        given = (copy_context().run, work, future)
        thread = threading.Thread(target=self._work, args=given, name=self._name, daemon=True)
        thread.start()
        return await asyncio.wrap_future(future)

    def _work(
        self, inside: Callable[[Callable[[], T]], T], work: Callable[[], T], future: Future[T]
    ) -> None:
        try:
            result = inside(work)
        except BaseException as error:  # noqa: BLE001 - handed on, whatever it is
            self._done()
            future.set_exception(error)
        else:
            self._done()
            future.set_result(result)

    def _done(self) -> None:
        with self._guard:
            self._running -= 1
