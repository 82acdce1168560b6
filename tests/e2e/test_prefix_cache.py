"""Anthropic's SDK through a gateway that marks: fewer dollars on the provider's own bill."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import anthropic
import pytest

from scrimp.simulator import Simulator
from tests.support.gateway import gateway
from tests.support.sdk import Clients, clients
from tests.support.stage import Stage

ON = "[exact_cache]\nenabled = false\n[prefix_cache]\nenabled = true\n"
RULES = "You book flights and never talk of anything else. " * 300


@contextmanager
def scene(more: str) -> Iterator[tuple[Stage, Clients]]:
    """A provider that caches prefixes, a gateway, both SDKs."""
    with (
        Simulator(prefix_cache=True) as sim,
        gateway(sim.url, more=more) as running,
        clients(running.url) as sdk,
    ):
        yield Stage(sim, running), sdk


def ask(sdk: Clients, system: str, question: str, *, stream: bool = False) -> None:
    """One question, read to the end."""
    answer = sdk.anthropic.messages.create(
        model="claude-sonnet-5",
        max_tokens=20,
        system=system,
        messages=[{"role": "user", "content": question}],
        stream=stream,
    )
    if stream:
        assert list(answer)


@pytest.mark.parametrize("stream", [False, True])
def test_a_shared_system_prompt_is_written_once_and_read(stream: bool) -> None:  # noqa: FBT001 (a parameter of the test)
    """The books agree with the bill, and say what marks saved: a loss first, then a gain."""
    with scene(ON) as (stage, sdk):
        for number in range(6):
            ask(sdk, RULES, f"Question {number}?", stream=stream)
        entries = stage.gateway.entries()
        rows = stage.sim.bill.rows
        assert [row.usage.cache_write_5m_tokens > 0 for row in rows] == [
            *(False, True),
            *[False] * 4,
        ]
        assert [row.usage.cache_read_tokens > 1024 for row in rows] == [False, False, *[True] * 4]
        assert sum(one.cost_nanousd or 0 for one in entries) == stage.sim.bill.total_nanousd
        for one in entries:
            assert one.cost_nanousd is not None
            assert one.baseline_nanousd is not None
            saved = sum(part for _, part in one.saved)
            assert one.baseline_nanousd - one.cost_nanousd == saved
        saved_by_marks = [dict(one.saved).get("prefix_cache", 0) for one in entries]
        assert saved_by_marks[0] == 0
        assert saved_by_marks[1] < 0
        assert all(part > 0 for part in saved_by_marks[2:])
        assert sum(saved_by_marks) > 0


def test_one_shot_prompts_go_on_byte_for_byte() -> None:
    """Nothing comes back, so nothing is marked, and nothing costs more."""
    with scene(ON) as (stage, sdk):
        for number in range(5):
            ask(sdk, f"{number} {RULES}", "Hello?")
        assert not any(b"cache_control" in one.body for one in stage.sim.requests)
        assert all(before.body != after.body for before, after in pairwise(stage.sim.requests))


def test_tools_that_are_looked_for_later_carry_no_mark() -> None:
    """Anthropic refuses a mark at such a tool, which stands last in what Claude Code sends."""
    schema = {"type": "object", "properties": {}}
    rules = "Books flights and nothing else. " * 400
    tools: list[Any] = [
        {"name": "book", "description": rules, "input_schema": schema},
        {"name": "late", "description": rules, "input_schema": schema, "defer_loading": True},
    ]
    with scene(ON) as (stage, sdk):
        for number in range(4):
            sdk.anthropic.messages.create(
                model="claude-sonnet-5",
                max_tokens=20,
                tools=tools,
                messages=[{"role": "user", "content": f"Question {number}?"}],
            )
        assert [row.usage.cache_read_tokens > 1024 for row in stage.sim.bill.rows] == [
            *(False, False),
            *(True, True),
        ]
        marked = [b'"cache_control"' in one.body for one in stage.sim.requests]
        assert marked == [False, True, True, True]
        late: Any = {**tools[1], "cache_control": {"type": "ephemeral"}}
        with pytest.raises(anthropic.BadRequestError, match="cannot have both"):
            sdk.anthropic.messages.create(
                model="claude-sonnet-5",
                max_tokens=20,
                tools=[tools[0], late],
                messages=[{"role": "user", "content": "Question?"}],
            )
