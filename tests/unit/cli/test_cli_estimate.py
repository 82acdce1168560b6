"""`scrimp estimate` says what a month will cost, from a plan or from the ledger."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from scrimp.cli.main import cli
from tests.support.cli_ledger import hit, paid, unpriced, written

USERS = ("--users", "10000", "--queries", "5", "--tokens", "1500")
PRICES = ("--input-price", "2.5", "--output-price", "$10")
PLAN = ("--hit-rate", "0.4", "--cheap-share", "0.5", "--cheap-discount", "0.94")


def asked(state: Path, *args: str) -> Result:
    """What the command answers."""
    env = {"SCRIMP_STATE": str(state), "COLUMNS": "120"}
    return CliRunner().invoke(cli, ["estimate", *args], env=env)


def document(state: Path, *args: str) -> dict[str, Any]:
    """What it answers to machines."""
    result = asked(state, *args, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_plan_is_priced_exactly(tmp_path: Path) -> None:
    """Baseline, after caching, after tiering, saving and percent, for machines and people."""
    found = document(tmp_path, *USERS, "--input-share", "0.6", *PRICES, *PLAN)
    assert found["baseline_usd"] == "12375"
    assert found["after_caching_usd"] == "7425"
    assert found["after_tiering_usd"] == "3935.25"
    assert found["saving_usd"] == "8439.75"
    assert found["saving_percent"] == 68.2
    assert found["tokens"] == {"input": 1_350_000_000, "output": 900_000_000}
    told = asked(tmp_path, *USERS, *PRICES, *PLAN).stdout
    for amount in ("$12,375.00", "$7,425.00", "$3,935.25", "$8,439.75", "68.2 %"):
        assert amount in told


def test_other_hit_rates_and_shares_stand_beside(tmp_path: Path) -> None:
    """A table of months; without a discount of one's own it says which one it took."""
    found = document(tmp_path, *USERS, *PRICES, "--cheap-discount", "0.94")
    months = {(one["hit_rate"], one["cheap_share"]): one for one in found["scenarios"]}
    assert months[0.4, 0.5]["month_usd"] == "3935.25"
    assert months[0, 0]["month_usd"] == found["baseline_usd"]
    assert len(months) == 16
    told = asked(tmp_path, *USERS, *PRICES).stdout
    assert "on a 94 % cheaper model" in told
    assert "--cheap-discount says how much" in told


def test_a_model_brings_its_prices(tmp_path: Path) -> None:
    """Those of today, with the version of the book; gpt-4o has cost $2.50 and $10 since 2024."""
    found = document(tmp_path, *USERS, "--model", "gpt-4o")
    assert found["baseline_usd"] == "12375"
    assert "gpt-4o of openai" in found["source"]


def test_the_ledger_tells_what_is_measured(tmp_path: Path) -> None:
    """Two days with three calls, one of them a hit: fifteen times as much in thirty days."""
    now = datetime.now(UTC)
    entries = [
        replace(one, at=now - timedelta(days=back))
        for one, back in ((paid(1), 1), (hit(2), 1), (paid(3), 2), (unpriced(4), 2))
    ]
    state = written(tmp_path / "s", entries)
    found = document(state, "--from-ledger")
    assert found["baseline_nanousd"] == 15 * 3 * 3_775_000
    assert found["plan"]["hit_rate"] == 0.25
    assert found["after_caching_nanousd"] == 15 * 3 * 3_775_000 * 3 // 4
    assert found["unpriced_calls"] == 1
    assert "output tokens paid for)" in found["source"]
    assert "calls without a known price, not in it: 1" in asked(state, "--from-ledger").stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--users", "3"), "--queries, --tokens missing (or say --from-ledger)"),
        (USERS, "prices missing (--model, or --input-price and --output-price)"),
        ((*USERS, *PRICES, "--model", "gpt-4o"), "not both"),
        ((*USERS, *PRICES, "--hit-rate", "40"), "hit_rate is a share of 0 to 1, not 40"),
        ((*USERS, "--input-price", "x"), "'x' is not a number of 0 or more"),
        ((*USERS, *PRICES, "--cheap-share", "-1"), "'-1' is not a number of 0 or more"),
        ((*USERS, "--input-price", "1e9", "--output-price", "1"), "'1e9' is not a number"),
        (("--from-ledger", "--users", "3"), "--from-ledger measures what --users would assume"),
        (("--from-ledger", "--input-share", "0.5"), "measures what --input-share would assume"),
        ((*USERS, *PRICES, "--output", "3"), "--output is for the call of a FILE"),
        (("call.json", "--days", "3"), "--days is for a month; a FILE is one call"),
    ],
)
def test_what_is_missing_or_odd_is_said_in_one_line(
    tmp_path: Path, args: tuple[str, ...], said: str
) -> None:
    """Exit code 2, and nothing is guessed."""
    result = asked(tmp_path, *args)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())
    assert result.stdout == ""
