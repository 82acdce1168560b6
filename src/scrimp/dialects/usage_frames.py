"""AWS event-stream frames (`application/vnd.amazon.eventstream`), sans-IO: cut, checked, read.

Source: "Event stream encoding" of the Smithy specification (smithy.io) and of Amazon's
Transcribe guide (docs.aws.amazon.com, both checked 2026-11-22). A frame is its length, the length
of its headers and a CRC-32 of those eight bytes, then headers, payload, and a CRC-32 of all before
it; numbers are big-endian. What fails a check is not read, nor is anything after it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

MAX_FRAME_BYTES = 24 * 1024 * 1024
"""Amazon sends at most 16 MiB; a greater length is none."""

_PRELUDE = struct.Struct(">III")
_CRC = struct.Struct(">I")
_SHORT = struct.Struct(">H")
_AROUND_BYTES = _PRELUDE.size + _CRC.size
_STRING = 7
_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_COUNTED = (6, _STRING)
_UNREADABLE = "event stream: a frame's headers cannot be read"


@dataclass(frozen=True, slots=True)
class Frame:
    """One event: its headers of text by name, and its payload."""

    headers: Mapping[str, str]
    payload: bytes


class FrameSplitter:
    """Takes pieces of any size, returns whole frames that passed both checks.

    `error` says, with both numbers, which check failed; from then on nothing is returned.
    """

    __slots__ = ("_buffer", "error")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.error = ""

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that are whole now. Never raises."""
        self._buffer += data
        buffer, start = self._buffer, 0
        frames: list[bytes] = []
        while not self.error and len(buffer) - start >= _PRELUDE.size:
            length, headers, told = _PRELUDE.unpack_from(buffer, start)
            self.error = _prelude_error(bytes(buffer[start : start + 8]), length, headers, told)
            if self.error or len(buffer) - start < length:
                break
            frame = bytes(buffer[start : start + length])
            self.error = _checksum_error(
                "frame", frame[:-4], _CRC.unpack_from(frame, length - 4)[0]
            )
            if not self.error:
                frames.append(frame)
                start += length
        del buffer[:start]
        return frames

    def close(self) -> bytes:
        """What is left: an unfinished frame, or all from the broken one on."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest


def read_frame(raw: bytes) -> Frame | None:
    """One whole frame, checked before; None when its headers cannot be read."""
    end = _PRELUDE.size + _PRELUDE.unpack_from(raw)[1]
    try:
        return Frame(_headers(raw, _PRELUDE.size, end), raw[end:-4])
    except (IndexError, KeyError, UnicodeDecodeError, struct.error):
        return None


def frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One frame with headers of text."""
    told = b"".join(_header(name, value) for name, value in headers.items())
    sizes = struct.pack(">II", _AROUND_BYTES + len(told) + len(payload), len(told))
    whole = sizes + _CRC.pack(zlib.crc32(sizes)) + told + payload
    return whole + _CRC.pack(zlib.crc32(whole))


def _header(name: str, value: str) -> bytes:
    key, text = name.encode(), value.encode()
    return bytes((len(key),)) + key + bytes((_STRING,)) + _SHORT.pack(len(text)) + text


def _prelude_error(sizes: bytes, length: int, headers: int, told: int) -> str:
    if wrong := _checksum_error("prelude", sizes, told):
        return wrong
    if not _AROUND_BYTES + headers <= length <= MAX_FRAME_BYTES:
        return f"event stream: a frame of {length} bytes with {headers} of headers"
    return ""


def _checksum_error(what: str, data: bytes, told: int) -> str:
    found = zlib.crc32(data)
    if found == told:
        return ""
    return f"event stream: checksum of the {what} is {found:08x}, it says {told:08x}"


def _headers(raw: bytes, at: int, end: int) -> dict[str, str]:
    """Headers of text; others are passed over. Raises for what is no header."""
    found: dict[str, str] = {}
    while at < end:
        stop = at + 1 + raw[at]
        name, kind = raw[at + 1 : stop].decode(), raw[stop]
        at = stop + 1
        if kind in _COUNTED:
            size = _SHORT.unpack_from(raw, at)[0]
            at += _SHORT.size
            if kind == _STRING:
                found[name] = raw[at : at + size].decode()
        else:
            size = _SIZES[kind]
        at += size
    if at != end:
        raise IndexError(_UNREADABLE)
    return found
