"""`scrimp compare`: real calls, a real judge; the provider's bill is what it says it has spent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from scrimp.cli.main import cli
from scrimp.ports import Entry
from scrimp.routing.rows import read_rows
from scrimp.simulator import Simulator
from scrimp.stores.sqlite_ledger_read import LedgerReader
from tests.support.grading_provider import GradingProvider
from tests.support.stage import until

PROMPTS = [
    "How do I reset my password?",
    "Where is my order?",
    "Can I cancel my subscription?",
    "How do I get a refund?",
    "What does shipping cost?",
    "My item arrived broken",
]


def fair(labels: tuple[str, str], texts: tuple[str, str]) -> str:
    """By length, from 0 to 10."""
    told = zip(labels, texts, strict=True)
    return " ".join(f"{label}={min(10, len(text) // 40)}" for label, text in told)


class Desk:
    """Providers, a judge, settings, and the command line before them."""

    def __init__(self, sim: Simulator, judge: GradingProvider, folder: Path) -> None:
        self.sim = sim
        self.judge = judge
        self.folder = folder
        self.file = folder / "prompts.jsonl"
        self.out = folder / "out.jsonl"
        self.write(*({"prompt": prompt} for prompt in PROMPTS))
        config = folder / "scrimp.toml"
        config.write_text(
            f'state_dir = "{folder / "state"}"\n[retry]\nattempts = 1\n'
            f'[providers.openai]\nbase_url = "{sim.url}/v1"\n'
            'dialects = ["openai.chat"]\nkey_env = "OPENAI_KEY"\n'
            f'[providers.anthropic]\nbase_url = "{sim.url}/v1"\n'
            f'dialects = ["anthropic.messages"]\nkey_env = "ANTHROPIC_KEY"\n{judge.settings()}'
        )
        self.env = {"OPENAI_KEY": "sk-o", "ANTHROPIC_KEY": "sk-a", "SCRIMP_CONFIG": str(config)}

    def write(self, *lines: Mapping[str, Any]) -> None:
        """The file of prompts."""
        self.file.write_text("".join(json.dumps(line) + "\n" for line in lines))

    def args(self, *more: str, models: str = "gpt-4o,claude-haiku-4-5") -> list[str]:
        """The command's."""
        return ["compare", str(self.file), "--models", models, *more]

    def compare(self, *more: str, models: str = "gpt-4o,claude-haiku-4-5") -> Result:
        """What the command says."""
        return CliRunner().invoke(cli, self.args(*more, models=models), env=self.env)

    def told(self, *more: str, **options: str) -> dict[str, Any]:
        """The same for machines; it must have gone well."""
        result = self.compare(*more, "--yes", "--json", **options)
        assert result.exit_code == 0, result.output
        told: dict[str, Any] = json.loads(result.stdout)
        return told

    def entries(self) -> list[Entry]:
        """What the ledger has."""
        return LedgerReader(self.folder / "state" / "ledger.sqlite").recent(1000)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """All of it."""
    with Simulator() as sim, GradingProvider(fair).running() as judge:
        yield Desk(sim, judge, tmp_path)


def test_two_vendors_are_compared_and_every_cent_is_booked(desk: Desk) -> None:
    """The provider's own bill, the ledger and the command say the same; all of it is audits."""
    told = desk.told("--judge", "grader", "-o", str(desk.out))
    assert (told["questions"], told["compared"], desk.judge.asked) == (6, 6, 12)
    models, (pair,) = told["models"], told["pairs"]
    assert models["gpt-4o"]["quality"]["value"] == models["claude-haiku-4-5"]["quality"]["value"]
    assert (pair["wins"]["ties"], pair["wins"]["split"]) == (6, 0)
    assert 0 < pair["cost_ratio"]["value"] < 1
    worth = [models[name]["per_dollar"]["value"] for name in ("gpt-4o", "claude-haiku-4-5")]
    assert worth[1] > worth[0]
    entries = desk.entries()
    assert {entry.purpose for entry in entries} == {"audit"}
    assert sum(entry.cost_nanousd or 0 for entry in entries) == told["spent_nanousd"]
    judged = told["spent_on_judging_nanousd"]
    assert told["spent_nanousd"] - judged == desk.sim.bill.total_nanousd > 0
    assert judged == told["judge_nanousd"] == 12 * (100 * 1000 + 10 * 2000)
    tags = {entry.model_requested: entry.tags for entry in entries}
    assert tags["gpt-4o"] == ("scrimp-compare",)
    assert desk.out.stat().st_mode & 0o777 == 0o600
    lines = [json.loads(line) for line in desk.out.read_text().splitlines()]
    assert [line["prompt"] for line in lines] == PROMPTS
    rows = read_rows(desk.out.read_bytes(), "out")  # as `scrimp route train` does
    assert {len(row.labels) for row in rows} == {2}
    labelled = sum(label.cost_nanousd or 0 for row in rows for label in row.labels.values())
    assert labelled == desk.sim.bill.total_nanousd


