"""Which chain a call has, and what stands against each target of it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from scrimp.budgets.worst import WorstCase
from scrimp.calls import Call, Target
from scrimp.choosing import Wish
from scrimp.routing.fallback_tables import FallbackSection
from scrimp.routing.instead import Instead
from scrimp.routing.regions import Regions
from scrimp.routing.tables import ModelFacts
from tests.support.budgets import book
from tests.support.core import FakeClock, call_of, chat_fields
from tests.support.upstreams import Places

NAMES = {
    "gpt-4o": "openai/gpt-4o",
    "best": "openai/gpt-4o",
    "mini": "openai/gpt-4o-mini",
    "small-vectors": "azure/text-embedding-3-small",
}
MINI = Target("openai", "gpt-4o-mini", "openai.chat")


def instead(**section: Any) -> Instead:
    """Over openai, azure (in the EU, at OpenAI's prices) and anthropic."""
    places = Places(("openai", "azure", "anthropic"), NAMES)
    worst = WorstCase(book(), {"azure": "openai"}, {})
    facts = {
        "anthropic/claude-haiku-4-5": ModelFacts(region="eu"),
        "azure/gpt-4.1": ModelFacts(region="us"),
    }
    regions = Regions({"azure": "eu"}, facts, places)
    return Instead(FallbackSection(**section), places, worst, FakeClock(), regions)


def asks(model: str = "gpt-4o", *, to: str = "openai/gpt-4o", **changes: Any) -> Call:
    """A call of a model by a name that leads there."""
    provider, _, served = to.partition("/")
    call = call_of(chat_fields(model=model, **changes.pop("fields", {})), **changes)
    return replace(call, target=Target(provider, served, "openai.chat"))


@pytest.mark.parametrize(
    ("call", "chain"),
    [
        (asks("best"), ("by name",)),
        (asks("gpt-4o"), ("by place",)),
        (asks("best", to="openai/gpt-4o-mini"), ("by model",)),
        (asks("other", to="anthropic/claude-opus-4-5"), ("by default",)),
        (asks(operation="passthrough"), ()),
        (asks(operation="count_tokens"), ()),
        (asks(wish=Wish(fallback=False)), ()),
        (asks(wish=Wish(instead=("mine",))), ("mine",)),
    ],
)
def test_which_chain_a_call_has(call: Call, chain: tuple[str, ...]) -> None:
    """That of the name it asked for, unless it went elsewhere; of its place, of its model."""
    models = {
        "best": ("by name",),
        "openai/gpt-4o": ("by place",),
        "gpt-4o-mini": ("by model",),
    }
    assert instead(models=models, default=("by default",)).names(call) == chain


def test_what_rests_on_the_providers_memory_stays_there() -> None:
    """The answer before is kept at one provider only."""
    call = asks()
    stateful = replace(call, request=replace(call.request, stateful=True))
    assert instead(default=("mini",)).names(stateful) == ()


def against(name: str, call: Call, *, larger: bool = False, **section: Any) -> str:
    """Why not, or nothing."""
    found = instead(**section).target(name, call, larger=larger)
    return found if isinstance(found, str) else ""


LIMITED = replace(call_of().caller, models=("gpt-4o", "gpt-4o-mini"))
PASSED_ON = replace(call_of().caller, credential=("x-api-key", "sk"))
IMAGE = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:x"}}]}


@pytest.mark.parametrize(
    ("name", "call", "why"),
    [
        ("mini", asks(), ""),
        ("azure/gpt-4o", asks(), ""),
        ("anthropic/claude-haiku-4-5", asks(), ""),
        ("nobody's", asks(), "not_served"),
        ("of another dialect", asks(), "not_served"),
        ("best", asks(), "itself"),
        ("mini", asks(caller=LIMITED), ""),
        ("anthropic/claude-haiku-4-5", asks(caller=LIMITED), "key"),
        ("mini", asks(caller=PASSED_ON), ""),
        ("azure/gpt-4o", asks(caller=PASSED_ON), "provider_key"),
        ("mini", asks(wish=Wish(mode="off")), "other_model"),
        ("azure/gpt-4o", asks(wish=Wish(mode="off")), ""),
        ("mini", asks(wish=Wish(required="gpt-4o")), "other_model"),
        ("azure/gpt-4o", asks(wish=Wish(required="gpt-4o")), ""),
        ("azure/gpt-4o-2024-05-13", asks(wish=Wish(required="gpt-4o")), "other_model"),
        ("mini", asks(wish=Wish(models=("gpt-4o",))), "models"),
        ("mini", asks(wish=Wish(models=("gpt-4o", "mini"))), ""),
        ("mini", asks(wish=Wish(region="eu")), "region"),
        ("azure/gpt-4o", asks(wish=Wish(region="eu")), ""),
        ("anthropic/claude-haiku-4-5", asks(wish=Wish(region="eu")), ""),
        ("azure/gpt-4.1", asks(wish=Wish(region="eu")), "region"),
        ("azure/gpt-4.1", asks(wish=Wish(region="us")), "region"),
        ("openai/gpt-3.5-turbo", asks(fields={"messages": [IMAGE]}), "cannot"),
        ("azure/gpt-4o", asks(fields={"messages": [IMAGE]}), ""),
        ("azure/gpt-4o", asks(fields={"prediction": {"type": "content"}}), ""),
        ("mini", asks(wish=Wish(budget_nanousd=1)), "budget"),
        ("openai/unheard-of", asks(wish=Wish(budget_nanousd=10**9)), "unpriced"),
    ],
)
def test_what_stands_against_a_target(name: str, call: Call, why: str) -> None:
    """In doubt it is left out; the same model elsewhere takes what the model takes."""
    assert against(name, call) == why


def test_a_larger_window_is_one_that_is_known_to_be_larger() -> None:
    """Not the same one, not a smaller one, not one that nobody knows."""
    call = asks()
    assert against("mini", call, larger=True) == "window"
    assert against("azure/gpt-4o", call, larger=True) == "window"
    assert against("openai/unheard-of", call, larger=True) == "window"
    assert against("anthropic/claude-haiku-4-5", call, larger=True) == ""


@pytest.mark.parametrize(
    ("section", "why"),
    [
        ({}, ""),
        ({"dearer": "never"}, "dearer"),
        ({"max_times_dearer": 10}, "dearer"),
        ({"max_times_dearer": 30}, ""),
        ({"dearer": "never", "max_times_dearer": 30}, "dearer"),
    ],
)
def test_dearer_targets_only_as_settings_allow(section: dict[str, Any], why: str) -> None:
    """gpt-4o costs 16.7 times what gpt-4o-mini costs."""
    call = asks("mini", to="openai/gpt-4o-mini")
    assert against("gpt-4o", call, **section) == why
    assert against("mini", asks(), **section) == ""


def test_vectors_of_another_model_are_none() -> None:
    """The same model at another provider gives the same numbers."""
    call = call_of(
        {"model": "text-embedding-3-small", "input": "Hi"},
        dialect="openai.embeddings",
        operation="embeddings",
    )
    assert against("openai/text-embedding-3-large", call) == "other_model"
    assert against("small-vectors", call) == ""
