"""Vectors of texts that were embedded a moment ago, in front of any embedder."""

from __future__ import annotations

import hashlib

from cachetools import LRUCache

from scrimp.meanings import Embedder


class RememberingEmbedder:
    """Implements `meanings.Embedder`. Keeps digests of texts, never the texts."""

    def __init__(self, embedder: Embedder, most: int) -> None:
        self._embedder = embedder
        self._kept: LRUCache[bytes, bytes] = LRUCache(most)

    @property
    def id(self) -> str:
        """The embedder's."""
        return self._embedder.id

    @property
    def dims(self) -> int:
        """The embedder's."""
        return self._embedder.dims

    async def embed(self, texts: tuple[str, ...]) -> tuple[bytes, ...]:
        """One vector per text, in order; each text is asked for once. Raises StoreError."""
        keys = [_digest(text) for text in texts]
        found = {key: vector for key in keys if (vector := self._kept.get(key)) is not None}
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        if missing:
            fresh = await self._embedder.embed(tuple(missing.values()))
            for key, vector in zip(missing, fresh, strict=True):
                found[key] = self._kept[key] = vector
        return tuple(found[key] for key in keys)

    async def close(self) -> None:
        """Forget all, and close the embedder."""
        self._kept.clear()
        await self._embedder.close()


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
