"""Ends of jobs in their file: each is told by one worker, and none is lost before it is told."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from importlib.resources import files
from pathlib import Path

import pytest

from scrimp.jobs import AS_SET, Booking, Standing
from scrimp.stores.sqlite_jobs_rows import APPLICATION_ID
from tests.support.core import FakeClock
from tests.support.jobs import JobFile, answered, deferred, job_at, job_store

HOUR_S = 3600.0
ELSEWHERE = "https://receiver.example/a?secret=1"


@pytest.fixture
def store(tmp_path: Path) -> JobFile:
    """A file that is not there yet."""
    return job_store(tmp_path / "jobs.sqlite", FakeClock())


def over(store: JobFile, number: int, *, tell: str = AS_SET, first: int = 1) -> list[str]:
    """So many jobs that have their answers; their ids."""
    jobs = [job_at(store.clock, n) for n in range(first, first + number)]
    store.desk.put([(job, deferred(tell=tell)) for job in jobs])
    store.work.finish([(job.id, answered(store.clock)) for job in jobs])
    return [job.id for job in jobs]


def test_only_the_end_of_a_job_is_news(store: JobFile) -> None:
    """Nothing before it is over, and never where nobody is to be told."""
    assert list(store.news.take(lease_s=1, each=9)) == []
    assert not store.path.exists()
    waiting = job_at(store.clock, 1)
    store.desk.put([(waiting, deferred(tell=AS_SET))])
    over(store, 1, tell="", first=2)
    assert list(store.news.take(lease_s=1, each=9)) == []
    store.work.finish([(waiting.id, answered(store.clock))])
    (news,) = store.news.take(lease_s=1, each=9)
    assert (news.job.id, news.job.state, news.address, news.tries) == (
        *(waiting.id, "done", AS_SET),
        1,
    )


def test_a_job_that_was_called_off_is_news_too(store: JobFile) -> None:
    """Once: it ends once."""
    job = job_at(store.clock, 1)
    store.desk.put([(job, deferred(tell=AS_SET))])
    assert store.desk.cancel(job.id)
    (news,) = store.news.take(lease_s=HOUR_S, each=9)
    assert news.job.state == "cancelled"


def test_many_workers_take_each_news_once(store: JobFile) -> None:
    """While the lease lasts nobody else gets it, whoever asks at the same time."""
    made = over(store, 40)
    others = [job_store(store.path, store.clock) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(lambda one: one.news.take(lease_s=HOUR_S, each=25), others))
    assert sorted(news.job.id for some in taken for news in some) == made


def test_what_a_dead_worker_took_is_due_again(store: JobFile) -> None:
    """After its lease; the next one counts a second try."""
    over(store, 1)
    store.news.take(lease_s=60, each=9)
    store.clock.pass_by(59)
    assert list(store.news.take(lease_s=60, each=9)) == []
    store.clock.pass_by(1)
    (news,) = job_store(store.path, store.clock).news.take(lease_s=60, each=9)
    assert news.tries == 2


def test_what_was_told_is_not_told_again(store: JobFile) -> None:
    """Its client sees when that was."""
    (job_id,) = over(store, 1)
    news = store.news.take(lease_s=1, each=9)
    store.news.told(news)
    store.clock.pass_by(HOUR_S)
    assert list(store.news.take(lease_s=1, each=9)) == []
    found = store.desk.find(job_id, None)
    assert found is not None
    assert found.told_at == store.clock.now() - timedelta(seconds=HOUR_S)


def test_what_failed_is_due_later_or_never(store: JobFile) -> None:
    """A worker who comes too late with it changes nothing."""
    made = over(store, 2)
    late = store.news.take(lease_s=60, each=9)
    store.clock.pass_by(60)
    first, second = store.news.take(lease_s=60, each=9)
    then = store.clock.now() + timedelta(seconds=5)
    store.news.later([(first, then), (second, None)])
    store.news.later([(one, store.clock.now()) for one in late])
    assert list(store.news.take(lease_s=60, each=9)) == []
    store.clock.pass_by(5)
    assert [one.job.id for one in store.news.take(lease_s=60, each=9)] == made[:1]


def test_what_was_given_up_is_known(store: JobFile) -> None:
    """Not what waits for its next try, nor what was told, nor what nobody is to be told of."""
    assert list(store.news.given_up(limit=9)) == []
    made = over(store, 4)
    over(store, 1, tell="", first=5)
    first, second, third, fourth = store.news.take(lease_s=60, each=9)
    store.news.later([(first, None), (second, store.clock.now()), (fourth, None)])
    store.news.told([third])
    assert [one.id for one in store.news.given_up(limit=9)] == [made[3], made[0]]
    assert [one.id for one in store.news.given_up(limit=1)] == [made[3]]


def test_no_address_takes_the_turns_of_another(store: JobFile) -> None:
    """However many wait for one of them."""
    over(store, 20)
    (last,) = over(store, 1, tell=ELSEWHERE, first=21)
    taken = store.news.take(lease_s=1, each=3)
    assert len(taken) == 4
    assert last in [one.job.id for one in taken]
    assert "secret" not in repr(taken)


def test_a_job_is_kept_until_it_is_told(store: JobFile) -> None:
    """Or until that is given up."""
    (job_id,) = over(store, 1)
    store.work.booked([Booking(job_id, 1, 1)])
    late = store.clock.now() + timedelta(days=30)
    assert store.work.tidy(ended_before=late) == 0
    store.news.later([(one, None) for one in store.news.take(lease_s=1, each=9)])
    assert store.work.tidy(ended_before=late) == 1


def test_an_address_is_no_part_of_what_is_kept_of_the_call(store: JobFile) -> None:
    """It stands in one place, from where it goes with the job."""
    over(store, 1, tell=ELSEWHERE)
    (ended,) = store.work.unbooked(limit=9)
    assert ended.deferred.tell == ""


def test_how_all_jobs_stand(store: JobFile) -> None:
    """By state, with the oldest that is not over, what is late, and what is not told."""
    assert store.desk.standing() == Standing({})
    came = store.clock.now()
    store.desk.put([(job_at(store.clock, 9), deferred())])
    store.clock.pass_by(2 * 86400)
    over(store, 2)
    assert store.desk.standing() == Standing({"waiting": 1, "done": 2}, came, 1, 2)


def test_a_file_from_before_webhooks_is_read_and_brought_up(store: JobFile) -> None:
    """Its jobs are there before anything is written, and none of them is told."""
    script = files("scrimp.stores") / "migrations" / "jobs_0001_jobs_and_batches.sql"
    with sqlite3.connect(store.path) as old:
        old.executescript(script.read_text())
        old.execute("PRAGMA user_version = 1")
        old.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        old.execute(
            "INSERT INTO jobs (id, tenant, key, lane, provider, model, dialect, at_us, until_us, "
            "state, size_bytes) VALUES ('a', 't', 'k', 'l', 'p', 'm', 'd', 1, 2, 'batched', 1)"
        )
    old.close()
    assert store.desk.standing().counts == {"batched": 1}
    assert list(store.news.take(lease_s=1, each=9)) == []
    store.work.finish([("a", answered(store.clock))])
    assert list(store.news.take(lease_s=1, each=9)) == []
    assert store.desk.find("a", "t") is not None
