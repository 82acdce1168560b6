"""Counts that are known, checked one by one: ours, and any file that names them by the same ids.

Ours (tests/wire/counts.json) hold the whole request or the size of an image, and what each model
counted. Another file may say only `{"id": …, "expect": {model: tokens}}` of a request that ours
hold, or of images in words: `"gpt-4o 1024x1024 high": 765`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scrimp.encoders import TiktokenEncoder
from scrimp.tokens.audio import GEMINI_AUDIO_PER_S, GEMINI_VIDEO_PER_S
from scrimp.tokens.image_sizes import Size
from scrimp.tokens.images import image

OURS = Path(__file__).parents[2] / "tests" / "wire" / "counts.json"
_SIZE = re.compile(r"(\d+)x(\d+)")
_TIMES_MODELS = ("gpt-4.1-mini", "gpt-4.1-nano", "o4-mini", "gpt-5-mini", "gpt-5-nano")
_NEAR = 0.05
Vector = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One figure: what is expected, and what we say."""

    id: str
    what: str
    expected: float
    found: float
    low: float
    high: float
    within: float = 0.0

    @property
    def matches(self) -> bool:
        """Exact, or as near as the vector asks; and inside our own range."""
        near = abs(self.found - self.expected) <= self.expected * self.within
        return near and self.low <= self.expected <= self.high


def load(path: Path = OURS) -> Sequence[Vector]:
    """The vectors of a file."""
    found: Sequence[Vector] = json.loads(path.read_bytes())
    return found


def check(vectors: Sequence[Vector], encoder: TiktokenEncoder) -> Iterator[Verdict]:
    """A verdict on each figure. What names neither a request of ours nor a size is left out."""
    known = {vector["id"]: vector for vector in load()}
    for vector in vectors:
        expect = vector.get("expect")
        if not isinstance(expect, Mapping):
            continue
        whole = {**known.get(vector["id"], {}), **vector}
        for model, tokens in expect.items():
            verdict = _check(whole, model, tokens, encoder)
            if verdict is not None:
                yield verdict


def unknown(vectors: Sequence[Vector], encoder: TiktokenEncoder) -> list[str]:
    """Ids of which nothing could be checked."""
    checked = {verdict.id for verdict in check(vectors, encoder)}
    return [vector["id"] for vector in vectors if vector["id"] not in checked]


def _check(vector: Vector, model: str, expected: float, encoder: TiktokenEncoder) -> Verdict | None:
    within = float(vector.get("within", 0))
    if (request := vector.get("request")) is not None:
        count = encoder.request_now(model, request, vector["dialect"])
        found = (count.low, count.tokens, count.high)
    elif (given := vector.get("image")) is not None:
        found = image(model, (given["width"], given["height"]), detail=given["detail"])
    else:
        return _in_words(vector["id"], model, expected)
    return Verdict(vector["id"], model, expected, found[1], found[0], found[2], within)


def _in_words(id: str, what: str, expected: float) -> Verdict | None:
    """An image, or the price of a patch, that is described by its key."""
    if what in ("audio per s", "video per s"):
        rate = float(GEMINI_AUDIO_PER_S if what[0] == "a" else GEMINI_VIDEO_PER_S)
        return Verdict(id, what, expected, rate, rate, rate)
    if (model := what.removesuffix(" MEASURED").removesuffix(" multiplier")) in _TIMES_MODELS:
        low, found, high = (one / 1024 for one in image(model, (1024, 1024)))
        return Verdict(id, what, expected, found, low - 0.001, high, 0.001)
    shown = _image_in_words(what)
    if shown is None:
        return None
    model, size, detail, within = shown
    low, found, high = image(model, size, detail=detail)
    if "patches" in what:  # by the model whose patches are counted 1.72 times
        low, found, high = int(low / 1.72), int(found / 1.72), int(high / 1.72)
    return Verdict(id, what, expected, found, low, high, within)


def _image_in_words(what: str) -> tuple[str, Size, str, float] | None:
    """Model, size, detail, and how near the figure is to be."""
    size = _SIZE.search(what)
    sides = (int(size[1]), int(size[2])) if size else (4000, 4000)
    if "patches" in what:
        return "o4-mini", sides, "auto", 0.0
    if what.startswith("cap "):
        return "claude-sonnet-4-6", sides, "auto", _NEAR
    if what.startswith("image <="):
        return "gemini-2.0-flash", sides, "auto", 0.0
    if what.startswith("per 768 tile"):
        return "gemini-2.0-flash", (768, 768), "auto", 0.0
    model, _, rest = what.partition(" ")
    if not rest:
        return None
    return model, sides, "low" if rest.endswith("low") else "high", 0.0
