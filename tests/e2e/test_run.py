"""`scrimp run`: a file of calls against a real provider's bill, with kills, limits and bad days."""

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
from scrimp.simulator import Simulator
from scrimp.stores.sqlite_ledger_read import LedgerReader
from tests.support.stage import until

MODEL = "gpt-4o-mini"


def prompts(count: int) -> list[dict[str, Any]]:
    """So many different ones, with a limit of what may come back."""
    return [
        {"prompt": f"Say {number}", "model": MODEL, "max_tokens": 90} for number in range(count)
    ]


class Desk:
    """A provider, settings, a file, and the command line before them."""

    def __init__(self, sim: Simulator, folder: Path) -> None:
        self.sim = sim
        self.folder = folder
        self.file = folder / "calls.jsonl"
        self.out = folder / "out.jsonl"
        config = folder / "scrimp.toml"
        config.write_text(
            f'state_dir = "{folder / "state"}"\n[retry]\nbase_s = 0.001\nmax_wait_s = 0.002\n'
            f'[providers.openai]\nbase_url = "{sim.url}/v1"\nkey_env = "OPENAI_KEY"\n'
            f'[providers.anthropic]\nbase_url = "{sim.url}/v1"\nkey_env = "ANTHROPIC_KEY"\n'
        )
        self.env = {"OPENAI_KEY": "sk-o", "ANTHROPIC_KEY": "sk-a", "SCRIMP_CONFIG": str(config)}

    def write(self, *lines: Mapping[str, Any] | str) -> None:
        """The file."""
        texts = (line if isinstance(line, str) else json.dumps(line) for line in lines)
        self.file.write_text("".join(text + "\n" for text in texts))

    def run(self, *more: str, stdin: str | None = None) -> Result:
        """What the command says."""
        file = str(self.file) if stdin is None else "-"
        args = ["run", file, "-o", str(self.out), *more]
        return CliRunner().invoke(cli, args, env=self.env, input=stdin)

    def told(self, *more: str, code: int = 0, stdin: str | None = None) -> dict[str, Any]:
        """The same for machines."""
        result = self.run(*more, "--yes", "--json", stdin=stdin)
        assert result.exit_code == code, result.output
        told: dict[str, Any] = json.loads(result.stdout)
        return told

    def results(self) -> list[dict[str, Any]]:
        """What OUT holds."""
        return [json.loads(line) for line in self.out.read_text().splitlines()]

    def entries(self) -> list[Entry]:
        """What the ledger has."""
        return LedgerReader(self.folder / "state" / "ledger.sqlite").recent(10_000)

    def bodies(self) -> list[bytes]:
        """What the provider was asked."""
        return [request.body for request in self.sim.requests]

    def ended(self, sent: signal.Signals, after: int, *more: str) -> tuple[int, str]:
        """A process of its own that a signal ends after so many more requests."""
        log, seen = self.folder / "said", len(self.sim.requests)
        command = [sys.executable, "-m", "scrimp", "run", str(self.file), "-o", str(self.out)]
        with log.open("wb") as said:
            child = subprocess.Popen(
                [*command, "--yes", *more],
                env={**os.environ, **self.env},
                stdout=said,
                stderr=said,
            )
            try:
                until(lambda: len(self.sim.requests) >= seen + after, limit_s=60)
                child.send_signal(sent)
                return child.wait(60), log.read_text()
            finally:
                child.kill()
                child.wait()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """All of it."""
    with Simulator() as sim:
        yield Desk(sim, tmp_path)


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Desk]:
    """The same with a provider that takes its time."""
    with Simulator(first_token_ms=40) as sim:
        yield Desk(sim, tmp_path)


