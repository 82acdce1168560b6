"""Trimmed conversations with a summary: one call more, its own entry, sums that stay exact."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from scrimp.ledger.explain import explain
from scrimp.ports import Entry
from scrimp.simulator import Simulator
from tests.support.gateway import gateway
from tests.support.sdk import VENDORS, Clients, Vendor, clients
from tests.support.stage import Stage

TRIM = """
[trim]
enabled = true
window = 6000
reserve_output = 1000
summary_model = "{model}"
"""


@contextmanager
def scene(model: str = "gpt-4o-mini") -> Iterator[tuple[Stage, Clients]]:
    """A provider that caches prefixes, a gateway, both SDKs."""
    with (
        Simulator(prefix_cache=True) as sim,
        gateway(sim.url, more=TRIM.format(model=model)) as running,
        clients(running.url) as sdk,
    ):
        yield Stage(sim, running), sdk


def talk(turns: int, last: str = "what now?") -> list[Any]:
    """Questions with answers, and a last question."""
    items: list[Any] = []
    for number in range(turns):
        items.append({"role": "user", "content": f"question {number} " * 100})
        items.append({"role": "assistant", "content": f"answer {number} " * 100})
    return [*items, {"role": "user", "content": last}]


def ask(sdk: Clients, vendor: Vendor, items: list[Any]) -> dict[str, str]:
    """Ask by the vendor's own SDK; the answer's headers."""
    raw: Any
    if vendor == "openai":
        raw = sdk.openai.chat.completions.with_raw_response.create(model="gpt-4o", messages=items)
    elif vendor == "responses":
        raw = sdk.openai.responses.with_raw_response.create(model="gpt-4o", input=items)
    else:
        raw = sdk.anthropic.messages.with_raw_response.create(
            model="claude-sonnet-5", max_tokens=900, messages=items
        )
    return dict(raw.headers)


def sent(stage: Stage, vendor: Vendor) -> list[list[Any]]:
    """The clients' conversations that the provider got, without what was asked beside them."""
    name = "input" if vendor == "responses" else "messages"
    bodies = [json.loads(one.body) for one in stage.sim.requests]
    return [one[name] for one in bodies if one["model"] != "gpt-4o-mini"]


def adds_up(entries: list[Entry]) -> None:
    """Baseline less cost is what was saved, in every entry, to the nano-dollar."""
    for entry in entries:
        assert entry.cost_nanousd is not None
        assert entry.baseline_nanousd is not None
        saved = sum(part for _, part in entry.saved)
        assert entry.baseline_nanousd - entry.cost_nanousd == saved


@pytest.mark.parametrize("vendor", VENDORS)
def test_what_goes_is_summed_up_once(vendor: Vendor) -> None:
    """While the cut stands still the head of what is sent does, too; the lever pays for it."""
    with scene() as (stage, sdk):
        asked = [talk(14), talk(14, last="and now?"), talk(15)]
        told = [ask(sdk, vendor, items) for items in asked]
        assert all(one["x-scrimp-trimmed"].endswith("messages, summed up") for one in told)
        first, again, next_one = sent(stage, vendor)
        assert first[:-1] == again[:-1]
        assert first[0]["content"].startswith("[Summary of ")
        if told[2]["x-scrimp-trimmed"] == told[0]["x-scrimp-trimmed"]:
            assert next_one[: len(first) - 1] == first[:-1]
        entries = stage.gateway.entries()
        adds_up(entries)
        assert sum(entry.cost_nanousd or 0 for entry in entries) == stage.sim.bill.total_nanousd
        beside = [entry for entry in entries if entry.purpose == "summary"]
        assert len(beside) == len(entries) - 3
        assert all(entry.baseline_nanousd == 0 for entry in beside)
        assert all(dict(entry.saved)["trim"] == -(entry.cost_nanousd or 0) for entry in beside)
        assert all("scrimp-summary" in entry.tags for entry in beside)
        assert any("not a client's own call: summary" in line for line in explain(beside[0]))
        summed = [one.body for one in stage.sim.requests if b"gpt-4o-mini" in one.body]
        assert len(set(summed)) == len(summed) == len(beside), "none was asked for twice"


def test_a_model_that_fails_leaves_a_plain_cut() -> None:
    """The client's call is answered, and the trace says what was not to be had."""
    with scene("gpt-4o-mini") as (stage, sdk):
        stage.sim.fault("html-200", count=1)
        told = ask(sdk, "openai", talk(14))
        assert "summed up" not in told["x-scrimp-trimmed"]
        assert "trim=no_summary" in told["x-scrimp-trace"]
        adds_up(stage.gateway.entries())


def test_a_summing_model_that_nobody_serves_is_no_start() -> None:
    """With the setting that is wrong."""
    with (
        pytest.raises(Exception, match=r"trim\.summary_model"),
        Simulator() as sim,
        gateway(sim.url, more=TRIM.format(model="no-such-model-anywhere")),
    ):
        raise AssertionError(sim)
