"""Remembered replies in this process: bounded in bytes, least recently used out first.

Not shared between processes and gone at the end of this one.
"""

from __future__ import annotations

from collections.abc import Iterator

from cachetools import Cache, TLRUCache

from scrimp.ports import CacheScope, Clock, StoredReply, StoreStats
from scrimp.remembered import Chosen, check_chosen
from scrimp.stores.forgotten_log import ForgottenLog
from scrimp.stores.reply_choice import Meant, check_pattern, chooser, meets, part
from scrimp.stores.scope_counts import Counts, Held, scope_stats

_ENTRY_OVERHEAD_BYTES = 1024  # objects around a body: measured with tracemalloc, rounded up


class MemoryReplies:
    """Implements `ports.ReplyStore` on one event loop."""

    def __init__(self, clock: Clock, *, max_bytes: int) -> None:
        self._clock = clock
        self._max_bytes = max_bytes
        self._evicted = 0
        self._counts = Counts()
        self._replies = _Counting(self, clock, max_bytes)
        self._forgotten: ForgottenLog[Meant] = ForgottenLog(clock)

    async def get(
        self, key: bytes, scope: CacheScope | None = None, *, max_age_s: int | None = None
    ) -> StoredReply | None:
        """The reply, or None."""
        stored: StoredReply | None
        try:  # `get` of the library would look twice
            stored = self._replies[key]
        except KeyError:
            stored = None
        if stored is not None and max_age_s is not None:
            age_s = (self._clock.now() - stored.stored_at).total_seconds()
            stored = stored if age_s < max_age_s else None
        if scope is not None:
            self._counts.count(scope, hit=stored is not None)
        return stored

    async def put(self, key: bytes, stored: StoredReply) -> bool:
        """Remember it. False when it is too large, or was asked for before it was forgotten."""
        if _size(stored) > self._max_bytes or (self._forgotten and self._is_forgotten(stored)):
            return False
        self._replies[key] = stored
        return True

    async def delete(self, key: bytes) -> bool:
        """Forget it. False when it was not there."""
        return self._replies.pop(key, None) is not None

    async def invalidate(self, chosen: Chosen, *, dry_run: bool = False) -> int:
        """Forget all that is chosen; how many there were."""
        check_chosen(chosen)
        return self._forget(chosen, dry_run=dry_run)

    async def clear(self, tenant: str | None = None, task: str | None = None) -> int:
        """Forget all, or all of a tenant, a task type, or both; how many there were."""
        return self._forget(part(tenant, task), dry_run=False)

    async def stats(self, tenant: str | None = None) -> StoreStats:
        """What is kept and counted now."""
        held: dict[CacheScope, Held] = {}
        for _, stored in self._replies.untouched():
            entries, size_bytes = held.get(stored.scope, (0, 0))
            held[stored.scope] = (entries + 1, size_bytes + _size(stored))
        scopes = scope_stats(self._counts.all(), held, tenant)
        return StoreStats(
            engine="memory",
            entries=sum(one.entries for one in scopes),
            size_bytes=sum(one.size_bytes for one in scopes),
            max_bytes=self._max_bytes,
            evicted=self._evicted,
            scopes=scopes,
        )

    async def close(self) -> None:
        """Forget all."""
        self._replies.clear()

    def _forget(self, chosen: Chosen, *, dry_run: bool) -> int:
        meant, others, doomed = chooser(chosen), 0, list[bytes]()
        for key, stored in self._replies.untouched():
            if meant(stored):
                doomed.append(key)
            elif chosen.pattern:
                others += meets(chosen, stored)
        check_pattern(chosen, len(doomed), others)
        if not dry_run:
            self._forgotten.add(meant)
            for key in doomed:
                self._replies.pop(key, None)
        return len(doomed)

    def _is_forgotten(self, stored: StoredReply) -> bool:
        """It was asked for before something was forgotten that it is part of."""
        since = self._forgotten.since(stored.asked_at)
        return since is None or any(meant(stored) for meant in since)

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

    def untouched(self) -> Iterator[tuple[bytes, StoredReply]]:
        """All that is alive; looking at it is no use of it."""
        self.expire()
        for key in self:
            yield key, Cache.__getitem__(self, key)

    def popitem(self) -> tuple[bytes, StoredReply]:
        self._owner.count_eviction()
        return super().popitem()


def _size(stored: StoredReply) -> int:
    return _ENTRY_OVERHEAD_BYTES + len(stored.reply.body or b"")
