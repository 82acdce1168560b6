"""Replies as a Redis keeps them: their heads, and how they are found and forgotten by these.

A reply lies behind its head: what it can be chosen by, so that looking for some needs no bodies.
What was forgotten stands in a sorted set by the server's own time; whoever puts says how long ago
it asked, so that no two clocks are compared.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

import msgspec

from scrimp.errors import StoreError
from scrimp.ports import Clock, StoredReply
from scrimp.remembered import LOG_S, Chosen
from scrimp.stores.redis_link import Command, RedisLink
from scrimp.stores.reply_choice import check_pattern, chooser, meets
from scrimp.stores.reply_codec import pack, unpack
from scrimp.values import Value

_SCAN = 500
_BODIES = 16  # one trip's worth: a body may be a megabyte
_PEEK_BYTES = 512
_HEAD_BYTES = 16 * 1024
_LENGTH_BYTES = 2
_TRIES = 5
_MARK_BYTES = 8

_PUT = """
local t = redis.call('TIME')
local since = string.format('%.0f', t[1] * 1000000 + t[2] - ARGV[3])
local found = redis.call('ZRANGEBYSCORE', KEYS[2], since, '+inf')
if #found ~= tonumber(ARGV[4]) then return found end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
_FORGET = """
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('(%.0f', now - ARGV[2] * 1000000))
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
"""
_encode = msgspec.msgpack.Encoder().encode
_decode_chosen = msgspec.msgpack.Decoder(Chosen).decode


class Head(Value, frozen=True, array_like=True):
    """What a reply can be chosen by. Those of older versions end after the task."""

    tenant: str = ""
    task: str = ""
    name: str = ""
    tags: tuple[str, ...] = ()
    model: str = ""
    served: str = ""
    stored_at: datetime | None = None


_decode_head = msgspec.msgpack.Decoder(Head).decode


def packed(stored: StoredReply) -> bytes:
    """A reply behind its head. Raises StoreError."""
    scope, about = stored.scope, stored.about
    served = stored.reply.facts.model
    head = _encode(Head(*scope, about.name, about.tags, about.model, served, stored.stored_at))
    if len(head) > _HEAD_BYTES:
        raise StoreError(f"names and tags are too long: {len(head)} bytes of {_HEAD_BYTES}")
    return len(head).to_bytes(_LENGTH_BYTES, "big") + head + pack(stored)


def unpacked(data: bytes) -> StoredReply | None:
    """The reply behind the head; None for bytes of another format."""
    return unpack(data[_LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "big") :])


async def all_names(link: RedisLink, prefix: bytes) -> AsyncIterator[list[bytes]]:
    """Names of all replies, some at a time; one may come twice where the server says so."""
    cursor: bytes | int = 0
    pattern = _literal(prefix) + b"r:*"
    while True:
        cursor, names = await link.ask("SCAN", cursor, "MATCH", pattern, "COUNT", _SCAN)
        if names:
            yield list(dict.fromkeys(names))
        if int(cursor) == 0:
            return


async def heads_of(link: RedisLink, names: Sequence[bytes]) -> list[tuple[Head | None, int]]:
    """Head and size of each of these replies; None where it has gone."""
    asked: list[Command] = []
    for name in names:
        asked += [("GETRANGE", name, 0, _PEEK_BYTES - 1), ("STRLEN", name)]
    told = await link.ask_all(asked)
    found: list[tuple[Head | None, int]] = []
    for name, data, length in zip(names, told[::2], told[1::2], strict=True):
        ends = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "big")
        if len(data) < ends <= length:  # many long tags
            data = await link.ask("GETRANGE", name, 0, ends - 1)  # noqa: PLW2901 - all of the head
        found.append((_head(data[_LENGTH_BYTES:ends]), length + len(name)))
    return found


class Forgetting:
    """Puts what is not forgotten, and forgets what is chosen. Raises StoreError."""

    def __init__(self, link: RedisLink, clock: Clock, prefix: bytes, margin_s: float) -> None:
        self._link = link
        self._clock = clock
        self._prefix = prefix
        self._log = prefix + b"f"
        self._margin_s = margin_s

    async def put(self, given: tuple[bytes, bytes, int], stored: StoredReply) -> bool:
        """`given`: its name, its bytes, how long it lives. False when it is forgotten."""
        assert stored.asked_at is not None  # noqa: S101 - told to the type checker
        name, data, left_ms = given
        harmless = 0
        for _ in range(_TRIES):
            ago_s = (self._clock.now() - stored.asked_at).total_seconds() + self._margin_s
            if ago_s > LOG_S:
                return False  # nobody knows any more what was forgotten since
            told = await self._link.ask(
                *("EVAL", _PUT, 2, name, self._log),
                *(data, left_ms, int(ago_s * 1_000_000), harmless),
            )
            if isinstance(told, int):
                return True
            if any(chooser(_decode_chosen(one[_MARK_BYTES:]))(stored) for one in told):
                return False
            harmless = len(told)  # none of these means it: unless another comes between
        return False

    async def forget(self, chosen: Chosen, *, dry_run: bool = False) -> int:
        """All that is chosen; how many there were."""
        if chosen.pattern and not dry_run:  # a pattern that is refused must not be written down
            await self._each(chosen, dry_run=True)
        if not dry_run:
            entry = secrets.token_bytes(_MARK_BYTES) + _encode(chosen)
            await self._link.ask("EVAL", _FORGET, 1, self._log, entry, LOG_S)
        return await self._each(chosen, dry_run=dry_run)

    async def _each(self, chosen: Chosen, *, dry_run: bool) -> int:
        gone = others = 0
        async for names in all_names(self._link, self._prefix):
            doomed: Sequence[bytes] = names
            if chosen.pattern:
                doomed, more = await self._matching(names, chosen)
                others += more
            elif chosen != Chosen():
                heads = await heads_of(self._link, names)
                pairs = zip(names, heads, strict=True)
                doomed = [name for name, (head, _) in pairs if head and _meets(chosen, head)]
            if doomed:
                gone += len(doomed) if dry_run else await self._link.ask("UNLINK", *doomed)
        if dry_run or not chosen.pattern:
            check_pattern(chosen, gone, others)
        return gone

    async def _matching(self, names: Sequence[bytes], chosen: Chosen) -> tuple[list[bytes], int]:
        """Names of those that are meant, and how many others meet all but the pattern."""
        meant, found, others = chooser(chosen), list[bytes](), 0
        for start in range(0, len(names), _BODIES):
            some = names[start : start + _BODIES]
            for name, data in zip(some, await self._link.ask("MGET", *some), strict=True):
                stored = None if data is None else unpacked(data)
                if stored is None:
                    continue
                if meant(stored):
                    found.append(name)
                else:
                    others += meets(chosen, stored)
        return found, others


def _meets(chosen: Chosen, head: Head) -> bool:
    limit = chosen.stored_before
    return (
        (not chosen.key or chosen.key == head.name)
        and (not chosen.tag or chosen.tag in head.tags)
        and (not chosen.model or chosen.model in (head.model, head.served))
        and (not chosen.tenant or chosen.tenant == head.tenant)
        and (not chosen.task or chosen.task == head.task)
        and (limit is None or head.stored_at is None or head.stored_at < limit)
    )


def _head(data: bytes) -> Head | None:
    try:
        return _decode_head(data)
    except msgspec.MsgspecError:
        return None


def _literal(prefix: bytes) -> bytes:
    """A prefix in a pattern, whatever it holds."""
    return b"".join(b"\\" + bytes([one]) if one in b"*?[]\\^" else bytes([one]) for one in prefix)
