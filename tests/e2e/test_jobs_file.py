"""`scrimp jobs submit` and `collect`: a file through batches, with kills and bad days."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scrimp.simulator import Settings, Simulator
from tests.support.call_files import MODEL, prompts
from tests.support.job_files import QUICK, JobFile


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[JobFile]:
    """A provider whose batches are quick, and a file."""
    with Simulator() as sim:
        yield JobFile(sim, tmp_path)


def claude(number: int) -> dict[str, Any]:
    """One of the other vendor's."""
    return {"prompt": f"Say {number}", "model": "claude-haiku-4-5", "max_tokens": 60}


def test_a_file_is_answered_in_its_order_at_half_the_price(desk: JobFile) -> None:
    """Every form of line; provider, ledger, OUT and summary agree, and all went in batches."""
    user = {"role": "user", "content": "Hi"}
    body = {"model": MODEL, "messages": [user]}
    url = "/v1/chat/completions"
    desk.write(
        *prompts(3),
        {"model": "gpt-4o", "messages": [user], "stream": True},
        {
            "custom_id": "b",
            "method": "POST",
            "url": url,
            "body": body,
        },
        claude(7),
        {"model": "gpt-4o", "input": "Hi", "store": False},
    )
    told = desk.submitted("--tag", "nightly", "--user", "anna")
    assert (told["ended"], told["handed_in"], told["unsent"]) == ("done", 7, 0)
    got = desk.collected()
    assert (got["ended"], got["answered"], got["waiting"]) == ("done", 7, 0)
    names = [one["custom_id"] for one in desk.results()]
    assert names == ["line-1", "line-2", "line-3", "line-4", "b", "line-6", "line-7"]
    assert all(desk.texts()[:3])
    assert desk.results()[5]["response"]["body"]["type"] == "message"
    spent = sum(one["scrimp"]["cost_nanousd"] for one in desk.results())
    assert spent == got["spent_nanousd"] == desk.sim.bill.total_nanousd > 0
    assert got["saved_nanousd"] == spent
    assert all(row.batch for row in desk.sim.bill.rows)
    assert {(one.tags, one.user) for one in desk.entries()} == {(("nightly",), "anna")}
    desk.settled()
    assert desk.out.stat().st_mode & 0o777 == 0o600


def test_embeddings_go_in_batches_at_half_their_price(desk: JobFile) -> None:
    """Bill, ledger and OUT agree; a model whose batch price nobody knows is refused, not asked."""
    desk.write(
        {"model": "text-embedding-3-small", "input": "The sea is wide and blue today. " * 40},
        {"model": "text-embedding-3-large", "input": ["one " * 60, "two " * 90]},
        {"model": "text-embedding-ada-002", "input": "old"},
    )
    told = desk.submitted(code=1)
    assert (told["handed_in"], told["cannot_wait"]) == (2, 1)
    assert "no batches, known to be cheaper, for text-embedding-ada-002" in told["wrong"][0]
    got = desk.collected(code=1)
    assert got["answered"] == 2
    assert len(desk.results()[1]["response"]["body"]["data"]) == 2
    assert all(row.batch for row in desk.sim.bill.rows)
    assert got["spent_nanousd"] == desk.sim.bill.total_nanousd == got["saved_nanousd"] > 0
    desk.settled()


def test_people_are_told_what_it_costs_and_how_to_go_on(desk: JobFile) -> None:
    """The estimate is at batch prices, and the next command stands there to be pasted."""
    desk.write(*prompts(2))
    assert "In batches that costs about $0.00" in desk.submit("--estimate").stdout
    assert desk.jobs_there() == 0
    said = desk.submit().stdout
    assert "2 handed in." in said
    assert f"scrimp jobs collect {desk.file} -o ANSWERS.jsonl" in said
    said = " ".join(desk.collect().stdout.split())
    assert "2 answered: " in said
    assert "waiting saved $0.0000" in said


def test_a_file_that_is_handed_in_again_pays_for_nothing_twice(desk: JobFile) -> None:
    """Lines that were added get a job; equal lines have one each, wherever they stand now."""
    desk.write(*prompts(3), *prompts(1))
    assert desk.submitted()["handed_in"] == 4
    desk.collected()
    bill = desk.sim.bill.total_nanousd
    desk.write({"prompt": "new", "model": MODEL, "max_tokens": 20}, *prompts(1), *prompts(3))
    again = desk.submitted()
    assert (again["handed_in"], again["before"]) == (1, {"done": 4})
    assert desk.collected()["answered"] == 1
    assert len(desk.results()) == 5
    assert len(desk.sim.bill.rows) == 5
    assert desk.sim.bill.total_nanousd > bill
    once_more = desk.submitted("--name", "monday")
    assert once_more["handed_in"] == 5
    desk.settled()


