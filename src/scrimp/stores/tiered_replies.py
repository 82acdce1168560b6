"""Remembered replies in this process's memory, in front of a store that others share.

A reply is served from memory for a few seconds after it was last read from the shared store or put
there: what another process clears or replaces is seen that soon.
"""

from __future__ import annotations

from typing import Protocol

from cachetools import LRUCache

from scrimp.ports import CacheScope, Clock, ReplyStore, StoredReply, StoreStats
from scrimp.remembered import Chosen

FRESH_S = 5.0
_ENTRY_OVERHEAD_BYTES = 1024


class SharedReplies(ReplyStore, Protocol):
    """What lies behind: a store that can be told of look-ups which it did not see."""

    def used(self, key: bytes, scope: CacheScope | None) -> None:
        """Answered from a copy of this reply; never waits, never fails."""
        ...


class TieredReplies:
    """Implements `ports.ReplyStore` on one event loop."""

    def __init__(
        self, shared: SharedReplies, clock: Clock, *, max_bytes: int, fresh_s: float = FRESH_S
    ) -> None:
        self._shared = shared
        self._clock = clock
        self._max_bytes = max_bytes
        self._fresh_s = fresh_s
        self._front: LRUCache[bytes, tuple[float, StoredReply]] = LRUCache(
            max_bytes, getsizeof=lambda held: _size(held[1])
        )
        self._times_forgotten = 0

    async def get(
        self, key: bytes, scope: CacheScope | None = None, *, max_age_s: int | None = None
    ) -> StoredReply | None:
        """The reply, or None."""
        held = self._front.get(key)
        if held is not None and self._clock.monotonic() < held[0]:
            stored, now = held[1], self._clock.now()
            if now < stored.expires_at and (
                max_age_s is None or (now - stored.stored_at).total_seconds() < max_age_s
            ):
                self._shared.used(key, scope)
                return stored
        times = self._times_forgotten
        found = await self._shared.get(key, scope, max_age_s=max_age_s)
        if self._front.get(key) is not held or self._times_forgotten != times:
            return found  # a newer one was put meanwhile, or this one is forgotten
        if found is not None:
            self._hold(key, found)
        else:
            self._front.pop(key, None)
        return found

    async def put(self, key: bytes, stored: StoredReply) -> bool:
        """Remember it in both. False when what lies behind does not keep it."""
        self._front.pop(key, None)
        times = self._times_forgotten
        kept = await self._shared.put(key, stored)
        if kept and self._times_forgotten == times:
            self._hold(key, stored)
        return kept

    async def delete(self, key: bytes) -> bool:
        """Forget it. False when it was not there."""
        self._front.pop(key, None)
        return await self._shared.delete(key)

    async def invalidate(self, chosen: Chosen, *, dry_run: bool = False) -> int:
        """Forget all that is chosen; how many the shared store had."""
        gone = await self._shared.invalidate(chosen, dry_run=dry_run)
        if not dry_run:
            self._forget()
        return gone

    async def clear(self, tenant: str | None = None, task: str | None = None) -> int:
        """Forget all, or all of a tenant, a task type, or both; how many the shared store had."""
        gone = await self._shared.clear(tenant, task)
        self._forget()
        return gone

    async def stats(self, tenant: str | None = None) -> StoreStats:
        """What the shared store says: memory holds copies only."""
        return await self._shared.stats(tenant)

    async def close(self) -> None:
        """Let go of both."""
        self._front.clear()
        await self._shared.close()

    def _forget(self) -> None:
        """After the shared store: a look-up that is on its way now brings nothing back."""
        self._front.clear()
        self._times_forgotten += 1

    def _hold(self, key: bytes, stored: StoredReply) -> None:
        if _size(stored) <= self._max_bytes:
            self._front[key] = (self._clock.monotonic() + self._fresh_s, stored)


def _size(stored: StoredReply) -> int:
    return _ENTRY_OVERHEAD_BYTES + len(stored.reply.body or b"")
