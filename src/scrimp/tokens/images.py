"""Tokens of images: OpenAI's tiles and patches, Claude's patches, Gemini's tiles and budgets.

Rules from OpenAI's vision guide, Anthropic's vision documentation and Google's page on tokens.
Where measurements by users differ from what is printed (gpt-5-mini 1.2 measured, 1.62 printed),
both are in the range. Measured in 2026-11 by others at ten sizes: gpt-5.5 and later 1.2 a patch,
at most 2,500 patches at high detail and 10,000 otherwise; Claude 4.5 and Gemini 3 as below.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from scrimp.tokens.encodings import NEW_CLAUDE
from scrimp.tokens.image_sizes import Size
from scrimp.tokens.tally import Range, exactly

_UNKNOWN_SIDES: tuple[Size, Size, Size] = ((512, 512), (1024, 1024), (2048, 768))
"""Small, usual and largest billed size, for an image whose size is not in the request."""
_LOW_PATCHES = 256
"""Of the 512 x 512 pixels that low detail looks at."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """Tiles (base and per tile), or patches (multiplier low, likely, high) and the most of them.

    `most_high` patches at high detail. A rule with both is one by tiles that may be by patches.
    """

    base: int = 0
    tile: int = 0
    patches: tuple[float, float, float] | None = None
    most: int = 1536
    most_high: int = 1536


def _times(low: float, likely: float, high: float) -> _Rule:
    return _Rule(patches=(low, likely, high))


_OPENAI: tuple[tuple[re.Pattern[str], _Rule], ...] = tuple(
    (re.compile(pattern), rule)
    for pattern, rule in (
        (r"gpt-4\.1-mini", _times(1.62, 1.62, 1.62)),
        (r"gpt-4\.1-nano", _times(2.46, 2.46, 2.46)),
        (r"o4-mini", _times(1.72, 1.72, 1.72)),
        (r"gpt-5-mini", _times(1.2, 1.2, 1.62)),
        (r"gpt-5-nano", _times(1.5, 1.5, 2.46)),
        (r"gpt-[5-9][.\d]*-(codex-)?mini", _times(1.2, 1.62, 1.62)),
        (r"gpt-[5-9][.\d]*-nano", _times(1.5, 2.46, 2.46)),
        (r"gpt-4o-mini", _Rule(base=2833, tile=5667)),
        (r"gpt-5\.[4-9]", _Rule(patches=(1.0, 1.2, 1.2), most=10_000, most_high=2500)),
        (r"gpt-[6-9]", _Rule(patches=(1.0, 1.2, 1.2), most=20_000, most_high=2500)),
        (r"gpt-5\.", _Rule(base=70, tile=140, patches=(1.0, 1.0, 1.2))),
        (r"gpt-5", _Rule(base=70, tile=140)),
        (r"o1|o3", _Rule(base=75, tile=150)),
        (r"computer-use", _Rule(base=65, tile=129)),
    )
)
_OPENAI_DEFAULT = _Rule(base=85, tile=170)
_OLD_GEMINI = re.compile(r"gemini-[12](?!\d)")
_GEMINI_TILE = 258


def image(model: str, size: Size | None, *, detail: str = "auto") -> Range:
    """Tokens of one image by the rules of whose model it is, whatever API it came through."""
    bare = model.lower()
    if "claude" in bare:
        return claude_image(model, size)
    if "gemini" in bare:
        return gemini_image(model, size, detail=detail)
    return openai_image(model, size, detail=detail)


def openai_image(model: str, size: Size | None, *, detail: str = "auto") -> Range:
    """Tokens of one image; `size` is (width, height), None when it is not known."""
    bare = model.lower().rpartition("/")[2].removeprefix("ft:")
    rule = next((rule for name, rule in _OPENAI if name.match(bare)), _OPENAI_DEFAULT)
    if not rule.tile:
        return _by_patches(rule, size, detail)
    low, guess, high = _by_tiles(rule, size, detail)
    if rule.patches is None:
        return low, guess, high
    other = _by_patches(rule, size, detail)
    return min(low, other[0]), guess, max(high, other[2])


def _by_tiles(rule: _Rule, size: Size | None, detail: str) -> Range:
    if detail == "low":
        return exactly(rule.base)
    if size is not None:
        tokens = rule.base + rule.tile * tiles(size)
        return exactly(tokens) if detail == "high" else (min(rule.base, tokens), tokens, tokens)
    small, usual, large = (rule.base + rule.tile * tiles(one) for one in _UNKNOWN_SIDES)
    return (rule.base if detail != "high" else small), usual, large


def _by_patches(rule: _Rule, size: Size | None, detail: str) -> Range:
    times = rule.patches or (1.0, 1.0, 1.0)
    most = rule.most_high if detail == "high" else rule.most
    if size is None:
        small, usual, _ = (_patches(one, most) for one in _UNKNOWN_SIDES)
        found = (small, usual, most)
    else:
        fewest = min(most, rule.most_high)
        found = (_patches(size, fewest), _patches(size, most), _patches(size, most))
    if detail == "low":
        found = (min(found[0], _LOW_PATCHES), min(found[1], _LOW_PATCHES), found[2])
    low, guess, high = (math.ceil(round(n * x, 6)) for n, x in zip(found, times, strict=True))
    return min(low, guess), guess, high


def tiles(size: Size) -> int:
    """512-pixel tiles after fitting into 2048 x 2048 and a shorter side of at most 768."""
    width, height = size
    shrink = min(1.0, 2048 / max(width, height))
    shrink *= min(1.0, 768 / (min(width, height) * shrink))
    return math.ceil(round(width * shrink) / 512) * math.ceil(round(height * shrink) / 512)


def _patches(size: Size, most: int) -> int:
    """32-pixel patches, shrunk so that no more than `most` are needed."""
    width, height = size
    needed = math.ceil(width / 32) * math.ceil(height / 32)
    if needed <= most:
        return needed
    shrink = math.sqrt(32 * 32 * most / (width * height))
    wide, high = width * shrink / 32, height * shrink / 32
    shrink *= min(max(1, math.floor(wide)) / wide, max(1, math.floor(high)) / high)
    return min(
        most,
        math.ceil(round(width * shrink, 6) / 32) * math.ceil(round(height * shrink, 6) / 32),
    )


def claude_image(model: str, size: Size | None) -> Range:
    """Tokens of one image for Claude: 28-pixel patches of what fits; 10 % of doubt.

    The older rule, width x height / 750, is in the range.
    """
    edge, most = (2576, 4784) if NEW_CLAUDE.search(model.lower()) else (1568, 1568)
    if size is None:
        return 64, 1300, most * 11 // 10
    width, height = size
    shrink = min(1.0, edge / max(width, height))
    wide, high = width * shrink, height * shrink
    by_pixel = min(round(wide) * round(high) // 750, most)
    by_patch = _claude_patches(wide, high, most)
    least, largest = sorted((by_patch, by_pixel))
    return least * 9 // 10, by_patch, -(-largest * 11 // 10)


def _claude_patches(width: float, height: float, most: int) -> int:
    """Patches of the largest size of this shape that needs no more than `most`."""
    low, high = 0.0, 1.0
    found = math.ceil(round(width) / 28) * math.ceil(round(height) / 28)
    if found <= most:
        return found
    for _ in range(24):
        middle = (low + high) / 2
        needed = math.ceil(width * middle / 28) * math.ceil(height * middle / 28)
        if needed <= most:
            low, found = middle, needed
        else:
            high = middle
    return found


def gemini_image(model: str, size: Size | None, *, detail: str = "auto") -> Range:
    """Tokens of one image for Gemini: 258 by tile before Gemini 3, one budget for all after it.

    Google states two rules for tiles, of 768 pixels and of the shorter side by 1.5: the range
    holds both. Gemini 3 took 1,065 to 1,101 with a short prompt at any size (measured by others).
    """
    if not _OLD_GEMINI.search(model.lower()):
        return (64, 280, 1120) if detail == "low" else (280, 1100, 2240)
    if detail == "low" or (size is not None and max(size) <= 384):
        return exactly(_GEMINI_TILE)
    if size is None:
        return _GEMINI_TILE, 4 * _GEMINI_TILE, 16 * _GEMINI_TILE
    width, height = size
    by_tile = math.ceil(width / 768) * math.ceil(height / 768)
    unit = max(1, math.floor(min(width, height) / 1.5))
    by_unit = math.ceil(width / unit) * math.ceil(height / unit)
    most = max(by_tile, min(by_unit, 64))
    return _GEMINI_TILE, by_tile * _GEMINI_TILE, most * _GEMINI_TILE
