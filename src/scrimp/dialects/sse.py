"""Event streams (server-sent events), sans-IO: cut into whole raw events, and read one.

The format is the HTML standard's, section 9.2.6. An event ends with an empty line; lines end with
LF, CRLF or CR. The bytes of all events joined are the bytes that were fed.
"""

from __future__ import annotations

import re

BOM = b"\xef\xbb\xbf"
MAX_EVENT_BYTES = 32 * 1024 * 1024
"""An event that is longer is handed on in pieces (nobody can read it then), not kept forever."""

_END = re.compile(rb"\n\n|\n\r\n?|\r\r")
_LONGEST_END = 3


class EventSplitter:
    """Takes pieces of any size, returns whole events with their terminators, byte for byte."""

    __slots__ = ("_buffer", "_searched")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The events that are whole now."""
        buffer = self._buffer
        if not buffer:
            # The usual piece is one whole event: hand on the very same bytes.
            if data.find(b"\n\n") == len(data) - 2 >= 0 and b"\r" not in data:
                return [data]
            if data.find(b"\r\n\r\n") == len(data) - 4 >= 0 and _plain_lines(data):
                return [data]
            events, rest = _cut(data, 0)
            buffer += data[rest:] if rest else data
        else:
            buffer += data
            events, rest = _cut(buffer, self._searched)
            if rest:
                del buffer[:rest]
        if len(buffer) > MAX_EVENT_BYTES:
            events.append(bytes(buffer))
            buffer.clear()
        # The next search starts where a terminator could have begun, not at the beginning.
        self._searched = max(0, len(buffer) - _LONGEST_END)
        return events

    def close(self) -> bytes:
        """What is left of an event that never ended."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        self._searched = 0
        return rest


def _plain_lines(data: bytes) -> bool:
    """True when every end of line is the same two bytes."""
    return data.count(b"\r\n") == data.count(b"\r") == data.count(b"\n")


def _cut(data: bytes | bytearray, search_from: int) -> tuple[list[bytes], int]:
    """Whole events in `data` and where the unfinished one begins."""
    events: list[bytes] = []
    start = 0
    if data.find(b"\r", search_from) < 0:  # nearly always, and three times as fast
        end = data.find(b"\n\n", search_from)
        while end >= 0:
            events.append(bytes(data[start : end + 2]))
            start = end + 2
            end = data.find(b"\n\n", start)
        return events, start
    for match in _END.finditer(data, search_from):
        stop = match.end()
        if stop == len(data) and data.endswith(b"\n\r"):
            break  # a line feed may follow that belongs to this end of line
        events.append(bytes(data[start:stop]))
        start = stop
    return events, start


def split(data: bytes) -> list[bytes]:
    """All events of a whole stream, an unfinished last one included."""
    splitter = EventSplitter()
    events = splitter.feed(data)
    if rest := splitter.close():
        events.append(rest)
    return events


def event_fields(raw: bytes) -> tuple[bytes, bytes]:
    """Name and data of one raw event; both are empty for comments and keep-alives."""
    # The usual event is one line of data, or a name and one line of data.
    if raw.startswith(b"data: ") and raw.find(b"\n") == len(raw) - 2 and raw.endswith(b"\n\n"):
        return b"", raw[6:-2]
    name = b""
    data: list[bytes] = []
    for line in raw.removeprefix(BOM).splitlines():
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.removeprefix(b" ")
    return name, b"\n".join(data)


def event(data: bytes, name: str = "") -> bytes:
    """One event with one line of data."""
    head = f"event: {name}\n".encode() if name else b""
    return b"%sdata: %s\n\n" % (head, data)
