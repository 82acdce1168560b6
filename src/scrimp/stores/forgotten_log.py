"""What was forgotten lately in this process, so that what was asked for before is not kept after.

See docs/dev/decisions/0016-forgetting.md.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from scrimp.ports import Clock
from scrimp.remembered import LOG_S

_MOST = 10_000
_LOG_TIME = timedelta(seconds=LOG_S)
_T = TypeVar("_T")


class ForgottenLog(Generic[_T]):
    """Conditions with their times, for a day."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._log: deque[tuple[datetime, _T]] = deque()
        self._unknown_before: datetime | None = None

    def __bool__(self) -> bool:
        return bool(self._log)

    def add(self, what: _T) -> None:
        """That this is forgotten now."""
        log, now = self._log, self._clock.now()
        log.append((now, what))
        while len(log) > _MOST or log[0][0] < now - _LOG_TIME:
            self._unknown_before = log.popleft()[0]

    def since(self, asked_at: datetime | None) -> list[_T] | None:
        """What was forgotten since then, newest first; None when nobody knows any more.

        Nothing for an answer that does not say when it was asked for.
        """
        if asked_at is None:
            return []
        if self._unknown_before is not None and asked_at <= self._unknown_before:
            return None
        found: list[_T] = []
        for at, what in reversed(self._log):
            if at < asked_at:
                break
            found.append(what)
        return found
