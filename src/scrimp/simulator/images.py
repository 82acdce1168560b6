"""What an image part costs in tokens, from its size where its bytes tell it."""

from __future__ import annotations

import base64
import binascii
from typing import Final

_ASSUMED: Final = (1024, 1024)
_HEADER_CHARS: Final = 64


def size_of(data: str) -> tuple[int, int]:
    """Width and height from base64 PNG or GIF data; 1024 x 1024 where they cannot be told."""
    head = data[:_HEADER_CHARS]
    try:
        raw = base64.b64decode(head[: len(head) // 4 * 4])
    except binascii.Error:
        return _ASSUMED
    if raw[:8] == b"\x89PNG\r\n\x1a\n" and len(raw) >= 24:
        return int.from_bytes(raw[16:20]), int.from_bytes(raw[20:24])
    if raw[:4] == b"GIF8" and len(raw) >= 10:
        return int.from_bytes(raw[6:8], "little"), int.from_bytes(raw[8:10], "little")
    return _ASSUMED


def openai_tokens(url: str, *, detail: str) -> int:
    """Tiles of 512 after fitting 2048 and a short side of 768: 85 + 170 per tile, low 85.

    https://platform.openai.com/docs/guides/images-vision, checked 2026-11-22.
    """
    if detail == "low":
        return 85
    data = url.partition(";base64,")[2] if url.startswith("data:") else ""
    width, height = size_of(data)
    scale = min(1.0, 2048 / max(width, height, 1))
    scale *= min(1.0, 768 / max(min(width, height) * scale, 1))
    tiles = -(-max(round(width * scale), 1) // 512) * -(-max(round(height * scale), 1) // 512)
    return 85 + 170 * tiles


def claude_tokens(data: str) -> int:
    """Width x height / 750, at most 1,600.

    https://platform.claude.com/docs/en/build-with-claude/vision, checked 2026-11-22.
    """
    width, height = size_of(data)
    return min(1600, max(1, -(-width * height // 750)))
