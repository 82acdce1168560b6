"""`scrimp run --url`: the same file through a gateway, which prices, caches and books it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from scrimp.cli.main import cli
from scrimp.shell.wire import sha256_hex
from tests.support.stage import Stage, staged

KEY = f'[[keys]]\nname = "ci"\nsha256 = "{sha256_hex("sk-ci")}"\n'
MODEL = "gpt-4o-mini"


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A provider, and a gateway with one key."""
    with staged(more=KEY) as found:
        yield found


def run(stage: Stage, folder: Path, *more: str, key: str = "sk-ci", url: str = "") -> Result:
    """What the command says."""
    (folder / "empty.toml").write_text(f'state_dir = "{folder / "state"}"\n')
    env = {"SCRIMP_KEY": key, "SCRIMP_CONFIG": str(folder / "empty.toml"), "OPENAI_API_KEY": "x"}
    args = ["run", str(folder / "in"), "-o", str(folder / "out"), "--url", url or stage.url]
    return CliRunner().invoke(cli, [*args, "--yes", *more], env=env)


def write(folder: Path, count: int) -> None:
    """So many prompts."""
    lines = ({"prompt": f"Say {n}", "model": MODEL, "max_tokens": 90} for n in range(count))
    (folder / "in").write_text("".join(json.dumps(line) + "\n" for line in lines))


def results(folder: Path) -> list[dict[str, Any]]:
    """What OUT holds."""
    return [json.loads(line) for line in (folder / "out").read_text().splitlines()]


def test_the_gateway_books_and_the_sums_agree(stage: Stage, tmp_path: Path) -> None:
    """Its headers tell what each call has cost, who answered and what was saved."""
    write(tmp_path, 12)
    result = run(stage, tmp_path, "--tag", "nightly", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["answered"], told["spent_nanousd"]) == (12, stage.sim.bill.total_nanousd)
    entries = stage.gateway.entries()
    assert {(one.key, one.tags) for one in entries} == {("ci", ("nightly",))}
    assert all(one["text"] and one["id"] for one in results(tmp_path))
    (tmp_path / "out").unlink()
    again = json.loads(run(stage, tmp_path, "--json").stdout)
    assert again["answered_by"] == {"exact_cache": 12}
    assert again["saved_by"] == {"exact_cache": stage.sim.bill.total_nanousd}
    assert len(stage.sim.requests) == 12


def test_limits_of_the_provider_and_failures_come_through(stage: Stage, tmp_path: Path) -> None:
    """Pushed back is asked again; a bad call fails by itself; the run goes on where it was."""
    stage.sim.fault("rate-limit=0:every=2:count=30")
    write(tmp_path, 30)
    with (tmp_path / "in").open("a") as more:
        more.write('{"prompt": "Hi", "model": "nobody-knows"}\n')
    result = run(stage, tmp_path, "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["answered"], told["failed"]) == (1, 30, 1)
    assert "not known to any configured provider" in told["failures"][0]
    assert json.loads(run(stage, tmp_path, "--json").stdout)["known"] == 30


def test_a_budget_of_the_gateway_ends_the_run(tmp_path: Path) -> None:
    """What was left out is asked when there is room again."""
    budget = '[budgets.all]\nusd = "0.0006"\nper = "day"\n'
    with staged(more=KEY + budget) as stage:
        write(tmp_path, 60)
        result = run(stage, tmp_path, "--json")
        told = json.loads(result.stdout)
        assert (result.exit_code, told["ended"]) == (1, "budget")
        assert 0 < told["answered"] < 60
        assert "budget" in told["reasons"][0]
        assert stage.sim.bill.total_nanousd <= 600_000


def test_what_cannot_be_is_told(stage: Stage, tmp_path: Path) -> None:
    """A wrong key, nobody there, no address, a budget of this side."""
    write(tmp_path, 40)
    wrong = json.loads(run(stage, tmp_path, "--json", key="sk-no").stdout)
    assert (wrong["ended"], wrong["answered"], wrong["spent_nanousd"]) == ("provider", 0, 0)
    assert "401" in wrong["reasons"][0]
    (tmp_path / "out").unlink()
    dead = json.loads(run(stage, tmp_path, "--json", url="http://127.0.0.1:9").stdout)
    assert (dead["ended"], dead["spent_nanousd"]) == ("provider", 0)
    assert "does not answer" in dead["reasons"][0]
    (tmp_path / "out").unlink()
    refused = run(stage, tmp_path, "--budget", "1")
    assert refused.exit_code == 2
    assert "set it at the gateway" in " ".join(refused.stderr.split())
    assert "is no address" in run(stage, tmp_path, url="gateway").stderr
    assert not stage.sim.requests
