"""SQLite rests while this process forks: a child inherits no connection, lock, or half-done work.

SQLite keeps locks and shared memory per process, so a child that inherits an open database cannot
even open it anew (sqlite.org, "How To Corrupt An SQLite Database File", section 2.6). Whoever is
inside SQLite holds a gate; a fork waits until nobody is, and closes what is open. The parent opens
it again with its next use.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from types import TracebackType

_gates: weakref.WeakSet[Gate] = weakref.WeakSet()
_resting: list[Gate] = []
_hooked: list[bool] = []


class Gate:
    """Held inside SQLite. `close` lets go of the connection that the holder uses."""

    def __init__(self, close: Callable[[], None]) -> None:
        if not _hooked and hasattr(os, "register_at_fork"):
            _hooked.append(True)
            os.register_at_fork(before=rest, after_in_parent=wake, after_in_child=wake)
        self._lock = threading.Lock()
        self._close = close
        _gates.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.release()

    def rest(self) -> None:
        """Wait until nobody is inside, close, and let nobody in."""
        self._lock.acquire()
        self._close()

    def wake(self) -> None:
        """Let them in again."""
        self._lock.release()


def rest() -> None:
    """Before a fork."""
    for gate in tuple(_gates):
        gate.rest()
        _resting.append(gate)


def wake() -> None:
    """After a fork, on both sides."""
    while _resting:
        _resting.pop().wake()
