"""Where a model runs: one rule for every lever that a call's `region` binds. Pure.

A provider's `residency` says where its endpoint keeps the work, `[route.facts]` where a model runs.
Facts may narrow what a provider says (it says nothing: it may be anywhere) and never widen it:
where the two differ, nobody knows where the model runs, and a call for a region does not go there.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Protocol

from scrimp.calls import Call, Target
from scrimp.errors import Rejected
from scrimp.routing.tables import ModelFacts


class Places(Protocol):
    """Which provider serves which model."""

    def resolve(self, model: str, dialect: str) -> Target:
        """Raises UnknownModel, or InvalidRequest for another dialect."""
        ...


def region_of(residency: str, said: str) -> str:
    """The one region that is sure; empty where none is."""
    return residency if said in ("", residency) else "" if residency else said


class Regions:
    """`residency` is by provider, as `billing.places_of` has it; `facts` by the name of a model."""

    def __init__(
        self, residency: Mapping[str, str], facts: Mapping[str, ModelFacts], targets: Places
    ) -> None:
        self._residency = residency
        self._said = {name: one.region for name, one in facts.items() if one.region}
        self._targets = targets
        self._known: dict[str, dict[tuple[str, str], str]] = {}

    def of(self, target: Target) -> str:
        """Where a target runs for sure, by whichever name it is called; empty: nobody knows."""
        residency = self._residency.get(target.provider, "")
        if not self._said:
            return residency
        said = self._facts(target.dialect).get((target.provider, target.model), "")
        return region_of(residency, said)

    def elsewhere(self, call: Call, target: Target) -> bool:
        """Whether a call that is bound to a region must not go there."""
        region = call.wish.region
        return bool(region) and self.of(target) != region

    def _facts(self, dialect: str) -> Mapping[tuple[str, str], str]:
        """What facts say, by place: a model has many names, and runs where it runs."""
        found = self._known.get(dialect)
        if found is None:
            found = self._known[dialect] = {}
            for name, region in self._said.items():
                with suppress(Rejected):  # nobody serves it in this dialect
                    target = self._targets.resolve(name, dialect)
                    place = (target.provider, target.model)
                    # two names of one place that differ: nobody knows
                    found[place] = region if found.get(place, region) == region else "?"
        return found
