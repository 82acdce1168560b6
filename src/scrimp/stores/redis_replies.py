"""Remembered replies in a Redis or Valkey: shared by many machines.

The server bounds them (`maxmemory`, `maxmemory-policy allkeys-lru`) and lets them go when their
time is over. Every name begins with the prefix and the number of this layout:

    PREFIX:1:r:KEY   a reply, behind its scope      PREFIX:1:c:KEY   a claim: who asks now
    PREFIX:1:n       hits and misses by scope    PREFIX:1:f       what was forgotten lately, by time
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from scrimp.ports import CacheScope, Clock, StoredReply, StoreStats
from scrimp.remembered import Chosen, check_chosen
from scrimp.stores.redis_link import Argument, LinkOptions, RedisLink, connections
from scrimp.stores.redis_replies_forget import Forgetting, all_names, heads_of, packed, unpacked
from scrimp.stores.reply_choice import part
from scrimp.stores.scope_counts import MAX_SCOPES, OTHERS, Counts, Held, Looked, scope_stats

__all__ = ["RedisOptions", "RedisReplies"]

_log = logging.getLogger("scrimp.cache")
_LAYOUT = "1"
_TALLY_S = 1.0
_TOUCHED = 1000  # more uses than this are not told to the server
_LARGE_BYTES = 128 * 1024

_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end return 1"
_COUNT = """
for i = 3, #ARGV, 2 do
  local name = ARGV[i]
  if redis.call('HEXISTS', KEYS[1], name) == 0
    and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[1]) then
    name = string.sub(name, 1, 1) .. ARGV[2]
  end
  redis.call('HINCRBY', KEYS[1], name, ARGV[i + 1])
