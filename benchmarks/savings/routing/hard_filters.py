"""Whether a hard filter is ever broken: generated calls, settings and prices, by the million.

Every choice is checked by the same rules written a second time. Run it alone:
`python benchmarks/savings/routing/hard_filters.py --calls 1000000`.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from typing import Any

from scrimp.calls import Target
from scrimp.choosing import RUNGS, Wish
from scrimp.routing.by_rules import Subject, first_rule, pick
from scrimp.routing.filters import Needs, Offer, admitted
from scrimp.routing.tables import ModelFacts, RuleTable, RungsTable

_NAMES = tuple("abcdefgh")
_DEMANDS = 0.15
_TEXTS = ("What is this?", "Prove it", "Explain why", "hello", "fix ```x```", "")


def study(calls: int = 1_000_000, seed: int = 0) -> dict[str, Any]:
    """How many of so many choices broke a filter, and how many calls had nobody left."""
    dice = random.Random(seed)  # noqa: S311 - generated calls, no secrets
    broken = refused = wrongly_removed = 0
    started = time.thread_time()
    for _ in range(calls):
        offers = [_offer(dice) for _ in range(dice.randint(1, 6))]
        needs = _needs(dice)
        found = admitted(needs, offers)
        wrongly_removed += len(found.kept) != sum(_passes(needs, one) for one in offers)
        if not found.kept:
            refused += 1
            continue
        subject = Subject(dice.choice(_TEXTS), "general")
        wish, rungs, rules = _wish(dice), _rungs(dice), _rules(dice)
        picked = pick(subject, found.kept, wish, rungs, first_rule(subject, rules))
        broken += not _passes(needs, picked.offer)
    return {
        "calls": calls,
        "broken": broken,
        "wrongly_removed": wrongly_removed,
        "nobody_left": refused,
        "cpu_us_per_call_with_generating": (time.thread_time() - started) / calls * 1e6,
    }


def _offer(dice: random.Random) -> Offer:
    name = dice.choice(_NAMES)
    facts = ModelFacts(
        tools=dice.choice((None, True, False)),
        structured=dice.choice((None, True, False)),
        speed=dice.choice((None, 1.0, 100.0)),
    )
    cost = dice.choice((None, dice.randint(0, 100)))
    unable = dice.choice(("", "", "", "context", "modality"))
    target = Target(dice.choice("pq"), f"{name}-1", "openai.chat")
    return Offer(name, target, facts, cost, unable, region=dice.choice(("", "eu", "us")))


def _some(dice: random.Random) -> tuple[str, ...]:
    return tuple(dice.sample(_NAMES, dice.choice((0, 0, 1, 2, 4))))


def _needs(dice: random.Random) -> Needs:
    """Each demand in some of the calls, so that somebody is left in most of them."""

    def now_and_then() -> bool:
        return dice.random() < _DEMANDS

    return Needs(
        required=dice.choice((*_NAMES, "b-1")) if now_and_then() else "",
        models=_some(dice) if now_and_then() else (),
        allowed=_some(dice) if now_and_then() else (),
        provider="p" if now_and_then() else "",
        region="eu" if now_and_then() else "",
        deadline_ms=2000 if now_and_then() else None,
        output_tokens=dice.randint(0, 1000),
        tools=now_and_then(),
        structured=now_and_then(),
        budget_nanousd=dice.randint(0, 100) if now_and_then() else None,
    )


def _wish(dice: random.Random) -> Wish:
    return Wish(
        dice.choice(("auto", "cheap")),
        constrained=dice.random() < 0.3,
        low_latency=dice.random() < 0.3,
        rung=dice.choice((None, *RUNGS)),
    )


def _rungs(dice: random.Random) -> RungsTable:
    simple, medium, better, expert = (_some(dice) for _ in range(4))
    return RungsTable(simple=simple, medium=medium, complex=better, expert=expert)


def _rules(dice: random.Random) -> tuple[RuleTable, ...]:
    own = RuleTable(task=dice.choice(("", "general")), model=dice.choice(_NAMES))
    return (own,) if dice.random() < 0.5 else ()


def _passes(needs: Needs, one: Offer) -> bool:
    called = {one.name, one.target.model}
    facts, deadline_ms = one.facts, needs.deadline_ms
    seconds = 1 + needs.output_tokens / facts.speed if facts.speed is not None else 0.0
    most, cost = needs.budget_nanousd, one.cost_nanousd
    return (
        (not needs.required or needs.required in called)
        and all(not names or bool(called & {*names}) for names in (needs.models, needs.allowed))
        and needs.provider in ("", one.target.provider)
        and needs.region in ("", one.region)
        and not (needs.tools and facts.tools is False)
        and not (needs.structured and facts.structured is False)
        and (deadline_ms is None or seconds * 1000 <= deadline_ms)
        and (most is None or (cost is not None and cost <= most))
        and not one.unable
    )


def main() -> None:
    """Print what was found, as JSON."""
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--calls", type=int, default=1_000_000)
    reader.add_argument("--seed", type=int, default=0)
    given = reader.parse_args()
    found = study(given.calls, given.seed)
    print(json.dumps(found, indent=2))
    sys.exit(bool(found["broken"] or found["wrongly_removed"]))


if __name__ == "__main__":
    main()