def test_every_form_is_asked_and_the_bills_agree(desk: Desk) -> None:
    """In the order of the file; provider, ledger, OUT and summary agree to the nano-dollar."""
    user = {"role": "user", "content": "Hi"}
    chat = {"model": "gpt-4o", "messages": [user]}
    url = "/v1/chat/completions"
    desk.write(
        {"prompt": "Hi", "model": MODEL, "id": 7},
        {**chat, "stream": True},
        {"custom_id": "batch-1", "method": "POST", "url": url, "body": {**chat, "seed": 1}},
        {"model": "claude-haiku-4-5", "max_tokens": 30, "messages": [user]},
        {"model": "gpt-4o", "input": "Hi", "store": False},
        {"model": "text-embedding-3-small", "input": ["one", "two"]},
        {"custom_id": "c", "params": {"model": "claude-haiku-4-5", "max_tokens": 9, **chat}}
        | {"params": {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": [user]}},
    )
    told = desk.told("--tag", "nightly", "--user", "anna")
    assert (told["ended"], told["answered"], told["failed"], told["not_asked"]) == ("done", 7, 0, 0)
    results = desk.results()
    names = [one["custom_id"] for one in results]
    assert names == ["7", "line-2", "batch-1", "line-4", "line-5", "line-6", "c"]
    kinds = [one["response"]["body"].get("object", "message") for one in results]
    assert kinds == [
        *("chat.completion", "chat.completion", "chat.completion", "message"),
        *("response", "list", "message"),
    ]
    text = results[0]["response"]["body"]["choices"][0]["message"]["content"]
    assert results[0]["text"] == text
    assert all("text" not in one for one in results[1:])
    spent = sum(one["scrimp"]["cost_nanousd"] for one in results)
    entries = desk.entries()
    assert spent == told["spent_nanousd"] == desk.sim.bill.total_nanousd > 0
    assert spent == sum(entry.cost_nanousd or 0 for entry in entries)
    assert {(entry.tags, entry.user, entry.purpose) for entry in entries} == {
        (("nightly",), "anna", "client")
    }
    assert desk.out.stat().st_mode & 0o777 == 0o600
    assert not desk.out.with_name("out.jsonl.journal").exists()


def test_what_caches_save_is_told(desk: Desk) -> None:
    """Equal lines are paid for once; the summary says who answered and what that saved."""
    desk.write(*prompts(3), *prompts(3), *prompts(3))
    told = desk.told("--concurrency", "1")
    assert (told["answered"], len(desk.bodies())) == (9, 3)
    assert told["answered_by"] == {"upstream": 3, "exact_cache": 6}
    assert told["saved_by"] == {"exact_cache": told["saved_nanousd"]}
    assert told["saved_nanousd"] == 2 * told["spent_nanousd"] == 2 * desk.sim.bill.total_nanousd


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_who_interrupts_waits_for_what_is_in_the_air(slow: Desk, sent: signal.Signals) -> None:
    """OUT is in order, and the same command asks for nothing twice."""
    slow.write(*prompts(200))
    code, said = slow.ended(sent, 20, "--concurrency", "4")
    assert code == 130
    assert "it was interrupted (run it again to go on)" in said
    lines = [one["scrimp"]["line"] for one in slow.results()]
    assert lines == sorted(lines)
    assert len(lines) == len(slow.bodies())
    told = slow.told()
    assert told["known"] == len(lines)
    assert [one["scrimp"]["line"] for one in slow.results()] == list(range(1, 201))
    assert len(slow.bodies()) == len(set(slow.bodies())) == 200


def test_after_a_kill_only_what_was_in_the_air_is_asked_again(slow: Desk) -> None:
    """No answer that had arrived is paid for twice; what may have been billed is told."""
    slow.write(*prompts(120))
    kills = 0
    for _ in range(3):
        code, _ = slow.ended(signal.SIGKILL, 20, "--concurrency", "4")
        assert code == -signal.SIGKILL
        kills += 1
    told = slow.told()
    assert 0 < told["in_air_before"] <= 4
    assert [one["scrimp"]["line"] for one in slow.results()] == list(range(1, 121))
    assert len(set(slow.bodies())) == 120
    assert len(slow.bodies()) <= 120 + 4 * kills


def test_a_budget_holds_over_kills_and_all_runs_together(slow: Desk) -> None:
    """Whatever is killed: the provider's bill never passes it, and more money goes on."""
    slow.write(*prompts(150))
    slow.ended(signal.SIGKILL, 15, "--concurrency", "4", "--budget", "0.004")
    slow.ended(signal.SIGKILL, 15, "--concurrency", "4", "--budget", "0.004")
    told = slow.told("--budget", "0.004", code=1)
    assert (told["ended"], told["not_asked"] > 0) == ("budget", True)
    assert "has $0.0" in told["reasons"][0]
    assert slow.sim.quiet().total_nanousd <= told["spent_in_all_nanousd"] <= 4_000_000
    again = slow.told("--budget", "0.004", code=1)
    assert again["answered"] == 0
    assert slow.told("--budget", "0.1")["not_asked"] == 0
    assert len(slow.results()) == 150


def test_a_budget_that_is_tight_lets_as_many_go_as_it_can_hold(desk: Desk) -> None:
    """Holds are worst cases: a crowd that they do not let in waits, and comes in later."""
    desk.write(*prompts(60))
    told = desk.told("--budget", "0.00192", "--concurrency", "64")
    assert told["answered"] == 60
    assert told["estimate"]["upper_nanousd"] > 1_920_000 > desk.sim.bill.total_nanousd


@pytest.mark.parametrize("model", [MODEL, "claude-haiku-4-5"])
def test_rate_limits_slow_it_down_and_lose_nothing(desk: Desk, model: str) -> None:
    """By the headers of either vendor it goes as fast as it may: nearly nothing is pushed back."""
    desk.sim.limit(requests_per_minute=300)
    desk.write(*({**one, "model": model} for one in prompts(310)))
    told = desk.told()
    assert (told["answered"], told["failed"]) == (310, 0)
    assert told["pushed_back"] <= 31
    assert len(set(desk.bodies())) == 310


def test_what_is_pushed_back_is_no_failure(desk: Desk) -> None:
    """A provider that refuses every third call for a while: all have their answers in the end."""
    desk.sim.fault("rate-limit=0:every=3:count=60")
    desk.sim.fault("529:every=5:count=40")
    desk.write(*prompts(80))
    told = desk.told()
    assert (told["answered"], told["failed"]) == (80, 0)
    assert told["pushed_back"] > 0
    assert told["spent_nanousd"] == desk.sim.bill.total_nanousd


def test_a_dead_provider_ends_the_run_before_all_has_failed(desk: Desk) -> None:
    """Its lane is closed after twenty in a row; a later run asks the rest, and those if told to."""
    desk.write(*prompts(100), *({**one, "model": "claude-haiku-4-5"} for one in prompts(5)))
    desk.sim.fault("500:path=/v1/chat")
    told = desk.told("--concurrency", "2", code=1)
    assert told["ended"] == "provider"
    assert (told["answered"], told["not_asked"]) == (5, 100 - told["failed"])
    assert 20 <= told["failed"] <= 22
    assert "20 times in a row" in told["reasons"][0]
    desk.sim.no_faults()
    rest = desk.told(code=1)
    assert (rest["answered"], rest["failed"]) == (100 - told["failed"], told["failed"])
    assert desk.told("--retry-failed")["answered"] == told["failed"]
    assert [one["error"] for one in desk.results()] == [None] * 105


def test_failures_stand_in_out_and_are_asked_again_when_told_to(desk: Desk) -> None:
    """With the provider's own words; what a billed failure has cost stays counted."""
    desk.write(*prompts(4))
    desk.sim.fault("bad-json=1:count=1")
    desk.sim.fault("500:work:count=3")
    first = desk.told("--concurrency", "1", code=1)
    failed = [one for one in desk.results() if one["error"]]
    assert (len(failed), first["failed"]) == (2, 2)
    assert all(one["response"] is None for one in failed)
    assert desk.told(code=1)["to_ask"] == 0
    again = desk.told("--retry-failed")
    assert (again["answered"], again["failed"]) == (2, 0)
    assert [one["scrimp"]["line"] for one in desk.results()] == [1, 2, 3, 4]


def test_bad_lines_are_named_and_the_rest_is_asked(desk: Desk) -> None:
    """By number, before anything is paid; they stand in OUT; mended, only they are asked."""
    good = prompts(2)
    desk.write(
        good[0],
        '{"prompt": "cut off',
        {"model": "nobody-knows", "input": "x"},
        {"prompt": 5, "model": MODEL},
        {"custom_id": "g", "method": "GET", "url": "/v1/files", "body": {}},
        "x" * 10,
        good[1],
    )
    result = desk.run("--yes")
    assert result.exit_code == 1
    said = " ".join(result.stderr.split())
    for words in (
        "line 2: no JSON object",
        "line 3: model 'nobody-knows' is not known",
        "line 4: 'prompt' is no text",
        "line 5: 'method' is 'GET', not POST",
        "line 6: no JSON object",
    ):
        assert words in said
    assert [bool(one["error"]) for one in desk.results()] == [False, *[True] * 5, False]
    desk.write(good[0], *prompts(7)[2:7], good[1])
    assert desk.told()["answered"] == 5
    assert len(desk.bodies()) == 7


def test_a_changed_file_pays_for_what_is_new(desk: Desk) -> None:
    """Lines that move keep their answers, under other names too; none is dropped unseen."""
    lines = prompts(6)
    desk.write(*lines)
    desk.told()
    desk.write({"prompt": "new", "model": MODEL}, *reversed(lines), lines[0] | {"id": "twice"})
    told = desk.told()
    assert (told["known"], told["answered"]) == (6, 2)  # the same twice is two lines
    assert len(set(desk.bodies())) == 7
    assert [one["scrimp"]["line"] for one in desk.results()] == list(range(1, 9))
    desk.write(*({**line, "id": f"n{number}"} for number, line in enumerate(lines)))
    refused = desk.run("--yes")
    assert refused.exit_code == 1
    assert "holds 2 answers to calls that" in " ".join(refused.stderr.split())
    assert desk.told("--forget")["answered"] == 0
    assert [one["custom_id"] for one in desk.results()] == [f"n{number}" for number in range(6)]


def test_a_csv_and_standard_input(desk: Desk) -> None:
    """A column of prompts, another one by name; the same text again is known."""
    text = 'q,model,max_tokens,colour\n"Say, please: one",,30,red\nTwo,gpt-4o,,blue\n'
    told = desk.told("--column", "q", "--model", MODEL, stdin=text)
    assert (told["answered"], told["file"]) == (2, "standard input")
    asked = sorted((json.loads(body) for body in desk.bodies()), key=lambda one: one["model"])
    assert [one["model"] for one in asked] == ["gpt-4o", MODEL]
    assert asked[1]["max_tokens"] == 30
    assert desk.told("--column", "q", "--model", MODEL, stdin=text)["to_ask"] == 0
    more = '{"prompt": "New", "model": "gpt-4o"}\n'
    assert "say --yes" in desk.run("--ask-above", "0", "--forget", stdin=more).stderr
    refused = desk.run("--yes", stdin="a,b\n1,2\n")
    assert "no column 'prompt'" in refused.stderr


def test_the_price_comes_first(desk: Desk) -> None:
    """Above a limit somebody must agree; an estimate alone asks nobody and writes nothing."""
    desk.write(*({**one, "max_tokens": 90_000, "model": "gpt-4o"} for one in prompts(5)))
    looked = desk.run("--estimate")
    assert looked.exit_code == 0
    assert "5 lines: 5 to ask." in looked.stdout
    assert not list(desk.folder.glob("out*"))
    refused = desk.run("--ask-above", "0.00001")
    assert refused.exit_code == 2
    assert "say --yes, or look first with --estimate" in " ".join(refused.stderr.split())
    assert not desk.bodies()
    assert desk.run("--ask-above", "0.10").exit_code == 0


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--budget", "1,5"), "not an amount"),
        (("--budget", "0"), "--budget"),
        (("--tag", "a\nb"), "control characters"),
        (("--task", "x y"), "task"),
        (("--concurrency", "0"), "0 is not in the range"),
    ],
)
def test_what_makes_no_sense_is_refused_before_it_costs(
    desk: Desk, args: tuple[str, ...], said: str
) -> None:
    """In one line, and nothing is left behind."""
    desk.write(*prompts(1))
    result = desk.run("--yes", *args)
    assert result.exit_code in (1, 2)
    assert said in " ".join(result.stderr.split())
    assert not desk.bodies()
    assert not list(desk.folder.glob("out*"))


