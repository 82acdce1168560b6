"""Models of fastembed and sentence-transformers, where those are installed (extras of Scrimp).

Both may download a model when they load it first. They are imported by `load`, never before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from scrimp.embedders.texts import readable
from scrimp.embedders.unit import unit_bytes
from scrimp.errors import StoreError

MOST_CHARS = 16_000


class FastembedModel:
    """A model of fastembed. Implements `threaded.LocalModel`.

    Texts are embedded one by one: many of its models are quantised so that a text's vector depends
    on those beside it.
    """

    def __init__(self, model: str, dims: int) -> None:
        self.id = f"fastembed:{model}/{dims}/1"
        self.dims = dims
        self._name = model
        self._model: Any = None

    def load(self) -> None:
        """May download."""
        import fastembed  # type: ignore[import-not-found]  # noqa: PLC0415 - an optional extra

        self._model = fastembed.TextEmbedding(model_name=self._name, threads=1)

    def encode(self, texts: Sequence[str]) -> list[bytes]:
        """One vector per text, in order. Raises StoreError."""
        given = (readable(text, MOST_CHARS) for text in texts)
        return _checked((next(iter(self._model.embed([text]))) for text in given), self)


class SentenceTransformersModel:
    """A model of sentence-transformers, on the CPU. Implements `threaded.LocalModel`."""

    def __init__(self, model: str, dims: int) -> None:
        self.id = f"sentence-transformers:{model}/{dims}/1"
        self.dims = dims
        self._name = model
        self._model: Any = None

    def load(self) -> None:
        """May download."""
        import sentence_transformers  # type: ignore[import-not-found]  # noqa: PLC0415 - an optional extra

        self._model = sentence_transformers.SentenceTransformer(self._name, device="cpu")

    def encode(self, texts: Sequence[str]) -> list[bytes]:
        """One vector per text, in order. Raises StoreError."""
        given = [readable(text, MOST_CHARS) for text in texts]
        return _checked(self._model.encode(given, show_progress_bar=False), self)


def _checked(
    vectors: Iterable[Any], model: FastembedModel | SentenceTransformersModel
) -> list[bytes]:
    found: list[bytes] = []
    for vector in vectors:
        numbers = np.asarray(vector, np.float32)
        if numbers.shape != (model.dims,):
            raise StoreError(
                f"embedder '{model.id}' made a vector of {numbers.size} numbers, {model.dims} are "
                "expected (embedder dims)"
            )
        unit = unit_bytes(numbers)
        if unit is None:
            raise StoreError(f"embedder '{model.id}' made a vector without direction")
        found.append(unit)
    return found
