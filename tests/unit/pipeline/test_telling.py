"""Webhooks of jobs: told at least once, in turns that no dead address can take from others."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from scrimp.batches.news import MOST_ANSWER, news_of
from scrimp.errors import StoreError
from scrimp.jobs import AS_SET, Job, News, Outcome
from scrimp.notices import Sent
from scrimp.pipeline.telling import Telling, TellingMeans, TellingRules
from tests.support.core import FakeClock
from tests.support.jobs import job_at

DEAD, OTHER = "https://dead.example/", "https://other.example/"


@dataclass
class Queue:
    """News of one round, and what became of them."""

    due: list[News] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    again: list[tuple[str, datetime | None]] = field(default_factory=list)
    broken: bool = False

    def take(self, *, lease_s: float, each: int) -> Sequence[News]:
        """All of it, once."""
        assert lease_s > 60
        assert each > 1
        if self.broken:
            raise StoreError("the file of jobs is not there")
        found, self.due = self.due, []
        return found

    def told(self, news: Sequence[News]) -> None:
        """Remember it."""
        self.done += [one.job.id for one in news]

    def later(self, news: Sequence[tuple[News, datetime | None]]) -> None:
        """Remember it."""
        self.again += [(one.job.id, then) for one, then in news]

    def given_up(self, *, limit: int) -> Sequence[Job]:
        """Nobody asks here."""
        raise NotImplementedError(limit)


@dataclass
class Posted:
    """Takes what is posted, except at dead addresses."""

    dead: tuple[str, ...] = ()
    bodies: list[tuple[str, bytes]] = field(default_factory=list)

    async def send(self, address: str, job_id: str, body: bytes) -> Sent:
        """Try once."""
        self.bodies.append((address, body))
        assert json.loads(body)["id"] == job_id
        await asyncio.sleep(0)
        return Sent(ok=False, said="it answered 500") if address in self.dead else Sent(ok=True)


def outcome(job_id: str) -> Outcome:
    """The one answer."""
    assert job_id
    return Outcome("done", 200, b'{"answer":42}')


def ended(clock: FakeClock, number: int) -> Job:
    """A job that is done."""
    return job_at(clock, number, state="done", ended_at=clock.now(), status=200)


async def holds(name: str) -> bool:
    """One key was revoked."""
    return name != "revoked"


def telling(
    queue: Queue, posts: Posted, clock: FakeClock, *, answers: bool = False, give_up_s: float = 60
) -> Telling:
    """What tells."""
    means = TellingMeans(queue, outcome, posts, clock, lambda: 1.0, holds)
    return Telling(means, TellingRules(answers=answers, give_up_s=give_up_s, pause_s=0.01))


async def test_news_say_which_job_and_where_its_answer_is() -> None:
    """Its key by name; no word of the question or the answer."""
    clock, posts = FakeClock(), Posted()
    queue = Queue([News(ended(clock, 1), AS_SET, 1)])
    assert await telling(queue, posts, clock).once() == 1
    ((_, body),) = posts.bodies
    told, job_id = json.loads(body), "00000000-0000-7000-8000-000000000001"
    assert told.pop("created_at") == told.pop("ended_at")
    assert told == {
        "id": job_id,
        "object": "scrimp.job",
        "status": "done",
        "key": "k",
        "answer": f"/v1/scrimp/jobs/{job_id}/answer",
    }
    assert queue.done == [job_id]


async def test_answers_go_along_when_the_settings_say_so() -> None:
    """As the provider wrote them."""
    clock, posts = FakeClock(), Posted()
    queue = Queue([News(ended(clock, 1), AS_SET, 1)])
    await telling(queue, posts, clock, answers=True).once()
    told = json.loads(posts.bodies[0][1])
    assert (told["answer_status"], told["body"]) == (200, {"answer": 42})


async def test_an_answer_for_a_revoked_key_goes_nowhere() -> None:
    """That the job is over is told all the same."""
    clock, posts = FakeClock(), Posted()
    job = job_at(clock, 1, key="revoked", state="done", ended_at=clock.now())
    await telling(Queue([News(job, AS_SET, 1)]), posts, clock, answers=True).once()
    told = json.loads(posts.bodies[0][1])
    assert (told["status"], "body" in told) == ("done", False)


@pytest.mark.parametrize(
    ("outcome", "body"),
    [
        (Outcome("failed", 500, b'{"error":"secret"}'), None),
        (Outcome("done", 200, b'"' + b"a" * MOST_ANSWER + b'"'), None),
        (Outcome("done", 200, b"\xff no JSON"), "\ufffd no JSON"),
        (None, None),
    ],
)
def test_what_is_no_answer_or_too_large_does_not_go_along(
    outcome: Outcome | None, body: str | None
) -> None:
    """It is fetched; the news is JSON whatever the provider wrote."""
    assert json.loads(news_of(ended(FakeClock(), 1), outcome)).get("body") == body


async def test_a_dead_address_is_tried_a_few_times_a_round(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What waits for it waits longer each time; the others are told, and the log names none."""
    clock, posts = FakeClock(), Posted((DEAD,))
    some = [News(ended(clock, n), DEAD, 3) for n in range(30)]
    good = News(ended(clock, 99), OTHER, 1)
    queue = Queue([*some, good])
    with caplog.at_level(logging.WARNING, logger="scrimp.defer"):
        await telling(queue, posts, clock).once()
    assert queue.done == [good.job.id]
    assert 1 <= sum(address == DEAD for address, _ in posts.bodies) <= 4
    assert sorted(one for one, _ in queue.again) == sorted(one.job.id for one in some)
    assert {then for _, then in queue.again} == {clock.now() + timedelta(seconds=20)}
    (line,) = caplog.messages
    assert "it answered 500 (30 wait for it, 0 were given up)" in line
    assert "dead.example" not in line


async def test_news_are_given_up_after_their_time() -> None:
    """Counted from the end of the job."""
    clock, posts = FakeClock(), Posted((DEAD,))
    job = ended(clock, 1)
    clock.pass_by(56)
    queue = Queue([News(job, DEAD, 1)])
    await telling(queue, posts, clock).once()
    assert queue.again == [(job.id, None)]


async def test_a_file_that_cannot_be_read_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """It is looked at again until the app closes, and said."""
    work = telling(Queue(broken=True), Posted(), FakeClock())
    work.stop()
    with caplog.at_level(logging.WARNING, logger="scrimp.defer"):
        await work.run()
    assert caplog.messages == ["webhooks of jobs wait: the file of jobs is not there"]


async def test_what_is_wrong_with_the_file_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """A damaged file stays so; a log that says it every few seconds hides all else."""
    work = telling(Queue(broken=True), Posted(), FakeClock())
    with caplog.at_level(logging.WARNING, logger="scrimp.defer"):
        for _ in range(3):
            work.stop()
            await work.run()
    assert caplog.messages == ["webhooks of jobs wait: the file of jobs is not there"]
