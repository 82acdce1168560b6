"""`scrimp jobs submit` and `collect` with `--url`: a file's jobs behind a gateway elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from scrimp.cli.main import cli
from scrimp.shell.wire import sha256_hex
from tests.support.defer import deferring, fetch
from tests.support.stage import Stage, staged

KEYS = "".join(
    f'[[keys]]\nname = "{name}"\nsha256 = "{sha256_hex(f"sk-{name}")}"\n' for name in ("ci", "bo")
)
MODEL = "gpt-4o-mini"


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A provider, and a gateway with two keys whose calls may wait."""
    with deferring(top=KEYS) as found:
        yield found


def asked(stage: Stage, folder: Path, *args: str, key: str = "sk-ci", url: str = "") -> Result:
    """What the command says."""
    (folder / "empty.toml").write_text(f'state_dir = "{folder / "state"}"\n')
    env = {"SCRIMP_KEY": key, "SCRIMP_CONFIG": str(folder / "empty.toml"), "OPENAI_API_KEY": "x"}
    command = ["jobs", args[0], str(folder / "in"), "--url", url or stage.url, *args[1:]]
    return CliRunner().invoke(cli, command, env=env)


def told(result: Result, code: int = 0) -> dict[str, Any]:
    """The same for machines."""
    assert result.exit_code == code, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def write(folder: Path, count: int) -> None:
    """So many prompts, every fifth to the other vendor."""
    lines = (
        {"prompt": f"Say {n}", "model": MODEL if n % 5 else "claude-haiku-4-5", "max_tokens": 90}
        for n in range(count)
    )
    (folder / "in").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_the_gateway_holds_sends_and_books(stage: Stage, tmp_path: Path) -> None:
    """Its key pays, each line once however often the file is handed in; nothing is kept here."""
    write(tmp_path, 120)
    first = told(asked(stage, tmp_path, "submit", "--yes", "--json", "--tag", "nightly"))
    assert (first["ended"], first["handed_in"]) == ("done", 120)
    again = told(asked(stage, tmp_path, "submit", "--yes", "--json"))
    assert (again["handed_in"], sum(again["before"].values())) == (0, 120)
    out = tmp_path / "out"
    got = told(asked(stage, tmp_path, "collect", "-o", str(out), "--json"))
    bill = stage.sim.bill
    assert (got["answered"], got["spent_nanousd"]) == (120, bill.total_nanousd)
    assert got["saved_nanousd"] == bill.total_nanousd
    assert len(bill.rows) == 120
    assert all(row.batch for row in bill.rows)
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [one["custom_id"] for one in lines] == [f"line-{n}" for n in range(1, 121)]
    assert all(one["text"] for one in lines)
    entries = stage.gateway.entries()
    assert {(one.key, one.tags) for one in entries} == {("ci", ("nightly",))}
    assert sum(one.cost_nanousd or 0 for one in entries) == bill.total_nanousd
    assert not (tmp_path / "state" / "jobs.sqlite").exists()


def test_another_key_has_other_jobs(stage: Stage, tmp_path: Path) -> None:
    """It sees none of the first one's, and a name is looked up for its own tenant alone."""
    write(tmp_path, 2)
    told(asked(stage, tmp_path, "submit", "--yes", "--json"))
    out = tmp_path / "out"
    got = told(asked(stage, tmp_path, "collect", "-o", str(out), "--json", key="sk-bo"), 1)
    assert (got["without_job"], got["answered"]) == (2, 0)
    wrong = asked(stage, tmp_path, "collect", "-o", str(out), key="sk-nobody")
    assert wrong.exit_code == 1
    assert "SCRIMP_KEY" in wrong.output
    status, page = fetch(stage, "/v1/scrimp/jobs/named/" + ",".join("x" * 101), key="sk-ci")
    assert (status, "at most 100" in json.dumps(page)) == (400, True)


def test_a_gateway_whose_calls_may_not_wait_answers_none(tmp_path: Path) -> None:
    """Its calls would go live at the plain price: they are refused instead."""
    write(tmp_path, 3)
    with staged(more=KEYS) as stage:
        found = asked(stage, tmp_path, "submit", "--yes", "--json")
        assert found.exit_code == 1
        assert "[defer] enabled" in " ".join(found.output.split())
        assert stage.sim.requests == ()


def test_a_gateway_that_is_not_there_is_named(stage: Stage, tmp_path: Path) -> None:
    """At once, and nothing is waited for."""
    write(tmp_path, 1)
    gone = asked(stage, tmp_path, "submit", "--yes", url="http://127.0.0.1:9")
    assert gone.exit_code == 1
    assert "does not answer" in gone.output
