"""One loaded tokenizer for all tests, because loading takes half a second."""

from __future__ import annotations

from functools import lru_cache

from scrimp.encoders import TiktokenEncoder


@lru_cache(maxsize=1)
def shared_encoder() -> TiktokenEncoder:
    """Never close it."""
    return TiktokenEncoder()
