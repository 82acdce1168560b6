"""Doubles for answers by meaning: vectors of words, policies by script, judges that know."""

from __future__ import annotations

import asyncio
import math
from array import array
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import blake2b
from typing import Any

from scrimp.calls import FREE_COST, Call, Cost, Reply, ReplyFacts
from scrimp.dialects import DIALECTS
from scrimp.errors import StoreError
from scrimp.levers.semantic_cache import SemanticCache, SemanticCacheSettings
from scrimp.meanings import (
    GroupFacts,
    Judge,
    Judged,
    Opinion,
    SemanticStore,
    VerdictSource,
)
from scrimp.pipeline.chain import chain
from scrimp.pipeline.later import Later
from scrimp.pipeline.semantic_learning import Learning, LearningRules
from scrimp.pipeline.semantic_parts import SemanticParts
from scrimp.pipeline.semantic_scopes import Scopes
from scrimp.pipeline.semantic_servings import Feedback, Servings
from scrimp.ports import Next
from scrimp.semantics.answers import text_of
from scrimp.semantics.deciding import Decision, Nearby, Policies, Policy, Standing, Weighed
from scrimp.semantics.scope import ScopeRules
from scrimp.stores.semantic_memory import MemorySemantic
from tests.support.core import USAGE, FakeClock, answer_fields, call_of, chat_fields, reply_of

_DIMS = 256


def vector(text: str) -> bytes:
    """Of length 1; texts of the same words are near, whatever their order."""
    found = [0.0] * _DIMS
    for word in text.lower().strip("?!. ").split():
        found[int.from_bytes(blake2b(word.encode(), digest_size=4).digest(), "big") % _DIMS] += 1
    length = math.sqrt(sum(one * one for one in found)) or 1.0
    return array("f", [one / length for one in found]).tobytes()


class WordEmbedder:
    """Fails or hangs as told."""

    id = "words/1"
    dims = _DIMS

    def __init__(self) -> None:
        self.dead = False
        self.stuck = False
        self.asked: list[str] = []

    async def embed(self, texts: tuple[str, ...]) -> tuple[bytes, ...]:
        """One vector per text."""
        self.asked += texts
        if self.stuck:
            await asyncio.Event().wait()
        if self.dead:
            raise StoreError("the embedder is down")
        return tuple(map(vector, texts))

    async def close(self) -> None:
        """Nothing is open."""


@dataclass
class Scripted:
    """A policy that decides as told, about the nearest group; it remembers what it learned."""

    kind: Callable[[Nearby], str] = lambda _: "explore"
    learned: list[Judged] = field(default_factory=list)
    missing: int | None = 7
    bound: str = "max_error 0.02 at 0.95"
    doubtful: bool = False
    overturned: int = 0
    studied: int = 0

    @property
    def standing(self) -> Standing:
        """Two of ten were wrong."""
        return Standing(len(self.learned), 0.2, 0.4, self.missing)

    def weigh(self, nearby: Nearby) -> Weighed:
        """Facts of all."""
        return Weighed(nearby, tuple(dict.fromkeys(one.group for one in nearby.neighbours)))

    def decide(self, weighed: Weighed, facts: tuple[GroupFacts, ...]) -> Decision:
        """About the nearest."""
        nearby = weighed.nearby
        assert tuple(fact.group for fact in facts) == weighed.groups
        if not nearby.neighbours:
            return Decision("new", why="nothing_near")
        order = tuple(dict.fromkeys(one.group for one in nearby.neighbours))
        kind: Any = self.kind(nearby)
        return Decision(kind, order[0], 0.97, 0.9, 0.1, (1.0, 2.0), order)

    def doubts(self, decision: Decision, *, equal: bool) -> bool:
        """As told."""
        assert decision.group
        return self.doubtful and not equal

    def learn(self, verdict: Judged, decision: Decision, *, overturned: bool = False) -> bool:
        """Remember it."""
        assert decision.group == verdict.group
        self.learned.append(verdict)
        self.overturned += overturned
        return True

    def study(self) -> Callable[[], Callable[[], None]] | None:
        """Count how often something was due, and done."""
        return lambda: self._adopt

    def _adopt(self) -> None:
        self.studied += 1

    def state(self) -> bytes:
        """How much it learned."""
        return b"%d" % len(self.learned)


