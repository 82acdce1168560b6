"""A static embedding: one vector per piece of a word, and a text is their mean. No network to run.

The table is WordLlama's (MIT licence; 32,000 pieces, 256 numbers each). It is kept with eight bits
a number, 8 MB: half precision takes longer to widen than all the rest together. Words are cut into
the longest pieces that fit, from the left; common words are one piece, and there the tokenizer that
the table was made with (which takes 17 MB and a package) says the same.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from scrimp.embedders.safetensors import Halves, Tensors
from scrimp.embedders.texts import readable
from scrimp.errors import ConfigError, StoreError

Floats = npt.NDArray[np.float32]

PACKAGE: Final = "wordllama"
INSTALL: Final = "pip install --no-deps wordllama==0.4.0.post1"
ID: Final = "wordllama-l2-256/1"
DIMS: Final = 256
MOST_CHARS: Final = 8000
_ROWS: Final = 32_000
_MOST_WORD: Final = 48
_MOST_PIECE: Final = 16
_MOST_KNOWN: Final = 16_384
"""Words in each of two generations, some 2 MB: to cut them anew takes longer than all the rest."""
_MOST_PIECES: Final = 512
_SPACE: Final = "▁"
_WORD: Final = re.compile(r"\S+")


class _Model(msgspec.Struct):
    vocab: dict[str, int]


class _Tokenizer(msgspec.Struct):
    model: _Model


class _Known(dict[str, bytes]):
    """Words and their pieces, two bytes each; a word that is asked for first is cut then.

    `before` is the generation before: what is asked still is taken over from there, the rest goes
    with it. So words that come often are cut once.
    """

    def __init__(
        self, vocabulary: Mapping[str, int], before: Mapping[str, bytes] | None = None
    ) -> None:
        super().__init__()
        self._vocabulary = vocabulary
        self._before: Mapping[str, bytes] = before or {}

    def __missing__(self, word: str) -> bytes:
        found = self._before.get(word)
        if found is None:
            ids = _pieces(_SPACE + word[:_MOST_WORD], self._vocabulary)
            found = np.array(ids, np.uint16).tobytes()
        self[word] = found
        return found

    def followed(self) -> _Known:
        """The next generation; the one before this is forgotten."""
        self._before = {}
        return _Known(self._vocabulary, self)


class StaticWords:
    """Texts in, the mean of their pieces out; its length is kept, it says how rare they are.

    Blocks for some ten microseconds, so it needs no thread. Not for two threads at once.
    """

    def __init__(self, table: Halves, vocabulary: Mapping[str, int]) -> None:
        self._codes, self._scales = _eight_bits(table)
        self._known = _Known(vocabulary)

    def __call__(self, text: str) -> Floats:
        """The vector of a text; zeros for one without words."""
        known = self._known
        pieces = b"".join([known[word] for word in _WORD.findall(readable(text, MOST_CHARS))])
        if len(known) > _MOST_KNOWN:
            self._known = known.followed()
        at = np.frombuffer(pieces, np.uint16)[:_MOST_PIECES].astype(np.intp)
        if not len(at):
            return np.zeros(self._codes.shape[1], np.float32)
        total: Floats = self._scales.take(at) @ self._codes.take(at, axis=0).astype(np.float32)
        total /= np.float32(len(at))
        return total


def installed() -> bool:
    """Whether the table's package is here."""
    return importlib.util.find_spec(PACKAGE) is not None


def load() -> StaticWords:
    """Read the table and its pieces. Raises ConfigError, StoreError."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(f"the static embedding is not installed ({INSTALL})")
    return opened(Path(next(iter(spec.submodule_search_locations))))


def opened(folder: Path) -> StaticWords:
    """The embedding from a folder of the package's form. Raises StoreError."""
    tensors = Tensors(folder / "weights" / "l2_supercat_256.safetensors")
    if "embedding.weight" not in tensors.names():
        raise StoreError(f"the static embedding's table is not in its file ({INSTALL})")
    table = tensors.halves("embedding.weight")
    path = folder / "tokenizers" / "l2_supercat_tokenizer_config.json"
    try:
        vocabulary = msgspec.json.decode(path.read_bytes(), type=_Tokenizer).model.vocab
    except (OSError, msgspec.MsgspecError) as error:
        raise StoreError(f"{path.name} is not readable ({INSTALL})") from error
    most = max(vocabulary.values(), default=-1)
    if table.ndim != 2 or table.shape[1] != DIMS or not most < len(table) <= 2**16:
        raise StoreError(
            f"the static embedding has a table of {table.shape}, {_ROWS} by {DIMS} are expected, "
            f"and pieces up to {most} ({INSTALL})"
        )
    made = StaticWords(table, vocabulary)
    tensors.forget_pages()
    return made


def _pieces(word: str, vocabulary: Mapping[str, int]) -> list[int]:
    """The longest pieces that fit, from the left; a sign without a piece counts as its bytes."""
    found: list[int] = []
    begin = 0
    while begin < len(word):
        for end in range(min(len(word), begin + _MOST_PIECE), begin, -1):
            piece = vocabulary.get(word[begin:end])
            if piece is not None:
                found.append(piece)
                begin = end
                break
        else:
            codes = (f"<0x{byte:02X}>" for byte in word[begin].encode())
            found += [vocabulary[code] for code in codes if code in vocabulary]
            begin += 1
    return found


def _eight_bits(table: Halves) -> tuple[npt.NDArray[np.int8], Floats]:
    """Codes, and a scale for each row; block by block, so that little memory is touched."""
    codes = np.empty(table.shape, np.int8)
    scales = np.empty(len(table), np.float32)
    for begin in range(0, len(table), 1024):
        rows = table[begin : begin + 1024].astype(np.float32)
        scale = np.maximum(np.abs(rows).max(axis=1), np.float32(1e-12)) / np.float32(127)
        codes[begin : begin + 1024] = np.rint(rows / scale[:, None])
        scales[begin : begin + 1024] = scale
    return codes, scales
