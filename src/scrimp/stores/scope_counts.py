"""Hits and misses by scope, counted in this process; what every engine's figures are made of."""

from __future__ import annotations

from collections.abc import Mapping

from scrimp.ports import CacheScope, ScopeStats

MAX_SCOPES = 10_000
"""Beyond it, scopes are counted together: who may invent tenants must not fill a store."""
OTHERS = CacheScope("(others)", "")

Looked = tuple[int, int]
"""Hits and misses."""
Held = tuple[int, int]
"""Entries and their bytes."""
_NONE = (0, 0)


class Counts:
    """Counts of one event loop. `take` hands them over and begins anew."""

    def __init__(self) -> None:
        self._hits: dict[CacheScope, int] = {}
        self._misses: dict[CacheScope, int] = {}

    def count(self, scope: CacheScope, *, hit: bool) -> None:
        """One look-up."""
        counts = self._hits if hit else self._misses
        if scope in counts:
            counts[scope] += 1
        elif len(counts) < MAX_SCOPES:
            counts[scope] = 1
        else:
            counts[OTHERS] = counts.get(OTHERS, 0) + 1

    def __bool__(self) -> bool:
        return bool(self._hits or self._misses)

    def all(self) -> dict[CacheScope, Looked]:
        """Hits and misses of every scope."""
        scopes = self._hits.keys() | self._misses.keys()
        return {one: (self._hits.get(one, 0), self._misses.get(one, 0)) for one in scopes}

    def take(self) -> dict[CacheScope, Looked]:
        """What was counted since the last time."""
        taken = self.all()
        self._hits, self._misses = {}, {}
        return taken

    def give_back(self, taken: Mapping[CacheScope, Looked]) -> None:
        """What was taken could not be handed on."""
        for scope, (hits, misses) in taken.items():
            for counts, number in ((self._hits, hits), (self._misses, misses)):
                if number:
                    counts[scope] = counts.get(scope, 0) + number


def scope_stats(
    looked: Mapping[CacheScope, Looked], held: Mapping[CacheScope, Held], tenant: str | None
) -> tuple[ScopeStats, ...]:
    """Both together, in order of their names; those of one tenant when one is named."""
    return tuple(
        ScopeStats(scope, *looked.get(scope, _NONE), *held.get(scope, _NONE))
        for scope in sorted(looked.keys() | held.keys())
        if tenant in (None, scope.tenant)
    )
