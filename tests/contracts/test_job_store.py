"""The file of jobs: each job once, in one batch, seen by its own tenant; a crash loses nothing."""

from __future__ import annotations

import os
import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from msgspec.structs import replace

from scrimp.errors import StoreError
from scrimp.jobs import Booking, Lane, Outcome
from scrimp.stores.sqlite_alerts import SqliteAlerts
from tests.support.core import FakeClock
from tests.support.jobs import (
    BODY,
    LANE,
    JobFile,
    answered,
    deferred,
    ids,
    job_at,
    job_store,
    rule,
)


@pytest.fixture
def store(tmp_path: Path) -> JobFile:
    """A file that is not there yet."""
    return job_store(tmp_path / "state" / "jobs.sqlite", FakeClock())


def fill(store: JobFile, number: int, *, lane: Lane = LANE, first: int = 1) -> list[str]:
    """So many jobs; their ids."""
    jobs = [job_at(store.clock, n, lane=lane) for n in range(first, first + number)]
    store.desk.put([(job, deferred()) for job in jobs])
    return [job.id for job in jobs]


def batched(store: JobFile, number: int) -> list[str]:
    """So many jobs in the batch `b1`."""
    made = fill(store, number)
    store.clock.pass_by(60)
    assert store.batches.gather(rule(store.clock), ids()) == 1
    return made


def test_looking_makes_no_file(store: JobFile, tmp_path: Path) -> None:
    """Nothing waits, nobody leads."""
    assert store.desk.find("x", None) is None
    assert store.desk.outcome("x") is None
    assert not store.desk.cancel("x")
    assert list(store.desk.jobs(None, limit=9)) == []
    assert store.desk.counts() == {}
    assert not store.batches.lead("me", lease_s=1)
    assert list(store.batches.batches()) == []
    assert list(store.work.unbooked(limit=9)) == []
    store.desk.check()
    assert list(tmp_path.iterdir()) == []


def test_a_job_is_kept_closed_to_others(store: JobFile) -> None:
    """It is there for whoever opens the file next, which only its owner may read."""
    (job_id,) = fill(store, 1)
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    again = job_store(store.path, store.clock)
    found = again.desk.find(job_id, "key:k")
    assert found == job_at(store.clock, 1)
    assert again.desk.counts() == {"waiting": 1}


def test_a_job_is_seen_by_its_own_tenant(store: JobFile) -> None:
    """By nobody else, and not in lists either; the operator sees all."""
    fill(store, 1)
    other = job_at(store.clock, 2, tenant="key:other", key="other")
    store.desk.put([(other, deferred())])
    assert store.desk.find(other.id, "key:k") is None
    assert [one.id for one in store.desk.jobs("key:other", limit=9)] == [other.id]
    assert [one.key for one in store.desk.jobs(None, limit=9)] == ["other", "k"]
    assert [one.key for one in store.desk.jobs(None, after=other.id, limit=9)] == ["k"]
    assert list(store.desk.jobs(None, states=("done",), limit=9)) == []


def test_a_name_of_the_clients_own_is_one_job(store: JobFile) -> None:
    """Asked again by it, the first job comes back; another tenant's same name is another's."""
    first, second = job_at(store.clock, 1, ref="r"), job_at(store.clock, 2, ref="r")
    third = job_at(store.clock, 3, ref="r", tenant="key:other")
    assert list(store.desk.put([(first, deferred())])) == [first]
    kept = store.desk.put([(second, deferred()), (third, deferred())])
    assert [one.id for one in kept] == [first.id, third.id]


def test_jobs_are_found_by_their_names(store: JobFile) -> None:
    """As many as there are, of one tenant, however many are asked for; no name is nobody's."""
    assert list(store.desk.named("key:k", ["r1"])) == []
    jobs = [job_at(store.clock, n, ref=f"r{n}" if n % 2 else "") for n in range(1, 1300)]
    other = job_at(store.clock, 1300, ref="r1", tenant="key:other")
    store.desk.put([(job, deferred()) for job in (*jobs, other)])
    found = store.desk.named("key:k", ["", "nobody", *(f"r{n}" for n in range(1, 1300))])
    assert sorted(one.id for one in found) == [job.id for job in jobs if job.ref]
    assert [one.id for one in store.desk.named("key:other", ["r1", "r3"])] == [other.id]


def test_a_job_says_when_it_is_booked(store: JobFile) -> None:
    """Its cost is known then, or never will be."""
    (job_id,) = fill(store, 1)
    store.work.finish([(job_id, answered(store.clock))])
    found = store.desk.find(job_id, None)
    assert found is not None
    assert not found.booked
    store.work.booked([Booking(job_id, None, None)])
    found = store.desk.find(job_id, None)
    assert found is not None
    assert (found.booked, found.cost_nanousd) == (True, None)


