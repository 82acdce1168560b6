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
from scrimp.fingerprint import body_alike, fingerprint, time_to_live_s, why_not
from scrimp.likeness import Ignored
from scrimp.pipeline.again import Again
from scrimp.pipeline.turns import Turns
from scrimp.ports import CacheScope, Clock, Next, ReplyStore, StoredReply
from scrimp.remembered import About
from scrimp.routing.stand_ins import Admits, itself
from scrimp.tasks import TTL_S

_WORTH_TELLING_MS = 2  # less is the look-up itself


@dataclass(frozen=True, slots=True)
class ExactCacheSettings:
    """`ttl_s` overrides the time to live by task type; 0 never remembers.

    A call that asks for more variety than `max_temperature` wants a new answer each time. Answers
    stay in the store for `older_s` beyond their time, for a lever that may serve older ones;
    in the first `stale_s` of it they are served once more at once, and asked for anew. Prompts
    that differ only by what is `ignored` share an answer. `admits` says whether an answer may be
    served to a call that another model gave than the one it asks for.
    """

    ttl_s: Mapping[str, int] = field(default_factory=dict)
    max_reply_bytes: int = 1024 * 1024
    max_temperature: float = 1.0
    older_s: int = 0
    stale_s: int = 0
    ignored: frozenset[Ignored] = frozenset()
    admits: Admits = itself


