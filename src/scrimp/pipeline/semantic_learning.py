"""What is done with a fresh answer when nobody waits any more: compared, joined, or kept as new.

A question joins a group only when its fresh answer was judged equal to the answer of the group's
root: never to that of another alias, so that meanings do not drift from one to the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Literal

from msgspec.structs import replace

from scrimp.calls import Call, HeldSink, Reply, Trace
from scrimp.dialects.base import Dialect
from scrimp.errors import ScrimpError
from scrimp.ledger.booking import total_cost
from scrimp.meanings import Judge, Judged, Known, Opinion, SemanticStore
from scrimp.pipeline.later import Later
from scrimp.pipeline.semantic_scopes import Looked, Scopes
from scrimp.ports import Clock, StoredReply
from scrimp.remembered import About, CacheControl, named_as
from scrimp.semantics.answers import text_of, why_not_kept

SERVED_BY = "semantic_cache"
_FICKLE = ("model", "function")
"""Judges who may say another thing when they are asked again."""
_SAME = 0.9999
"""The cosine of a question with itself, as far as rounding goes."""
_NEAR = 0.7
"""While no judge works, what is nearer than this to a known question makes no group of its own.

1,200 questions of BANKING77 make 446 groups so, and each of the 77 intents has one; without it they
make 1,200, and with 0.4, from which on judges are asked, 30 intents have none.
"""


@dataclass(frozen=True, slots=True)
class LearningRules:
    """`compared` groups at most are judged per fresh answer. Texts are kept only when asked for.

    Answers stay in the store for `stale_s` beyond their time.
    """

    clock: Clock
    dialects: Mapping[str, Dialect]
    compared: int = 2
    keep_texts: bool = False
    max_reply_bytes: int = 256 * 1024
    stale_s: int = 0


@dataclass(frozen=True, slots=True)
class _Equal:
    """An answer that would have done as well, and whether it is past its time."""

    group: int
    about: About
    late: bool


class Learning:
    """Hands fresh answers to `later`, where they are worked off. No judge: none is compared."""

    def __init__(
        self,
        store: SemanticStore,
        scopes: Scopes,
        judge: Judge | None,
        later: Later,
        rules: LearningRules,
    ) -> None:
        self._store = store
        self._scopes = scopes
        self._judge = judge
        self._later = later
        self._rules = rules

    def put(self, call: Call, looked: Looked, reply: Reply, ttl_s: int) -> str:
        """Why the answer is not learned from; empty when it will be."""
        if reason := self._why_not(call, reply):
            return reason
        aside = call.sent_to(HeldSink(), Trace())
        job = partial(self._learn, aside, looked, reply, ttl_s)
        return "" if self._later.put(job) else "busy"

    async def keep_now(self, call: Call, looked: Looked, reply: Reply, ttl_s: int) -> str:
        """Keep it as new, in place of what the same question had; why not, or empty.

        Raises StoreError.
        """
        if reason := self._why_not(call, reply):
            return reason
        await self._replace(call, looked, reply, ttl_s)
        return ""

    async def renew(self, call: Call, looked: Looked, reply: Reply, ttl_s: int) -> bool:
        """Put it in place of the answer that was served; False where it is not kept.

        It answers the words that were asked here, so these are its first question. What joined the
        old answer was judged against the old one, and goes with it. Raises StoreError.
        """
        if self._why_not(call, reply):
            return False
        answer = self._answer(call, looked, reply, ttl_s)
        return await self._in_place(looked, looked.decision.group, answer)

    def _why_not(self, call: Call, reply: Reply) -> str:
        text = text_of(reply, self._rules.dialects[call.target.dialect])
        return why_not_kept(reply, text, self._rules.max_reply_bytes)

    async def _replace(self, call: Call, looked: Looked, reply: Reply, ttl_s: int) -> None:
        if looked.cosine >= _SAME:
            await self._store.delete(looked.scope, looked.nearest)
        await self._keep(call, looked, reply, ttl_s)

    async def _learn(self, call: Call, looked: Looked, reply: Reply, ttl_s: int) -> None:
        if call.cache.mode == "refresh":
            await self._replace(call, looked, reply, ttl_s)
            return
        if looked.decision.kind in ("audit", "explore") and self._judge is not None:
            equal = await self._compare(call, looked, reply)
            if equal == "unjudged" and looked.cosine >= _NEAR:
                return  # each rewording would be a group, and no verdict joins groups later
            if isinstance(equal, _Equal) and await self._join(call, looked, equal, reply, ttl_s):
                return
        await self._keep(call, looked, reply, ttl_s)

    async def _compare(
        self, call: Call, looked: Looked, reply: Reply
    ) -> _Equal | Literal["other", "unjudged"]:
        """The group that the question may join; `other` when none of those compared is.

        Its answer is equal to the fresh one, and will be forgotten whenever that would be.
        `unjudged`: one of them might be, but a judge who could tell cannot work now.
        """
        decision, unjudged = looked.decision, False
        groups = dict.fromkeys((decision.group, *decision.order))
        for group in list(groups)[: self._rules.compared]:
            kept = await self._store.answer(looked.scope, group)
            if kept is None:
                continue
            may_join = _is_named_by(kept.about, call.cache)
            opinion = await self._opinion(call, kept.reply, reply)
            if opinion is None or opinion.equal is None:
                unjudged = unjudged or (opinion is None and may_join)
                continue
            if group == decision.group:
                opinion = await self._tell(call, looked, (kept.reply, reply), opinion)
            if opinion.equal:
                late = kept.late_by_s(self._rules.clock.now()) >= 0
                equal = _Equal(group, kept.about, late)
                return equal if may_join else "other"
        return "unjudged" if unjudged else "other"

    async def _opinion(self, call: Call, kept: Reply, reply: Reply) -> Opinion | None:
        """None where a judge who might tell cannot work: nothing is learned then."""
        assert self._judge is not None  # noqa: S101 - told to the type checker
        try:
            return await self._judge(call, kept, reply)
        except ScrimpError:
            return None

    async def _tell(
        self, call: Call, looked: Looked, replies: tuple[Reply, Reply], first: Opinion
    ) -> Opinion:
        """Write the verdict down; of one that surprises, the majority of three holds."""
        decision, audited = looked.decision, looked.decision.kind == "audit"
        opinion = first
        if first.source in _FICKLE and looked.policy.doubts(decision, equal=bool(first.equal)):
            opinion = await self._majority(call, replies, first)
        verdict = Judged(
            group=decision.group,
            features=decision.features,
            equal=bool(opinion.equal),
            propensity=decision.propensity,
            source=opinion.source,
            served=audited,
            at=self._rules.clock.now(),
            score=decision.score,
            cost_nanousd=opinion.cost.nanousd or 0,
        )
        overturned = opinion.equal != first.equal
        await self._scopes.learn(looked, verdict, overturned=overturned)
        if audited and not verdict.equal:
            await self._store.quarantine(looked.scope, decision.group)
        return opinion

    async def _majority(self, call: Call, replies: tuple[Reply, Reply], first: Opinion) -> Opinion:
        opinions = [first]
        for _ in range(2):
            more = await self._opinion(call, *replies)
            if more is not None:
                opinions.append(more)
        said = [opinion.equal for opinion in opinions]
        equal = said.count(True) > said.count(False) if len(opinions) > 1 else first.equal
        return Opinion(equal, first.source, total_cost([one.cost for one in opinions]))

    async def _join(
        self, call: Call, looked: Looked, equal: _Equal, reply: Reply, ttl_s: int
    ) -> bool:
        """An alias; but nothing joins an answer past its time: the fresh one takes its place."""
        if equal.late:
            named = replace(call, cache=named_as(call.cache, equal.about))
            answer = self._answer(named, looked, reply, ttl_s)
            return await self._in_place(looked, equal.group, answer)
        known = self._known(looked, equal.group)
        return await self._store.add_alias(looked.scope, known, caller=_payer(call))

    async def _in_place(self, looked: Looked, group: int, answer: StoredReply) -> bool:
        known = self._known(looked, 0, root=True)
        return await self._store.renew(looked.scope, group, known, answer) is not None

    async def _keep(self, call: Call, looked: Looked, reply: Reply, ttl_s: int) -> None:
        answer = self._answer(call, looked, reply, ttl_s)
        known = self._known(looked, 0, root=True)
        await self._store.add_root(looked.scope, known, answer, answer.about)

    def _answer(self, call: Call, looked: Looked, reply: Reply, ttl_s: int) -> StoredReply:
        now, cache, late_s = self._rules.clock.now(), call.cache, self._rules.stale_s
        headers = tuple(pair for pair in reply.headers if pair[0] == "content-type")
        asked_at = reply.asked_at or call.started_at
        kept = replace(reply, headers=headers, served_by=SERVED_BY, cacheable=False, asked_at=None)
        about = About(cache.name, cache.tags, call.target.model, _payer(call))
        ends = now + timedelta(seconds=ttl_s + late_s)
        return StoredReply(kept, now, ends, looked.books, about, asked_at, late_s)

    def _known(self, looked: Looked, group: int, *, root: bool = False) -> Known:
        text = looked.text if self._rules.keep_texts else ""
        return Known(group, looked.vector, looked.sketch, text, root)


def _is_named_by(about: About, asked: CacheControl) -> bool:
    """Whoever forgets by the names of the call reaches this answer, too."""
    return asked.name in ("", about.name) and set(asked.tags) <= set(about.tags)


def _payer(call: Call) -> str:
    """Whose limits of new questions and of room hold: of those who are believed, the nearest."""
    who = call.caller
    return f"{who.tenant}\n{who.end_user}" if who.end_user else who.tenant
