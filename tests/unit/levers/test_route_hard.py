"""Filters are absolute: whatever fails, breaks or is unknown, nobody whom they removed is asked."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from scrimp.calls import Call, Caller, Reply, Target
from scrimp.choosing import Wish
from scrimp.errors import InvalidRequest, UpstreamError
from scrimp.levers.route import ROUTE, Route
from scrimp.pipeline.chooser import Depths
from scrimp.pipeline.router import Plan
from scrimp.routing.tables import ModelFacts, RouteSection
from tests.support.core import attempt_of, call_of, reply_of
from tests.support.routing import SECTION, router

EUROPE = replace(SECTION, facts={"gpt-4o-mini": ModelFacts(region="eu")})


def auto(wish: Wish, model: str = "scrimp/auto") -> Call:
    """A call headed for the reference, or for the model that it names."""
    body = {"model": model, "messages": [{"role": "user", "content": "Hello there"}]}
    target = Target("openai", "gpt-4o" if model.startswith("scrimp/") else model, "openai.chat")
    return replace(call_of(body), target=target, wish=wish)


def plan_of(call: Call, section: RouteSection = SECTION) -> Plan | None:
    """What there is to choose from."""
    return router(section).plan(call)


def names_of(plan: Plan | None) -> list[str]:
    """Who is left."""
    assert plan is not None
    return [offer.name for offer in plan.offers]


async def test_after_a_failure_no_call_goes_back_to_a_model_that_a_filter_removed() -> None:
    """A call for Europe gets the error of its European model, not an answer from elsewhere."""
    asked: list[str] = []

    async def broken(call: Call) -> Reply:
        asked.append(call.target.model)
        call.trace.attempts.append(attempt_of(target=call.target))
        raise UpstreamError("gone", status=500)

    lever = Route(router(EUROPE), Depths(EUROPE, None))
    with pytest.raises(UpstreamError):
        await lever(auto(Wish("auto", region="eu")), broken)
    assert asked == ["gpt-4o-mini"]


def test_facts_narrow_where_a_provider_keeps_the_work_and_never_widen_it() -> None:
    """Where the two differ nobody knows, and the call for a region does not go there."""
    said = {"gpt-4o-mini": ModelFacts(region="us"), "gpt-4o": ModelFacts(region="eu")}
    section = replace(SECTION, facts=said, models=("gpt-4o-mini", "gpt-4o", "claude-haiku-4-5"))
    made = router(section, residency={"openai": "eu"})
    assert names_of(made.plan(auto(Wish("auto", region="eu")))) == ["gpt-4o"]
    with pytest.raises(InvalidRequest, match="known to run in 'us'"):
        made.plan(auto(Wish("auto", region="us")))
    unsaid = router(SECTION, residency={"openai": "eu"})
    assert names_of(unsaid.plan(auto(Wish("auto", region="eu")))) == ["gpt-4o", "gpt-4o-mini"]


async def test_a_conversation_belongs_to_who_answered_it() -> None:
    """Where another one stood in, its prompt cache holds the turns."""

    async def elsewhere(call: Call) -> Reply:
        other = Target("openai", "gpt-4.1", "openai.chat")
        call.trace.attempts.append(attempt_of(target=other))
        return reply_of()

    made = router()
    await Route(made, Depths(SECTION, None))(auto(Wish("cheap")), elsewhere)
    assert [target.model for target in made.seen.models.values()] == ["gpt-4.1"]


async def test_a_name_of_any_letters_can_be_told_in_a_header() -> None:
    """Aliases and models that clients list may hold signs that no header has."""
    section = replace(SECTION, models=("modèle-日本", "gpt-4o"))

    async def answers(call: Call) -> Reply:
        call.trace.attempts.append(attempt_of(target=call.target))
        return reply_of()

    call = auto(Wish("auto", required="日本"))
    call = replace(call, target=Target("openai", "日本", "openai.chat"))
    await Route(router(section), Depths(section, None))(call, answers)
    assert call.trace.headers[ROUTE].isascii()


def test_what_nobody_knows_the_price_of_is_not_within_an_amount() -> None:
    """Nor is it a choice at all where settings refuse models without a price."""
    nameless = replace(SECTION, models=("nobody-priced-it", "gpt-4o-mini", "gpt-4o"))
    made = router(nameless, more=("nobody-priced-it",))
    free = made.plan(auto(Wish("auto")))
    assert names_of(free) == ["gpt-4o", "nobody-priced-it", "gpt-4o-mini"]
    plan = made.plan(auto(Wish("auto", budget_nanousd=10**9)))
    assert names_of(plan) == ["gpt-4o", "gpt-4o-mini"]
    strict = router(nameless, more=("nobody-priced-it",), refuses_unpriced=True)
    plan = strict.plan(auto(Wish("auto")))
    assert plan is not None
    assert plan.removed == (("nobody-priced-it", "unpriced"),)


def test_a_provider_that_a_client_named_is_the_only_one_to_get_its_key() -> None:
    """Also where it is not the first one of its dialect."""
    section = replace(SECTION, models=("gpt-4o-mini", "claude-haiku-4-5"), calls="all")
    named = replace(
        auto(Wish(), "claude-haiku-4-5"),
        target=Target("anthropic", "claude-haiku-4-5", "openai.chat"),
        caller=Caller("credential:a", credential=("authorization", "Bearer x")),
    )
    assert names_of(plan_of(named, section)) == ["claude-haiku-4-5"]


@pytest.mark.parametrize("wish", [Wish(region="eu"), Wish(deadline_ms=1001)])
def test_a_demand_on_a_named_model_is_kept_and_moves_nothing(wish: Wish) -> None:
    """It says where the model runs, not that another one will do."""
    slow = replace(SECTION, facts={"gpt-4o": ModelFacts(region="us", speed=1.0)})
    with pytest.raises(InvalidRequest, match="removed 'gpt-4o', the last of 1"):
        plan_of(auto(wish, "gpt-4o"), slow)
    fast = replace(SECTION, facts={"gpt-4o": ModelFacts(region="eu")})
    assert names_of(plan_of(auto(wish, "gpt-4o"), fast)) == ["gpt-4o"]


@pytest.mark.parametrize(
    "wish",
    [
        Wish(budget_nanousd=10**9),
        Wish(max_loss=0.02),
        Wish(floor=0.5),
        Wish(rung="simple"),
        Wish(constrained=True),
        Wish(low_latency=True),
        Wish(depth="rules"),
    ],
)
def test_who_says_how_to_choose_has_asked_for_a_choice(wish: Wish) -> None:
    """A dial beside the name of a model is no word in the wind."""
    assert names_of(plan_of(auto(wish, "gpt-4o"))) == ["gpt-4o", "gpt-4o-mini"]
