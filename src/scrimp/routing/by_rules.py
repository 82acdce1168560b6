"""The choice by rules alone: required, rules of the user's, latency, price, rungs. Pure.

Rules choose among what the hard filters have left; none of them brings a model back.
"""

from __future__ import annotations

from collections.abc import Sequence

from scrimp.choosing import RUNGS, Rung, Wish
from scrimp.routing.filters import Offer
from scrimp.routing.rungs import Complexity, capped, complexity, stands_in
from scrimp.routing.tables import RuleTable, RungsTable
from scrimp.values import Value


class Subject(Value, frozen=True):
    """What rules look at."""

    text: str
    task: str
    asked: str = ""
    key: str = ""
    team: str = ""
    tags: tuple[str, ...] = ()
    input_tokens: int = 0
    tools: bool = False


class Picked(Value, frozen=True):
    """The offer, in one word why, and the rung where one was asked for."""

    offer: Offer
    why: str
    rung: Rung | None = None
    reasons: tuple[str, ...] = ()


Rule = tuple[int, RuleTable]
"""A rule of the user's, and its number from 1."""


def first_rule(subject: Subject, rules: Sequence[RuleTable]) -> Rule | None:
    """The first of the user's rules that fits, and its number from 1."""
    for number, rule in enumerate(rules, 1):
        if _fits(subject, rule):
            return number, rule
    return None


def pick(
    subject: Subject, offers: Sequence[Offer], wish: Wish, rungs: RungsTable, found: Rule | None
) -> Picked:
    """One of the offers; there is at least one. Offers without a price come last.

    `found` is the first rule that fits, as `first_rule` has it.
    """
    if found is not None and found[1].model:
        for offer in offers:
            if found[1].model in (offer.name, offer.target.model):
                return Picked(offer, f"rule_{found[0]}")
    if wish.low_latency:
        return Picked(fastest(offers), "fastest")
    if wish.mode == "cheap" and wish.rung is None:
        return Picked(cheapest(offers), "cheapest")
    known = _rung(subject, wish, found, rungs)
    rung = capped(known.rung, constrained=wish.constrained)
    return Picked(on_rung(rung, offers, rungs), f"rung_{rung}", rung, known.reasons)


def cheapest(offers: Sequence[Offer]) -> Offer:
    """The one that is expected to cost least; the first of equals."""
    return min(offers, key=_cost)


def fastest(offers: Sequence[Offer]) -> Offer:
    """The one that writes fastest; unknown speeds come last, the cheaper of equals first."""
    return min(offers, key=lambda offer: (-(offer.facts.speed or 0.0), _cost(offer)))


def on_rung(rung: Rung, offers: Sequence[Offer], table: RungsTable) -> Offer:
    """The cheapest offer on a rung, else on the next higher that has one, else the dearest.

    Where no rung names models, offers stand on rungs by what they cost.
    """
    at = RUNGS.index(rung)
    named = [_models(table, one) for one in RUNGS]
    if not any(named):
        ordered = sorted(offers, key=_cost)
        return ordered[round(at / (len(RUNGS) - 1) * (len(ordered) - 1))]
    for models in named[at:]:
        here = [o for o in offers if o.name in models or o.target.model in models]
        if here:
            return cheapest(here)
    return max(offers, key=_cost)


def _rung(subject: Subject, wish: Wish, found: Rule | None, table: RungsTable) -> Complexity:
    if wish.rung is not None:
        return Complexity(wish.rung, ("asked",))
    if found is not None and found[1].rung is not None:
        return Complexity(found[1].rung, (f"rule_{found[0]}",))
    return complexity(subject.text, subject.task, words=table.words, tasks=table.tasks)


def _models(table: RungsTable, rung: Rung) -> tuple[str, ...]:
    return {
        "simple": table.simple,
        "medium": table.medium,
        "complex": table.complex,
        "expert": table.expert,
    }[rung]


def _cost(offer: Offer) -> tuple[bool, int]:
    return (offer.cost_nanousd is None, offer.cost_nanousd or 0)


def _fits(subject: Subject, rule: RuleTable) -> bool:
    same = (
        (rule.task, subject.task),
        (rule.key, subject.key),
        (rule.team, subject.team),
        (rule.asked, subject.asked),
    )
    if any(wanted and wanted != given for wanted, given in same):
        return False
    if rule.tag and rule.tag not in subject.tags:
        return False
    if rule.tools is not None and rule.tools != subject.tools:
        return False
    if subject.input_tokens < rule.min_tokens:
        return False
    if rule.max_tokens and subject.input_tokens > rule.max_tokens:
        return False
    return not rule.words or stands_in(rule.words, subject.text)
