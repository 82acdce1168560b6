"""Answer a call that was answered before, word for word.

The key covers whatever can change the answer: tenant, target, the whole body (fields that Scrimp
does not know too, the form of delivery apart) and the headers that providers read. When in doubt
a call is not looked up, and the trace says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import ClassVar

from msgspec.structs import replace

from scrimp.calls import Call, Reply
from scrimp.dialects.base import Dialect
from scrimp.errors import InvalidRequest, StoreError
from scrimp.fingerprint import fingerprint, time_to_live_s, why_not
from scrimp.pipeline.turns import Turns
from scrimp.ports import CacheScope, Clock, Next, ReplyStore, StoredReply
from scrimp.tasks import TTL_S

_WORTH_TELLING_MS = 2  # less is the look-up itself


@dataclass(frozen=True, slots=True)
class ExactCacheSettings:
    """`ttl_s` overrides the time to live by task type; 0 never remembers.

    A call that asks for more variety than `max_temperature` wants a new answer each time. Answers
    stay in the store for `older_s` beyond their time, for a lever that may serve older ones.
    """

    ttl_s: Mapping[str, int] = field(default_factory=dict)
    max_reply_bytes: int = 1024 * 1024
    max_temperature: float = 1.0
    older_s: int = 0


class ExactCache:
    """Remembers whole successful replies by the fingerprint of their call.

    With `turns`, processes that share the store ask for the same answer one at a time.
    """

    name: ClassVar[str] = "exact_cache"
    fail_closed: ClassVar[bool] = False

    def __init__(
        self,
        store: ReplyStore,
        clock: Clock,
        dialects: Mapping[str, Dialect],
        settings: ExactCacheSettings,
        turns: Turns | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._dialects = dialects
        self._settings = settings
        self._turns = turns
        self._ttl_s = {**TTL_S, **settings.ttl_s}

    async def __call__(self, call: Call, next: Next) -> Reply:
        """Serve a hit, or remember what comes from below. Raises InvalidRequest for `only`."""
        ttl_s = time_to_live_s(call, self._ttl_s)
        if reason := why_not(call, ttl_s, max_temperature=self._settings.max_temperature):
            call.trace.note(self.name, "bypass", {"reason": reason})
            return await self._only_from_below(call, next)
        key = fingerprint(call, self._dialects[call.target.dialect])
        scope = CacheScope(call.caller.tenant, call.task.name)
        if call.cache.mode != "refresh":
            stored = await self._find(call, key, scope, self._max_age_s(call, ttl_s))
            if stored is not None:
                return self._hit(call, key, stored, {})
        if self._turns is not None and call.cache.mode == "default":
            return await self._in_turn(call, next, key, ttl_s)
        call.trace.note(self.name, "miss", {"key": key.hex()[:12], "ttl_s": ttl_s})
        reply = await self._only_from_below(call, next)
        await self._remember(call, key, reply, ttl_s=ttl_s)
        return reply

    async def _in_turn(self, call: Call, next: Next, key: bytes, ttl_s: int) -> Reply:
        """Ask, unless another process does and its answer comes in time."""
        assert self._turns is not None  # noqa: S101 - told to the type checker
        since_s = self._clock.monotonic()
        turn = await self._turns.enter(key, partial(self._peek, key, self._max_age_s(call, ttl_s)))
        waited_ms = int((self._clock.monotonic() - since_s) * 1000)
        more = {"waited_ms": waited_ms} if waited_ms >= _WORTH_TELLING_MS else {}
        if isinstance(turn, StoredReply):
            return self._hit(call, key, turn, more)
        kept: bool | None = None
        try:
            call.trace.note(self.name, "miss", {"key": key.hex()[:12], "ttl_s": ttl_s, **more})
            reply = await next(call)
            kept = await self._remember(call, key, reply, ttl_s=ttl_s)
        except Exception:
            kept = False
            raise
        finally:
            self._turns.leave(turn, kept=kept)
        return reply

    def _hit(self, call: Call, key: bytes, stored: StoredReply, more: Mapping[str, int]) -> Reply:
        age_s = int((self._clock.now() - stored.stored_at).total_seconds())
        call.trace.note(self.name, "hit", {"key": key.hex()[:12], "age_s": age_s, **more})
        return stored.reply

    def _max_age_s(self, call: Call, ttl_s: int) -> int | None:
        """None where the store itself drops what is past its time."""
        return ttl_s if self._settings.older_s else call.cache.ttl_s

    async def _find(
        self, call: Call, key: bytes, scope: CacheScope, max_age_s: int | None
    ) -> StoredReply | None:
        try:
            return await self._store.get(key, scope, max_age_s=max_age_s)
        except StoreError as error:
            if call.cache.mode == "only":  # skipping this lever would pay for an answer after all
                msg = (
                    "remembered answers cannot be read, and x-scrimp-cache: only forbids a new one"
                )
                raise InvalidRequest(msg) from error
            raise

    async def _peek(self, key: bytes, max_age_s: int | None) -> StoredReply | None:
        """Look for an answer that another process may have got; counted once, as the miss."""
        return await self._store.get(key, max_age_s=max_age_s)

    async def _only_from_below(self, call: Call, next: Next) -> Reply:
        if call.cache.mode == "only":
            msg = "no remembered answer for this call, and x-scrimp-cache: only forbids a new one"
            raise InvalidRequest(msg)
        return await next(call)

    async def _remember(self, call: Call, key: bytes, reply: Reply, *, ttl_s: int) -> bool:
        """Keep it, if it may and can be kept. Raises StoreError."""
        if not reply.cacheable or reply.body is None:
            return False
        size, limit = len(reply.body), self._settings.max_reply_bytes
        if size > limit:
            call.trace.note(self.name, "too_large", {"bytes": size, "limit_bytes": limit})
            return False
        now = self._clock.now()
        scope = CacheScope(call.caller.tenant, call.task.name)
        headers = _remembered_headers(reply)
        kept = replace(reply, headers=headers, served_by=self.name, cacheable=False)
        kept_s = ttl_s + self._settings.older_s
        stored = StoredReply(kept, now, now + timedelta(seconds=kept_s), scope)
        if not await self._store.put(key, stored):
            call.trace.note(self.name, "too_large", {"bytes": size})
            return False
        return True


def _remembered_headers(reply: Reply) -> tuple[tuple[str, str], ...]:
    """What still holds of a provider's headers when its answer is served again."""
    return tuple(pair for pair in reply.headers if pair[0] == "content-type")