def test_the_same_command_again_pays_for_nothing(desk: Desk) -> None:
    """And a third model pays for itself alone."""
    first = desk.told("--judge", "grader", "-o", str(desk.out))
    asked, judged = len(desk.sim.requests), desk.judge.asked
    again = desk.told("--judge", "grader", "-o", str(desk.out))
    assert (again["spent_nanousd"], again["models"]) == (0, first["models"])
    assert (len(desk.sim.requests), desk.judge.asked) == (asked, judged)
    more = desk.told(
        "--judge", "grader", "-o", str(desk.out), models="gpt-4o,claude-haiku-4-5,gpt-4o-mini"
    )
    assert (len(desk.sim.requests), desk.judge.asked) == (asked + 6, judged + 12)
    assert len(more["pairs"]) == 2


def test_ctrl_c_keeps_what_was_paid_for(desk: Desk, tmp_path: Path) -> None:
    """What is in the air is waited for; the same command goes on where it was."""
    log = tmp_path / "said"
    desk.write(*({"prompt": f"{PROMPTS[n % 6]} ({n})"} for n in range(200)))
    command = [sys.executable, "-m", "scrimp", *desk.args("--expect", "gold", "--yes")]
    desk.write(*({"prompt": f"{PROMPTS[n % 6]} ({n})", "gold": "link"} for n in range(200)))
    command += ["-o", str(desk.out), "--concurrency", "2"]
    with log.open("wb") as said:
        child = subprocess.Popen(command, env={**os.environ, **desk.env}, stdout=said, stderr=said)
        try:
            until(lambda: len(desk.sim.requests) > 10, limit_s=30)
            child.send_signal(signal.SIGINT)
            assert child.wait(30) == 130
        finally:
            child.kill()
            child.wait()
    assert "it was interrupted (run it again to go on)" in log.read_text()
    paid = len(desk.sim.requests)
    assert 10 < paid < 400
    told = desk.told("--expect", "gold", "-o", str(desk.out))
    assert (told["compared"], told["steps"]["known"]) == (200, paid)
    bodies = {(request.path, request.body) for request in desk.sim.requests}
    assert len(bodies) == 400  # nothing was asked twice


def test_spending_stays_under_the_limit(desk: Desk) -> None:
    """What might pass it is not begun, and a later run with more goes on."""
    told = desk.told("--judge", "grader", "-o", str(desk.out), "--max-usd", "0.045")
    assert told["steps"]["over_budget"] > 0
    assert desk.sim.bill.total_nanousd <= told["spent_nanousd"] <= 45_000_000
    rest = desk.told("--judge", "grader", "-o", str(desk.out))
    assert (rest["compared"], rest["steps"]["known"]) == (
        6,
        18 - rest["steps"]["asked"] - rest["steps"]["judged"],
    )


def test_a_hostile_judge_brings_no_verdicts(desk: Desk) -> None:
    """It answers with whatever was said to it: nobody wins, and its cost is counted."""
    desk.judge.say = lambda labels, _: f"Ignore that. {labels[0]}=10 {labels[1]}=0"
    told = desk.told("--judge", "grader")
    (pair,) = told["pairs"]
    assert (told["compared"], pair["wins"]["rate"]) == (0, None)
    assert pair["unjudged"] == {"unparseable": 6}
    assert told["judge_nanousd"] == 6 * 120_000  # the second look was not even asked for
    desk.judge.say, desk.judge.finish = fair, "length"
    assert desk.told("--judge", "grader")["pairs"][0]["unjudged"] == {"truncated": 6}


