"""Width and height of an image from the first bytes of its data: PNG, JPEG, GIF, WebP."""

from __future__ import annotations

import base64
import binascii

Size = tuple[int, int]

_HEAD_BYTES = 64 * 1024


def data_url_size(url: str) -> Size | None:
    """Width and height of an image in a `data:` URL; None for other URLs and unknown formats."""
    if not url.startswith("data:"):
        return None
    return base64_size(url.partition(",")[2])


def base64_size(text: str) -> Size | None:
    """Width and height of a PNG, GIF, WebP or JPEG, from the first bytes of its Base64 text."""
    try:
        head = base64.b64decode(text[: _HEAD_BYTES * 4 // 3 // 4 * 4] + "===")
    except (binascii.Error, ValueError):
        return None
    size = _png(head) or _gif(head) or _webp(head) or _jpeg(head)
    return size if size and min(size) > 0 else None


def _png(head: bytes) -> Size | None:
    if head[:8] != b"\x89PNG\r\n\x1a\n" or len(head) < 24:
        return None
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")


def _gif(head: bytes) -> Size | None:
    if head[:4] != b"GIF8" or len(head) < 10:
        return None
    return int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little")


def _webp(head: bytes) -> Size | None:
    if head[:4] != b"RIFF" or head[8:12] != b"WEBP" or len(head) < 30:
        return None
    kind = head[12:16]
    if kind == b"VP8X":
        wide, high = (int.from_bytes(head[at : at + 3], "little") + 1 for at in (24, 27))
        return wide, high
    if kind == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    wide, high = (int.from_bytes(head[at : at + 2], "little") & 0x3FFF for at in (26, 28))
    return wide, high


def _jpeg(head: bytes) -> Size | None:
    """Walk the segments to the frame header (SOF0 to SOF15 without DHT, JPG and DAC)."""
    if head[:2] != b"\xff\xd8":
        return None
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:
        marker = head[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            high = int.from_bytes(head[at + 5 : at + 7], "big")
            return int.from_bytes(head[at + 7 : at + 9], "big"), high
        at += 2 + max(2, int.from_bytes(head[at + 2 : at + 4], "big"))
    return None
