"""A JSON array of objects that arrives in pieces, sans-IO: each object as soon as it is whole."""

from __future__ import annotations

import re

from scrimp.dialects.sse import MAX_EVENT_BYTES

_REST_OF_STRING = re.compile(rb'(?:[^"\\]++|\\.)*+("?)', re.DOTALL)
_MARK = re.compile(rb'"(?:[^"\\]++|\\.)*+("?)|[{}\]]', re.DOTALL)
_QUOTE, _OPEN, _CLOSE, _END = b'"{}]'


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
        if self._string and (rest := _REST_OF_STRING.match(buffer, self._at)) is not None:
            self._at, self._string = rest.end(), not rest[1]
        if not self._string:
            end = len(buffer)
            for mark in _MARK.finditer(buffer, self._at):
                kind = buffer[mark.start()]
                if kind == _QUOTE:
                    if not mark[1]:
                        self._string, end = True, mark.end()  # what it escapes may not be here yet
                elif kind == _END:
                    self.closed = self.closed or not self._depth
                else:
                    self._count(kind, mark.start(), found)
            self._at = end
        self._forget()
        return found

    def _count(self, kind: int, place: int, found: list[bytes]) -> None:
        if kind == _OPEN:
            if not self._depth:
                self._start = place
            self._depth += 1
        elif kind == _CLOSE and self._depth:
            self._depth -= 1
            if not self._depth:
                found.append(bytes(self._buffer[self._start : place + 1]))

    def _forget(self) -> None:
        """Keep the unfinished object only."""
        keep_from = self._start if self._depth else self._at
        if len(self._buffer) - keep_from > MAX_EVENT_BYTES:
            keep_from, self._depth = self._at, 0
        del self._buffer[:keep_from]
        self._at -= keep_from
        self._start = 0
