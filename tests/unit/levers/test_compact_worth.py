"""Compact refuses what makes a prompt too short for the provider's prefix cache, and dearer so."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from scrimp.calls import Call, Reply
from scrimp.levers.compact import Compact, CompactSettings
from scrimp.prices.book import load_book
from scrimp.settings import read
from scrimp.shrinking.compacting import Wording
from scrimp.shrinking.worth import Kept
from scrimp.shrinking_levers import shrinking
from tests.support.core import call_of, reply_of, verdicts

PAIR = "Input: {n} is a thing that somebody has sent to us about {n}\nOutput: {n}\n\n"
EXAMPLES = "Classify.\n\nExamples:\n" + "".join(PAIR.replace("{n}", str(n)) for n in range(70))
LONG = "Classify.\n\nExamples:\n" + "".join(PAIR.replace("{n}", str(n)) for n in range(600))
CHEAP = Kept(fresh=100, read=10, least_tokens=1024)


class Below:
    """What the lever passes on."""

    def __init__(self) -> None:
        self.system = ""

    async def __call__(self, call: Call) -> Reply:
        """Remember and answer."""
        self.system = call.request.fields["messages"][0]["content"]
        return reply_of()


def asked(system: str, model: str = "gpt-5") -> Call:
    """A question under instructions."""
    messages = [{"role": "system", "content": system}, {"role": "user", "content": "now"}]
    return call_of({"model": model, "messages": messages})


@pytest.mark.parametrize(
    ("kept", "system", "verdict"),
    [
        (CHEAP, EXAMPLES, "refused_by_price"),
        (None, EXAMPLES, "compacted"),
        (Kept(fresh=100, read=90, least_tokens=1024), EXAMPLES, "compacted"),
        (Kept(fresh=100, read=10, least_tokens=2048), EXAMPLES, "compacted"),
        (Kept(fresh=100, read=1, least_tokens=10), LONG, "compacted"),
    ],
    ids=["dearer", "not cached", "reads are dear", "never long enough", "still long enough"],
)
async def test_a_prompt_is_not_made_dearer_by_being_shorter(
    kept: Kept | None, system: str, verdict: str
) -> None:
    """With three examples it is fresh at every call; with all of them it is read for a tenth."""
    lever, below = Compact(CompactSettings(wording=Wording(examples=9)), lambda _: kept), Below()
    for _ in range(3):
        call = asked(system)
        await lever(call, below)
        assert verdicts(call, "compact") == [verdict]
        assert (below.system == system) == (verdict == "refused_by_price")


@pytest.mark.parametrize(
    ("model", "more", "refused"),
    [
        ("gpt-5", {}, True),
        ("gpt-4", {}, False),
        ("claude-sonnet-5", {}, False),
        ("claude-sonnet-5", {"prefix_cache": {"enabled": True}}, True),
    ],
    ids=["by itself", "never", "unmarked", "marked by the lever"],
)
async def test_prices_and_rules_are_those_of_the_model(
    model: str, more: dict[str, Any], *, refused: bool
) -> None:
    """OpenAI keeps prompts by itself, Claude what is marked; a model without a cache keeps none."""
    compact = {"enabled": True, "examples": 9}
    settings = read({"compact": compact, **more}, source="the test")
    names = {"openai": "openai", "anthropic": "anthropic"}
    never: Any = None
    _, lever = shrinking(settings, never, load_book(), names, lambda _: False)
    assert lever is not None
    call = asked(EXAMPLES, model)
    provider = "anthropic" if "claude" in model else "openai"
    call = replace(call, target=replace(call.target, provider=provider))
    await lever(call, Below())
    assert (verdicts(call, "compact") == ["refused_by_price"]) == refused
