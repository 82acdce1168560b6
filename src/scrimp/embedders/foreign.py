"""Somebody else's way to make vectors, as a model of this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from scrimp.embedders.unit import unit_bytes
from scrimp.errors import StoreError

Encode = Callable[[Sequence[str]], Sequence[Sequence[float]]]


class ForeignModel:
    """Implements `LocalModel`. Its vectors are as long as the first one that it made."""

    def __init__(self, name: str, encode: Encode) -> None:
        self.id = name
        self.dims = 0
        self._encode = encode

    def load(self) -> None:
        """Whoever brought it has loaded it."""

    def encode(self, texts: Sequence[str]) -> list[bytes]:
        """One vector of length 1 per text, in order. Raises StoreError."""
        found = self._encode(texts)
        if len(found) != len(texts):
            raise StoreError(
                f"embedder '{self.id}' made {len(found)} vectors of {len(texts)} texts"
            )
        return [self._checked(np.asarray(numbers, np.float64)) for numbers in found]

    def _checked(self, row: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> bytes:
        size = row.size if row.ndim == 1 else 0
        self.dims = self.dims or size
        if not size or size != self.dims:
            msg = f"embedder '{self.id}' made a vector of {size} numbers, {self.dims} are expected"
            raise StoreError(msg)
        if (vector := unit_bytes(row)) is None:
            raise StoreError(f"embedder '{self.id}' made a vector without a direction")
        return vector
