"""Bodies of requests, read once: one that comes again byte for byte is not read again.

Repeated questions are what the caches are for, and reading one costs more than finding its answer.
"""

from __future__ import annotations

from scrimp.calls import Request, Task
from scrimp.dialects.base import Dialect
from scrimp.tasks import task_by_words

_MOST_BYTES = 1 << 20
"""Of all bodies together; what was read of one is some twenty times its size at worst."""
_LARGEST_BYTES = 8 * 1024
_MOST_SEEN = 16_384


class Reading:
    """What a body says, for any number of calls: nobody changes a request."""

    __slots__ = ("_dialect", "_task", "request")

    def __init__(self, dialect: Dialect, body: bytes) -> None:
        """Raises InvalidRequest, as the dialect does."""
        self.request: Request = dialect.read_request(body)
        self._dialect = dialect
        self._task: Task | None = None

    @property
    def task(self) -> Task:
        """The task type by the words of it."""
        if self._task is None:
            self._task = task_by_words(self._dialect.last_user_text(self.request))
        return self._task


class Readings:
    """Keeps what was read of small bodies that have come twice. For one event loop."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._known: dict[tuple[str, bytes], Reading] = {}
        self._bytes = 0

    def read(self, dialect: Dialect, body: bytes) -> Reading:
        """Raises InvalidRequest, as the dialect does."""
        if len(body) > _LARGEST_BYTES:
            return Reading(dialect, body)
        key = (dialect.name, body)
        found = self._known.get(key)
        if found is None:
            found = Reading(dialect, body)
            self._consider(key, found)
        return found

    def _consider(self, key: tuple[str, bytes], found: Reading) -> None:
        mark = hash(key)
        if mark not in self._seen:
            if len(self._seen) >= _MOST_SEEN:
                self._seen.clear()
            self._seen.add(mark)
            return
        self._known[key] = found
        self._bytes += len(key[1])
        while self._bytes > _MOST_BYTES:
            oldest = next(iter(self._known))
            del self._known[oldest]
            self._bytes -= len(oldest[1])
