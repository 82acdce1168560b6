"""Runs what may block for ever, such as a user's function: a thread for each, a few at once.

The process does not wait for these threads when it ends, and they take no place of the threads that
all other work shares: one that hangs costs itself alone.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent import futures
from contextvars import copy_context
from functools import partial
from typing import TypeVar

from scrimp.errors import StoreError

T = TypeVar("T")


async def in_a_thread(name: str, work: Callable[[], T]) -> T:
    """What it returns or raises, in a thread of its own; nobody waits for that at the end.

    What no future may hold (the end of an iterator, of the program) is raised as a RuntimeError
    that names it.
    """
    future: futures.Future[T] = futures.Future()
    future.set_running_or_notify_cancel()

    def hand_over() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - handed on, whatever it is: the thread ends
            future.set_exception(error if _may_be_raised(error) else _named(error))
        else:
            future.set_result(result)

    inside = copy_context().run
    threading.Thread(target=inside, args=(hand_over,), name=name, daemon=True).start()
    return await asyncio.wrap_future(future)


class Apart:
    """`name` is for messages. Belongs to one event loop."""

    def __init__(self, name: str, *, most: int = 8) -> None:
        self._name = name
        self._most = most
        self._guard = threading.Lock()
        self._running = 0

    async def run(self, work: Callable[[], T]) -> T:
        """As `in_a_thread`. Raises StoreError while too many hang."""
        with self._guard:
            if self._running >= self._most:
                raise StoreError(
                    f"{self._name} is stuck: {self._running} calls of it are not done, at most "
                    f"{self._most} may run"
                )
            self._running += 1
        return await in_a_thread(self._name, partial(self._counted, work))

    def _counted(self, work: Callable[[], T]) -> T:
        try:
            return work()
        finally:
            with self._guard:
                self._running -= 1


def _may_be_raised(error: BaseException) -> bool:
    return isinstance(error, Exception) and not isinstance(
        error, StopIteration | futures.CancelledError
    )


def _named(error: BaseException) -> RuntimeError:
    return RuntimeError(type(error).__name__)
