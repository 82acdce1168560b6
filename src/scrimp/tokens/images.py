"""Tokens of images: OpenAI's tiles and patches, Claude's pixels and patches.

Rules from OpenAI's vision guide and Anthropic's vision documentation; where measurements by users
differ from the printed figure (gpt-5-mini 1.2 measured, 1.62 printed), both are in the range.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from dataclasses import dataclass

from scrimp.tokens.tally import Range, exactly

Size = tuple[int, int]

_PATCH_CAP = 1536
_UNKNOWN_SIDES: tuple[Size, Size, Size] = ((512, 512), (1024, 1024), (2048, 768))
"""Small, usual and largest billed size, for an image whose size is not in the request."""
_HEAD_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class _Rule:
    """Tiles (base and per tile) or patches (multiplier, low and high) of a model family."""

    base: int = 0
    tile: int = 0
    patches: tuple[float, float, float] | None = None


_OPENAI: tuple[tuple[str, _Rule], ...] = (
    ("gpt-4.1-mini", _Rule(patches=(1.62, 1.62, 1.62))),
    ("gpt-4.1-nano", _Rule(patches=(2.46, 2.46, 2.46))),
    ("o4-mini", _Rule(patches=(1.72, 1.72, 1.72))),
    ("gpt-5-mini", _Rule(patches=(1.2, 1.2, 1.62))),
    ("gpt-5-nano", _Rule(patches=(1.5, 1.5, 2.46))),
    ("gpt-4o-mini", _Rule(base=2833, tile=5667)),
    ("gpt-5", _Rule(base=70, tile=140)),
    ("o1", _Rule(base=75, tile=150)),
    ("o3", _Rule(base=75, tile=150)),
)
_OPENAI_DEFAULT = _Rule(base=85, tile=170)
_NEW_CLAUDE = re.compile(r"claude-(opus-(4[-.][789]|[5-9])|sonnet-[5-9]|haiku-[5-9]|fable|mythos)")


def openai_image(model: str, size: Size | None, *, detail: str = "auto") -> Range:
    """Tokens of one image; `size` is (width, height), None when it is not known."""
    bare = model.lower().rpartition("/")[2]
    rule = next((rule for name, rule in _OPENAI if bare.startswith(name)), _OPENAI_DEFAULT)
    if rule.patches is not None:
        found = [_patches(one) for one in ([size] * 3 if size else _UNKNOWN_SIDES)]
        low, guess, high = (
            math.ceil(n * times) for n, times in zip(found, rule.patches, strict=True)
        )
        return min(low, guess), guess, high
    if detail == "low":
        return exactly(rule.base)
    if size is not None:
        tokens = rule.base + rule.tile * tiles(size)
        return (exactly(tokens)) if detail == "high" else (min(rule.base, tokens), tokens, tokens)
    small, usual, large = (rule.base + rule.tile * tiles(one) for one in _UNKNOWN_SIDES)
    return (rule.base if detail != "high" else small), usual, large


def tiles(size: Size) -> int:
    """512-pixel tiles after fitting into 2048 x 2048 and a shorter side of at most 768."""
    width, height = size
    shrink = min(1.0, 2048 / max(width, height))
    shrink *= min(1.0, 768 / (min(width, height) * shrink))
    return math.ceil(round(width * shrink) / 512) * math.ceil(round(height * shrink) / 512)


def _patches(size: Size) -> int:
    """32-pixel patches, shrunk so that no more than 1536 are needed."""
    width, height = size
    needed = math.ceil(width / 32) * math.ceil(height / 32)
    if needed <= _PATCH_CAP:
        return needed
    shrink = math.sqrt(32 * 32 * _PATCH_CAP / (width * height))
    wide, high = width * shrink / 32, height * shrink / 32
    shrink *= min(max(1, math.floor(wide)) / wide, max(1, math.floor(high)) / high)
    return min(
        _PATCH_CAP,
        math.ceil(round(width * shrink, 6) / 32) * math.ceil(round(height * shrink, 6) / 32),
    )


def claude_image(model: str, size: Size | None) -> Range:
    """Tokens of one image for Claude; 10 % of doubt, as measurements and documents differ."""
    edge, cap = (2576, 8500) if _NEW_CLAUDE.search(model.lower()) else (1568, 1600)
    if size is None:
        return 64, 1300, cap
    width, height = size
    shrink = min(1.0, edge / max(width, height))
    width, height = round(width * shrink), round(height * shrink)
    by_patch = math.ceil(width / 28) * math.ceil(height / 28)
    by_pixel = width * height // 750
    low, high = sorted((min(by_patch, cap), min(by_pixel, cap)))
    return low * 9 // 10, min(by_patch, cap), -(-high * 11 // 10)


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
