"""The choice among what the filters left: required, own rules, latency, price, rungs."""

from __future__ import annotations

from scrimp.calls import Target
from scrimp.choosing import Wish
from scrimp.routing.by_rules import Picked, Subject, first_rule, pick
from scrimp.routing.filters import Offer
from scrimp.routing.tables import ModelFacts, RuleTable, RungsTable

AUTO = Wish("auto")
NO_RUNGS = RungsTable()


def offer(name: str, cost: int | None, speed: float | None = None) -> Offer:
    """A model at a price."""
    return Offer(name, Target("p", name, "openai.chat"), ModelFacts(speed=speed), cost)


SMALL, MIDDLE, LARGE = offer("small", 10, 90.0), offer("middle", 40, 120.0), offer("large", 200)
OFFERS = (LARGE, SMALL, MIDDLE)


def chosen(
    text: str,
    wish: Wish = AUTO,
    rungs: RungsTable = NO_RUNGS,
    rules: tuple[RuleTable, ...] = (),
    **more: object,
) -> Picked:
    """What is picked for a question."""
    fields: dict[str, object] = {"text": text, "task": "general", **more}
    subject = Subject(**fields)  # type: ignore[arg-type]
    return pick(subject, OFFERS, wish, rungs, first_rule(subject, rules))


def test_without_named_rungs_models_stand_by_their_price() -> None:
    """Simple is the cheapest, expert the dearest, the middle between."""
    assert chosen("What is this?").offer is SMALL
    assert chosen("Explain this").offer is MIDDLE
    assert chosen("Prove this").offer is LARGE


def test_a_rung_without_models_goes_up_and_never_down() -> None:
    """The next higher that has one; above the last the dearest."""
    table = RungsTable(simple=("small",), expert=("large",))
    assert chosen("Explain this", rungs=table).offer is LARGE
    assert chosen("Prove this", rungs=RungsTable(simple=("small",))).offer is LARGE


def test_a_tight_budget_and_low_latency_and_cheap() -> None:
    """Each says so in one word."""
    table = RungsTable(simple=("small",), medium=("middle",), expert=("large",))
    tight = chosen("Prove this", Wish("auto", constrained=True), table)
    assert (tight.offer, tight.why) == (MIDDLE, "rung_medium")
    fast = chosen("Prove this", Wish("auto", low_latency=True), table)
    assert (fast.offer, fast.why) == (MIDDLE, "fastest")
    cheap = chosen("Prove this", Wish("cheap"), table)
    assert (cheap.offer, cheap.why) == (SMALL, "cheapest")


def test_the_users_own_rules_go_first_among_what_is_left() -> None:
    """The first that fits; one whose model was filtered out says nothing."""
    rules = (
        RuleTable(words=("refund",), model="gone"),
        RuleTable(team="legal", model="large"),
        RuleTable(task="general", min_tokens=500, rung="expert"),
    )
    assert chosen("Is a refund due?", rules=rules, team="legal").why == "rung_medium"
    assert chosen("Hello", rules=rules, team="legal").offer is LARGE
    assert chosen("Hello", rules=rules, input_tokens=600).offer is LARGE
    assert chosen("What is this?", rules=rules).offer is SMALL


def test_an_unknown_price_is_never_the_cheapest() -> None:
    """Unknown is not $0."""
    free = offer("unknown", None)
    picked = pick(Subject("Hi", "general"), (free, LARGE), Wish("cheap"), NO_RUNGS, None)
    assert picked.offer is LARGE
