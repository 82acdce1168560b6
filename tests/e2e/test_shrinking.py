"""Smaller calls through both SDKs: what a provider gets, what a client is told, what is booked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from typing import Any

import openai
import pytest

from scrimp.ledger.explain import explain
from scrimp.ports import Entry
from scrimp.shrinking.columns import expanded
from scrimp.simulator import Simulator
from tests.support.gateway import gateway
from tests.support.sdk import VENDORS, Clients, Vendor, clients
from tests.support.stage import Stage

COMPACT = "[compact]\nenabled = true\n"
RULES = "You book flights. " * 300
ROUNDS = 4


def rows(number: int) -> list[dict[str, Any]]:
    """What a search finds."""
    return [
        {
            "flight": f"HAT{number}{n}",
            "from": "JFK",
            "to": "SEA",
            "seats": {"economy": n, "first": 1},
        }
        for n in range(12)
    ]


@contextmanager
def scene(more: str) -> Iterator[tuple[Stage, Clients]]:
    """A provider that caches prefixes, a gateway, both SDKs."""
    with (
        Simulator(prefix_cache=True) as sim,
        gateway(sim.url, more=more) as running,
        clients(running.url) as sdk,
    ):
        yield Stage(sim, running), sdk


def conversation(vendor: Vendor, rounds: int) -> list[Any]:
    """A question, and so many searches with their results."""
    items: list[Any] = [{"role": "user", "content": "Find me flights."}]
    for number in range(rounds):
        found, key = json.dumps(rows(number)), f"call_{number}"
        if vendor == "openai":
            function = {"name": "search_flights", "arguments": "{}"}
            call = {"id": key, "type": "function", "function": function}
            items.append({"role": "assistant", "content": None, "tool_calls": [call]})
            items.append({"role": "tool", "tool_call_id": key, "content": found})
        elif vendor == "responses":
            call = {"type": "function_call", "call_id": key, "name": "search_flights"}
            items.append({**call, "arguments": "{}"})
            items.append({"type": "function_call_output", "call_id": key, "output": found})
        else:
            used = {"type": "tool_use", "id": key, "name": "search_flights", "input": {}}
            result = {"type": "tool_result", "tool_use_id": key, "content": found}
            items.append({"role": "assistant", "content": [used]})
            items.append({"role": "user", "content": [result]})
    return items


def ask(sdk: Clients, vendor: Vendor, items: list[Any], *, stream: bool) -> dict[str, str]:
    """Ask by the vendor's own SDK, read to the end; the answer's headers."""
    raw: Any
    if vendor == "openai":
        messages = [{"role": "system", "content": RULES}, *items]
        raw = sdk.openai.chat.completions.with_raw_response.create(
            model="gpt-4o-mini", messages=messages, stream=stream
        )
    elif vendor == "responses":
        raw = sdk.openai.responses.with_raw_response.create(
            model="gpt-4o-mini", instructions=RULES, input=items, stream=stream, store=False
        )
    else:
        mark = {"type": "ephemeral"}
        system: Any = [{"type": "text", "text": RULES, "cache_control": mark}]
        raw = sdk.anthropic.messages.with_raw_response.create(
            model="claude-sonnet-5",
            max_tokens=50,
            system=system,
            messages=items,
            stream=stream,
        )
    answer = raw.parse()
    if stream:
        assert list(answer)
    return dict(raw.headers)


def sent(stage: Stage, vendor: Vendor) -> list[list[Any]]:
    """The conversations that the provider got."""
    name = "input" if vendor == "responses" else "messages"
    return [json.loads(one.body)[name] for one in stage.sim.requests]


def results(vendor: Vendor, items: list[Any]) -> list[str]:
    """The texts of results in a conversation."""
    if vendor == "openai":
        return [one["content"] for one in items if one["role"] == "tool"]
    if vendor == "responses":
        return [one["output"] for one in items if "output" in one]
    blocks = [b for one in items if isinstance(one["content"], list) for b in one["content"]]
    return [block["content"] for block in blocks if block["type"] == "tool_result"]


def adds_up(entries: list[Entry], stage: Stage) -> None:
    """The bill to the nano-dollar; baseline less cost is what was saved, in every entry."""
    assert sum(entry.cost_nanousd or 0 for entry in entries) == stage.sim.bill.total_nanousd
    for entry in entries:
        assert entry.cost_nanousd is not None
        assert entry.baseline_nanousd is not None
        saved = sum(part for _, part in entry.saved)
        assert entry.baseline_nanousd - entry.cost_nanousd == saved


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("vendor", VENDORS)
def test_results_of_tools_are_sent_shorter(vendor: Vendor, stream: bool) -> None:  # noqa: FBT001 (a parameter of the test)
    """They read back equal, prefixes stay what they were, and the ledger books what was saved."""
    with scene(COMPACT) as (stage, sdk):
        told = [
            ask(sdk, vendor, conversation(vendor, rounds), stream=stream)
            for rounds in range(ROUNDS)
        ]
        got = sent(stage, vendor)
        for number, (before, after) in enumerate(pairwise(got)):
            assert after[: len(before)] == before, number
        back = [expanded(json.loads(text)) for text in results(vendor, got[-1])]
        assert back == [rows(number) for number in range(ROUNDS - 1)]
        assert all(len(text) < len(json.dumps(rows(0))) * 0.7 for text in results(vendor, got[-1]))
        assert "x-scrimp-compacted" not in told[0]
        assert told[-1]["x-scrimp-compacted"].endswith(f"characters of {ROUNDS - 1} texts")
        assert "compact=compacted" in told[-1]["x-scrimp-trace"]
        entries = stage.gateway.entries()
        adds_up(entries, stage)
        assert entries[0].saved == ()
        assert [name for name, nanousd in entries[-1].saved if nanousd > 0] == ["compact"]
        assert any("what was taken out of it" in line for line in explain(entries[-1]))


@pytest.mark.parametrize("vendor", VENDORS)
def test_prefixes_are_read_from_the_providers_cache_as_before(vendor: Vendor) -> None:
    """As many tokens less as were taken out, and not one more: no prefix broke."""
    cached: list[list[int]] = []
    for more in ("", COMPACT):
        with scene(more) as (stage, sdk):
            for rounds in range(ROUNDS):
                ask(sdk, vendor, conversation(vendor, rounds), stream=False)
            cached.append([entry.usage.cache_read_tokens for entry in stage.gateway.entries()])
    plain, compacted = cached
    assert [tokens > 0 for tokens in compacted] == [tokens > 0 for tokens in plain]


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_conversation_is_trimmed_to_its_window(vendor: Vendor) -> None:
    """The question, the newest round and pairs of tools stay; the answer says how much went."""
    with scene("[trim]\nenabled = true\nwindow = 6000\nreserve_output = 1000\n") as (stage, sdk):
        told = ask(sdk, vendor, conversation(vendor, 12), stream=False)
        (got,) = sent(stage, vendor)
        full = conversation(vendor, 12)
        system = 1 if vendor == "openai" else 0
        assert len(got) < len(full) + system
        assert got[system] == full[0]
        assert got[system + 1 :] == full[len(full) - len(got) + system + 1 :]
        assert told["x-scrimp-trimmed"] == f"{len(full) + system - len(got)} messages"
        (entry,) = stage.gateway.entries()
        assert entry.usage.total_input_tokens <= 5000
        adds_up([entry], stage)
        assert dict(entry.saved)["trim"] > 0


def test_both_together_and_by_number() -> None:
    """At most so many messages, and those in fewer characters; each books its own part."""
    more = "[trim]\nenabled = true\nlast = 6\n" + COMPACT
    with scene(more) as (stage, sdk):
        told = ask(sdk, "openai", conversation("openai", 20), stream=False)
        assert "x-scrimp-trimmed" in told
        assert "x-scrimp-compacted" in told
        (entry,) = stage.gateway.entries()
        adds_up([entry], stage)
        assert {name for name, nanousd in entry.saved if nanousd > 0} == {"trim", "compact"}


ODD: list[list[Any]] = [
    [{"role": "tool", "tool_call_id": "x", "content": json.dumps(rows(1))}],
    [{"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "odd"}]}],
    [{"role": "stranger", "content": "x " * 40_000}, {"role": "user", "content": "hi"}],
    [{"role": "user", "content": "word " * 40_000}],
]


@pytest.mark.parametrize("items", ODD)
def test_odd_conversations_reach_the_provider_as_they_are(items: list[Any]) -> None:
    """What begins with results, what nobody knows, what cannot fit: the provider's word counts."""
    more = "[trim]\nenabled = true\nwindow = 6000\n" + COMPACT
    with scene(more) as (stage, sdk):
        plain = sdk.openai.with_options(max_retries=0)
        body = {"model": "gpt-4o-mini", "messages": items}
        with suppress(openai.BadRequestError):
            assert plain.post("/chat/completions", body=body, cast_to=object, options={})
        assert [json.loads(one.body) for one in stage.sim.requests] == [body]
