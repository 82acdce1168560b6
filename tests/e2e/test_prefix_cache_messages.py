"""Anthropic's SDK on a GPT, through a gateway that tells OpenAI what comes back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from scrimp.simulator import Simulator
from tests.support.gateway import gateway
from tests.support.sdk import Clients, clients

ON = "[exact_cache]\nenabled = false\n[prefix_cache]\nenabled = true\n"
OFF = "[exact_cache]\nenabled = false\n"
RULES = "You book flights and never talk of anything else. " * 300
MODEL = "gpt-5.6-sol"
MARKED = [{"type": "text", "text": RULES, "cache_control": {"type": "ephemeral"}}]
FLIGHTS = "A flight from JFK to SEA with seats left. " * 100
TOOL = {"name": "find", "description": "Finds flights.", "input_schema": {"type": "object"}}


def spent(more: str, talk: Callable[[Clients], None]) -> tuple[int, int, list[dict[str, Any]]]:
    """What the provider bills for a talk, what the books say was saved, and what was sent."""
    with (
        Simulator(prefix_cache=True) as sim,
        gateway(sim.url, more=more) as running,
        clients(running.url) as sdk,
    ):
        talk(sdk)
        entries = running.entries()
        assert sum(one.cost_nanousd or 0 for one in entries) == sim.bill.total_nanousd
        for one in entries:
            assert one.cost_nanousd is not None
            assert one.baseline_nanousd is not None
            assert one.baseline_nanousd - one.cost_nanousd == sum(part for _, part in one.saved)
        saved = sum(dict(one.saved).get("prefix_cache", 0) for one in entries)
        return sim.bill.total_nanousd, saved, [json.loads(one.body) for one in sim.requests]


def ask(sdk: Clients, question: str, system: Any = RULES, *, stream: bool = False) -> Any:
    """One message; a stream is read to its end."""
    said: Any = [{"role": "user", "content": question}]
    if not stream:
        return sdk.anthropic.messages.create(
            model=MODEL, max_tokens=20, system=system, messages=said
        )
    with sdk.anthropic.messages.stream(
        model=MODEL, max_tokens=20, system=system, messages=said
    ) as events:
        return events.get_final_message()


@pytest.mark.parametrize("stream", [False, True])
def test_a_shared_system_prompt_is_written_once_and_read(*, stream: bool) -> None:
    """Untold, each question would be written and nothing read; the books say what that saves."""

    def talk(sdk: Clients) -> None:
        for number in range(8):
            reply = ask(sdk, f"Question {number}?", stream=stream)
        read.append(reply.usage.cache_read_input_tokens or 0)

    read: list[int] = []
    untold, nothing, _ = spent(OFF, talk)
    told, saved, sent = spent(ON, talk)
    assert nothing == 0
    assert told < untold / 2
    assert read[0] == 0
    assert read[1] > 1024
    assert abs(untold - told - saved) < untold / 50
    assert all(one["prompt_cache_options"] == {"mode": "explicit"} for one in sent)
    content = sent[-1]["messages"][0]["content"]
    assert content[0]["prompt_cache_breakpoint"] == {"mode": "explicit"}
    assert content[0]["text"] == RULES


@pytest.mark.parametrize("marked", [False, True])
def test_claude_codes_line_for_anthropic_breaks_no_prefix(*, marked: bool) -> None:
    """It differs in every call and stands in front of all; another model never sees it."""

    def talk(sdk: Clients) -> None:
        for number in range(5):
            line = f"x-anthropic-billing-header: cc_version=2.1.330.{number}; cch={number}a9f3;"
            rules: Any = MARKED if marked else [{"type": "text", "text": RULES}]
            ask(sdk, f"Question {number}?", [{"type": "text", "text": line}, *rules])

    def quiet(sdk: Clients) -> None:
        for number in range(5):
            ask(sdk, f"Question {number}?", MARKED if marked else RULES)

    told, saved, sent = spent(ON, talk)
    assert not any("billing" in json.dumps(one) for one in sent)
    assert (told, saved) == spent(ON, quiet)[:2]


def test_marks_of_the_clients_own_are_read_where_it_set_them() -> None:
    """Without the lever they are left out, and every question is written anew."""

    def talk(sdk: Clients) -> None:
        for number in range(6):
            ask(sdk, f"Question {number}?", MARKED)

    untold, nothing, before = spent(OFF, talk)
    told, saved, sent = spent(ON, talk)
    assert nothing == 0
    assert not any("prompt_cache" in json.dumps(one) for one in before)
    assert told < untold
    assert abs(untold - told - saved) < untold / 50
    assert all(one["prompt_cache_options"] == {"mode": "implicit"} for one in sent)
    assert len({one["prompt_cache_key"] for one in sent}) == 1


def test_results_of_tools_carry_breakpoints_in_a_loop() -> None:
    """They are messages of their own there; later turns read the earlier ones."""

    def talk(sdk: Clients) -> None:
        for number in range(4):
            messages: list[Any] = [{"role": "user", "content": f"Trip {number}: {RULES}"}]
            for turn in range(4):
                sdk.anthropic.messages.create(
                    model=MODEL,
                    max_tokens=20,
                    messages=messages,
                    tools=[TOOL],  # type: ignore[list-item]  # a plain dict, as users write it
                )
                ids = [f"toolu_{number}_{turn}_{n}" for n in range(2)]
                uses = [{"type": "tool_use", "id": n, "name": "find", "input": {}} for n in ids]
                results = [
                    {"type": "tool_result", "tool_use_id": n, "content": FLIGHTS} for n in ids
                ]
                messages.append({"role": "assistant", "content": uses})
                messages.append({"role": "user", "content": results})

    told, _, sent = spent(ON, talk)
    untold, _, _ = spent(OFF, talk)
    marked = [
        message["role"]
        for one in sent
        for message in one["messages"]
        if "prompt_cache_breakpoint" in json.dumps(message)
    ]
    assert "tool" in marked
    assert "assistant" not in marked
    assert told < untold * 1.1  # only the first trip has to teach that they go on


def test_an_older_model_gets_a_key() -> None:
    """It refuses marks, and gets none."""

    def talk(sdk: Clients) -> None:
        for number in range(3):
            sdk.anthropic.messages.create(
                model="gpt-4o",
                max_tokens=20,
                system=RULES,
                messages=[{"role": "user", "content": f"Question {number}?"}],
            )

    _, saved, sent = spent(ON, talk)
    assert saved == 0
    assert len({one["prompt_cache_key"] for one in sent}) == 1
    assert not any("prompt_cache_options" in one for one in sent)
