"""all-MiniLM-L6-v2 on ONNX Runtime: texts in, vectors of 384 numbers at length 1 out.

The graph ships with Scrimp, the weights with a package of their own (`minilm_weights`); nothing is
downloaded. A text's vector is the same alone and beside others. It blocks: `threaded` runs it.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
import onnxruntime  # type: ignore[import-untyped]  # ships no types
import tokenizers

from scrimp.embedders.minilm_weights import (
    WINDOW,
    WORDS,
    Precision,
    check_files,
    fed,
    find_model,
)
from scrimp.embedders.safetensors import Floats, Tensors
from scrimp.embedders.texts import readable
from scrimp.errors import StoreError

GRAPHS: Final = Path(__file__).parent / "graphs"
DIMS: Final = 384
MOST_CHARS: Final = 4096
"""Read of a text at most, before it is cut into tokens."""
_MOST_TOGETHER: Final = 16
_MOST_TOKENS_TOGETHER: Final = 1024
"""In one run, padding included: bounds memory, and how long others wait."""
_PROBES: Final = 3
_LEAST_COSINE: Final = {"fp32": 0.999999, "q8": 0.998}
_MOST_APART: Final = 1e-5

Ids = list[int]


class Reference(msgspec.Struct, frozen=True):
    """A text and the vector that the published model gives it (float32, little-endian)."""

    text: str
    vector: str

    def numbers(self) -> Floats:
        """The vector."""
        return np.frombuffer(base64.b64decode(self.vector), "<f4")


def references() -> list[Reference]:
    """Fixed texts and fixed vectors, made with torch from the same weights."""
    data = (GRAPHS / "minilm-reference.json").read_bytes()
    return msgspec.json.decode(data, type=list[Reference])


class MiniLm:
    """Implements `threaded.LocalModel`. Empty until `load`."""

    def __init__(self, precision: Precision = "q8") -> None:
        self._precision: Precision = precision
        self.id = f"all-MiniLM-L6-v2/{precision}/1"
        self.dims = DIMS
        self._tokenizer: Any = None
        self._session: Any = None
        self._fed: list[Any] = []  # the session reads these buffers and does not own them
        self._words: Floats = np.zeros((0, DIMS), np.float32)

    def load(self) -> None:
        """Check the files, build the session, try it. Raises ConfigError or StoreError."""
        folder = find_model()
        check_files(folder)
        tensors = Tensors(folder / "model.safetensors")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.enable_cpu_mem_arena = False
        names, values = [], []
        for name, numbers in fed(tensors, self._precision).items():
            names.append(name)
            values.append(onnxruntime.OrtValue.ortvalue_from_numpy(numbers))
        options.add_external_initializers(names, values)
        self._session = onnxruntime.InferenceSession(
            (GRAPHS / f"minilm-{self._precision}.onnx").read_bytes(),
            options,
            providers=["CPUExecutionProvider"],
        )
        self._fed = values
        self._words = tensors[WORDS]  # stays in the file: 47 MB that processes share
        tensors.forget_pages()
        tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.enable_truncation(WINDOW)
        self._tokenizer = tokenizer
        self._try()

    def encode(self, texts: Sequence[str]) -> list[bytes]:
        """One vector per text, in order."""
        ids = [self._tokenizer.encode(readable(text, MOST_CHARS)).ids for text in texts]
        found: list[bytes] = [b""] * len(ids)
        for places in _together(ids):
            vectors = self._run([ids[place] for place in places])
            for place, vector in zip(places, vectors, strict=True):
                found[place] = vector.tobytes()
        return found

    def _run(self, rows: Sequence[Ids]) -> Floats:
        longest = max(map(len, rows))
        words: Floats = np.zeros((len(rows), longest, DIMS), np.float32)
        mask: npt.NDArray[np.int32] = np.zeros((len(rows), longest), np.int32)
        for number, row in enumerate(rows):
            words[number, : len(row)] = self._words[row]
            mask[number, : len(row)] = 1
        vectors: Floats = self._session.run(None, {"words": words, "mask": mask})[0]
        return vectors

    def _try(self) -> None:
        """Known texts have known vectors, alone and together, or this machine computes wrong."""
        known = references()[:_PROBES]
        together = self.encode([one.text for one in known])
        for one, beside in zip(known, together, strict=True):
            alone, kept = (
                np.frombuffer(vector, np.float32) for vector in (self.encode([one.text])[0], beside)
            )
            cosine = float(alone @ one.numbers())
            apart = float(np.abs(alone - kept).max())
            if not (cosine >= _LEAST_COSINE[self._precision] and apart <= _MOST_APART):
                raise StoreError(
                    "the embedded model computes other vectors here than it should (cosine "
                    f"{cosine:.5f}, at least {_LEAST_COSINE[self._precision]:g} expected; "
                    f"{apart:.0e} apart in a batch, at most {_MOST_APART:.0e})" + self._way_out()
                )

    def _way_out(self) -> str:
        return '; precision = "fp32" works everywhere' if self._precision == "q8" else ""


def _together(ids: Sequence[Ids]) -> Iterator[list[int]]:
    """Places of texts that are run together: of like length, so that little is padding."""
    batch: list[int] = []
    for place in sorted(range(len(ids)), key=lambda one: len(ids[one])):
        tokens = len(ids[place]) * (len(batch) + 1)
        if batch and (len(batch) == _MOST_TOGETHER or tokens > _MOST_TOKENS_TOGETHER):
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch
