"""`scrimp outputs`: lengths of answers from the ledger, and the limits that would do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from msgspec.structs import replace

from scrimp.calls import TraceLine, Usage
from scrimp.cli.main import cli
from scrimp.ports import Entry
from tests.support.cli_ledger import hit, paid, written

CUT = TraceLine("clamp_output", "truncated", (("whose", "client"),))
BRIEF = TraceLine("clamp_output", "brief", (("brief", "concise"),))


def answered(number: int, tokens: int, *lines: TraceLine) -> Entry:
    """A call whose answer took so many tokens."""
    one = paid(number)
    usage = Usage(input_tokens=10, output_tokens=tokens)
    attempt = replace(one.attempts[-1], usage=usage)
    return replace(one, operation="chat", task="general", attempts=(attempt,), trace=lines)


def asked(state: Path, *args: str) -> str:
    """What the command prints."""
    env = {"SCRIMP_STATE": str(state), "COLUMNS": "120"}
    result = CliRunner().invoke(cli, ["outputs", *args], env=env)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_limits_come_from_what_was_measured(tmp_path: Path) -> None:
    """From 300 answers on; presets apart, remembered answers not counted."""
    entries = [answered(number, 100) for number in range(1, 301)]
    entries += [answered(number, 20, BRIEF) for number in range(301, 304)]
    entries += [answered(304, 90, BRIEF, CUT), hit(305)]
    state = written(tmp_path / "s", entries)
    plain, brief = json.loads(asked(state, "--json"))["outputs"]
    assert (plain["answers"], plain["max_tokens"], plain["cut"]) == (300, 144, 0)
    assert 100 <= plain["half"] <= 109
    expected: dict[str, Any] = {"preset": "concise", "answers": 4, "cut": 1, "max_tokens": None}
    assert {name: brief[name] for name in expected} == expected
    assert brief["p99"] is None, "nobody knows how long it would have been"
    told = asked(state)
    assert "concise" in told
    assert "144" in told


def test_without_answers_it_says_so(tmp_path: Path) -> None:
    """No table of nothing."""
    assert "no answers of providers" in asked(written(tmp_path / "s", [hit(1)]))
