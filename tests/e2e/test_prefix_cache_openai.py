"""OpenAI's SDK through a gateway that tells what comes back: fewer dollars on its own bill."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from scrimp.simulator import Simulator
from tests.support.gateway import gateway
from tests.support.sdk import Clients, clients
from tests.support.stage import Stage

ON = "[exact_cache]\nenabled = false\n[prefix_cache]\nenabled = true\n"
OFF = "[exact_cache]\nenabled = false\n"
RULES = "You book flights and never talk of anything else. " * 300
MODEL = "gpt-5.6-sol"

Ask = Callable[[Clients, str, str], object]


@contextmanager
def scene(more: str) -> Iterator[tuple[Stage, Clients]]:
    """A provider that caches prefixes, a gateway, both SDKs."""
    with (
        Simulator(prefix_cache=True) as sim,
        gateway(sim.url, more=more) as running,
        clients(running.url) as sdk,
    ):
        yield Stage(sim, running), sdk


def chat(sdk: Clients, system: str, question: str, *, model: str = MODEL) -> object:
    """One chat."""
    return sdk.openai.chat.completions.create(
        model=model,
        max_completion_tokens=20,
        messages=[{"role": "system", "content": system}, {"role": "user", "content": question}],
    )


def streamed(sdk: Clients, system: str, question: str) -> object:
    """One chat, read to the end as it comes."""
    events = sdk.openai.chat.completions.create(
        model=MODEL,
        max_completion_tokens=20,
        messages=[{"role": "system", "content": system}, {"role": "user", "content": question}],
        stream=True,
        stream_options={"include_usage": True},
    )
    return list(events)


def respond(sdk: Clients, system: str, question: str) -> object:
    """One response."""
    return sdk.openai.responses.create(
        model=MODEL,
        max_output_tokens=20,
        input=[{"role": "developer", "content": system}, {"role": "user", "content": question}],
    )


def spent(more: str, talk: Callable[[Clients], None]) -> tuple[int, int, list[dict[str, Any]]]:
    """What the provider bills for a talk, what the books say was saved, and what was sent."""
    with scene(more) as (stage, sdk):
        talk(sdk)
        entries, bill = stage.gateway.entries(), stage.sim.bill
        assert sum(one.cost_nanousd or 0 for one in entries) == bill.total_nanousd
        for one in entries:
            assert one.cost_nanousd is not None
            assert one.baseline_nanousd is not None
            assert one.baseline_nanousd - one.cost_nanousd == sum(part for _, part in one.saved)
        saved = sum(dict(one.saved).get("prefix_cache", 0) for one in entries)
        return bill.total_nanousd, saved, [json.loads(one.body) for one in stage.sim.requests]


@pytest.mark.parametrize("ask", [chat, streamed, respond])
def test_a_shared_prompt_is_written_once_and_read(ask: Ask) -> None:
    """Untold, each question would be written and nothing read; the books say what that saves."""

    def talk(sdk: Clients) -> None:
        for number in range(8):
            ask(sdk, RULES, f"Question {number}?")

    untold, nothing, _ = spent(OFF, talk)
    told, saved, sent = spent(ON, talk)
    assert nothing == 0
    assert told < untold / 2
    assert abs(untold - told - saved) < untold / 50
    assert [one["prompt_cache_options"] for one in sent] == [{"mode": "explicit"}] * 8
    assert len({one["prompt_cache_key"] for one in sent[1:]}) == 1
    items = sent[-1].get("messages") or sent[-1]["input"]
    assert items[0]["content"][0]["prompt_cache_breakpoint"] == {"mode": "explicit"}
    assert items[0]["content"][0]["text"] == RULES


def test_one_shot_prompts_are_told_not_to_be_written() -> None:
    """Nothing comes back: the quarter that a write costs more is spared, and booked as saved."""

    def talk(sdk: Clients) -> None:
        for number in range(6):
            chat(sdk, f"{number} {RULES}", "Hello?")

    untold, _, _ = spent(OFF, talk)
    told, saved, sent = spent(ON, talk)
    assert all(one["prompt_cache_options"] == {"mode": "explicit"} for one in sent)
    assert not any("prompt_cache_breakpoint" in json.dumps(one) for one in sent)
    assert told < untold
    assert abs(untold - told - saved) < untold / 50


def test_a_growing_conversation_reads_what_it_has_said() -> None:
    """Once conversations are known to go on, each turn reads the one before."""

    def talk(sdk: Clients) -> None:
        for number in range(8):
            messages: list[Any] = [{"role": "system", "content": f"{number} {RULES}"}]
            for turn in range(5):
                messages.append({"role": "user", "content": f"Question {turn}? " * 50})
                reply = sdk.openai.chat.completions.create(
                    model=MODEL, messages=messages, max_completion_tokens=50
                )
                messages.append(
                    {"role": "assistant", "content": reply.choices[0].message.content or "-"}
                )

    told, saved, _ = spent(ON, talk)
    untold, _, _ = spent(OFF, talk)
    assert abs(untold - told - saved) < untold / 10  # supposed from bytes, not from tokens
    assert told < untold * 1.1  # only the first has to teach that they go on


def test_a_loop_of_responses_reads_the_results_of_its_tools() -> None:
    """Strings become lists where they carry a breakpoint; the model is told the same."""

    def talk(sdk: Clients) -> None:
        for number in range(6):
            items: list[Any] = [{"role": "user", "content": f"Trip {number}: {RULES}"}]
            for turn in range(5):
                sdk.openai.responses.create(model=MODEL, max_output_tokens=20, input=items)
                call_id = f"c{number}{turn}"
                made = {"name": "find", "call_id": call_id, "arguments": "{}"}
                items.append({"type": "function_call", **made})
                said = f"A flight from JFK to SEA, number {turn}. " * 100
                result = {"call_id": call_id, "output": said}
                items.append({"type": "function_call_output", **result})

    told, saved, sent = spent(ON, talk)
    untold, _, _ = spent(OFF, talk)
    outputs = [item["output"] for one in sent for item in one["input"] if "output" in item]
    assert any(isinstance(one, list) and "prompt_cache_breakpoint" in one[0] for one in outputs)
    assert all(one["prompt_cache_options"] == {"mode": "explicit"} for one in sent)
    assert abs(untold - told - saved) < untold / 10  # supposed from bytes, not from tokens
    assert told < untold * 1.1  # only the first has to teach that they go on


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-5-mini"])
def test_older_models_get_a_key_and_no_mark(model: str) -> None:
    """They cache by themselves, and refuse what they do not know."""

    def talk(sdk: Clients) -> None:
        for number in range(3):
            chat(sdk, RULES, f"Question {number}?", model=model)

    untold, _, _ = spent(OFF, talk)
    told, saved, sent = spent(ON, talk)
    assert told == untold
    assert saved == 0
    assert len({one["prompt_cache_key"] for one in sent}) == 1
    assert not any("prompt_cache_options" in one for one in sent)


def test_a_call_with_fields_of_its_own_goes_on_as_it_came() -> None:
    """Whoever says how it is cached knows why."""

    def talk(sdk: Clients) -> None:
        for number in range(4):
            sdk.openai.chat.completions.create(
                model=MODEL,
                messages=[{"role": "user", "content": f"{RULES} {number}"}],
                max_completion_tokens=20,
                prompt_cache_key="mine",
            )

    _, saved, sent = spent(ON, talk)
    assert saved == 0
    assert all(one["prompt_cache_key"] == "mine" for one in sent)
    assert not any("prompt_cache_options" in one for one in sent)
