"""A cascade that costs more than going direct stops, per route, and tries again later. Pure.

What its calls have cost (drafts, second opinions, escalations) is added up beside what the model
that was asked for would have cost for the same answers. One process counts for itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from scrimp.choosing import Place

_MOST_ROUTES = 1024


@dataclass(frozen=True, slots=True)
class StopLossRules:
    """As `cascade_tables.StopLossTable` has them."""

    margin: float = 0.05
    least_calls: int = 30
    rest_s: float = 3600.0


@dataclass(slots=True)
class Standing:
    """The running totals of one route, in nano-dollars; it rests until `off_until_s`."""

    calls: int = 0
    cost_nanousd: int = 0
    direct_nanousd: int = 0
    off_until_s: float = 0.0

    @property
    def more_percent(self) -> int:
        """How much more than going direct it has cost (below zero: less), in percent."""
        if not self.direct_nanousd:
            return 0
        return round((self.cost_nanousd - self.direct_nanousd) * 100 / self.direct_nanousd)


class StopLoss:
    """The totals of every route that cascades."""

    def __init__(self, rules: StopLossRules) -> None:
        self._rules = rules
        self._routes: dict[Place, Standing] = {}

    def resting(self, route: Place, now_s: float) -> Standing | None:
        """Its totals where it is switched off now. When its rest is over it begins anew."""
        found = self._routes.get(route)
        if found is None or not found.off_until_s:
            return None
        if now_s < found.off_until_s:
            return found
        del self._routes[route]
        return None

    def add(self, route: Place, cost_nanousd: int, direct_nanousd: int, now_s: float) -> bool:
        """Count one call in. True when that switches the route's cascade off."""
        found = self._routes.pop(route, None) or Standing()
        self._routes[route] = found  # last: what was used longest ago goes first
        if len(self._routes) > _MOST_ROUTES:
            del self._routes[next(iter(self._routes))]
        found.calls += 1
        found.cost_nanousd += cost_nanousd
        found.direct_nanousd += direct_nanousd
        if found.off_until_s or not self._is_over(found):
            return False
        found.off_until_s = now_s + self._rules.rest_s
        return True

    def _is_over(self, found: Standing) -> bool:
        if found.calls < self._rules.least_calls:
            return False
        return found.cost_nanousd > found.direct_nanousd * (1 + self._rules.margin)
