"""Which answers by meaning were served lately, so that a user's word finds what it is about."""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

from scrimp.calls import TraceLine
from scrimp.meanings import Judged, SemanticStore
from scrimp.pipeline.semantic_scopes import Looked, Scopes
from scrimp.ports import Clock
from scrimp.values import Value

Word = Literal["up", "down", "regenerate"]
_MOST = 4096
_LEVER = "semantic_cache"


class Serving(Value, frozen=True):
    """One answer that was served: to whom, and by which decision."""

    tenant: str
    looked: Looked


class Servings:
    """The newest, by call id."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Serving] = OrderedDict()

    def add(self, call_id: str, serving: Serving) -> None:
        """Remember it; the oldest is forgotten."""
        self._known[call_id] = serving
        if len(self._known) > _MOST:
            self._known.popitem(last=False)

    def find(self, call_id: str, tenant: str) -> Serving | None:
        """One of this tenant's."""
        serving = self._known.get(call_id)
        return serving if serving is not None and serving.tenant == tenant else None


class Feedback:
    """Takes users' words on answers that were served by meaning."""

    def __init__(
        self, store: SemanticStore, scopes: Scopes, servings: Servings, clock: Clock
    ) -> None:
        self._store = store
        self._scopes = scopes
        self._servings = servings
        self._clock = clock

    async def take(
        self, call_id: str, tenant: str, word: Word, lines: tuple[TraceLine, ...]
    ) -> str:
        """What was done: `quarantined`, `noted`, or `not_by_meaning`. Raises StoreError.

        `lines` are the call's in the ledger, for one that another process served, or long ago.
        """
        serving = self._servings.find(call_id, tenant)
        place = _place(lines) if serving is None else None
        if serving is None and place is None:
            return "not_by_meaning"
        if serving is not None:
            looked = serving.looked
            scope, group = looked.scope, looked.decision.group
            verdict = self._verdict(group, word, looked.decision.features, looked.decision.score)
            await self._scopes.learn(looked, verdict)
        else:
            assert place is not None  # noqa: S101 - told to the type checker
            scope, group = place
            await self._store.judged(scope, self._verdict(group, word, (), -1.0))
        if word == "down" or (word == "regenerate" and await self._doubted(scope, group)):
            await self._store.quarantine(scope, group)
            return "quarantined"
        return "noted"

    async def _doubted(self, scope: bytes, group: int) -> bool:
        """Who asks again may only want another wording; two that do are no chance."""
        facts = await self._store.facts(scope, (group,))
        return bool(facts) and facts[0].different > 1

    def _verdict(self, group: int, word: Word, features: tuple[float, ...], score: float) -> Judged:
        """Nobody drew lots for who speaks up, so its propensity is 0: no estimate rests on it."""
        return Judged(
            group=group,
            features=features,
            equal=word == "up",
            propensity=0.0,
            source="user",
            served=True,
            at=self._clock.now(),
            score=score,
        )


def _place(lines: tuple[TraceLine, ...]) -> tuple[bytes, int] | None:
    """Scope and group of a hit, by what its trace says."""
    for line in lines:
        if line.lever == _LEVER and line.verdict in ("hit", "stale"):
            numbers = dict(line.numbers)
            return bytes.fromhex(str(numbers["scope"])), int(numbers["group"])
    return None
