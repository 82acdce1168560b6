"""`scrimp jobs`: what waits, how it stands, and calling it off."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from scrimp.cli.main import cli
from scrimp.jobs import Outcome
from tests.support.core import FakeClock
from tests.support.jobs import answered, deferred, job_at, job_store


def asked(folder: Path, *args: str) -> Result:
    """What the command says."""
    config = folder / "scrimp.toml"
    config.write_text(f'state_dir = "{folder}"\n')
    return CliRunner().invoke(cli, ["jobs", *args, "--config", str(config)])


def filled(folder: Path) -> list[str]:
    """A job that waits, one that is done, one that expired."""
    store = job_store(folder / "jobs.sqlite", FakeClock())
    jobs = [job_at(store.clock, number) for number in range(1, 4)]
    store.desk.put([(job, deferred()) for job in jobs])
    late = Outcome("failed", 504, why="expired", error="too late")
    store.work.finish([(jobs[1].id, answered(store.clock)), (jobs[2].id, late)])
    return [job.id for job in jobs]


def test_an_empty_list_says_so(tmp_path: Path) -> None:
    """And makes no file."""
    assert "No job" in asked(tmp_path, "list").output
    assert not (tmp_path / "jobs.sqlite").exists()


def test_jobs_are_listed_newest_first(tmp_path: Path) -> None:
    """With their states, for people and for machines; nothing that was said is shown."""
    ids = filled(tmp_path)
    lines = asked(tmp_path, "list").output.splitlines()
    assert [line.split()[2] for line in lines] == ids[::-1]
    assert "expired" in lines[0]
    told = json.loads(asked(tmp_path, "list", "--json").output)
    assert [one["status"] for one in told["data"]] == ["failed", "done", "queued"]
    assert "secret" not in json.dumps(told)


def test_a_job_is_shown_and_called_off(tmp_path: Path) -> None:
    """Only while nothing was sent."""
    waits, done, _ = filled(tmp_path)
    assert "queued" in asked(tmp_path, "show", waits).output
    assert "cancelled" in asked(tmp_path, "cancel", waits).output
    assert json.loads(asked(tmp_path, "show", waits, "--json").output)["status"] == "cancelled"
    refused = asked(tmp_path, "cancel", done)
    assert refused.exit_code != 0


def test_a_job_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """In one line."""
    assert asked(tmp_path, "show", "nobody").exit_code != 0


def test_news_that_were_given_up_are_listed(tmp_path: Path) -> None:
    """Of whom no webhook could be told: no others, and no address."""
    assert "No job" in asked(tmp_path, "list", "--given-up").output
    store = job_store(tmp_path / "jobs.sqlite", FakeClock())
    jobs = [job_at(store.clock, number) for number in range(1, 3)]
    address = "https://receiver.example/hook?secret=1"
    store.desk.put([(job, deferred(tell=address)) for job in jobs])
    store.work.finish([(job.id, answered(store.clock)) for job in jobs])
    first, _ = store.news.take(lease_s=60, each=9)
    store.news.later([(first, None)])
    said = asked(tmp_path, "list", "--given-up").output
    assert (jobs[0].id in said, jobs[1].id in said, "receiver" in said) == (True, False, False)
    told = json.loads(asked(tmp_path, "list", "--given-up", "--json").output)
    assert [one["told_at"] for one in told["data"]] == [None]
