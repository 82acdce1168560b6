"""Jobs, batches and their file, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from scrimp.calls import Attempt, Caller, Cost, Target, Task, TraceLine
from scrimp.jobs import Deferred, Gathering, Job, Lane, Outcome
from scrimp.remembered import CacheControl
from scrimp.stores.sqlite_jobs import SqliteJobs, jobs_file
from scrimp.stores.sqlite_jobs_batches import SqliteBatches
from scrimp.stores.sqlite_jobs_news import SqliteJobNews
from scrimp.stores.sqlite_jobs_rows import lane_text
from scrimp.stores.sqlite_jobs_work import SqliteJobWork
from tests.support.core import TARGET, USAGE, FakeClock

LANE = Lane("openai", "openai.chat", "/v1/chat/completions", "gpt-4o-mini")
BODY = b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"secret"}]}'


@dataclass(frozen=True, slots=True)
class JobFile:
    """One file, as each of its ports shows it."""

    path: Path
    clock: FakeClock
    desk: SqliteJobs
    batches: SqliteBatches
    work: SqliteJobWork
    news: SqliteJobNews


def job_store(path: Path, clock: FakeClock) -> JobFile:
    """A file of jobs; nothing is made yet."""
    file = jobs_file(path)
    return JobFile(
        path,
        clock,
        SqliteJobs(file, clock),
        SqliteBatches(file, clock),
        SqliteJobWork(file, clock),
        SqliteJobNews(file, clock),
    )


def job_at(clock: FakeClock, number: int, *, lane: Lane = LANE, **more: Any) -> Job:
    """The n-th job, of key `k`, with a day's time."""
    told: dict[str, Any] = {"tenant": "key:k", "key": "k", "until": clock.now() + timedelta(days=1)}
    return Job(
        id=f"00000000-0000-7000-8000-{number:012d}",
        lane=lane_text(lane),
        provider=lane.provider,
        model=lane.model,
        dialect=lane.dialect,
        at=clock.now(),
        **(told | more),
    )


def deferred(**more: Any) -> Deferred:
    """The call behind a job."""
    told: dict[str, Any] = {
        "operation": "chat",
        "path": "/v1/chat/completions",
        "headers": (("content-type", "application/json"),),
        "caller": Caller("key:k", key="k", tags=("a",)),
        "task": Task("general", "none"),
        "cache": CacheControl(),
        "target": TARGET,
        "to": Target("openai", "gpt-4o-mini", "openai.chat"),
        "asked": BODY,
        "sent": BODY,
        "lines": (TraceLine("budget", "open", (("hold", "h"), ("attempt", 0))),),
    }
    return Deferred(**(told | more))


def answered(clock: FakeClock) -> Outcome:
    """An answer."""
    attempt = Attempt(
        target=TARGET,
        outcome="ok",
        status=200,
        started_at=clock.now(),
        latency_ms=1.0,
        usage=USAGE,
        service_tier="batch",
        cost=Cost.exact(7, price_version="t", lines=()),
    )
    return Outcome("done", 200, b'{"ok":1}', attempt)


def rule(clock: FakeClock, **more: Any) -> Gathering:
    """What waits a minute goes."""
    told: dict[str, Any] = {
        "older_than": clock.now() - timedelta(minutes=1),
        "due_by": clock.now() + timedelta(hours=1),
        "most_items": 100,
        "most_bytes": 1_000_000,
    }
    return Gathering(**(told | more))


def ids(prefix: str = "b") -> Iterator[str]:
    """Names for batches."""
    number = 0
    while True:
        number += 1
        yield f"{prefix}{number}"
