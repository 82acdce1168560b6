"""Waste through a real gateway: found, priced, and gone once the advised setting is pasted."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from click.testing import CliRunner, Result

from scrimp.cli.main import cli
from scrimp.settings import parse
from scrimp.simulator import Simulator
from tests.support.gateway import RunningGateway, gateway
from tests.support.sdk import Clients, clients

RULES = "You answer for a shop. " * 1200
ROUNDS = 40
OFF = "[exact_cache]\nenabled = false\n"


@contextmanager
def scene(more: str) -> Iterator[tuple[RunningGateway, Clients]]:
    """A provider that caches prefixes, a gateway, both SDKs."""
    with (
        Simulator(prefix_cache=True) as sim,
        gateway(sim.url, more=more) as running,
        clients(running.url) as sdk,
    ):
        yield running, sdk


def chat(sdk: Clients, text: str, system: str = "Be brief.", **more: Any) -> None:
    """One call of OpenAI's."""
    turns: Any = [{"role": "system", "content": system}, {"role": "user", "content": text}]
    sdk.openai.chat.completions.create(
        model="gpt-4o-mini", messages=turns, **{"max_tokens": 2000, **more}
    )


def ask_claude(sdk: Clients, text: str) -> None:
    """One call of Anthropic's, with long instructions."""
    turns: Any = [{"role": "user", "content": text}]
    sdk.anthropic.messages.create(
        model="claude-haiku-4-5", max_tokens=2000, system=RULES, messages=turns
    )


def advised(running: RunningGateway, more: str, *options: str) -> Result:
    """What the command says of this gateway's ledger, with the same settings."""
    running.settle()
    state = running.loaded.settings.state_path
    config = state / "advised.toml"
    config.write_text(f'state_dir = "{state}"\n{more}')
    return CliRunner().invoke(cli, ["advise", "--config", str(config), *options])


def findings(running: RunningGateway, more: str) -> dict[str, dict[str, Any]]:
    """By their kind."""
    result = advised(running, more, "--json")
    assert result.exit_code == 0, result.output
    return {one["kind"]: one for one in json.loads(result.stdout)["findings"]}


def spent(running: RunningGateway) -> int:
    """What all calls cost."""
    return sum(entry.cost_nanousd or 0 for entry in running.entries())


def duplicates(sdk: Clients) -> None:
    """Four questions, again and again."""
    for number in range(ROUNDS):
        chat(sdk, f"Where is my order? {'abcdefgh'[number % 4]}")


def stamped(sdk: Clients) -> None:
    """One question, each time at another time under another id."""
    for number in range(ROUNDS):
        chat(sdk, f"[2026-11-23T03:{number:02d}:18Z {uuid.uuid4()}] Where is my order?")


def instructed(sdk: Clients) -> None:
    """Many questions behind the same long instructions."""
    for number in range(ROUNDS):
        ask_claude(sdk, f"Question number {number}")


@pytest.mark.parametrize(
    ("traffic", "kind", "more"),
    [
        (duplicates, "duplicates", OFF),
        (stamped, "look_alikes", ""),
        (instructed, "prefix_cache_off", ""),
    ],
)
def test_the_advised_setting_saves_what_was_said(traffic: Any, kind: str, more: str) -> None:
    """The same traffic again, with the pasted lines: the bill falls by about the finding."""
    with scene(more) as (running, sdk):
        traffic(sdk)
        before, found = spent(running), findings(running, more)
    one = found[kind]
    parse(one["toml"].encode(), source="advice")
    with scene(one["toml"]) as (running, sdk):
        traffic(sdk)
        after, rest = spent(running), findings(running, one["toml"])
    said = one["saving"]["nanousd"]
    assert said > before // 3
    assert abs((before - after) - said) <= said // 10
    assert kind not in rest


def test_traffic_without_waste_gets_no_advice() -> None:
    """And the command says so in a sentence."""
    with scene("") as (running, sdk):
        for number in range(ROUNDS):
            chat(sdk, f"Write another poem, the one about number {number}")
        result = advised(running, "")
    assert result.exit_code == 0
    assert "Nothing was missed" in result.output


def test_the_command_shows_what_to_paste() -> None:
    """Dollars a month, the lines, the risk, and from how long it was reckoned."""
    with scene(OFF) as (running, sdk):
        duplicates(sdk)
        result = advised(running, OFF)
    for part in ("the same call again", "a month", "[exact_cache]", "risk:", "taken as one day"):
        assert part in result.output, result.output
    assert "Where is my order" not in result.output
