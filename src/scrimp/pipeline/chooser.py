"""Who answers a call: by rules, by what was learned, or by what is proven."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from scrimp.calls import Call, Reply
from scrimp.ledger.steps import same_place
from scrimp.pipeline.router import Plan
from scrimp.routing.by_rules import pick
from scrimp.routing.filters import Offer
from scrimp.routing.tables import RouteSection
from scrimp.values import Value


class Chosen(Value, frozen=True):
    """The offer, in one word why, and the numbers behind it; `ground` is what to learn from.

    With `proven` a promise stands behind it, about this model and no draft of another one.
    """

    offer: Offer
    why: str
    numbers: Mapping[str, int | float | str]
    ground: object = None
    proven: bool = False


class Chooser(Protocol):
    """Chooses among what the filters left, and learns from what came of it."""

    def choose(self, call: Call, plan: Plan) -> Chosen:
        """One of the plan's offers."""
        ...

    def answered(self, call: Call, chosen: Chosen, reply: Reply) -> None:
        """What the chosen one answered. Returns at once."""
        ...

    def unanswered(self, chosen: Chosen) -> None:
        """Nothing came of it. Returns at once and never raises."""
        ...


class Learned(Chooser, Protocol):
    """Chooses by evidence."""

    def cold(self, plan: Plan) -> bool:
        """True where too little was learned to choose by it."""
        ...


class Depths:
    """Implements `Chooser`: each call by the depth that it wants, as far as there is one."""

    def __init__(self, section: RouteSection, learned: Learned | None) -> None:
        self._rungs = section.rungs
        self._learned = learned

    def choose(self, call: Call, plan: Plan) -> Chosen:
        """By rules where they were asked for, or where nothing is known and nothing promised."""
        wanted, learned = plan.wanted, self._learned
        if wanted.wish.required or len(plan.offers) == 1:
            return Chosen(plan.offers[0], "only_one", {})
        if wanted.depth == "rules":
            return self._by_rules(plan)
        if learned is None:
            return as_asked(plan, "no_evidence")
        if wanted.depth == "learned" and learned.cold(plan):
            return self._by_rules(plan)
        return learned.choose(call, plan)

    def answered(self, call: Call, chosen: Chosen, reply: Reply) -> None:
        """Hand it to who learns."""
        if self._learned is not None:
            self._learned.answered(call, chosen, reply)

    def unanswered(self, chosen: Chosen) -> None:
        """There is nothing to learn."""
        if self._learned is not None:
            self._learned.unanswered(chosen)

    def _by_rules(self, plan: Plan) -> Chosen:
        wanted = plan.wanted
        picked = pick(plan.subject, plan.offers, wanted.wish, self._rungs, wanted.rule)
        numbers: dict[str, int | float | str] = {}
        if picked.rung is not None:
            numbers["rung"] = picked.rung
        if picked.reasons:
            numbers["reasons"] = ",".join(picked.reasons)
        return Chosen(picked.offer, picked.why, numbers)


def as_asked(plan: Plan, why: str) -> Chosen:
    """The model that the call was headed for; the dearest that is left where it was removed."""
    for offer in plan.offers:
        if same_place(offer.target, plan.reference.target):
            return Chosen(offer, why, {})
    return Chosen(max(plan.offers, key=lambda one: one.cost_nanousd or 0), why, {})