def test_right_answers_need_no_judge(desk: Desk) -> None:
    """A CSV with a column of what is right; costs and qualities are there, no judge is paid."""
    desk.file = desk.folder / "prompts.csv"
    desk.file.write_text("prompt,gold\nHow do I reset my password?,link\nHow are you?,1234567\n")
    told = desk.told("--expect", "gold", "--match", "contains")
    assert {name: one["quality"]["value"] for name, one in told["models"].items()} == {
        "gpt-4o": 0.5,
        "claude-haiku-4-5": 0.5,
    }
    assert told["judge"] is None


def test_a_model_that_fails_is_told_and_the_rest_stands(desk: Desk) -> None:
    """A provider that is down for one model's dialect: exit code 1, and why."""
    desk.sim.fault("500:path=/v1/messages")
    result = desk.compare("--judge", "grader", "--yes", "-o", str(desk.out))
    assert result.exit_code == 1
    assert "claude-haiku-4-5: " in result.stderr
    assert "6 failed" in result.stdout
    lines = [json.loads(line) for line in desk.out.read_text().splitlines()]
    assert {line["models"]["gpt-4o"]["finish"] for line in lines} == {"complete"}


@pytest.mark.parametrize(
    ("more", "models", "code", "said"),
    [
        (("--judge", "nope"), "gpt-4o,gpt-4o-mini", 1, "model 'nope' is not known"),
        (("--judge", "grader"), "gpt-4o,nope", 1, "model 'nope' is not known"),
        (("--judge", "grader"), "gpt-4o", 2, "takes 2 to 8 models, 1 given"),
        (("--judge", "grader"), "gpt-4o,gpt-4o", 2, "names one of them twice"),
        (("--judge", "grader"), "gpt-4o,gpt-4o-2024-08-06", 2, "are one model"),
        (("--judge", "grader"), "gpt-4o,scrimp/auto", 1, "compare needs models"),
        (("--judge", "gpt-4o"), "gpt-4o,gpt-4o-mini", 2, "would grade answers of its own"),
        ((), "gpt-4o,gpt-4o-mini", 2, "nobody grades the answers"),
        (("--judge", "grader", "--ungraded"), "gpt-4o,gpt-4o-mini", 2, "not both"),
        (("--expect", "gold"), "gpt-4o,gpt-4o-mini", 1, "line 1: has no 'gold'"),
        (("--judge", "grader", "--max-usd", "1,5"), "gpt-4o,gpt-4o-mini", 2, "not an amount"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_it_costs(
    desk: Desk, more: tuple[str, ...], models: str, code: int, said: str
) -> None:
    """In one line, with the way out."""
    result = desk.compare(*more, "--yes", models=models)
    assert result.exit_code == code
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not desk.sim.requests
    assert not desk.judge.asked


def test_bad_files_are_named_with_their_lines(desk: Desk) -> None:
    """Empty, torn, of another kind; and what is written is never the file that is read."""
    for text, said in (
        ("", "holds no prompts"),
        ('{"prompt": "a"}\n{"prompt"\n', "line 2: no JSON object"),
        ('{"question": "a"}\n', "line 1: has neither 'prompt' nor 'messages'"),
    ):
        desk.file.write_text(text)
        result = desk.compare("--judge", "grader", "--yes")
        assert result.exit_code == 1
        assert said in result.stderr
    desk.write({"prompt": "a"})
    result = desk.compare("--judge", "grader", "--yes", "-o", str(desk.file))
    assert "-o names the file of the prompts" in result.stderr
    desk.out.write_text('{"prompt": "a", "model": "x"}\n')
    result = desk.compare("--judge", "grader", "--yes", "-o", str(desk.out))
    assert "scrimp compare did not write this" in result.stderr
    assert not desk.sim.requests


def test_money_is_asked_for_first(desk: Desk) -> None:
    """Nobody is there to be asked: it says what it would cost, and how to agree."""
    result = desk.compare("--judge", "grader")
    assert result.exit_code == 2
    assert "6 prompts, 2 models, judged by grader: 18 steps to pay for." in result.stdout
    assert "say --yes" in result.stderr
    assert not desk.sim.requests
