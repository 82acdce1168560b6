"""What there is to choose from: candidates behind filters, priced with the prompt cache counted."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from scrimp.calls import Call, Caller, Target
from scrimp.choosing import Wish
from scrimp.errors import InvalidRequest
from scrimp.pipeline.router import Plan
from scrimp.routing.tables import ModelFacts, RouteSection
from tests.support.core import call_of
from tests.support.routing import SECTION, router


def auto(wish: Wish | None = None, model: str = "scrimp/auto", **fields: Any) -> Call:
    """A call that leaves the choice to Scrimp, headed for the reference."""
    body = {"model": model, "messages": [{"role": "user", "content": "Hello there"}], **fields}
    target = Target("openai", "gpt-4o" if model.startswith("scrimp/") else model, "openai.chat")
    return replace(call_of(body), target=target, wish=wish or Wish("auto"))


def plan_of(call: Call, section: RouteSection = SECTION) -> Plan:
    """There is one."""
    found = router(section).plan(call)
    assert found is not None
    return found


def names_of(plan: Plan) -> list[str]:
    """Who is left."""
    return [offer.name for offer in plan.offers]


def test_every_candidate_and_the_reference_is_offered_once_at_its_price() -> None:
    """The reference first; what a call costs there is known to the nano-dollar."""
    plan = plan_of(auto())
    assert names_of(plan) == ["gpt-4o", "gpt-4o-mini"]
    dear, cheap = (offer.cost_nanousd for offer in plan.offers)
    assert dear is not None
    assert cheap is not None
    assert dear > 10 * cheap > 0


@pytest.mark.parametrize(
    "call",
    [
        replace(auto(), operation="embeddings"),
        replace(auto(), over_soft=True),
        auto(Wish("off")),
        auto(Wish(), model="gpt-4o"),
    ],
)
def test_what_is_no_choice_of_scrimps_is_left_alone(call: Call) -> None:
    """Embeddings, rungs of a ladder, who says off, and who names a model of their own."""
    assert router().plan(call) is None


def test_a_named_model_is_only_left_for_a_cheaper_one() -> None:
    """With `calls = "all"`, down from what was named, never up."""
    section = replace(SECTION, calls="all", models=("gpt-4o-mini", "gpt-4o", "gpt-4.1"))
    assert names_of(plan_of(auto(Wish(), model="gpt-4o-mini"), section)) == ["gpt-4o-mini"]
    down = names_of(plan_of(auto(Wish(), model="gpt-4o"), section))
    assert down[0] == "gpt-4o"
    assert "gpt-4o-mini" in down


def test_a_window_that_is_too_small_removes_a_model_and_the_plan_says_so() -> None:
    """By the settings' facts over the price book."""
    section = replace(SECTION, facts={"gpt-4o-mini": ModelFacts(context_tokens=10)})
    plan = plan_of(auto(max_tokens=400), section)
    assert names_of(plan) == ["gpt-4o"]
    assert plan.removed == (("gpt-4o-mini", "context"),)


def test_images_go_where_they_are_seen() -> None:
    """Facts of the settings hold over what a name says."""
    image = {"type": "image_url", "image_url": {"url": "https://example.org/x.png"}}
    messages = [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, image]}]
    section = replace(SECTION, facts={"gpt-4o-mini": ModelFacts(images=False)})
    assert names_of(plan_of(auto(messages=messages))) == ["gpt-4o", "gpt-4o-mini"]
    plan = plan_of(auto(messages=messages), section)
    assert plan.removed == (("gpt-4o-mini", "modality"),)


def test_what_the_other_vendor_cannot_be_told_is_not_sent_there() -> None:
    """A model of another dialect is offered only where the call can be said in it."""
    section = replace(SECTION, models=("claude-haiku-4-5", "gpt-4o"))
    assert "claude-haiku-4-5" in names_of(plan_of(auto(), section))
    plan = plan_of(auto(n=3), section)
    assert plan.removed == (("claude-haiku-4-5", "translation"),)


def test_a_key_and_a_clients_own_credential_hold() -> None:
    """A list of models, and a provider's key that goes to its provider only."""
    held = replace(auto(), caller=Caller("key:a", models=("gpt-4o",)))
    assert names_of(plan_of(held)) == ["gpt-4o"]
    nobody = replace(auto(), caller=Caller("key:a", models=("gpt-5",)))
    with pytest.raises(InvalidRequest, match="the key's list has none of the others"):
        router().plan(nobody)


def test_an_unknown_candidate_of_a_call_is_no_candidate() -> None:
    """Who else is named is; nobody at all is refused with names and filters."""
    assert names_of(plan_of(auto(Wish("auto", models=("gpt-4o-mini", "nobody"))))) == [
        "gpt-4o-mini"
    ]
    with pytest.raises(InvalidRequest, match="'models' removed 'gpt-4o', the last of 1"):
        router().plan(auto(Wish("auto", models=("nobody",))))


def test_a_conversation_costs_less_where_its_turns_are_cached() -> None:
    """So it stays, unless the switch pays: the other one has to read everything afresh."""
    turns = [
        {"role": "user", "content": "Tell me of Lima. " * 50},
        {"role": "assistant", "content": "It is in Peru."},
        {"role": "user", "content": "And now?"},
    ]
    call, made = auto(messages=turns), router()
    first = made.plan(call)
    assert first is not None
    made.seen.answered(first.asked.conversation, call.target, "general", 20)
    again = made.plan(call)
    assert again is not None
    assert [offer.stays for offer in again.offers] == [True, False]
    before, after = first.offers[0].cost_nanousd, again.offers[0].cost_nanousd
    assert before is not None
    assert after is not None
    assert after < before
    other = replace(call, caller=Caller("key:b"))
    elsewhere = made.plan(other)
    assert elsewhere is not None
    assert [offer.stays for offer in elsewhere.offers] == [False, False]


def test_what_was_seen_of_conversations_is_bounded() -> None:
    """The oldest is forgotten."""
    seen, target = router().seen, auto().target
    for number in range(5000):
        seen.answered(number.to_bytes(8, "big"), target, "general", 10)
    assert len(seen.models) <= 4096
    assert seen.lengths["general"] == pytest.approx(10, abs=1)
