"""Remembered replies in this process: bounded in bytes, least recently used out first.

Not shared between processes and gone at the end of this one.
"""

from __future__ import annotations

from cachetools import TLRUCache

from scrimp.ports import Clock, StoredReply, StoreStats

_ENTRY_OVERHEAD_BYTES = 1024  # objects around a body: measured with tracemalloc, rounded up


class MemoryReplies:
    """Implements `ports.ReplyStore` on one event loop."""

    def __init__(self, clock: Clock, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._evicted = 0
        self._replies = _Counting(self, clock, max_bytes)

    async def get(self, key: bytes) -> StoredReply | None:
        """The reply, or None."""
        return self._replies.get(key)

    async def put(self, key: bytes, stored: StoredReply) -> bool:
        """Remember it. False when it is too large to be kept at all."""
        if _size(stored) > self._max_bytes:
            return False
        self._replies[key] = stored
        return True

    async def delete(self, key: bytes) -> bool:
        """Forget it. False when it was not there."""
        return self._replies.pop(key, None) is not None

    async def clear(self) -> int:
        """Forget all; how many there were."""
        count = len(self._replies)
        self._replies.clear()
        return count

    async def stats(self) -> StoreStats:
        """Counters."""
        return StoreStats(
            entries=len(self._replies),
            size_bytes=int(self._replies.currsize),
            max_bytes=self._max_bytes,
            evicted=self._evicted,
        )

    async def close(self) -> None:
        """Forget all."""
        self._replies.clear()

    def count_eviction(self) -> None:
        """One reply had to make room."""
        self._evicted += 1


class _Counting(TLRUCache[bytes, StoredReply]):
    """The library's cache with its own clock, byte sizes and a count of evictions."""

    def __init__(self, owner: MemoryReplies, clock: Clock, max_bytes: int) -> None:
        super().__init__(
            maxsize=max_bytes,
            ttu=lambda _key, stored, _now: stored.expires_at.timestamp(),
            timer=lambda: clock.now().timestamp(),
            getsizeof=_size,
        )
        self._owner = owner

    def popitem(self) -> tuple[bytes, StoredReply]:
        self._owner.count_eviction()
        return super().popitem()


def _size(stored: StoredReply) -> int:
    return _ENTRY_OVERHEAD_BYTES + len(stored.reply.body or b"")