end
return 1
"""
_HITS, _MISSES = b"h", b"m"
_encode = msgspec.msgpack.Encoder().encode
_scope = msgspec.msgpack.Decoder(CacheScope).decode


@dataclass(frozen=True, slots=True)
class RedisOptions:
    """`prefix` keeps several Scrimps on one server apart.

    `margin_s`: an answer counts as asked for so much earlier, since a trip takes its time.
    """

    prefix: str = "scrimp"
    link: LinkOptions = field(default_factory=LinkOptions)
    margin_s: float = 0.5


class RedisReplies:
    """Implements `ports.ReplyStore` and `ports.Claims`. Works while `run` runs."""

    def __init__(self, link: RedisLink, clock: Clock, options: RedisOptions) -> None:
        self.run = link.run
        self._link = link
        self._clock = clock
        self._prefix = f"{options.prefix}:{_LAYOUT}:".encode()
        self._counts = Counts()
        self._touched: dict[bytes, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._claims: dict[bytes, bytes] = {}
        self._forgetting = Forgetting(link, clock, self._prefix, options.margin_s)

    @classmethod
    def open(
        cls,
        url: str,
        clock: Clock,
        options: RedisOptions | None = None,
        *,
        tell: Callable[[str], None] = _log.warning,
    ) -> RedisReplies:
        """Over the server of a URL (`redis://`, `rediss://`, `unix://`); nothing is sent yet.

        `tell` gets one line for each turn of fortune. Raises ConfigError, never with the URL.
        """
        options = options or RedisOptions()
        make, place = connections(url)
        return cls(RedisLink(make, place, options.link, tell), clock, options)

    async def get(
        self, key: bytes, scope: CacheScope | None = None, *, max_age_s: int | None = None
    ) -> StoredReply | None:
        """The reply, or None."""
        data: bytes | None = await self._link.ask("GET", self._name(b"r:", key))
        stored = None
        if data is not None:
            few = len(data) < _LARGE_BYTES
            stored = unpacked(data) if few else await asyncio.to_thread(unpacked, data)
        if stored is not None:
            now = self._clock.now()
            if stored.expires_at <= now or (
                max_age_s is not None and (now - stored.stored_at).total_seconds() >= max_age_s
            ):
                stored = None
        if scope is not None:
            self._counts.count(scope, hit=stored is not None)
            self._arm()
        return stored

    async def put(self, key: bytes, stored: StoredReply) -> bool:
        """Remember it. How much is kept is the server's to say.

        False when it was asked for before it was forgotten.
        """
        name = self._name(b"r:", key)
        left_ms = int((stored.expires_at - self._clock.now()).total_seconds() * 1000)
        if left_ms <= 0:
            await self._link.ask("DEL", name)
            return True
        body = stored.reply.body or b""
        few = len(body) < _LARGE_BYTES
        data = packed(stored) if few else await asyncio.to_thread(packed, stored)
        if stored.asked_at is None:
            await self._link.ask("SET", name, data, "PX", left_ms)
            return True
        return await self._forgetting.put((name, data, left_ms), stored)

    def used(self, key: bytes, scope: CacheScope | None) -> None:
        """A tier above answered from its own copy: count it here, and keep the reply young."""
        if scope is not None:
            self._counts.count(scope, hit=True)
        if len(self._touched) < _TOUCHED:
            self._touched[key] = None
        self._arm()

    async def delete(self, key: bytes) -> bool:
        """Forget it. False when it was not there."""
        name = self._name(b"r:", key)
        alive = await self.get(key) is not None
        return bool(await self._link.ask("UNLINK", name)) and alive

    async def invalidate(self, chosen: Chosen, *, dry_run: bool = False) -> int:
        """Forget all that is chosen; looks at every reply's head, or for a pattern at all of it."""
        check_chosen(chosen)
        return await self._forgetting.forget(chosen, dry_run=dry_run)

    async def clear(self, tenant: str | None = None, task: str | None = None) -> int:
        """Forget all, or all of a tenant, a task type, or both; how many there were."""
        return await self._forgetting.forget(part(tenant, task))

    async def stats(self, tenant: str | None = None) -> StoreStats:
        """What is kept and counted now, by all machines; looks at every reply's head."""
        self._hand_over()
        held: dict[CacheScope, Held] = {}
        async for names in all_names(self._link, self._prefix):
            for head, size_bytes in await heads_of(self._link, names):
                if head is not None:
                    scope = CacheScope(head.tenant, head.task)
                    entries, so_far = held.get(scope, (0, 0))
                    held[scope] = (entries + 1, so_far + size_bytes)
        scopes = scope_stats(await self._looked(), held, tenant)
        return StoreStats(
            engine="redis",
            entries=sum(one.entries for one in scopes),
            size_bytes=sum(one.size_bytes for one in scopes),
            max_bytes=0,
            evicted=0,
            scopes=scopes,
        )

    async def memory(self) -> dict[str, str]:
        """What the server says of its memory (for `scrimp doctor`). Raises StoreError."""
        told: bytes = await self._link.ask("INFO", "memory")
        lines = (line.partition(":") for line in told.decode("utf-8", "replace").splitlines())
        return {name: value for name, _, value in lines if value}

    async def claim(self, key: bytes, *, lease_s: float) -> bool:
        """True: this process asks. The claim ends with its lease at the latest."""
        token = secrets.token_bytes(8)
        name = self._name(b"c:", key)
        self._claims[key] = token
        try:
            lease_ms = max(1, int(lease_s * 1000))
            answer = await self._link.ask("SET", name, token, "NX", "PX", lease_ms)
        except BaseException:  # it may have been granted all the same
            self.release(key)
            raise
        if answer is None:
            del self._claims[key]
        return answer is not None

    def release(self, key: bytes) -> None:
        """Give a claim back, if it is still this process's."""
        if (token := self._claims.pop(key, None)) is not None:
            self._link.post("EVAL", _RELEASE, 1, self._name(b"c:", key), token)

    async def close(self) -> None:
        """Hand over what was counted, and let `run` end. May be called twice."""
        self._hand_over()
        for key in tuple(self._claims):
            self.release(key)
        self._link.close()

    def _name(self, kind: bytes, key: bytes) -> bytes:
        return self._prefix + kind + key.hex().encode()

    async def _looked(self) -> dict[CacheScope, Looked]:
        """Hits and misses by scope."""
        told: Any = await self._link.ask("HGETALL", self._prefix + b"n")
        pairs = told.items() if isinstance(told, dict) else zip(told[::2], told[1::2], strict=True)
        looked: dict[CacheScope, Looked] = {}
        for name, number in pairs:
            try:
                scope = _scope(name[1:])
            except msgspec.MsgspecError:
                continue
            hits, misses = looked.get(scope, (0, 0))
            more = int(number)
            looked[scope] = (hits + more, misses) if name[:1] == _HITS else (hits, misses + more)
        return looked

    def _arm(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(_TALLY_S, self._hand_over)

    def _hand_over(self) -> None:
        """Uses and look-ups go to the server."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._touched:
            self._link.post("TOUCH", *(self._name(b"r:", key) for key in self._touched))
            self._touched = {}
        if not self._counts or not self._link.well:
            return
        words: list[Argument] = [2 * MAX_SCOPES, _encode(OTHERS)]
        for scope, (hits, misses) in self._counts.take().items():
            name = _encode(scope)
            words += [_HITS + name, hits] if hits else []
            words += [_MISSES + name, misses] if misses else []
        self._link.post("EVAL", _COUNT, 1, self._prefix + b"n", *words)
