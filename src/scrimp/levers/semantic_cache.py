"""Answer a question that was answered before in other words, where few such answers are wrong.

Only inside a scope of all that can change an answer, and only questions that have one answer for
everybody. What is served, compared or left alone is the policy's to decide; whatever is slow or
broken here is skipped in bounded time, and the call goes on to be answered afresh.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import ClassVar

from scrimp.calls import Call, Reply
from scrimp.dialects.base import Dialect
from scrimp.errors import InvalidRequest, StoreError
from scrimp.fingerprint import time_to_live_s
from scrimp.pipeline.semantic_parts import SemanticParts
from scrimp.pipeline.semantic_renewals import Renewals
from scrimp.pipeline.semantic_scopes import Looked
from scrimp.pipeline.semantic_servings import Serving
from scrimp.ports import CacheScope, Clock, Next, StoredReply
from scrimp.routing.stand_ins import Admits, itself
from scrimp.semantics.bypass import BypassRules, why_not_call, why_not_question
from scrimp.semantics.question import Question, Unasked, question_of
from scrimp.semantics.scope import ScopeRules, scope_key
from scrimp.tasks import TTL_S

_LONG_BYTES = 128 * 1024
"""A body beyond this carries a context that nobody shares."""
_REST_AFTER, _REST_S = 3, 5.0
"""After so many failures in a row it is not tried for a while: each would cost the whole limit."""


@dataclass(frozen=True, slots=True)
class SemanticCacheSettings:
    """`limit_s` is how long a look-up may take before the call goes on without it.

    `admits` says whether an answer may be served that another model gave.
    """

    scope: ScopeRules
    bypass: BypassRules = field(default_factory=BypassRules)
    ttl_s: Mapping[str, int] = field(default_factory=dict)
    limit_s: float = 0.25
    admits: Admits = itself


@dataclass(frozen=True, slots=True)
class Missed:
    """A question without an answer that may be served, and how long a fresh one will hold."""

    looked: Looked
    ttl_s: int


class SemanticCache:
    """Serves known answers, and hands fresh ones on to be learned from.

    `renewals` have answers made anew that are served past their time; without it none is.
    """

    name: ClassVar[str] = "semantic_cache"
    fail_closed: ClassVar[bool] = False

    def __init__(
        self,
        parts: SemanticParts,
        clock: Clock,
        dialects: Mapping[str, Dialect],
        settings: SemanticCacheSettings,
        *,
        renewals: Renewals | None = None,
    ) -> None:
        self._renewals = renewals
        self._store = parts.store
        self._scopes = parts.scopes
        self._learning = parts.learning
        self._servings = parts.servings
        self._clock = clock
        self._dialects = dialects
        self._settings = settings
        self._ttl_s = {**TTL_S, **settings.ttl_s}
        self._failed = 0
        self._rests_until_s = 0.0

    async def __call__(self, call: Call, next: Next) -> Reply:
        """Raises InvalidRequest for `only` where nothing is known."""
        found = await self.find(call)
        if isinstance(found, Reply):
            return found
        reply = await self._from_below(call, next)
        if found is not None:
            self.learn(call, found, reply)
        return reply

    async def find(self, call: Call) -> Reply | Missed | None:
        """A known answer, or what a fresh one is learned by; None where nothing is learned."""
        ttl_s = time_to_live_s(call, self._ttl_s)
        dialect = self._dialects.get(call.target.dialect)
        question = self._question(call, dialect, ttl_s)
        if isinstance(question, str) or dialect is None:
            call.trace.note(self.name, "bypass", {"reason": str(question)})
            return None
        looked = await self._look(call, question, dialect)
        if looked is None:
            return None
        decision = looked.decision
        if decision.kind == "serve" and call.cache.mode != "refresh":
            kept = await self._kept(call, looked)
            if kept is not None:
                return self._hit(call, looked, kept, ttl_s)
        self._note_miss(call, looked)
        return Missed(looked, ttl_s)

    def learn(self, call: Call, missed: Missed, reply: Reply) -> None:
        """Hand a fresh answer on; never waits."""
        if reason := self._learning.put(call, missed.looked, reply, missed.ttl_s):
            call.trace.note(self.name, "not_learned", {"reason": reason})

    async def remember(self, call: Call, reply: Reply) -> str:
        """Keep an answer that was brought, such as by warming; why not, or empty.

        No look-up is counted and nothing is compared; the same question gets the new answer. Raises
        StoreError.
        """
        ttl_s = time_to_live_s(call, self._ttl_s)
        dialect = self._dialects.get(call.target.dialect)
        question = self._question(call, dialect, ttl_s)
        if isinstance(question, str) or dialect is None:
            return str(question)
        scope, books = self._place(call, question, dialect)
        looked = await self._scopes.look(scope, books, question.text)
        return await self._learning.keep_now(call, looked, reply, ttl_s)

    def _place(self, call: Call, question: Question, dialect: Dialect) -> tuple[bytes, CacheScope]:
        scope = scope_key(call, question, dialect, self._settings.scope)
        return scope, CacheScope(call.caller.tenant, call.task.name)

    def _question(self, call: Call, dialect: Dialect | None, ttl_s: int) -> Question | str:
        """What is asked, or why it is not answered by meaning."""
        rules = self._settings.bypass
        if reason := why_not_call(call, ttl_s, rules):
            return reason
        if dialect is None:
            return "not_a_chat"
        if len(call.request.body) > _LONG_BYTES:
            return "long_context"
        found = question_of(call.request, dialect)
        if isinstance(found, Unasked):
            return found.reason
        return why_not_question(found, rules) or found

    async def _look(self, call: Call, question: Question, dialect: Dialect) -> Looked | None:
        """None where it cannot be looked up now; the trace says why."""
        if self._clock.monotonic() < self._rests_until_s:
            call.trace.note(self.name, "skipped", {"reason": "resting"})
            return None
        scope, books = self._place(call, question, dialect)
        try:
            async with asyncio.timeout(self._settings.limit_s):
                looked = await self._scopes.look(scope, books, question.text)
        except (StoreError, TimeoutError) as error:
            self._note_failure(call, error)
            return None
        self._failed = 0
        return looked

    async def _kept(self, call: Call, looked: Looked) -> StoredReply | None:
        """The answer to serve; None when it is gone, or older than the request allows."""
        try:
            async with asyncio.timeout(self._settings.limit_s):
                kept = await self._store.answer(looked.scope, looked.decision.group)
        except (StoreError, TimeoutError) as error:
            self._note_failure(call, error)
            return None
        if kept is not None and not self._settings.admits(call, kept.reply):
            await self._forget(call, looked, kept)
            return None
        return kept if kept is not None and self._is_young_enough(call, kept) else None

    def _is_young_enough(self, call: Call, kept: StoredReply) -> bool:
        most_s = call.cache.ttl_s
        if most_s is not None:
            return self._age_s(kept) < most_s and not self._is_late(kept)
        return not self._is_late(kept) or (
            self._renewals is not None and call.cache.mode == "default"
        )

    def _is_late(self, kept: StoredReply) -> bool:
        return kept.late_by_s(self._clock.now()) >= 0

    async def _forget(self, call: Call, looked: Looked, kept: StoredReply) -> None:
        """What may not be served any more makes room for the answer that comes now."""
        call.trace.note(self.name, "not_admitted", {"answered_by": kept.reply.by})
        with suppress(StoreError):
            await self._store.delete(looked.scope, looked.decision.group)

    def _hit(self, call: Call, looked: Looked, kept: StoredReply, ttl_s: int) -> Reply:
        verdict, more = "hit", dict[str, int]()
        if self._renewals is not None and self._is_late(kept):
            began = self._renewals.begin(call, looked, kept.about, ttl_s)
            verdict, more = "stale", {"asks_anew": int(began)}
        decision, age_s, bound = looked.decision, self._age_s(kept), looked.policy.bound
        sure = f"{decision.chance:.4f}" if decision.chance >= 0 else f"cosine {looked.cosine:.4f}"
        numbers: dict[str, int | float | str] = {"p": round(decision.chance, 4)}
        call.trace.note(
            self.name,
            verdict,
            {
                **(numbers if decision.chance >= 0 else {}),
                "cosine": round(looked.cosine, 4),
                "age_s": age_s,
                "bound": bound,
                "group": decision.group,
                "scope": looked.scope.hex(),
                **more,
            },
        )
        headers = call.trace.headers
        headers["x-scrimp-semantic-p"] = sure
        headers["x-scrimp-semantic-age-s"] = str(age_s)
        headers["x-scrimp-semantic-bound"] = bound
        self._store.tally(looked.books, hits=1)
        self._servings.add(call.id, Serving(call.caller.tenant, looked))
        return kept.reply

    def _note_miss(self, call: Call, looked: Looked) -> None:
        decision, standing = looked.decision, looked.policy.standing
        numbers: dict[str, int | float | str] = {"cosine": round(looked.cosine, 4)}
        if decision.why:
            numbers["why"] = decision.why
        if decision.chance >= 0:
            numbers["p"] = round(decision.chance, 4)
        if standing.missing:
            numbers["judged"], numbers["missing"] = standing.judged, standing.missing
        if standing.alarm:
            numbers["alarm"] = standing.alarm
        audited = decision.kind == "audit"
        verdict = {"audit": "audit", "explore": "explore"}.get(decision.kind, "miss")
        call.trace.note(self.name, verdict, numbers)
        self._store.tally(looked.books, misses=1, audits=int(audited))

    def _note_failure(self, call: Call, error: Exception) -> None:
        self._failed += 1
        if self._failed >= _REST_AFTER:
            self._rests_until_s = self._clock.monotonic() + _REST_S
        late = isinstance(error, TimeoutError)
        why = f"nothing within {self._settings.limit_s:g} s" if late else str(error)
        call.trace.note(self.name, "skipped", {"reason": why})

    def _age_s(self, kept: StoredReply) -> int:
        return int((self._clock.now() - kept.stored_at).total_seconds())

    async def _from_below(self, call: Call, next: Next) -> Reply:
        if call.cache.mode == "only":
            msg = "no remembered answer for this call, and x-scrimp-cache: only forbids a new one"
            raise InvalidRequest(msg)
        return await next(call)
