"""One at a time: how threads count in memory, and what is put off while another is at it.

The end of a hold never waits. It may come from a finaliser, in the very thread that is counting at
that moment; so it is put into a queue, which whoever counts now, or next, works off.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable

_lock = threading.Lock()
_put_off: deque[Callable[[], None]] = deque()
_hooks: list[bool] = []


class Turn:
    """A block that one thread at a time is in. It awaits nothing, and is not entered twice."""

    def __enter__(self) -> None:
        _lock.acquire()
        try:
            _work_off()
        except BaseException:
            _lock.release()
            raise

    def __exit__(self, *_: object) -> None:
        _lock.release()
        _catch_up()


TURN = Turn()


def soon(work: Callable[[], None]) -> None:
    """Do this in a turn of its own: now, or when whoever has the turn is done. Never waits."""
    _put_off.append(work)
    _catch_up()


def heed_forks() -> None:
    """From now on a fork waits for its turn, so that no child inherits a half-made count."""
    if not _hooks:
        _hooks.append(True)
        os.register_at_fork(
            before=_lock.acquire,
            after_in_parent=_lock.release,
            after_in_child=_lock.release,
        )


def _catch_up() -> None:
    while _put_off and _lock.acquire(blocking=False):
        try:
            _work_off()
        finally:
            _lock.release()


def _work_off() -> None:
    while _put_off:
        _put_off.popleft()()