class ExactCache:
    """Remembers whole successful replies by the fingerprint of their call.

    With `turns`, processes that share the store ask for the same answer one at a time. `again` asks
    anew for what is served past its time.
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
        *,
        again: Again | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._dialects = dialects
        self._settings = settings
        self._turns = turns
        self._again = again
        self._stale_s = settings.stale_s if again is not None else 0
        self._ttl_s = {**TTL_S, **settings.ttl_s}

    async def __call__(self, call: Call, next: Next) -> Reply:
        """Serve a hit, or remember what comes from below. Raises InvalidRequest for `only`."""
        ttl_s = time_to_live_s(call, self._ttl_s)
        if reason := why_not(call, ttl_s, max_temperature=self._settings.max_temperature):
            call.trace.note(self.name, "bypass", {"reason": reason})
            return await self._only_from_below(call, next)
        key = self._fingerprint(call)
        scope = CacheScope(call.caller.tenant, call.task.name)
        if call.cache.mode != "refresh":
            if self._stale_s and call.cache.mode == "default" and call.cache.ttl_s is None:
                stored = await self._find(call, key, scope, ttl_s + self._stale_s, self._stale_s)
                if stored is not None and self._is_late(stored, ttl_s):
                    return self._serve_stale(call, key, stored, ttl_s)
            else:
                stored = await self._find(call, key, scope, self._max_age_s(call, ttl_s))
            if stored is not None:
                return self._hit(call, key, stored, {})
        if self._turns is not None and call.cache.mode == "default":
            return await self._in_turn(call, next, key, ttl_s)
        call.trace.note(self.name, "miss", {"key": key.hex()[:12], "ttl_s": ttl_s})
        reply = await self._only_from_below(call, next)
        await self._remember(call, key, reply, ttl_s=ttl_s)
        return reply

    async def known(self, call: Call) -> bool:
        """True when an answer is remembered. Raises InvalidRequest for a call that never has one.

        It is no look-up of a client's, and not counted.
        """
        key, ttl_s = self._key_of(call)
        return await self._peek(call, key, self._max_age_s(call, ttl_s)) is not None

    async def keep(self, call: Call, reply: Reply) -> bool:
        """Remember a reply that came another way. Raises as `known` does, and StoreError."""
        key, ttl_s = self._key_of(call)
        return await self._remember(call, key, reply, ttl_s=ttl_s)

    def _key_of(self, call: Call) -> tuple[bytes, int]:
        ttl_s = time_to_live_s(call, self._ttl_s)
        if reason := why_not(call, ttl_s, max_temperature=self._settings.max_temperature):
            words = reason.replace("_", " ")
            raise InvalidRequest(
                f"such a call is never answered from the exact cache: {words} (task type "
                f"'{call.task.name}')"
            )
        return self._fingerprint(call), ttl_s

    def _fingerprint(self, call: Call) -> bytes:
        """The key; where it stands for many prompts the trace says so."""
        dialect, ignored = self._dialects[call.target.dialect], self._settings.ignored
        alike = body_alike(call, dialect, ignored) if ignored else None
        if alike is not None:
            call.trace.note(self.name, "alike", {"ignored": " ".join(sorted(ignored))})
        return fingerprint(call, dialect, alike)

    async def _in_turn(self, call: Call, next: Next, key: bytes, ttl_s: int) -> Reply:
        """Ask, unless another process does and its answer comes in time."""
        assert self._turns is not None  # noqa: S101 - told to the type checker
        since_s = self._clock.monotonic()
        peek = partial(self._peek, call, key, self._max_age_s(call, ttl_s))
        turn = await self._turns.enter(key, peek)
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
        age_s = self._age_s(stored)
        call.trace.note(self.name, "hit", {"key": key.hex()[:12], "age_s": age_s, **more})
        return stored.reply

    def _serve_stale(self, call: Call, key: bytes, stored: StoredReply, ttl_s: int) -> Reply:
        """At once what is past its time; one call of its own asks anew meanwhile."""
        assert self._again is not None  # noqa: S101 - told to the type checker
        began = self._again.begin(key, partial(self._refresh, call, key, stored.about, ttl_s))
        age_s, short = self._age_s(stored), key.hex()[:12]
        numbers: Mapping[str, int | str] = {"key": short, "age_s": age_s, "asks_anew": int(began)}
        call.trace.note(self.name, "stale", numbers)
        return stored.reply

    async def _refresh(self, call: Call, key: bytes, about: About, ttl_s: int) -> bool:
        """Ask anew, unless another process does; False where the new answer is not kept.

        Raises as the app's way does.
        """
        assert self._again is not None  # noqa: S101 - told to the type checker
        if self._turns is None:
            anew, reply = await self._again.ask(call, about)
            return await self._remember(anew, key, reply, ttl_s=ttl_s)
        turn = await self._turns.enter(key, partial(self._peek, call, key, ttl_s))
        if isinstance(turn, StoredReply):
            return True
        kept: bool | None = None
        try:
            if await self._peek(call, key, ttl_s) is None:  # another process may have been quicker
                anew, reply = await self._again.ask(call, about)
                kept = await self._remember(anew, key, reply, ttl_s=ttl_s)
        except Exception:
            kept = False
            raise
        finally:
            self._turns.leave(turn, kept=kept)
        return kept is not False

    def _age_s(self, stored: StoredReply) -> int:
        return int((self._clock.now() - stored.stored_at).total_seconds())

    def _max_age_s(self, call: Call, ttl_s: int) -> int | None:
        """None where the store itself drops what is past its time."""
        return ttl_s if self._settings.older_s else call.cache.ttl_s

    def _is_late(self, stored: StoredReply, ttl_s: int) -> bool:
        return self._age_s(stored) >= ttl_s or stored.late_by_s(self._clock.now()) >= 0

    async def _find(
        self, call: Call, key: bytes, scope: CacheScope, max_age_s: int | None, late_s: int = 0
    ) -> StoredReply | None:
        try:
            found = await self._store.get(key, scope, max_age_s=max_age_s)
            return self._admitted(call, found, late_s)
        except StoreError as error:
            if call.cache.mode == "only":  # skipping this lever would pay for an answer after all
                msg = (
                    "remembered answers cannot be read, and x-scrimp-cache: only forbids a new one"
                )
                raise InvalidRequest(msg) from error
            raise

    async def _peek(self, call: Call, key: bytes, max_age_s: int | None) -> StoredReply | None:
        """Look for an answer that another process may have got; counted once, as the miss."""
        return self._admitted(call, await self._store.get(key, max_age_s=max_age_s))

    def _admitted(
        self, call: Call, stored: StoredReply | None, late_s: int = 0
    ) -> StoredReply | None:
        """None where another model gave it, which may not answer the call any more.

        And where it is kept for others alone: so long past its time, or longer.
        """
        if stored is None or stored.late_by_s(self._clock.now()) >= late_s:
            return None
        if self._settings.admits(call, stored.reply):
            return stored
        call.trace.note(self.name, "not_admitted", {"answered_by": stored.reply.by})
        return None

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
        asked_at = reply.asked_at or call.started_at
        kept = replace(reply, headers=headers, served_by=self.name, cacheable=False, asked_at=None)
        kept_s = ttl_s + self._settings.older_s
        about = About(call.cache.name, call.cache.tags, call.target.model)
        ends = now + timedelta(seconds=kept_s)
        stored = StoredReply(kept, now, ends, scope, about, asked_at, self._settings.older_s)
        if not await self._store.put(key, stored):
            call.trace.note(self.name, "declined", {"bytes": size})
            return False
        return True


def _remembered_headers(reply: Reply) -> tuple[tuple[str, str], ...]:
    """What still holds of a provider's headers when its answer is served again."""
    return tuple(pair for pair in reply.headers if pair[0] == "content-type")
