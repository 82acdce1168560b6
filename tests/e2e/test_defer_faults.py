"""Batches on bad days: half done, expired, vanished, unconfirmed; none lost, none paid twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from tests.support.defer import (
    FAST,
    WAIT,
    anthropic_at,
    asked,
    deferring,
    ended,
    fetch,
    job,
    openai_at,
    put_off,
)
from tests.support.stage import Stage, until


def settled(stage: Stage, jobs: list[str]) -> list[dict[str, Any]]:
    """All are answered, each is billed once, and the ledger has the bill to the nano-dollar."""
    told = ended(stage, *jobs)
    assert [one["status"] for one in told] == ["done"] * len(jobs), told
    entries = stage.gateway.entries()
    assert {one.id for one in entries} == set(jobs)
    bill = stage.sim.quiet(30)
    assert len(bill.rows) == len(jobs)
    assert sum(one.cost_nanousd or 0 for one in entries) == bill.total_nanousd
    for one in entries:
        assert one.baseline_nanousd is not None
        assert one.cost_nanousd is not None
        assert one.baseline_nanousd - one.cost_nanousd == sum(part for _, part in one.saved)
    return told


def chats(client: openai.OpenAI, number: int, **more: Any) -> list[str]:
    """So many calls that may wait."""
    return [put_off(client, f"What is {n}?", **more) for n in range(number)]


def messages(client: anthropic.Anthropic, number: int) -> list[str]:
    """The same for the other vendor."""
    return [
        client.messages.create(
            model="claude-haiku-4-5",
            max_tokens=200,
            messages=asked(f"What is {n}?"),
            extra_headers=WAIT,
        ).id
        for n in range(number)
    ]


FAULTS = ("expired", "item-errors=2", "vanished", "hangup", "500:work", "503", "429", "cut=10")


@pytest.mark.parametrize("fault", FAULTS)
def test_openais_batch_with_a_fault_is_made_good(fault: str) -> None:
    """What is unanswered goes into another batch; one that may have been begun is found again."""
    with deferring() as stage, openai_at(stage) as client:
        stage.sim.fault(f"{fault}:path=/v1/batches:count=1")
        settled(stage, chats(client, 6))
        assert all(row.batch for row in stage.sim.bill.rows)


@pytest.mark.parametrize("fault", FAULTS)
def test_anthropics_batch_with_a_fault_is_made_good(fault: str) -> None:
    """The same without metadata: a batch is known again by its results."""
    with deferring() as stage, anthropic_at(stage) as client:
        stage.sim.fault(f"{fault}:path=/v1/messages/batches:count=1")
        settled(stage, messages(client, 6))
        assert all(row.batch for row in stage.sim.bill.rows)


@pytest.mark.parametrize("fault", ["hangup", "500", "cut=200", "bad-json"])
def test_a_file_that_cannot_be_fetched_is_fetched_again(fault: str) -> None:
    """Answers that had come before it broke off are written down once."""
    with deferring() as stage, openai_at(stage) as client:
        stage.sim.fault(f"{fault}:path=/v1/files/:count=2")
        settled(stage, chats(client, 6))


@pytest.mark.parametrize("count", [3, 5])
def test_results_that_are_damaged_again_and_again_are_not_paid_for_twice(count: int) -> None:
    """To fetch them once more costs nothing; to ask once more would."""
    with deferring() as stage, openai_at(stage) as client:
        stage.sim.fault(f"bad-json=2:path=/v1/files/:count={count}")
        settled(stage, chats(client, 6))
        assert all(row.batch for row in stage.sim.bill.rows)


def test_what_two_batches_did_not_answer_is_asked_alone() -> None:
    """At the plain price, which is no saving."""
    with deferring() as stage, openai_at(stage) as client:
        stage.sim.fault("item-errors=1:path=/v1/batches")
        settled(stage, chats(client, 3))
        assert [row.batch for row in stage.sim.bill.rows] == [""] * 3
        assert {one.saved for one in stage.gateway.entries()} == {()}


def test_what_a_provider_has_no_room_for_goes_in_smaller_batches() -> None:
    """An account's queue is full: nothing is asked at the plain price for it, and no try counts."""
    with deferring() as stage, openai_at(stage) as client:
        stage.sim.fault("no-room=2:path=/v1/batches")
        settled(stage, chats(client, 9))
        batches = [row.batch for row in stage.sim.bill.rows]
        assert all(batches)
        assert max(batches.count(one) for one in batches) <= 2


