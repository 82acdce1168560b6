"""OpenAI's SDK on a Claude, through a gateway that marks what it translates."""

from __future__ import annotations

import json
from typing import Any

from scrimp.simulator import Simulator
from tests.support.gateway import gateway
from tests.support.sdk import clients

ON = "[exact_cache]\nenabled = false\n[prefix_cache]\nenabled = true\n"
RULES = "You book flights and never talk of anything else. " * 300
TOOL = {
    "type": "function",
    "function": {"name": "find", "description": "Finds flights.", "parameters": {"type": "object"}},
}
FLIGHTS = "A flight from JFK to SEA with seats left. " * 100


def test_a_chat_of_openais_reads_what_its_claude_has_kept() -> None:
    """The system prompt is written once; usage, costs and savings are those of the Claude."""
    with (
        Simulator(prefix_cache=True) as sim,
        gateway(sim.url, more=ON) as running,
        clients(running.url) as sdk,
    ):
        for number in range(5):
            reply = sdk.openai.chat.completions.create(
                model="claude-sonnet-5",
                max_completion_tokens=20,
                messages=[
                    {"role": "system", "content": RULES},
                    {"role": "user", "content": f"Question {number}?"},
                ],
            )
        usage = reply.usage
        assert usage is not None
        assert usage.prompt_tokens_details is not None
        assert (usage.prompt_tokens_details.cached_tokens or 0) > 1024
        rows, entries = sim.bill.rows, running.entries()
        assert [row.usage.cache_write_5m_tokens > 0 for row in rows] == [
            *(False, True),
            *[False] * 3,
        ]
        assert [row.usage.cache_read_tokens > 0 for row in rows] == [False, False, *[True] * 3]
        assert sum(one.cost_nanousd or 0 for one in entries) == sim.bill.total_nanousd
        assert sum(dict(one.saved).get("prefix_cache", 0) for one in entries) > 0


def test_results_of_tools_are_marked_as_anthropic_takes_it() -> None:
    """A loop with parallel results: marks stand at whole results, and later calls read them."""
    with (
        Simulator(prefix_cache=True) as sim,
        gateway(sim.url, more=ON) as running,
        clients(running.url) as sdk,
    ):
        for number in range(4):
            messages: list[Any] = [{"role": "user", "content": f"Trip {number}: {RULES}"}]
            for turn in range(4):
                sdk.openai.chat.completions.create(
                    model="claude-sonnet-5",
                    max_completion_tokens=20,
                    messages=messages,
                    tools=[TOOL],  # type: ignore[list-item]  # a plain dict, as users write it
                )
                ids = [f"call_{number}_{turn}_{n}" for n in range(2)]
                calls = [
                    {"id": one, "type": "function", "function": {"name": "find", "arguments": "{}"}}
                    for one in ids
                ]
                messages.append({"role": "assistant", "content": None, "tool_calls": calls})
                messages += [
                    {"role": "tool", "tool_call_id": one, "content": FLIGHTS} for one in ids
                ]
        sent = [json.loads(one.body) for one in sim.requests]
        blocks = [
            block
            for body in sent
            for message in body["messages"]
            if isinstance(message["content"], list)
            for block in message["content"]
        ]
        marked = [one for one in blocks if "cache_control" in one]
        assert any(one["type"] == "tool_result" for one in marked)
        assert not any("cache_control" in json.dumps(one.get("content")) for one in blocks)
        assert sim.bill.rows[-1].usage.cache_read_tokens > 4000
        assert all(row.delivered == "complete" for row in sim.bill.rows)
        assert len(sim.bill.rows) == len(sent)
