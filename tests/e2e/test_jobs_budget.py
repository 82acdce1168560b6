"""`scrimp jobs submit --budget`: what the jobs of a file may cost, whenever they are handed in."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from scrimp.money import parse_usd
from scrimp.simulator import Settings, Simulator
from tests.support.call_files import MODEL, prompts
from tests.support.job_files import JobFile

USD = "0.0004"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[JobFile]:
    """A provider whose batches are quick, and a file of twenty lines."""
    with Simulator() as sim:
        found = JobFile(sim, tmp_path)
        found.write(*prompts(20))
        yield found


def test_only_what_fits_is_handed_in(desk: JobFile) -> None:
    """The rest is refused with both numbers and the way out, and no bill exceeds the budget."""
    told = desk.submitted("--budget", USD, code=1)
    assert (told["ended"], told["budget_usd"]) == ("budget", USD)
    assert 0 < told["handed_in"] < 20
    assert told["not_handed_in"] == 20 - told["handed_in"]
    assert "budget '--budget'" in told["reasons"][0]
    assert f"left of ${USD}" in told["reasons"][0]
    assert "this call may cost up to $" in told["reasons"][0]
    assert "raise it: --budget USD" in told["reasons"][0]
    desk.collected(code=1)
    assert 0 < desk.sim.bill.total_nanousd <= parse_usd(USD)


def test_the_same_command_goes_on_within_the_same_budget(desk: JobFile) -> None:
    """What answers have really cost counts from then on; all hand-ins together stay inside."""
    counts = []
    for _ in range(3):
        desk.submitted("--budget", USD, code=1)
        desk.collected(code=1)
        assert desk.sim.bill.total_nanousd <= parse_usd(USD)
        counts.append(desk.jobs_there())
    assert 0 < counts[0] < counts[1] < counts[2] < 20
    said = " ".join(desk.submit("--budget", USD, "--estimate").output.split())
    assert f"--budget ${USD}: $0.000" in said
    assert "is spent." in said
    told = desk.submitted("--budget", "1")
    assert told["handed_in"] == 20 - counts[2]
    desk.collected()
    desk.settled()


def test_jobs_that_are_not_over_count_at_their_worst(tmp_path: Path) -> None:
    """Handing in again while batches are on their way finds the budget taken."""
    with Simulator(settings=Settings(batch_item_ms=60_000.0)) as sim:
        desk = JobFile(sim, tmp_path)
        desk.write(*prompts(20))
        first = desk.submitted("--budget", USD, code=1)["handed_in"]
        again = desk.submitted("--budget", USD, code=1)
        assert again["budget_spent_usd"] == "0"
        assert 0 < parse_usd(again["budget_open_usd"]) <= parse_usd(USD)
        # counted by tokens now, a call more may fit; never one beyond the budget
        assert desk.jobs_there() == first + again["handed_in"] < 20


def test_a_budget_counts_for_one_name_of_a_hand_in(desk: JobFile) -> None:
    """Another name is another hand-in, with jobs and a budget of its own."""
    first = desk.submitted("--budget", USD, code=1)
    other = desk.submitted("--budget", USD, "--name", "monday", code=1)
    assert first["handed_in"] == other["handed_in"] > 0
    assert other["budget_spent_usd"] == "0"


def test_budgets_of_the_settings_hold_beside_it(tmp_path: Path) -> None:
    """The tighter one decides, and what it refuses takes nothing of the other."""
    with Simulator(settings=Settings(batch_item_ms=60_000.0)) as sim:
        desk = JobFile(sim, tmp_path)
        config = tmp_path / "scrimp.toml"
        config.write_text(config.read_text() + '[budgets.daily]\nusd = 0.0002\nper = "day"\n')
        desk.write(*prompts(20))
        told = desk.submitted("--budget", "1", code=1)
        assert told["ended"] == "budget"
        assert "daily" in told["reasons"][0]
        told = desk.submitted("--budget", "0.0003", "--name", "b", code=1)
        assert "daily" in told["reasons"][0]
        assert told["handed_in"] == 0


def test_what_failed_before_it_was_sent_takes_nothing(desk: JobFile) -> None:
    """A provider that was down: the whole budget is there for the next try."""
    desk.write(*prompts(4))
    desk.sim.fault("503:path=/v1/files")
    desk.submitted("--max-wait", "1s", "--budget", "1")
    desk.collected(code=1)
    desk.sim.no_faults()
    told = desk.submitted("--budget", "1", "--retry-failed")
    assert (told["handed_in"], told["budget_spent_usd"], told["budget_open_usd"]) == (4, "0", "0")


def test_a_gateway_elsewhere_holds_its_own_budgets(desk: JobFile) -> None:
    """Nobody here could hold one for it."""
    said = " ".join(desk.submit("--budget", USD, "--url", "http://127.0.0.1:9").output.split())
    assert "with --url set it at the gateway" in said
    assert desk.submit("--budget", "much").exit_code == 2


def forgotten(desk: JobFile) -> None:
    """Its jobs are gone, as they are after `keep`."""
    with sqlite3.connect(desk.folder / "state" / "jobs.sqlite") as connection:
        connection.execute("DELETE FROM jobs")
    connection.close()


def test_what_out_answers_is_not_paid_again_when_its_jobs_are_forgotten(desk: JobFile) -> None:
    """Lines that are new get a job, lines that have moved none; without OUT all would be paid."""
    desk.write(*prompts(3), *prompts(1))
    desk.submitted()
    desk.collected()
    bill = desk.sim.bill.total_nanousd
    forgotten(desk)
    out = str(desk.out)
    told = desk.submitted("-o", out)
    assert (told["handed_in"], told["before"]) == (0, {"in_out": 4})
    desk.write({"prompt": "new", "model": MODEL, "max_tokens": 20}, *prompts(3), *prompts(1))
    said = " ".join(desk.submit("-o", out, "--estimate").output.split())
    assert "1 to hand in, 4 have their answer or job (4 answered in OUT)" in said
    assert desk.submitted("-o", out)["handed_in"] == 1
    assert desk.sim.bill.total_nanousd > bill
    assert desk.collected()["answered"] == 1
    assert len(desk.results()) == 5
    assert len(desk.sim.bill.rows) == 5
    assert desk.submitted("--estimate")["to_hand_in"] == 4
    desk.out.write_text('{"id": 1}\n')
    assert "did not write this" in desk.submit("-o", out).output
