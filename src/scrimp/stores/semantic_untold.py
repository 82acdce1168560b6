"""Uses of answers by meaning and look-ups, until the store's file or server is told of them."""

from __future__ import annotations

from scrimp.ports import CacheScope
from scrimp.stores.scope_counts import MAX_SCOPES, OTHERS

Looks = tuple[int, int, int]
"""Hits, misses, audits."""
_NONE: Looks = (0, 0, 0)


class Untold:
    """Of one process. `take` hands them over and begins anew."""

    def __init__(self) -> None:
        self._used: dict[int, None] = {}
        self._looks: dict[CacheScope, Looks] = {}

    def __bool__(self) -> bool:
        return bool(self._used or self._looks)

    def use(self, group: int) -> None:
        """A use: of several, the newest stands last."""
        self._used.pop(group, None)
        self._used[group] = None

    def look(self, scope: CacheScope, more: Looks) -> None:
        """Look-ups."""
        if scope not in self._looks and len(self._looks) >= MAX_SCOPES:
            scope = OTHERS
        hits, misses, audits = self._looks.get(scope, _NONE)
        self._looks[scope] = (hits + more[0], misses + more[1], audits + more[2])

    def take(self) -> tuple[tuple[int, ...], dict[CacheScope, Looks]]:
        """Groups in the order of their last use, and look-ups."""
        taken = tuple(self._used), self._looks
        self._used, self._looks = {}, {}
        return taken

    def give_back(self, looks: dict[CacheScope, Looks]) -> None:
        """Look-ups of which nobody could be told."""
        for scope, counts in looks.items():
            self.look(scope, counts)
