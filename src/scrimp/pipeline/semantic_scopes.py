"""Looks a question up by meaning, and keeps what each scope has learned. Knows ports, no engine."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import ClassVar

from msgspec.structs import replace

from scrimp.meanings import Embedder, Judged, SemanticStats, SemanticStore
from scrimp.ports import CacheScope
from scrimp.semantics.deciding import Decision, Nearby, Policies, Policy, Standing
from scrimp.values import Value

_MOST_SCOPES = 256
_LOG = 4000
"""Verdicts that a policy is made anew from, where its state cannot be read."""


class Looked(Value, frozen=True):
    """A question that was looked up: where, by which vector, and what was decided.

    `nearest` is the group of the nearest known question, at `cosine`; 0 where none is known.
    """

    HIDDEN: ClassVar[frozenset[str]] = frozenset({"vector", "sketch", "text", "policy"})

    scope: bytes
    books: CacheScope
    text: str
    vector: bytes
    sketch: bytes
    policy: Policy
    decision: Decision
    cosine: float = 0.0
    nearest: int = 0


@dataclass(slots=True)
class _Learned:
    policy: Policy
    books: CacheScope


class Scopes:
    """The scopes that were asked in last, with their policies."""

    def __init__(self, store: SemanticStore, embedder: Embedder, policies: Policies) -> None:
        self._store = store
        self._embedder = embedder
        self._policies = policies
        self._learned: OrderedDict[bytes, _Learned] = OrderedDict()

    async def look(self, scope: bytes, books: CacheScope, text: str) -> Looked:
        """Embed, find, decide. Raises StoreError."""
        (vector,) = await self._embedder.embed((text,))
        scope = of_length(scope, vector)
        sketch = self._policies.sketch(text, scope)
        near = await self._store.nearest(scope, vector, self._policies.neighbours)
        policy = await self._policy(scope, books)
        decision = await self._decision(scope, policy, Nearby(vector, sketch, near))
        cosine, nearest = (near[0].cosine, near[0].group) if near else (0.0, 0)
        return Looked(scope, books, text, vector, sketch, policy, decision, cosine, nearest)

    async def learn(self, looked: Looked, verdict: Judged, *, overturned: bool = False) -> None:
        """A verdict, into the log and the policy. Raises StoreError."""
        await self._store.judged(looked.scope, verdict)
        policy = looked.policy
        changed = policy.learn(verdict, looked.decision, overturned=overturned)
        if (work := policy.study()) is not None:
            adopt = await asyncio.to_thread(work)
            adopt()
        if changed:
            await self._store.save(looked.scope, policy.state())

    def told(self, stats: tuple[SemanticStats, ...]) -> tuple[SemanticStats, ...]:
        """Counts of a store with what the policies of their scopes know.

        Where several scopes (system prompts, models) are counted as one, shares are weighed by what
        was judged, and the largest upper bound holds for all.
        """
        return tuple(self._with_standing(one) for one in stats)

    def missing(self) -> dict[CacheScope, int]:
        """Verdicts that are missing before anything is served, in scopes that serve nothing yet."""
        found: dict[CacheScope, int] = {}
        for learned in self._learned.values():
            missing = learned.policy.standing.missing
            if missing:
                found[learned.books] = max(missing, found.get(learned.books, 0))
        return found

    def _with_standing(self, one: SemanticStats) -> SemanticStats:
        standings = [
            learned.policy.standing
            for learned in self._learned.values()
            if learned.books == one.scope
        ]
        return with_standings(one, standings)

    async def _decision(self, scope: bytes, policy: Policy, nearby: Nearby) -> Decision:
        while True:
            weighed = policy.weigh(nearby)
            facts = await self._store.facts(scope, weighed.groups) if weighed.groups else ()
            if len(facts) == len(weighed.groups):
                return policy.decide(weighed, facts)
            gone = set(weighed.groups) - {fact.group for fact in facts}  # since they were found
            left = tuple(one for one in nearby.neighbours if one.group not in gone)
            nearby = replace(nearby, neighbours=left)

    async def _policy(self, scope: bytes, books: CacheScope) -> Policy:
        known = self._learned.get(scope)
        if known is None:
            state = await self._store.load(scope)
            verdicts = await self._store.verdicts(scope, _LOG)
            made = _Learned(self._policies.of(state, verdicts), books)
            known = self._learned.setdefault(scope, made)  # another call may have been quicker
            while len(self._learned) > _MOST_SCOPES:
                self._learned.popitem(last=False)
        elif next(reversed(self._learned)) != scope:
            self._learned.move_to_end(scope)
        return known.policy


def with_standings(one: SemanticStats, standings: Sequence[Standing]) -> SemanticStats:
    """Counts with what the policies of their scopes know of what is wrong."""
    told = [standing for standing in standings if standing.wrong_share is not None]
    judged = sum(standing.judged for standing in told)
    if not judged:
        return one
    wrong = sum((standing.wrong_share or 0.0) * standing.judged for standing in told)
    upper = max(1.0 if s.wrong_upper is None else s.wrong_upper for s in told)
    return replace(one, wrong_share=wrong / judged, wrong_upper=upper)


def of_length(scope: bytes, vector: bytes) -> bytes:
    """The scope, for vectors so long: not every embedder's id tells when another model makes them.

    Of another length none is ever compared, and the new ones must not be refused for the old.
    """
    return blake2b(len(vector).to_bytes(4), key=scope[:64], digest_size=32).digest()