@dataclass
class ScriptedPolicies:
    """One policy for all scopes."""

    policy: Scripted = field(default_factory=Scripted)
    states: list[bytes | None] = field(default_factory=list)
    neighbours: int = 5

    def sketch(self, text: str, scope: bytes) -> bytes:
        """Nothing of the text."""
        return bytes([len(text) % 256]) + scope[:4]

    def of(self, state: bytes | None, verdicts: tuple[Judged, ...]) -> Policy:
        """The one; what it was made from is remembered."""
        assert not verdicts or state is not None
        self.states.append(state)
        return self.policy


@dataclass
class TextJudge:
    """Equal are equal texts; it costs, fails or is silent as told."""

    cost: Cost = FREE_COST
    dead: bool = False
    silent: bool = False
    slips: int = 0
    source: VerdictSource = "equal"
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def __call__(self, call: Call, kept: Reply, fresh: Reply) -> Opinion:
        """Compare."""
        dialect = DIALECTS[call.target.dialect]
        one, two = text_of(kept, dialect), text_of(fresh, dialect)
        self.asked.append((one, two))
        if self.dead:
            raise StoreError("the judge is down")
        self.slips -= 1
        equal = one == two if self.slips < 0 else one != two
        return Opinion(None if self.silent else equal, self.source, self.cost)


class Provider:
    """Answers each question with what it is told to, else with the question itself."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.answers: dict[str, str] = {}
        self.changes: dict[str, Any] = {}
        self.meanwhile: Callable[[], Awaitable[None]] | None = None

    async def __call__(self, call: Call) -> Reply:
        """Answer afresh."""
        self.calls.append(call)
        if self.meanwhile is not None:
            await self.meanwhile()
        asked = DIALECTS[call.target.dialect].last_user_text(call.request)
        text = self.answers.get(asked, f"About: {asked}")
        facts = ReplyFacts(usage=USAGE, model="m", finish="complete", complete=True)
        return reply_of(**{"body": answer_fields(text), "facts": facts, **self.changes})


class SemanticKitchen:
    """A semantic cache over a store, an embedder, a policy, a judge and a provider."""

    def __init__(
        self,
        *,
        policies: Policies | None = None,
        judge: Judge | None = None,
        store: SemanticStore | None = None,
        **settings: Any,
    ) -> None:
        self.clock = FakeClock()
        self.store = store or MemorySemantic(self.clock)
        self.embedder = WordEmbedder()
        self.scripted = ScriptedPolicies()
        self.judge = TextJudge()
        self.provider = Provider()
        self.later = Later()
        scopes = Scopes(self.store, self.embedder, policies or self.scripted)
        rules = LearningRules(self.clock, DIALECTS, stale_s=settings.pop("stale_s", 0))
        servings = Servings()
        self.parts = SemanticParts(
            self.store,
            self.embedder,
            scopes,
            Learning(self.store, scopes, judge or self.judge, self.later, rules),
            servings,
            Feedback(self.store, scopes, servings, self.clock),
            self.later,
        )
        scope = settings.pop("scope", ScopeRules(secret=b"s" * 32, embedder="words/1"))
        self.lever = SemanticCache(
            self.parts,
            self.clock,
            DIALECTS,
            SemanticCacheSettings(scope=scope, **{"limit_s": 30.0, **settings}),
        )
        self.way: Next = chain([self.lever], self.provider)

    async def ask(self, text: str, **changes: Any) -> tuple[Reply, Call]:
        """Ask, and let what is learned in the background be learned."""
        call = call_of(chat_fields(text), **{"started_at": self.clock.now(), **changes})
        reply = await self.way(call)
        await self.learn()
        return reply, call

    async def learn(self) -> None:
        """Work off what waits."""
        async with asyncio.TaskGroup() as group:
            running = group.create_task(self.later.run())
            await self.later.drained()
            running.cancel()

    def pass_by(self, seconds: float) -> None:
        """Move on."""
        self.clock.at += timedelta(seconds=seconds)
