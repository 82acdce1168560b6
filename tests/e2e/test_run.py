"""`scrimp run`: a file of calls against a real provider's bill, with kills, limits and bad days."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from scrimp.simulator import Simulator
from tests.support.call_files import MODEL, CallFile, prompts


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[CallFile]:
    """All of it."""
    with Simulator() as sim:
        yield CallFile(sim, tmp_path)


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[CallFile]:
    """The same with a provider that takes its time."""
    with Simulator(first_token_ms=40) as sim:
        yield CallFile(sim, tmp_path)


def test_every_form_is_asked_and_the_bills_agree(desk: CallFile) -> None:
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


def test_what_caches_save_is_told(desk: CallFile) -> None:
    """Equal lines are paid for once; the summary says who answered and what that saved."""
    desk.write(*prompts(3), *prompts(3), *prompts(3))
    told = desk.told("--concurrency", "1")
    assert (told["answered"], len(desk.bodies())) == (9, 3)
    assert told["answered_by"] == {"upstream": 3, "exact_cache": 6}
    assert told["saved_by"] == {"exact_cache": told["saved_nanousd"]}
    assert told["saved_nanousd"] == 2 * told["spent_nanousd"] == 2 * desk.sim.bill.total_nanousd


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_who_interrupts_waits_for_what_is_in_the_air(slow: CallFile, sent: signal.Signals) -> None:
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


def test_after_a_kill_only_what_was_in_the_air_is_asked_again(slow: CallFile) -> None:
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


def test_a_budget_holds_over_kills_and_all_runs_together(slow: CallFile) -> None:
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


def test_a_budget_that_is_tight_lets_as_many_go_as_it_can_hold(desk: CallFile) -> None:
    """Holds are worst cases: a crowd that they do not let in waits, and comes in later."""
    desk.write(*prompts(60))
    told = desk.told("--budget", "0.00192", "--concurrency", "64")
    assert told["answered"] == 60
    assert told["estimate"]["upper_nanousd"] > 1_920_000 > desk.sim.bill.total_nanousd


@pytest.mark.parametrize("model", [MODEL, "claude-haiku-4-5"])
def test_rate_limits_slow_it_down_and_lose_nothing(desk: CallFile, model: str) -> None:
    """By the headers of either vendor it goes as fast as it may: nearly nothing is pushed back."""
    desk.sim.limit(requests_per_minute=300)
    desk.write(*({**one, "model": model} for one in prompts(310)))
    told = desk.told()
    assert (told["answered"], told["failed"]) == (310, 0)
    assert told["pushed_back"] <= 31
    assert len(set(desk.bodies())) == 310


def test_what_is_pushed_back_is_no_failure(desk: CallFile) -> None:
    """A provider that refuses every third call for a while: all have their answers in the end."""
    desk.sim.fault("rate-limit=0:every=3:count=60")
    desk.sim.fault("529:every=5:count=40")
    desk.write(*prompts(80))
    told = desk.told()
    assert (told["answered"], told["failed"]) == (80, 0)
    assert told["pushed_back"] > 0
    assert told["spent_nanousd"] == desk.sim.bill.total_nanousd


def test_a_dead_provider_ends_the_run_before_all_has_failed(desk: CallFile) -> None:
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


def test_failures_stand_in_out_and_are_asked_again_when_told_to(desk: CallFile) -> None:
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


def test_a_changed_file_pays_for_what_is_new(desk: CallFile) -> None:
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


def test_a_csv_and_standard_input(desk: CallFile) -> None:
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


def test_the_price_comes_first(desk: CallFile) -> None:
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
