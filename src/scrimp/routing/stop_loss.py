"""A cascade that costs more than going direct stops, per route, and tries again later. Pure.

What its calls have cost (drafts, second opinions, escalations) is added up beside what the model
that was asked for would have cost for the same answers. Times are seconds since 1970, for
processes share them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from scrimp.choosing import Place
from scrimp.values import Value

_MOST_ROUTES: Final = 1024


@dataclass(frozen=True, slots=True)
class StopLossRules:
    """As `cascade_tables.StopLossTable` has them."""

    margin: float = 0.05
    least_calls: int = 30
    rest_s: float = 3600.0


class Totals(Value, frozen=True):
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


NOTHING: Final = Totals()


def rests(found: Totals, now_s: float, rules: StopLossRules) -> bool:
    """Whether a route is switched off now. A clock that was set back keeps none off for longer."""
    return 0 < found.off_until_s - now_s <= rules.rest_s


def added(found: Totals, more: Totals, now_s: float, rules: StopLossRules) -> Totals:
    """With what came since. A route that rests counts nothing; after its rest it begins anew."""
    if found.off_until_s:
        if rests(found, now_s, rules):
            return found
        found = NOTHING
    new = _sum(found, more)
    if new.calls < rules.least_calls:
        return new
    if new.cost_nanousd <= new.direct_nanousd * (1 + rules.margin):
        return new
    return replace(new, off_until_s=now_s + rules.rest_s)


class StopLoss:
    """The totals of every route that cascades, as far as this process knows them.

    What is counted here and told to nobody yet is kept apart, for whoever adds it to all others'.
    """

    def __init__(self, rules: StopLossRules) -> None:
        self.rules = rules
        self._routes: dict[Place, Totals] = {}
        self._untold: dict[Place, Totals] = {}

    def resting(self, route: Place, now_s: float) -> Totals | None:
        """Its totals where it is switched off now."""
        found = self._routes.get(route)
        return found if found is not None and rests(found, now_s, self.rules) else None

    def add(self, route: Place, cost_nanousd: int, direct_nanousd: int, now_s: float) -> bool:
        """Count one call in. True when that switches the route's cascade off."""
        before, one = self._routes.pop(route, NOTHING), Totals(1, cost_nanousd, direct_nanousd)
        after = added(before, one, now_s, self.rules)
        _put(self._routes, route, after)  # last: what was used longest ago goes first
        if after is before:
            return False
        _put(self._untold, route, _sum(self._untold.pop(route, NOTHING), one))
        return bool(after.off_until_s)

    def take(self) -> Mapping[Place, Totals]:
        """What was counted here since this was asked last."""
        taken, self._untold = self._untold, {}
        return taken

    def give_back(self, taken: Mapping[Place, Totals]) -> None:
        """It could not be told: it waits for the next time."""
        for route, more in taken.items():
            _put(self._untold, route, _sum(self._untold.pop(route, NOTHING), more))

    def hear(self, known: Mapping[Place, Totals], now_s: float) -> None:
        """What all have counted; what was counted here meanwhile comes on top."""
        self._routes = dict(known)
        for route, more in self._untold.items():
            before = self._routes.pop(route, NOTHING)
            _put(self._routes, route, added(before, more, now_s, self.rules))


def _put(routes: dict[Place, Totals], route: Place, totals: Totals) -> None:
    routes[route] = totals
    if len(routes) > _MOST_ROUTES:
        del routes[next(iter(routes))]


def _sum(one: Totals, other: Totals) -> Totals:
    return Totals(
        one.calls + other.calls,
        one.cost_nanousd + other.cost_nanousd,
        one.direct_nanousd + other.direct_nanousd,
    )
