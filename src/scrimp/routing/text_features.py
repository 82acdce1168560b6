"""The features of a question: what is counted in it, what the call asks for, its embedding, words.

A row of float32 numbers; packed it takes under a kilobyte and holds no text. The version names all
that it depends on: rows of different versions are never compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scrimp.routing.wording import NAMES, bucket, counted
from scrimp.values import Value

Floats = NDArray[np.float32]

EMBEDDING: Final = 256
WORDS: Final = 1024
"""Places of words: a word adds or takes one from its own, which it may share."""
HEAD_CHARS: Final = 1200
TAIL_CHARS: Final = 800
"""A long text is read at both ends only: what is asked stands there."""


class Meta(Value, frozen=True):
    """What is known of a call beside its text."""

    turns: int = 1
    system_chars: int = 0
    tools: int = 0
    schema: bool = False
    images: int = 0
    output_limit: int = 0


NO_META: Final = Meta()
_PLACES: Final = WORDS - 1
_SIGN: Final = np.array([-1.0, 1.0], np.float32)
_META: Final = len(Meta.__struct_fields__)
LEXICAL: Final = len(NAMES) + _META
DENSE: Final = LEXICAL + EMBEDDING
WIDTH: Final = DENSE + WORDS
_VERSION: Final = "1"


class Shape(Value, frozen=True):
    """How a row is laid out: counted numbers, then the embedding, then words."""

    lexical: int
    embedding: int = 0
    words: int = 0

    @property
    def width(self) -> int:
        """Of a whole row."""
        return self.lexical + self.embedding + self.words

    @property
    def dense(self) -> int:
        """Without words."""
        return self.lexical + self.embedding


QUESTION: Final = Shape(LEXICAL, EMBEDDING, WORDS)


def shape_of(width: int) -> Shape:
    """That of questions for their width; rows of any other width are all counted numbers."""
    return QUESTION if width == WIDTH else Shape(width)


class Reader:
    """Makes rows. Without `embed` that part is zeros, and the rest does what it can."""

    width: int = WIDTH

    def __init__(self, embed: Callable[[str], Floats] | None = None, embedder: str = "") -> None:
        self._embed = embed
        self.version = f"{_VERSION}/{embedder or ('static' if embed else 'none')}"

    def read(self, text: str, meta: Meta = NO_META) -> Floats:
        """The features of one question."""
        text = bounded(text)
        found = counted(text)
        row = np.zeros(WIDTH, np.float32)
        row[: len(NAMES)] = found.numbers
        row[len(NAMES) : LEXICAL] = _about(meta)
        if self._embed is not None:
            row[LEXICAL:DENSE] = self._embed(text)
        at = np.frombuffer(b"".join([bucket(token) for token in found.distinct]), np.uint32)
        row[DENSE + (at & _PLACES)] = _SIGN[at >> 20]
        return row


def bounded(text: str) -> str:
    """What is read of a text: all of it, or its two ends."""
    if len(text) <= HEAD_CHARS + TAIL_CHARS:
        return text
    return f"{text[:HEAD_CHARS]}\n{text[-TAIL_CHARS:]}"


def pack(features: Floats) -> bytes:
    """Half precision for dense numbers, one place and sign per word. Deterministic."""
    shape = shape_of(len(features))
    dense = features[: shape.dense].astype("<f2").tobytes()
    words = features[shape.dense :]
    at = np.flatnonzero(words)
    return dense + (at * 2 + (words[at] > 0)).astype("<u2").tobytes()


def unpack(packed: bytes, width: int = WIDTH) -> Floats:
    """The row again. Raises ValueError for bytes that are not one of this width."""
    shape = shape_of(width)
    size = shape.dense * 2
    if len(packed) < size or (len(packed) - size) % 2:
        raise ValueError(f"{len(packed)} bytes are no row of {shape.dense} dense numbers")
    row = np.zeros(width, np.float32)
    row[: shape.dense] = np.frombuffer(packed, "<f2", shape.dense)
    codes = np.frombuffer(packed, "<u2", offset=size)
    places = codes >> 1
    if len(codes) and int(places.max()) >= shape.words:
        raise ValueError(f"a word at place {int(places.max())}, there are {shape.words}")
    row[shape.dense + places] = np.where(codes & 1, 1.0, -1.0)
    return row


def _about(meta: Meta) -> list[float]:
    return [
        math.log1p(meta.turns),
        math.log1p(meta.system_chars),
        math.log1p(meta.tools),
        float(meta.schema),
        math.log1p(meta.images),
        math.log1p(meta.output_limit),
    ]
