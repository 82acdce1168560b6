"""`scrimp advise`: what it shows, of a ledger or a log, and what it says where there is nothing."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from scrimp.cli.main import cli
from scrimp.traits import Traits
from tests.support.cli_ledger import hit, paid, written

SECRET = "the words of a prompt"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Forty calls of the same words over four days, and hits, which miss nothing."""
    known = Traits(900, prompt=5, loose=5, system=9, system_bytes=100, max_output_tokens=9)
    now = datetime.now(UTC)
    calls = [
        replace(paid(number), at=now - timedelta(hours=2 * number), traits=known)
        for number in range(1, 41)
    ]
    hits = [replace(hit(100 + number), at=now - timedelta(hours=1)) for number in range(9)]
    return written(tmp_path / "state", [*calls, *hits])


def run(state: Path, *more: str, data: str = "") -> Result:
    """The command, with the settings of nobody."""
    config = state.parent / "none.toml"
    config.write_text("")
    arguments = ["advise", "--config", str(config), *more]
    return CliRunner().invoke(cli, arguments, input=data, env={"SCRIMP_STATE": str(state)})


def test_a_ledger_is_advised_on(state: Path) -> None:
    """Thirty-nine repeats of $0.003775 in eighty hours, to be pasted away."""
    result = run(state)
    assert result.exit_code == 0, result.output
    for part in ("40 paid calls", "the same call again", 'engine = "sqlite"', "3.3 days"):
        assert part in result.output, result.output


def test_some_minutes_of_calls_are_told_in_minutes(tmp_path: Path) -> None:
    """Not as 0.0 hours."""
    first = datetime.now(UTC) - timedelta(seconds=334)
    calls = [replace(paid(n), at=first + timedelta(seconds=n / 10)) for n in range(40)]
    said = " ".join(run(written(tmp_path / "state", calls)).output.split())
    assert re.search(r", in \d+ min ", said), said
    assert "0.0 hours" not in said


def test_machines_get_whole_nanodollars(state: Path) -> None:
    """What was missed, what that is in a month, and from how many days."""
    told = json.loads(run(state, "--json").stdout)
    (one,) = told["findings"]
    assert one["saving"]["nanousd"] == 39 * 3_775_000 == told["total"]["nanousd"]
    month = one["saving"]["per_month_nanousd"]
    assert abs(month - 39 * 3_775_000 * 30 / told["days"]) < month / 1000
    assert (one["calls"], told["calls"], told["calls_with_traits"]) == (39, 40, 40)


def test_a_period_is_only_that_period(state: Path) -> None:
    """Three calls in six hours are too few."""
    result = run(state, "--since", "7h")
    assert "Nothing was missed that 30 calls or more would show" in result.output
    assert "3 paid calls" in result.output
    assert "the same call again" in run(state, "--since", "7h", "--least", "2").output


def test_an_empty_ledger_says_what_to_do(tmp_path: Path) -> None:
    """No file, or no call in the time; for machines on stderr."""
    (tmp_path / "state").mkdir()
    for more in ((), ("--json",)):
        result = run(tmp_path / "state", *more)
        assert result.exit_code == 0
        assert "point a client at `scrimp serve`" in result.stderr + result.stdout
    assert json.loads(result.stdout)["findings"] == []
    written(tmp_path / "state", [])
    assert "No paid calls since" in run(tmp_path / "state").output


def test_what_has_no_traits_is_said(tmp_path: Path) -> None:
    """Calls of an older Scrimp."""
    now = datetime.now(UTC)
    calls = [replace(paid(number), at=now - timedelta(hours=number)) for number in range(1, 41)]
    result = run(written(tmp_path / "state", calls))
    assert "40 of 40 calls have no traits" in " ".join(result.output.split())


def line(number: int, **more: Any) -> str:
    """A line of a log: one question in four different words, half an hour apart."""
    at = datetime.now(UTC) - timedelta(days=3) + timedelta(minutes=10 * number)
    turns = [{"role": "user", "content": f"{SECRET} {number % 4}?"}]
    body = {"model": "gpt-4o-mini", "max_tokens": 50, "messages": turns}
    usage = {"prompt_tokens": 1000, "completion_tokens": 40, "total_tokens": 1040}
    whole = {"at": at.isoformat(), "request": body, "usage": usage, "task": "factual_qa", **more}
    return json.dumps(whole) + "\n"


