"""Vectors as bytes: float32, little-endian, at length 1."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def unit_bytes(numbers: npt.NDArray[np.floating]) -> bytes | None:
    """The vector at length 1; None for one that has no direction (all zero, not a number)."""
    wide = numbers.astype(np.float64)
    length = float(np.sqrt(wide @ wide))
    if not 0.0 < length < float("inf"):  # NaN is not either
        return None
    return (wide / length).astype("<f4").tobytes()