@pytest.mark.parametrize(
    ("age_s", "more", "batches"),
    [
        (0, {}, 0),
        (60, {}, 1),
        (0, {"most_items": 3}, 2),
        (0, {"most_bytes": 3 * len(BODY)}, 2),
        (0, {"due_by": FakeClock().now() + timedelta(days=2)}, 1),
    ],
)
def test_what_is_full_old_or_due_makes_a_batch(
    store: JobFile, age_s: float, more: dict[str, object], batches: int
) -> None:
    """Each waits until then, and no batch is larger than it may be."""
    made = fill(store, 5)
    store.clock.pass_by(age_s)
    assert store.batches.gather(rule(store.clock, **more), ids()) == batches
    lines = [line for one in store.batches.batches() for line in store.batches.lines(one.id)]
    assert sorted(job.id for job, _ in lines) == (made if batches else [])
    assert all(body == BODY for _, body in lines)


def test_one_batch_holds_one_lane(store: JobFile) -> None:
    """Models, endpoints and providers stay apart."""
    fill(store, 2)
    fill(store, 2, lane=replace(LANE, model="gpt-4o"), first=3)
    store.clock.pass_by(60)
    assert store.batches.gather(rule(store.clock), ids()) == 2
    assert {one.lane.model for one in store.batches.batches()} == {"gpt-4o-mini", "gpt-4o"}
    assert [one.items for one in store.batches.batches()] == [2, 2]


def test_a_job_larger_than_a_batch_goes_alone(store: JobFile) -> None:
    """It would wait for ever otherwise."""
    fill(store, 2)
    store.clock.pass_by(60)
    assert store.batches.gather(rule(store.clock, most_bytes=1), ids()) == 2


def test_no_job_gets_into_two_batches(store: JobFile) -> None:
    """However many gather at once."""
    made = fill(store, 40)
    store.clock.pass_by(60)
    stores = [job_store(store.path, store.clock) for _ in range(4)]
    numbers = count()

    def gather(one: JobFile) -> int:
        small = rule(store.clock, most_items=7)
        return one.batches.gather(small, ids(f"{next(numbers)}-"))

    with ThreadPoolExecutor(4) as pool:
        total = sum(pool.map(gather, stores))
    lines = [line for one in store.batches.batches() for line in store.batches.lines(one.id)]
    assert sorted(job.id for job, _ in lines) == made
    assert len(store.batches.batches()) == total


def test_one_leads_until_its_lease_ends(store: JobFile) -> None:
    """The leader goes on by asking again; another takes over when it does not."""
    fill(store, 1)
    assert store.batches.lead("a", lease_s=30)
    assert not store.batches.lead("b", lease_s=30)
    store.clock.pass_by(20)
    assert store.batches.lead("a", lease_s=30)
    store.clock.pass_by(29)
    assert not store.batches.lead("b", lease_s=30)
    store.clock.pass_by(1)
    assert store.batches.lead("b", lease_s=30)
    assert not store.batches.lead("a", lease_s=30)


def test_a_batch_moves_once_from_each_state(store: JobFile) -> None:
    """Whoever has an old picture of it changes nothing."""
    batched(store, 1)
    (batch,) = store.batches.batches()
    sending = replace(batch, state="sending", sent_at=store.clock.now(), file="f")
    assert store.batches.move(batch, sending)
    assert not store.batches.move(batch, sending)
    assert list(store.batches.batches()) == [sending]
    sent = replace(sending, state="sent", remote="batch_1", misses=2, recalled=True)
    assert store.batches.move(sending, sent)
    assert store.batches.remotes() == {"batch_1"}
    assert store.batches.move(sent, replace(sent, state="over"))
    assert list(store.batches.batches()) == []
    assert store.batches.remotes() == {"batch_1"}


def test_a_job_ends_once(store: JobFile) -> None:
    """A result that is read again changes nothing, nor one of another batch."""
    first, second = batched(store, 2)
    end = answered(store.clock)
    assert store.work.finish([(first, end), ("nobody", end)], "b1") == 1
    assert store.work.finish([(first, replace(end, status=500))], "b1") == 0
    assert store.work.finish([(second, end)], "b2") == 0
    found = store.desk.find(first, "key:k")
    assert found is not None
    assert (found.state, found.status, found.ended_at) == ("done", 200, store.clock.now())
    assert store.desk.outcome(first) == end
    assert store.desk.outcome(second) is None
    assert [job.id for job, _ in store.batches.lines("b1")] == [second]


def test_what_a_batch_did_not_answer_goes_on(store: JobFile) -> None:
    """Into another batch, or by itself; it is counted."""
    first, second = batched(store, 2)
    store.work.go_on([first], "waiting", tried=True)
    store.work.go_on([second], "single", tried=True)
    store.work.finish([(second, answered(store.clock))], "b1")
    assert [job.id for job in store.work.in_state("single", limit=9)] == [second]
    assert [job.tries for job in store.work.in_state("waiting", limit=9)] == [1]
    assert list(store.batches.lines("b1")) == []