def test_what_never_finds_room_is_answered_in_its_time() -> None:
    """By itself, shortly before, at the plain price."""
    with deferring(fast=FAST.replace("alone_s = 0", "alone_s = 4")) as stage:
        stage.sim.fault("no-room:path=/v1/batches")
        with openai_at(stage) as client:
            told = settled(stage, [put_off(client, headers={"x-scrimp-max-wait": "8s"})])
        assert [row.batch for row in stage.sim.bill.rows] == [""]
        assert told[0]["tries"] <= 1, told


def test_who_names_no_version_of_anthropics_is_answered_alone_too() -> None:
    """As in a batch, which is sent with one."""
    with deferring() as stage:
        stage.sim.fault("item-errors=1:path=/v1/messages/batches")
        body = {"model": "claude-haiku-4-5", "max_tokens": 50, "messages": asked()}
        status, told = fetch(stage, "/v1/messages", body=body, headers=WAIT)
        assert status == 202
        settled(stage, [told["id"]])
        assert [row.batch for row in stage.sim.bill.rows] == [""]


def test_a_batch_that_takes_too_long_is_recalled() -> None:
    """What it has done by then is kept, the rest is asked alone in time."""
    fast = FAST.replace("alone_s = 0", "alone_s = 86390").replace("gather_s = 0.05", "gather_s = 5")
    with deferring(fast=fast, more="most_items = 4\n") as stage:
        stage.sim.fault("stall=2:path=/v1/batches:count=1")
        with openai_at(stage) as client:
            settled(stage, chats(client, 4))
        assert sorted(bool(row.batch) for row in stage.sim.bill.rows) == [False, False, True, True]


def test_what_is_not_answered_in_its_time_expires() -> None:
    """Nothing is paid, and whoever asks for the answer is told."""
    with deferring() as stage, openai_at(stage) as client:
        stage.sim.fault("503:path=/v1/files")
        stage.sim.fault("503:path=/v1/batches")
        job_id = put_off(client, headers={"x-scrimp-max-wait": "1s"})
        (told,) = ended(stage, job_id)
        assert (told["status"], told["error"]["why"]) == ("failed", "expired")
        assert fetch(stage, f"/v1/scrimp/jobs/{job_id}/answer")[0] == 504
        (entry,) = stage.gateway.entries()
        assert (entry.cost_nanousd, stage.sim.bill.rows) == (0, ())


def test_a_key_that_is_revoked_meanwhile_sends_nothing() -> None:
    """Its calls are not asked, nothing is paid, and nobody sees its jobs any more."""
    fast = FAST.replace("gather_s = 0.05", "gather_s = 2")
    with deferring(fast=fast) as stage:
        made = _key(stage, "nightly")
        with openai_at(stage, made) as client:
            job_id = put_off(client)
        assert job(stage, job_id, key=made)["status"] == "queued"
        _revoke(stage, "nightly")
        jobs = stage.gateway.app.jobs
        assert jobs is not None

        def over() -> bool:
            found = jobs.desk.find(job_id, None)
            return found is not None and found.ended_at is not None

        until(over, limit_s=60)
        found = jobs.desk.find(job_id, None)
        assert found is not None
        assert (found.state, found.why) == ("failed", "revoked")
        assert stage.sim.requests == ()
        assert fetch(stage, f"/v1/scrimp/jobs/{job_id}", key=made)[0] == 401


def test_a_damaged_file_of_jobs_costs_no_call(tmp_path: Path) -> None:
    """Calls go live and say why; the file stays as it is, and whoever asks for jobs is told."""
    path = tmp_path / "jobs.sqlite"
    path.write_bytes(b"SQLite format 3\x00" + b"\xff" * 4096)
    with deferring(more=f'path = "{path}"\n') as stage, openai_at(stage) as client:
        told = client.chat.completions.create(
            model="gpt-4o-mini", messages=asked(), max_tokens=50, extra_headers=WAIT
        )
        assert told.choices[0].message.content
        (entry,) = stage.gateway.entries()
        (why,) = [dict(line.numbers)["why"] for line in entry.trace if line.lever == "defer"]
        assert why == "no_queue"
        assert fetch(stage, "/v1/scrimp/jobs")[0] == 503
    assert path.read_bytes().endswith(b"\xff" * 4096)


def _key(stage: Stage, name: str) -> str:
    """A key that the admin API makes."""
    status, told = fetch(stage, "/v1/scrimp/admin/keys", key="", body={"name": name})
    assert status == 201, told
    key: str = told["secret"]
    return key


def _revoke(stage: Stage, name: str) -> None:
    """By the admin API."""
    path = f"/v1/scrimp/admin/keys/{name}"
    assert fetch(stage, path, key="", method="DELETE")[0] in (200, 204)
