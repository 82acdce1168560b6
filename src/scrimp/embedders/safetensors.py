"""Reads tensors out of a safetensors file without copying them: they stay pages of the file.

The format: eight bytes with the length of a JSON header, the header (name → type, shape, place),
the numbers. https://github.com/huggingface/safetensors#format, checked 2026-11-22.
"""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from scrimp.errors import StoreError

Floats = npt.NDArray[np.float32]
Halves = npt.NDArray[np.float16]

_TYPES: Final = {"F32": "float32", "F16": "float16"}
_MOST_HEADER_BYTES = 16 * 1024 * 1024


class _Place(msgspec.Struct):
    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


class Tensors:
    """The tensors of a file, by name: float32 ones, and float16 ones by `halves`.

    Raises StoreError for a file that is not one.
    """

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                self._pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self._begin, self._places = _header(self._pages)
        except (OSError, ValueError, msgspec.MsgspecError) as error:
            raise StoreError(f"{path.name} is not a readable safetensors file") from error

    def __getitem__(self, name: str) -> Floats:
        """A view; it must not be written to."""
        begin, end, shape = self._within(name, "F32")
        flat: Floats = np.frombuffer(self._pages, "<f4", (end - begin) // 4, begin)
        return flat.reshape(shape)

    def halves(self, name: str) -> Halves:
        """A view of one in half precision; it must not be written to."""
        begin, end, shape = self._within(name, "F16")
        flat: Halves = np.frombuffer(self._pages, "<f2", (end - begin) // 2, begin)
        return flat.reshape(shape)

    def names(self) -> tuple[str, ...]:
        """All names."""
        return tuple(self._places)

    def _within(self, name: str, dtype: Literal["F32", "F16"]) -> tuple[int, int, list[int]]:
        place = self._places[name]
        begin, end = (self._begin + offset for offset in place.data_offsets)
        if place.dtype != dtype or end > len(self._pages):
            kind = _TYPES[dtype]
            raise StoreError(f"tensor '{name}' is not {kind}, or lies beyond the file's end")
        return begin, end, place.shape

    def forget_pages(self) -> None:
        """Give back the memory of pages that were read; they are read again when needed."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self._pages.madvise(mmap.MADV_DONTNEED)


def _header(pages: mmap.mmap) -> tuple[int, dict[str, _Place]]:
    length = int.from_bytes(pages[:8], "little")
    if length > min(len(pages) - 8, _MOST_HEADER_BYTES):
        raise ValueError(f"a header of {length} bytes")
    raw = msgspec.json.decode(pages[8 : 8 + length], type=dict[str, Any])
    raw.pop("__metadata__", None)
    return 8 + length, msgspec.convert(raw, dict[str, _Place])
