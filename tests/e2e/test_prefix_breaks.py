"""Prompts with a clock in them, by both SDKs: where it stands and costs, wherever one asks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from click.testing import CliRunner

from scrimp.cli.main import cli
from scrimp.simulator import Simulator
from tests.support.gateway import gateway
from tests.support.sdk import Clients, clients
from tests.support.stage import Stage

ON = "[exact_cache]\nenabled = false\n[prefix_cache]\nenabled = true\n"
RULES = "\n".join(f"Rule {n}: never talk of anything but flight number {n}." for n in range(200))
SECRET = "Rule 7: never talk"


@contextmanager
def scene(more: str = ON) -> Iterator[tuple[Stage, Clients]]:
    """A provider that caches prefixes, a gateway, both SDKs."""
    with (
        Simulator(prefix_cache=True) as sim,
        gateway(sim.url, more=more) as running,
        clients(running.url) as sdk,
    ):
        yield Stage(sim, running), sdk


def stamped(number: int) -> str:
    """The rules, with the time in their second line."""
    return f"You book flights.\nIt is 2026-11-23T10:00:0{number}Z.\n{RULES}"


def ask(sdk: Clients, model: str, system: str, *, mark: bool = False) -> httpx.Headers:
    """One question; the headers of its answer."""
    if not model.startswith("claude"):
        chat = sdk.openai.chat.completions.with_raw_response.create(
            model=model,
            max_completion_tokens=20,
            messages=[{"role": "system", "content": system}, {"role": "user", "content": "Hi?"}],
        )
        return httpx.Headers(list(chat.headers.items()))
    reply = sdk.anthropic.messages.with_raw_response.create(
        model=model,
        max_tokens=20,
        system=[
            {"type": "text", "text": system, "cache_control": {"type": "ephemeral"}}
            if mark
            else {"type": "text", "text": system}
        ],
        messages=[{"role": "user", "content": "Hi?"}],
    )
    return httpx.Headers(list(reply.headers.items()))


@pytest.mark.parametrize(
    ("model", "place", "mark"),
    [
        ("claude-sonnet-5", "system line 2, timestamp", False),
        ("claude-sonnet-5", "system line 2, timestamp", True),
        ("gpt-5.6-sol", "messages[0] line 2, timestamp", False),
        ("gpt-4o", "messages[0] line 2, timestamp", False),
    ],
)
def test_a_clock_in_the_system_prompt_is_found(model: str, place: str, *, mark: bool) -> None:
    """From the second call on, with marks of the client's own too; headers say it."""
    with scene() as (stage, sdk):
        headers = [ask(sdk, model, stamped(number), mark=mark) for number in range(3)]
        entries = stage.gateway.entries()
    assert "x-scrimp-prefix-broken" not in headers[0]
    assert [one["x-scrimp-prefix-broken"] for one in headers[1:]] == [place] * 2
    assert all(float(one["x-scrimp-prefix-lost-usd"]) > 0 for one in headers[1:])
    if mark:
        assert float(headers[1]["x-scrimp-cache-premium-usd"]) > 0
        assert "written_5m=" in headers[1]["x-scrimp-input-tokens"]
    assert SECRET not in json.dumps([str(one.trace) for one in entries])


def test_the_loss_is_about_what_the_clock_costs() -> None:
    """The same calls with the clock behind the rules cost as much less as the books say."""

    def spent(*, behind: bool) -> tuple[int, int]:
        with scene() as (stage, sdk):
            for number in range(12):
                sdk.anthropic.messages.create(
                    model="claude-sonnet-5",
                    max_tokens=20,
                    system=RULES if behind else stamped(number),
                    messages=[{"role": "user", "content": stamped(number)[:50] if behind else "?"}],
                )
            entries = stage.gateway.entries()
            lost = sum(
                int(dict(line.numbers)["lost_nanousd"])
                for one in entries
                for line in one.trace
                if line.verdict == "broken"
            )
            return stage.sim.bill.total_nanousd, lost

    (apart, lost), (together, nothing) = spent(behind=False), spent(behind=True)
    assert nothing == 0
    assert abs((apart - together) - lost) < lost / 4


def test_report_and_metrics_tell_of_it() -> None:
    """Tokens by kind, share, premium, money lost; and a table of the places."""
    with scene() as (stage, sdk):
        for number in range(4):
            ask(sdk, "claude-sonnet-5", stamped(number))
        for number in range(3):
            ask(sdk, "claude-sonnet-5", RULES + str(number // 3))
        stage.gateway.settle()
        metrics = httpx.get(f"{stage.url}/metrics").text
        assert 'scrimp_broken_prefixes_total{kind="timestamp"} 3' in metrics
        assert 'scrimp_broken_prefixes_usd_total{kind="timestamp"} 0.0' in metrics
        config = stage.gateway.loaded.settings.ledger_path.parent / "scrimp.toml"
        config.write_text(f'[ledger]\npath = "{stage.gateway.loaded.settings.ledger_path}"\n')
        usage = [row.usage for row in stage.sim.bill.rows]

        def report(*options: str) -> str:
            asked = ["report", "--config", str(config), *options]
            found = CliRunner().invoke(cli, asked)
            assert found.exit_code == 0, found.output
            return found.output if "--json" in options else " ".join(found.output.split())

        total = json.loads(report("--json"))["total"]
        assert total["input_tokens"] == sum(one.total_input_tokens for one in usage)
        assert total["cache_read_tokens"] == sum(one.cache_read_tokens for one in usage) > 0
        assert total["cache_write_5m_tokens"] == sum(one.cache_write_5m_tokens for one in usage) > 0
        assert total["fresh_tokens"] == sum(one.input_tokens for one in usage)
        assert total["premium_nanousd"] == total["cache_write_5m_tokens"] * 500
        assert total["broken_nanousd"] > 0
        said = report()
        assert "written" in said
        assert "lost where prefixes broke" in said
        assert "system line 2, timestamp" in report("--by", "breaker")
        rows = json.loads(report("--by", "breaker", "--json"))["rows"]
        assert [(row["breaker"], row["calls"]) for row in rows] == [("system line 2, timestamp", 3)]
        assert rows[0]["broken_nanousd"] == total["broken_nanousd"]
