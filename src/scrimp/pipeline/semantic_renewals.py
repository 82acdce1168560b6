"""Answers by meaning that are served a little past their time: one call of its own asks anew."""

from __future__ import annotations

from functools import partial

from scrimp.calls import Call
from scrimp.meanings import SemanticStore
from scrimp.pipeline.again import Again
from scrimp.pipeline.semantic_learning import Learning
from scrimp.pipeline.semantic_scopes import Looked
from scrimp.remembered import About

_LEASE_S = 60.0
"""How long one process alone asks, whatever becomes of it: after a failure it rests as long."""


class Renewals:
    """One of each answer at once, in all processes that share the store."""

    def __init__(self, store: SemanticStore, learning: Learning, again: Again) -> None:
        self._store = store
        self._learning = learning
        self._again = again

    def begin(self, call: Call, looked: Looked, about: About, ttl_s: int) -> bool:
        """Have it asked anew in the words of this call. False where it is being done, or rests."""
        key = b"%d|%b" % (looked.decision.group, looked.scope)
        return self._again.begin(key, partial(self._renew, call, looked, about, ttl_s))

    async def _renew(self, call: Call, looked: Looked, about: About, ttl_s: int) -> bool:
        """False where nothing came of it. Raises StoreError, and as the app's way does."""
        if not await self._store.claim(looked.scope, looked.decision.group, lease_s=_LEASE_S):
            return False
        anew, reply = await self._again.ask(call, about)
        return await self._learning.renew(anew, looked, reply, ttl_s)
