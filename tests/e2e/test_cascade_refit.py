"""A cascade's score is learned anew of what was compared, proven anew, and serves by that."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai
import pytest
from click.testing import CliRunner, Result

from scrimp.cli.main import cli
from tests.support.drafted import DraftingProvider, rows
from tests.support.gateway import RunningGateway, gateway
from tests.support.stage import until

_MORE = """
[exact_cache]
enabled = false
[route]
path = {path}
[cascade]
models = ["weak"]
checks = ["score"]
[cascade.certificate]
max_loss = 0.05
judge_model = "grader"
usd_per_day = "100"
"""


@pytest.fixture(autouse=True)
def told_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is proven and learned is told more often than every two seconds, or fifteen."""
    monkeypatch.setattr("scrimp.pipeline.route_memory.SHARED_EVERY_S", 0.05)
    monkeypatch.setattr("scrimp.pipeline.route_memory.EVERY_S", 0.05)


class Town:
    """The provider, the gateway before it, and the command line on the same files."""

    def __init__(self, provider: DraftingProvider, running: RunningGateway, folder: Path) -> None:
        self.provider, self.running, self.folder = provider, running, folder
        self._dice = random.Random(3)  # noqa: S311 (no secret)

    def ask(self, count: int) -> list[str]:
        """What became of each call."""
        names = ["".join(self._dice.choices("aeioulmnrst", k=6)) for _ in range(count)]
        url = f"{self.running.url}/v1"
        with openai.OpenAI(base_url=url, api_key="sk-x", max_retries=0) as client:

            def one(name: str) -> str:
                asked = f"What is the capital of land {name}?"
                answer = client.chat.completions.with_raw_response.create(
                    model="strong", messages=[{"role": "user", "content": asked}]
                )
                return str(answer.headers.get("x-scrimp-cascade", ""))

            with ThreadPoolExecutor(4) as pool:
                return list(pool.map(one, names))

    def route(self, *args: str) -> Result:
        """What a command says."""
        env = {**os.environ, "SCRIMP_CONFIG": str(self.folder / "scrimp.toml"), "COLUMNS": "140"}
        return CliRunner().invoke(cli, ["route", *args], env=env)

    def told(self, *args: str) -> dict[str, Any]:
        """The same for machines; it must have gone well."""
        result = self.route(*args, "--json")
        assert result.exit_code == 0, result.output
        found: dict[str, Any] = json.loads(result.stdout)
        return found

    def score(self) -> dict[str, Any]:
        """What status tells of the score of `weak`."""
        found: dict[str, Any] = self.told("status")["scores"]["weak"]
        return found


@contextmanager
def town(folder: Path) -> Iterator[Town]:
    """All of it, with a score that was trained on drafts that say their doubts in another way."""
    with DraftingProvider("turns").running() as provider:
        more = _MORE.format(path=f"'{folder / 'routes.sqlite'}'") + provider.tables()
        (folder / "scrimp.toml").write_text(f"state_dir = '{folder / 'state'}'\n{more}")
        (folder / "old.jsonl").write_bytes(rows(200, tell="hedges"))
        before = Town(provider, None, folder)  # type: ignore[arg-type]  # nothing is asked of it
        trained = before.told("train", "--score", str(folder / "old.jsonl"))["models"]["weak"]
        assert (trained["saved"], trained["reference"]) == (True, "strong"), trained["gate"]
        with gateway(provider.url, more=more, providers="") as running:
            yield Town(provider, running, folder)


def test_a_cascade_learns_from_what_was_compared_is_refitted_proven_anew_and_serves(
    tmp_path: Path,
) -> None:
    """The running gateway takes the new score up; what was proven of the old one is left behind."""
    with town(tmp_path) as here:
        old = here.score()
        asked = 0
        while compared(here) < 120:
            assert not set(here.ask(40)) - {"escalated strong", "accepted weak", "stopped"}
            asked += 40
            assert asked < 2000, here.told("status")
        result = here.route("train", "--score", "--json", "--restart")
        assert result.exit_code == 0, result.output
        found = json.loads(result.stdout)["models"]["weak"]
        assert found["saved"], found["gate"]
        assert found["before"]["version"] == old["version"] != found["version"]
        assert found["gate"]["why"].count("on ") == 2
        new = here.score()
        assert (new["version"], new["served_by"]) == (found["version"], 0)
        asked = 0
        while here.score()["served_by"] == 0:
            here.ask(40)
            asked += 40
            assert asked < 4000, "never proven anew"
        until(lambda: "accepted weak" in here.ask(20))
        served = [
            entry
            for entry in here.running.entries()
            if entry.purpose == "client" and entry.model == "weak"
        ]
        (line,) = [one for one in served[-1].trace if one.verdict == "checked"]
        assert dict(line.numbers)["fit"] == new["version"]
        refused = here.route("train", "--score")
        assert refused.exit_code == 1
        assert "drafts of weak are served by a score that is proven" in refused.stderr
        assert "--restart" in refused.stderr
        assert here.told("train", "--score", "--dry-run")["models"]["weak"]["saved"] is False
        assert here.score()["version"] == new["version"]


def compared(here: Town) -> int:
    """How many drafts of `weak` have taught something."""
    return sum(int(route["labels"].get("weak", 0)) for route in here.told("status")["routes"])
