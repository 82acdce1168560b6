"""Fallbacks in a program's own process: `ask`, and a client that brings its own key."""

from __future__ import annotations

import openai

from tests.support.library import library

MORE = {
    "exact_cache": {"enabled": False},
    "fallback": {
        "models": {"gpt-4o-mini": ["claude-haiku-4-5", "gpt-4o"]},
        "circuit": {"least_calls": 1000},
    },
}
DOWN = "503:path=/v1/chat/completions:count=3"


def test_ask_is_answered_by_another_model() -> None:
    """The program hears who answered from the ledger; what it cost more is a negative saving."""
    with library(more=MORE) as lib:
        lib.sim.fault(DOWN)
        assert str(lib.scrimp.ask("What is a lamp?", model="gpt-4o-mini"))
        (entry,) = lib.entries()
    assert (entry.model_requested, entry.provider) == ("gpt-4o-mini", "anthropic")
    assert entry.baseline_nanousd is not None
    assert entry.cost_nanousd is not None
    saved = dict(entry.saved)["fallback"]
    assert saved < 0
    assert entry.baseline_nanousd - entry.cost_nanousd == saved


def test_a_key_of_the_programs_own_goes_to_its_own_provider_only() -> None:
    """Claude is passed over: OpenAI's key is nothing for Anthropic."""
    with library(more=MORE) as lib:
        lib.sim.fault(DOWN)
        with openai.OpenAI(base_url=lib.openai_url, api_key="sk-mine", max_retries=0) as plain:
            client = lib.scrimp.wrap(plain)
            reply = client.chat.completions.create(
                model="gpt-4o-mini", messages=[{"role": "user", "content": "What is a lamp?"}]
            )
        assert reply.model.startswith("gpt-4o-2")
        (entry,) = lib.entries()
        keys = {dict(one.headers)["authorization"] for one in lib.sim.requests}
    assert keys == {"Bearer sk-mine"}
    told = [dict(line.numbers).get("why") for line in entry.trace if line.verdict == "left_out"]
    assert told == ["provider_key"]
