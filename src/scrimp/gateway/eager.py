"""Run a coroutine up to where it first has to wait.

A write into an empty socket never waits; then it needs no timer, which would cost as much.
"""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Started(Generic[T]):
    """A coroutine that has been started: `done` with its `result`, or to be awaited, once.

    What it raises before it first waits is raised here. Make and await it in the same task.
    """

    __slots__ = ("_coroutine", "_pending", "done", "result")

    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        self._coroutine = coroutine
        self.done = False
        self.result: T
        try:
            self._pending = coroutine.send(None)
        except StopIteration as finished:
            self.done = True
            self.result = finished.value

    def __await__(self) -> Generator[Any, Any, T]:
        """Go on from where it waits. The protocol is PEP 492's: yield what it waits for."""
        coroutine, pending = self._coroutine, self._pending
        try:
            while True:
                try:
                    sent = yield pending
                except BaseException as error:  # noqa: BLE001 (handed on, as `yield from` would)
                    pending = coroutine.throw(error)
                else:
                    pending = coroutine.send(sent)
        except StopIteration as finished:
            result: T = finished.value
            return result