def test_a_job_is_asked_by_one(store: JobFile) -> None:
    """Who takes it gets what was said; the next one gets nothing."""
    (job_id,) = fill(store, 1)
    assert store.work.take(job_id) is None
    store.work.go_on([job_id], "single", tried=False)
    assert store.work.take(job_id) == deferred()
    assert store.work.take(job_id) is None
    assert [job.id for job in store.work.in_state("asking", limit=9)] == [job_id]


def test_what_levers_changed_is_kept_beside_what_was_asked(store: JobFile) -> None:
    """Both bodies, byte for byte."""
    said = deferred(sent=b'{"less":1}')
    store.desk.put([(job_at(store.clock, 1), said)])
    job_id = job_at(store.clock, 1).id
    store.work.go_on([job_id], "single", tried=False)
    assert store.work.take(job_id) == said


def test_only_what_was_not_sent_can_be_called_off(store: JobFile) -> None:
    """A job in a batch may be paid already."""
    first, second = fill(store, 2)
    assert store.desk.cancel(first)
    assert not store.desk.cancel(first)
    store.clock.pass_by(60)
    store.batches.gather(rule(store.clock), ids())
    assert not store.desk.cancel(second)
    assert store.desk.counts() == {"cancelled": 1, "batched": 1}


def test_what_is_booked_is_forgotten_but_for_its_answer(store: JobFile) -> None:
    """What a client said is in the file no longer than it is needed."""
    (job_id,) = batched(store, 1)
    store.work.finish([(job_id, answered(store.clock))], "b1")
    (ended,) = store.work.unbooked(limit=9)
    assert (ended.job.id, ended.deferred, ended.outcome) == (
        job_id,
        deferred(),
        answered(store.clock),
    )
    store.work.booked([Booking(job_id, 7, 8)])
    assert list(store.work.unbooked(limit=9)) == []
    found = store.desk.find(job_id, "key:k")
    assert found is not None
    assert (found.cost_nanousd, found.saved_nanousd) == (7, 8)
    with sqlite3.connect(store.path) as raw:
        row = raw.execute("SELECT deferred, asked, sent, body FROM jobs").fetchone()
    raw.close()
    assert row == (None, None, None, b'{"ok":1}')


def test_old_jobs_are_forgotten_once_they_are_booked(store: JobFile) -> None:
    """With their answers, and never before."""
    first, second = batched(store, 2)
    store.work.finish([(one, answered(store.clock)) for one in (first, second)], "b1")
    store.work.booked([Booking(first, None, None)])
    store.clock.pass_by(10)
    assert store.work.tidy(ended_before=store.clock.now()) == 1
    assert [one.id for one in store.desk.jobs(None, limit=9)] == [second]


def test_what_must_be_answered_soon_is_found(store: JobFile) -> None:
    """Of jobs that nobody asks yet."""
    soon = job_at(store.clock, 1, until=store.clock.now() + timedelta(minutes=5))
    store.desk.put([(soon, deferred()), (job_at(store.clock, 2), deferred())])
    by = store.clock.now() + timedelta(minutes=6)
    assert [one.id for one in store.work.waiting(until=by, limit=9)] == [soon.id]
    store.work.finish([(soon.id, Outcome("failed", why="expired", error="late"))])
    assert list(store.work.waiting(until=by, limit=9)) == []


def test_a_damaged_file_is_an_error_and_stays_as_it_is(store: JobFile) -> None:
    """It may tell of batches that are paid: nobody writes over it."""
    fill(store, 200)
    size = store.path.stat().st_size
    with store.path.open("r+b") as raw:
        raw.seek(4096)
        raw.write(os.urandom(size - 4096))
    damaged = store.path.read_bytes()
    again = job_store(store.path, store.clock)
    with pytest.raises(StoreError):
        again.desk.check()
    with pytest.raises(StoreError):
        again.desk.put([(job_at(store.clock, 900), deferred())])
    assert store.path.read_bytes() == damaged


@pytest.mark.parametrize("content", [b"no database at all", b"SQLite format 3\x00" + b"\xff" * 99])
def test_what_is_no_database_is_an_error(store: JobFile, content: bytes) -> None:
    """In words that name the file."""
    store.path.parent.mkdir()
    store.path.write_bytes(content)
    with pytest.raises(StoreError, match=r"jobs\.sqlite"):
        store.desk.check()
    with pytest.raises(StoreError, match=r"jobs\.sqlite"):
        store.desk.find("x", None)


def test_another_file_of_scrimps_is_not_taken_for_jobs(store: JobFile) -> None:
    """Its header says whose it is."""
    box = SqliteAlerts(store.path, store.clock)
    assert box.turn("t", every_s=1)
    with pytest.raises(StoreError, match="not a file of jobs"):
        store.desk.put([(job_at(store.clock, 1), deferred())])
