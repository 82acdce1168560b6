"""What a semantic cache is made of, in one hand: the lever, shells and the app share it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from scrimp.meanings import Embedder, SemanticStats, SemanticStore
from scrimp.pipeline.later import Later
from scrimp.pipeline.semantic_learning import Learning
from scrimp.pipeline.semantic_scopes import Scopes
from scrimp.pipeline.semantic_servings import Feedback, Servings


@dataclass(frozen=True, slots=True)
class SemanticParts:
    """`later` runs beside the calls; store and embedder are closed by whoever opened them.

    `errors` says how often each judge is wrong, as far as that is known.
    """

    store: SemanticStore
    embedder: Embedder
    scopes: Scopes
    learning: Learning
    servings: Servings
    feedback: Feedback
    later: Later
    errors: Callable[[], Mapping[str, float]] = dict

    async def stats(self, tenant: str | None = None) -> tuple[SemanticStats, ...]:
        """What is kept, counted and known of what is wrong. Raises StoreError."""
        return self.scopes.told(await self.store.stats(tenant))