def test_what_cannot_wait_is_refused_and_never_asked(desk: JobFile) -> None:
    """Not at the plain price either; the other lines go on."""
    search = [{"type": "web_search_20250305", "name": "web_search"}]
    user = [{"role": "user", "content": "Hi"}]
    desk.write(
        *prompts(1),
        {**claude(1), "tools": search},
        claude(2),
        {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": user, "tools": search},
        {"model": "gpt-4o", "input": "Hi", "previous_response_id": "resp_1"},
        "{nope",
    )
    told = desk.submitted(code=1)
    assert (told["ended"], told["handed_in"], told["cannot_wait"]) == ("refused", 2, 4)
    assert any("uses tools that the provider runs" in one for one in told["wrong"])
    assert any("it depends on state at the provider" in one for one in told["wrong"])
    got = desk.collected(code=1)
    assert (got["answered"], got["failed"], got["without_job"]) == (2, 1, 3)
    assert len(desk.sim.bill.rows) == 2
    assert not [one for one in desk.sim.requests if one.path == "/v1/chat/completions"]


def test_a_wait_that_is_too_short_for_batches_is_refused(tmp_path: Path) -> None:
    """With both times."""
    with Simulator() as sim:
        desk = JobFile(sim, tmp_path, quick=QUICK.replace('least = "1s"', 'least = "1h"'))
        desk.write(*prompts(2))
        told = desk.submitted("--max-wait", "30m", code=1)
        assert "may wait 1800 s, and batches begin at 3600 s" in told["wrong"][0]
        assert sim.requests == ()


def test_what_failed_is_handed_in_again_when_asked(desk: JobFile) -> None:
    """A provider that was down all the time: nothing was paid, and the next try is answered."""
    desk.write(*prompts(4))
    desk.sim.fault("503:path=/v1/files")
    assert desk.submitted("--max-wait", "1s", code=0)["handed_in"] == 4
    got = desk.collected(code=1)
    assert (got["ended"], got["failed"], got["spent_nanousd"]) == ("failed", 4, 0)
    assert "it was not answered in the time" in desk.results()[0]["error"]["message"]
    desk.sim.no_faults()
    assert desk.submitted()["handed_in"] == 0
    assert desk.submitted("--retry-failed")["handed_in"] == 4
    assert desk.collected()["answered"] == 4
    assert [one["error"] for one in desk.results()] == [None] * 4
    desk.settled()


def test_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    """While lines are handed in, sent, and collected; the same commands go on."""
    with Simulator(settings=Settings(batch_item_ms=5.0)) as sim:
        desk = JobFile(sim, tmp_path)
        desk.write(*prompts(150), *(claude(number) for number in range(50)))
        file, out = str(desk.file), str(desk.out)
        desk.killed(lambda: desk.jobs_there() > 20, "submit", file, "--yes")
        desk.killed(lambda: desk.jobs_there() > 90, "submit", file, "--yes")
        begun = len(sim.requests)
        desk.killed(lambda: len(sim.requests) > begun, "submit", file, "--yes")
        told = desk.submitted()
        assert told["handed_in"] + sum(told["before"].values()) == 200
        desk.killed(lambda: _lines(desk) > 20, "collect", file, "-o", out)
        got = desk.collected()
        assert (got["answered"] + got["known"], got["failed"]) == (200, 0)
        assert [one["scrimp"]["line"] for one in desk.results()] == list(range(1, 201))
        assert len(sim.bill.rows) == 200
        assert all(row.batch for row in sim.bill.rows)
        desk.settled()


def _lines(desk: JobFile) -> int:
    journal = desk.out.with_name("out.jsonl.journal")
    return journal.read_bytes().count(b"\n") if journal.exists() else 0


@pytest.mark.parametrize("fault", ["expired", "vanished", "hangup", "item-errors=3"])
def test_a_batch_with_a_fault_is_made_good(desk: JobFile, fault: str) -> None:
    """All are answered, each once."""
    desk.sim.fault(f"{fault}:path=/v1/batches:count=1")
    desk.write(*prompts(9))
    desk.submitted()
    assert desk.collected()["answered"] == 9
    assert len(desk.sim.bill.rows) == 9
    desk.settled()


def test_who_does_not_wait_gets_what_is_here(tmp_path: Path) -> None:
    """And the rest later, by the same command."""
    with Simulator(settings=Settings(batch_item_ms=60_000.0)) as sim:
        desk = JobFile(sim, tmp_path)
        desk.write(*prompts(3))
        desk.submitted()
        got = desk.collected("--no-wait", code=1)
        assert (got["ended"], got["waiting"], got["standing"]) == ("waiting", 3, {"in_batch": 3})
        assert desk.out.read_bytes() == b""
        said = desk.collect("--no-wait")
        assert said.exit_code == 1
        assert "3 in batches: the same command fetches them" in " ".join(said.output.split())


def test_a_budget_that_is_used_up_ends_handing_in(tmp_path: Path) -> None:
    """What it bears is handed in and held; the rest is left, and nothing is overspent."""
    budget = '[budgets.daily]\nusd = 0.0002\nper = "day"\n'
    with Simulator(settings=Settings(batch_item_ms=60_000.0)) as sim:
        desk = JobFile(sim, tmp_path)
        config = tmp_path / "scrimp.toml"
        config.write_text(config.read_text() + budget)
        desk.write(*prompts(20))
        told = desk.submitted(code=1)
        assert told["ended"] == "budget"
        assert 0 < told["handed_in"] < 20
        assert told["not_handed_in"] == 20 - told["handed_in"]
        assert "daily" in told["reasons"][0]


def test_a_file_without_jobs_is_told_apart(desk: JobFile) -> None:
    """Nothing is asked that was not handed in, and collecting does not wait for it."""
    desk.write(*prompts(2))
    got = desk.collected(code=1)
    assert (got["ended"], got["without_job"], desk.sim.requests) == ("not_handed_in", 2, ())
    said = " ".join(desk.collect().output.split())
    assert "2 have no job" in said
    assert f"scrimp jobs submit {desk.file}" in said


def test_wrong_usage_is_told(desk: JobFile) -> None:
    """Before anything is read."""
    desk.write(*prompts(1))
    assert "not a time" in desk.submit("--max-wait", "soon").output
    assert "0 is no wait" in desk.submit("--max-wait", "0").output
    assert "--name" in desk.submit("--name", "a b").output
    desk.out = desk.file
    assert "names the file of the calls" in desk.collect().output
    empty = json.dumps({})
    desk.write(empty)
    assert desk.submit("--yes").exit_code == 1
