"""Who holds how much of a room, and which of their groups was used longest ago."""

from __future__ import annotations


class Shares:
    """One room: a scope, or the whole store. Amounts are whatever its limit counts."""

    def __init__(self) -> None:
        self.total = 0
        self._held: dict[str, int] = {}
        self._groups: dict[str, dict[int, None]] = {}

    def came(self, caller: str, group: int, amount: int) -> None:
        """A new group."""
        self._groups.setdefault(caller, {})[group] = None
        self.grew(caller, amount)

    def grew(self, caller: str, amount: int) -> None:
        """A group of the caller's is larger by so much."""
        self._held[caller] = self._held.get(caller, 0) + amount
        self.total += amount

    def used(self, caller: str, group: int) -> None:
        """It goes last now."""
        groups = self._groups.get(caller, {})
        if group in groups:
            del groups[group]
            groups[group] = None

    def went(self, caller: str, group: int, amount: int) -> None:
        """A group is gone."""
        self.grew(caller, -amount)
        groups = self._groups[caller]
        del groups[group]
        if not groups:
            del self._groups[caller], self._held[caller]

    def next_out(self) -> int | None:
        """The group that was used longest ago, of whoever holds most."""
        if not self._held:
            return None
        largest = max(self._held, key=self._held.__getitem__)
        return next(iter(self._groups[largest]))
