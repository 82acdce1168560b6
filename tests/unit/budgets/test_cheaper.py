"""Which cheaper model a call may be sent to: only one that can answer it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from scrimp.budgets.admissible import why_not
from scrimp.budgets.cheaper import Cheaper
from scrimp.budgets.worst import WorstCase
from scrimp.calls import Call, Caller, Target
from scrimp.choosing import Wish
from scrimp.dialects.sampling import refuses_sampling
from scrimp.errors import InvalidRequest
from scrimp.routing.regions import Regions
from scrimp.routing.tables import ModelFacts
from tests.support.budgets import book
from tests.support.core import FakeClock, call_of, chat_fields


class Shop:
    """OpenAI's models speak chat, Anthropic's messages."""

    def resolve(self, model: str, dialect: str, *, native_only: bool = False) -> Target:
        """By the beginning of its name."""
        del native_only
        claude = model.startswith("claude")
        if claude != dialect.startswith("anthropic."):
            raise InvalidRequest("another dialect")
        return Target("anthropic" if claude else "openai", model, dialect)


def chosen(call: Call, *models: str) -> str:
    """The model that is taken, or nothing."""
    cheaper = Cheaper(models, Shop(), WorstCase(book(), {}, {}), FakeClock())
    target = cheaper(call)
    return "" if target is None else target.model


def big(**fields: Any) -> Call:
    """A call to a dear model."""
    call = call_of(chat_fields(**{"model": "gpt-4o", "max_tokens": 50, **fields}))
    return replace(call, target=Target("openai", "gpt-4o", "openai.chat"))


def looking(kind: str, **part: Any) -> list[dict[str, Any]]:
    """A message with a part that is no text."""
    return [{"role": "user", "content": [{"type": kind, **part}]}]


def test_the_cheapest_of_those_that_speak_the_dialect_is_taken() -> None:
    """Dearer ones and other dialects are not, nor is any where none is cheaper."""
    models = ("gpt-4o-mini", "gpt-4.1-nano", "claude-haiku-4-5", "gpt-4")
    assert chosen(big(), *models) == "gpt-4.1-nano"
    assert chosen(big(), "gpt-4") == ""


def test_what_a_call_demands_of_its_model_holds_over_a_soft_budget() -> None:
    """A required model, a region, a list of its own: no rung of a ladder breaks them."""
    models = ("gpt-4o-mini", "gpt-4.1-nano")
    assert chosen(replace(big(), wish=Wish(required="gpt-4o")), *models) == ""
    assert chosen(replace(big(), wish=Wish(region="eu")), *models) == ""
    assert chosen(replace(big(), wish=Wish(models=("gpt-4o",))), *models) == ""
    listed = Wish(models=("gpt-4o", "gpt-4o-mini"))
    assert chosen(replace(big(), wish=listed), *models) == "gpt-4o-mini"
    regions = Regions({}, {"gpt-4o-mini": ModelFacts(region="eu")}, Shop())
    ladder = Cheaper(
        (), Shop(), WorstCase(book(), {}, {}), FakeClock(), elsewhere=regions.elsewhere
    ).all_of
    here = ladder(replace(big(), wish=Wish(region="eu")), models)
    assert [one.model for one in here] == ["gpt-4o-mini"]
    second = ladder(replace(big(), wish=listed), ("gpt-4.1-nano",))
    assert [one.model for one in second] == ["gpt-4.1-nano"]  # an opinion is no answer


def test_a_keys_own_list_must_have_it() -> None:
    """Otherwise a soft budget would open models to a key that may not use them."""
    call = replace(big(), caller=Caller("key:a", key="a", models=("gpt-4o", "gpt-4o-mini")))
    assert chosen(call, "gpt-4.1-nano", "gpt-4o-mini") == "gpt-4o-mini"
    assert chosen(call, "gpt-4.1-nano") == ""


_PICTURE = {"image_url": {"url": "data:image/png;base64,AAAA"}}
_HEARD = {"input_audio": {"data": "AAAA", "format": "wav"}}


@pytest.mark.parametrize(
    ("fields", "taken"),
    [
        ({"messages": [{"role": "user", "content": "word " * 20_000}]}, "gpt-4o-mini"),
        ({"max_tokens": 6_000}, "gpt-4o-mini"),
        ({"max_tokens": 20_000}, ""),
        ({"messages": looking("image_url", **_PICTURE)}, "gpt-4o-mini"),
        ({"messages": looking("input_audio", **_HEARD)}, ""),
        ({"tools": [{"type": "function", "function": {"name": "look"}}]}, "gpt-3.5-turbo"),
        ({"tools": [{"type": "web_search"}]}, ""),
        ({"response_format": {"type": "json_schema", "json_schema": {}}}, "gpt-4o-mini"),
        ({"reasoning_effort": "low"}, ""),
        ({"prediction": {"type": "content", "content": "x"}}, ""),
        ({}, "gpt-3.5-turbo"),
    ],
    ids=str,
)
def test_a_model_that_cannot_answer_the_call_is_passed_over(
    fields: dict[str, Any], taken: str
) -> None:
    """Context, output, images, sound, hosted tools, schemas, settings: in doubt it will not do."""
    prices = WorstCase(book(), {}, {})
    clock = FakeClock()

    def found(call: Call) -> str:
        for models in (("gpt-3.5-turbo",), ("gpt-4o-mini",)):
            if target := Cheaper(models, Shop(), prices, clock)(call):
                return target.model
        return ""

    assert found(big(**fields)) == taken


CLAUDES: list[tuple[str, dict[str, Any], bool]] = [
    ("claude-opus-4-7", {"temperature": 0.2}, True),
    ("claude-opus-4.8", {"top_p": 0.9}, True),
    ("anthropic.claude-opus-5-20260301-v1:0", {"temperature": 1}, True),
    ("claude-sonnet-5-5", {"top_k": 4}, True),
    ("claude-haiku-5-5", {"temperature": 0.2}, True),
    ("claude-fable-5", {"temperature": 0.2}, True),
    ("claude-mythos-preview", {"temperature": 0.2}, True),
    ("claude-4.7-opus", {"temperature": 0.2}, True),
    ("claude-opus-4-7", {}, False),
    ("claude-haiku-4-5-20251001", {"temperature": 0.2}, False),
    ("claude-haiku-4-5", {"temperature": 0.2, "top_p": 0.9}, True),
    ("claude-sonnet-4-20250514", {"temperature": 0.2, "top_p": 0.9}, False),
    ("claude-3-5-sonnet-20241022", {"temperature": 0.2, "top_p": 0.9}, False),
    ("claude-3-haiku-20240307", {"top_k": 4}, False),
    ("gpt-4.1", {"temperature": 0.2, "top_p": 0.9}, False),
]


@pytest.mark.parametrize(("model", "given", "refuses"), CLAUDES)
def test_newer_claudes_take_no_sampling_and_the_ones_before_one_of_both(
    model: str,
    given: dict[str, Any],
    refuses: bool,  # noqa: FBT001 (a case)
) -> None:
    """In whatever way the name is written."""
    assert refuses_sampling(model, given, translated=False) is refuses


def test_a_claude_that_takes_no_temperature_is_none_to_choose_for_a_call_that_has_one() -> None:
    """In either dialect; a default that translation leaves out stands against nobody."""
    newer = Target("anthropic", "claude-opus-4-7", "openai.chat")

    def why(**fields: Any) -> str:
        return why_not(big(**fields).request, big().target, newer, None)

    assert (why(temperature=0.2), why(temperature=1), why()) == ("parameters", "", "")
    native = replace(newer, dialect="anthropic.messages")
    asked = replace(native, model="claude-opus-4-5")
    assert why_not(big(temperature=1).request, asked, native, None) == "parameters"


def test_a_model_that_thinks_takes_no_temperature() -> None:
    """It would answer with an error."""
    call = big(model="gpt-4.1", temperature=0.2)
    call = replace(call, target=Target("openai", "gpt-4.1", "openai.chat"))
    assert chosen(call, "gpt-5-nano") == ""
    assert chosen(call, "gpt-5-nano", "gpt-4.1-nano") == "gpt-4.1-nano"