def test_a_price_that_nobody_knows_is_told(desk: Desk) -> None:
    """No budget can hold for it, and it is asked for only when somebody agrees."""
    desk.write({"prompt": "Hi", "model": "openai/new-thing"})
    refused = desk.run("--yes", "--budget", "1")
    assert "no price is known for openai/new-thing, so --budget cannot hold" in " ".join(
        refused.stderr.split()
    )
    assert desk.run().exit_code == 2
    assert not desk.bodies()


def test_nobody_writes_over_the_file_of_the_calls(desk: Desk) -> None:
    """Nor over a file that is something else."""
    desk.write(*prompts(1))
    desk.out = desk.file
    assert "-o names the file of the calls" in desk.run("--yes").stderr
    desk.out = desk.folder / "other"
    desk.out.write_text("my novel\n")
    assert "scrimp run did not write this" in desk.run("--yes").stderr
    assert desk.out.read_text() == "my novel\n"


def test_what_is_no_file_is_written_down_or_refused(desk: Desk) -> None:
    """A pipe is read once and asked like a file; results need a file."""
    desk.write(*prompts(2))
    shown = subprocess.run(
        [sys.executable, "-m", "scrimp", "run", "/dev/stdin", "--estimate"],
        env={**os.environ, **desk.env},
        input=desk.file.read_text(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "2 lines: 2 to ask." in shown.stdout
    desk.out = Path("/dev/null")
    assert "-o /dev/null is no file" in desk.run("--yes").stderr
    desk.out = desk.folder
    assert "is no file: name one" in " ".join(desk.run("--yes").stderr.split())


def test_what_a_provider_says_does_not_reach_the_terminal_raw(desk: Desk) -> None:
    """A terminal obeys control characters: they are shown as question marks, OUT has them all."""
    desk.write({"prompt": "Hi", "model": "no\x1b[2Jthing"}, {"prompt": "Hi", "model": MODEL})
    result = desk.run("--yes")
    assert result.exit_code == 1
    assert "\x1b" not in result.output
