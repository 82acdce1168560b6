"""One loaded tokenizer for all tests, because loading takes half a second."""

from __future__ import annotations

from functools import lru_cache

import tiktoken

from scrimp.encoders import TiktokenEncoder
from scrimp.encoders.vocabulary import load_vocabulary


@lru_cache(maxsize=1)
def shared_encoder() -> TiktokenEncoder:
    """Never close it."""
    return TiktokenEncoder()


@lru_cache(maxsize=2)
def shared_vocabulary(name: str) -> tiktoken.Encoding:
    """Plain tiktoken, to compare with."""
    return load_vocabulary(name)
