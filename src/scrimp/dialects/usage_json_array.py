"""A JSON array of objects that arrives in pieces, sans-IO: each object as soon as it is whole."""

from __future__ import annotations

import re

from scrimp.dialects.sse import MAX_EVENT_BYTES

_OUTSIDE = re.compile(rb'["{}\]]')
_INSIDE = re.compile(rb'["\\]')
_QUOTE, _BACKSLASH, _OPEN, _CLOSE = b'"\\{}'


class ObjectSplitter:
    """Takes pieces of any size, returns the bytes of every outermost object.

    `closed` is true once the array has ended. An object that grows beyond all measure is dropped.
    """

    __slots__ = ("_at", "_buffer", "_depth", "_start", "_string", "closed")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._at = 0
        self._start = 0
        self._depth = 0
        self._string = False
        self.closed = False

    def feed(self, data: bytes) -> list[bytes]:
        """The objects that are whole now."""
        self._buffer += data
        buffer = self._buffer
        found: list[bytes] = []
        while (
            match := (_INSIDE if self._string else _OUTSIDE).search(buffer, self._at)
        ) is not None:
            mark = buffer[match.start()]
            if mark == _BACKSLASH and match.end() == len(buffer):
                self._at = match.start()  # what it escapes is not here yet
                break
            self._at = match.end() + (mark == _BACKSLASH)
            self._take(mark, match.start(), found)
        else:
            self._at = len(buffer)
        self._forget()
        return found

    def _take(self, mark: int, place: int, found: list[bytes]) -> None:
        if mark == _QUOTE:
            self._string = not self._string
        elif mark == _OPEN:
            if not self._depth:
                self._start = place
            self._depth += 1
        elif mark == _CLOSE and self._depth:
            self._depth -= 1
            if not self._depth:
                found.append(bytes(self._buffer[self._start : self._at]))
        elif mark not in (_CLOSE, _BACKSLASH) and not self._depth:
            self.closed = True

    def _forget(self) -> None:
        """Keep the unfinished object only."""
        keep_from = self._start if self._depth else self._at
        if len(self._buffer) - keep_from > MAX_EVENT_BYTES:
            keep_from, self._depth = self._at, 0
        del self._buffer[:keep_from]
        self._at -= keep_from
        self._start = 0
