"""Remembered replies in a Redis or Valkey: shared by many machines.

The server bounds them (`maxmemory`, `maxmemory-policy allkeys-lru`) and lets them go when their
time is over. Every name begins with the prefix and the number of this layout:

    PREFIX:1:r:KEY   a reply, behind its scope      PREFIX:1:c:KEY   a claim: who asks now
    PREFIX:1:n       hits and misses by scope
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from redis.asyncio.connection import AbstractConnection, Connection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from scrimp.errors import ConfigError, StoreError
from scrimp.ports import CacheScope, Clock, StoredReply, StoreStats
from scrimp.stores.redis_link import Argument, Command, LinkOptions, RedisLink
from scrimp.stores.reply_codec import pack, unpack
from scrimp.stores.scope_counts import MAX_SCOPES, OTHERS, Counts, Held, Looked, scope_stats

__all__ = ["RedisOptions", "RedisReplies"]

_log = logging.getLogger("scrimp.cache")
_LAYOUT = "1"
_TALLY_S = 1.0
_TOUCHED = 1000  # more uses than this are not told to the server
_SCAN = 500
_LARGE_BYTES = 128 * 1024
_HEAD_BYTES = 512  # no scope's name is longer
_LENGTH_BYTES = 2
_DEFAULT_PORT = 6379

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
    """`prefix` keeps several Scrimps on one server apart."""

    prefix: str = "scrimp"
    link: LinkOptions = field(default_factory=LinkOptions)


class RedisReplies:
    """Implements `ports.ReplyStore` and `ports.Claims`. Works while `run` runs."""

    def __init__(self, link: RedisLink, clock: Clock, prefix: str) -> None:
        self.run = link.run
        self._link = link
        self._clock = clock
        self._prefix = f"{prefix}:{_LAYOUT}:".encode()
        self._counts = Counts()
        self._touched: dict[bytes, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._claims: dict[bytes, bytes] = {}

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
        make, place = _connections(url)
        return cls(RedisLink(make, place, options.link, tell), clock, options.prefix)

    async def get(
        self, key: bytes, scope: CacheScope | None = None, *, max_age_s: int | None = None
    ) -> StoredReply | None:
        """The reply, or None."""
        data: bytes | None = await self._link.ask("GET", self._name(b"r:", key))
        stored = None
        if data is not None:
            few = len(data) < _LARGE_BYTES
            stored = _unpacked(data) if few else await asyncio.to_thread(_unpacked, data)
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
        """Remember it. How much is kept is the server's to say: always True."""
        name = self._name(b"r:", key)
        left_ms = int((stored.expires_at - self._clock.now()).total_seconds() * 1000)
        if left_ms <= 0:
            await self._link.ask("DEL", name)
            return True
        body = stored.reply.body or b""
        few = len(body) < _LARGE_BYTES
        data = _packed(stored) if few else await asyncio.to_thread(_packed, stored)
        await self._link.ask("SET", name, data, "PX", left_ms)
        return True

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

    async def clear(self, tenant: str | None = None, task: str | None = None) -> int:
        """Forget all, or all of a tenant, a task type, or both; how many there were."""
        gone = 0
        async for names in self._names():
            doomed: Sequence[bytes] = names
            if tenant is not None or task is not None:
                heads = await self._heads(names)
                doomed = [
                    name
                    for name, (scope, _) in zip(names, heads, strict=True)
                    if scope is not None
                    and tenant in (None, scope.tenant)
                    and task in (None, scope.task)
                ]
            if doomed:
                gone += await self._link.ask("UNLINK", *doomed)
        return gone

    async def stats(self, tenant: str | None = None) -> StoreStats:
        """What is kept and counted now, by all machines; looks at every reply's head."""
        self._hand_over()
        held: dict[CacheScope, Held] = {}
        async for names in self._names():
            for scope, size_bytes in await self._heads(names):
                if scope is not None:
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

    async def _names(self) -> AsyncIterator[list[bytes]]:
        """Names of all replies, some at a time; one may come twice where the server says so."""
        cursor: bytes | int = 0
        pattern = _literal(self._prefix) + b"r:*"
        while True:
            cursor, names = await self._link.ask("SCAN", cursor, "MATCH", pattern, "COUNT", _SCAN)
            if names:
                yield list(dict.fromkeys(names))
            if int(cursor) == 0:
                return

    async def _heads(self, names: Sequence[bytes]) -> list[tuple[CacheScope | None, int]]:
        """Scope and size of each of these replies; None where it has gone."""
        asked: list[Command] = []
        for name in names:
            asked += [("GETRANGE", name, 0, _HEAD_BYTES), ("STRLEN", name)]
        told = await self._link.ask_all(asked)
        pairs = zip(told[::2], told[1::2], names, strict=True)
        return [(_head(head)[0], length + len(name)) for head, length, name in pairs]

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


def _packed(stored: StoredReply) -> bytes:
    head = _encode(stored.scope)
    if len(head) > _HEAD_BYTES - _LENGTH_BYTES:
        raise StoreError(f"the name of a tenant is too long: {len(head)} bytes of {_HEAD_BYTES}")
    return len(head).to_bytes(_LENGTH_BYTES, "big") + head + pack(stored)


def _head(data: bytes) -> tuple[CacheScope | None, int]:
    """The scope, and where the reply begins."""
    begins = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "big")
    try:
        return _scope(data[_LENGTH_BYTES:begins]), begins
    except msgspec.MsgspecError:
        return None, begins


def _unpacked(data: bytes) -> StoredReply | None:
    return unpack(data[_LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "big") :])


def _literal(prefix: bytes) -> bytes:
    """A prefix in a pattern, whatever it holds."""
    return b"".join(b"\\" + bytes([one]) if one in b"*?[]\\^" else bytes([one]) for one in prefix)


def _connections(url: str) -> tuple[Callable[[], AbstractConnection], str]:
    """What makes connections, and the server's name without any secret. Raises ConfigError."""
    try:
        given = dict(parse_url(url))
        kind: Any = given.pop("connection_class", Connection)
        given |= {"retry": Retry(NoBackoff(), 0), "protocol": 2, "decode_responses": False}

        def make() -> AbstractConnection:
            connection: AbstractConnection = kind(**given)
            return connection

        make()
    except (ValueError, TypeError, AttributeError):
        msg = "the URL of Redis cannot be read (like redis://:PASSWORD@HOST:6379/0)"
        raise ConfigError(msg) from None  # the library's words quote the URL, with its password
    if (path := given.get("path")) is not None:
        return make, str(path)
    return make, f"{given.get('host', 'localhost')}:{given.get('port', _DEFAULT_PORT)}"