def test_a_log_is_advised_on(tmp_path: Path) -> None:
    """Usage in the line or in the response; the rest is counted; no word of it is shown."""
    rows = [line(number) for number in range(40)]
    told = {"response": {"usage": json.loads(rows[0])["usage"]}, "usage": None}
    rows += [line(number, **told) for number in range(40, 60)]
    rows += [line(60, usage=None)]
    result = run(tmp_path, "-", "--json", data="".join(rows))
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    (one,) = [one for one in found["findings"] if one["kind"] == "duplicates"]
    assert (found["calls"], one["calls"]) == (60, 56)
    assert "1 of 61 lines tell no usage" in result.stderr
    assert SECRET not in result.output


def test_a_log_may_be_of_both_vendors_and_hold_bodies_only(tmp_path: Path) -> None:
    """The line itself is the body; Unix times; Anthropic's usage."""
    body = {
        "model": "claude-haiku-4-5",
        "system": "Be brief.",
        "messages": [{"role": "user", "content": SECRET}],
        "usage": {"input_tokens": 900, "output_tokens": 10},
    }
    rows = [json.dumps({**body, "created": 1_795_403_478 + 60 * n}) for n in range(40)]
    file = tmp_path / "calls.jsonl"
    file.write_text("\n".join(rows))
    result = run(tmp_path, str(file))
    assert "the same call again" in result.output, result.output


@pytest.mark.parametrize(
    "beside",
    [
        {"service_tier": "batch"},
        {"usage": None, "response": {"service_tier": "batch"}},
        {"response": {"service_tier": "batch"}},
    ],
    ids=["in the line", "in the response with its usage", "in the response beside it"],
)
def test_a_logged_call_has_the_price_of_its_tier(tmp_path: Path, beside: dict[str, Any]) -> None:
    """Half in a batch; a tier that was only asked for changes nothing."""
    plain = [json.loads(line(number)) for number in range(40)]
    usage = plain[0]["usage"]
    asked = [{**one, "request": {**one["request"], "service_tier": "batch"}} for one in plain]
    told = [{**one, **beside} for one in plain]
    if told[0].get("usage") is None:
        told = [{**one, "response": {"usage": usage, "service_tier": "batch"}} for one in told]

    def spent(rows: list[dict[str, Any]]) -> int:
        data = "".join(json.dumps(row) + "\n" for row in rows)
        result = run(tmp_path, "-", "--json", data=data)
        assert result.exit_code == 0, result.output
        found: int = json.loads(result.stdout)["cost_nanousd"]
        return found

    assert spent(plain) == spent(asked) > 0
    assert spent(told) * 2 == spent(plain)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ('{"usage": {"prompt_tokens": 1}, "model": "m"}', "line 1: does not say when"),
        (line(1) + '{"at": "soon", "usage": {"prompt_tokens": 1}, "model": "m"}', "line 2: 'at'"),
        ('{"at": 1795403478, "usage": {"prompt_tokens": -1}, "model": "m"}', "a count is from 0"),
        ('{"at": 1795403478, "usage": {"prompt_tokens": 1}}', "names no 'model'"),
        (line(1)[:50], "line 1: no JSON object"),
        ("usage,model\n1,2\n", "JSON lines, not columns"),
    ],
    ids=["no time", "no such time", "below zero", "no model", "half a line", "columns"],
)
def test_a_bad_line_is_named(tmp_path: Path, data: str, why: str) -> None:
    """And nothing of its words is."""
    result = run(tmp_path, "-", data=data)
    assert result.exit_code == 1
    assert why in result.stderr
    assert SECRET not in result.output


def test_times_that_end_before_they_begin_are_wrong_usage(state: Path) -> None:
    """Both are named."""
    result = run(state, "--since", "now", "--until", "yesterday")
    assert result.exit_code == 2
    assert "is not before --until" in result.stderr


def test_the_help_has_examples() -> None:
    """As every command's."""
    result = CliRunner().invoke(cli, ["advise", "--help"])
    assert "scrimp advise --since 7d --top 3" in result.output
