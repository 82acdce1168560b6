"""What is wrong with a cache's file: told once, tried again after a pause, replaced where damaged.

A cache may always begin anew, so a damaged file is set aside and never loses a call.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

from scrimp.errors import StoreError
from scrimp.stores.private_file import Identity, identity
from scrimp.stores.sqlite_errors import is_busy, words_of
from scrimp.stores.sqlite_replies_file import damaged_path, is_damage, set_aside


class Trouble:
    """One writer's. `said` is empty while all is well; `retry_at` is of the monotonic clock."""

    def __init__(
        self,
        path: Path,
        name: str,
        pauses_s: tuple[float, ...],
        tell: Callable[[str], None],
        disconnect: Callable[[], None],
    ) -> None:
        """`name` is how messages call the file, such as `semantic cache`."""
        self.said = ""
        self.retry_at = 0.0
        self._path = path
        self._name = name
        self._pauses_s = pauses_s
        self._tell = tell
        self._disconnect = disconnect
        self._failures = 0

    def failed(self, error: Exception) -> None:
        """Note it, and tell it the first time; a connection that is of no more use goes."""
        if not is_busy(error):
            self._disconnect()
        said = f"the {self._name} {self._path} cannot be used now: {words_of(error)}"
        if not self.said:
            self._tell(f"{self._name}: {said}; calls go on without it")
        pause_s = self._pauses_s[min(self._failures, len(self._pauses_s) - 1)]
        self._failures += 1
        refused = isinstance(error, StoreError) and not is_damage(error)
        self.retry_at = math.inf if refused else time.monotonic() + pause_s
        self.said = said

    def passed(self) -> None:
        """All is well again."""
        if self.said:
            self._tell(f"{self._name}: {self._path} is in use again")
        self.said, self.retry_at, self._failures = "", 0.0, 0

    def mended(self, error: Exception, seen: Identity | None) -> bool:
        """Set a damaged file, the one that was `seen`, aside. False when it is not that."""
        if not is_damage(error):
            return False
        seen = seen or identity(self._path)
        self._disconnect()
        try:
            first = set_aside(self._path, seen)
        except OSError:
            return False
        if first:
            kept = damaged_path(self._path)
            self._tell(
                f"{self._name}: {self._path} was damaged; it is kept as {kept} and made anew"
            )
        return True
