"""Gathering from very many waiting jobs: what it reads and whom it keeps waiting is bounded."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from scrimp.stores.sqlite_brief import Brief
from scrimp.stores.sqlite_jobs_batches import HEAD, LANES, NEXT
from tests.support.core import FakeClock
from tests.support.jobs import LANE, JobFile, deferred, ids, job_at, job_store, rule

MANY = 100_000
_STEPS = 100


@pytest.fixture
def store(tmp_path: Path) -> JobFile:
    """A file with one job in each of two lanes."""
    made = job_store(tmp_path / "jobs.sqlite", FakeClock())
    other = replace(LANE, model="gpt-4o")
    jobs = [job_at(made.clock, 1), job_at(made.clock, 2, lane=other)]
    made.desk.put([(job, deferred()) for job in jobs])
    return made


def more(store: JobFile, number: int, first: int = 0) -> None:
    """So many more, like the two that are there, a moment later each."""
    with sqlite3.connect(store.path) as connection:
        connection.execute(
            "INSERT INTO jobs (id, tenant, key, lane, provider, model, dialect, at_us, until_us, "
            "state, size_bytes) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
            "WHERE i < ?) SELECT printf('1%08d', ? + i), tenant, key, lane, provider, model, "
            "dialect, at_us + i, until_us + i, state, size_bytes FROM n, jobs "
            "WHERE jobs.rowid = 1 + i % 2",
            (number, first),
        )
    connection.close()


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[int]]:
    """How many hundreds of steps SQLite took in each connection, by what it was opened for."""
    taken: dict[str, list[int]] = {"reading": [], "writing": []}

    def counted(kind: str) -> None:
        opened = getattr(Brief, kind)

        @contextmanager
        def watched(self: Brief) -> Iterator[sqlite3.Connection | None]:
            with opened(self) as connection:
                taken[kind].append(0)

                def step() -> int:
                    taken[kind][-1] += 1
                    return 0

                if connection is not None:
                    connection.set_progress_handler(step, _STEPS)
                yield connection

        monkeypatch.setattr(Brief, kind, watched)

    counted("reading")
    counted("writing")
    return taken


def test_looking_for_what_is_ready_locks_nothing_and_reads_little(
    store: JobFile, steps: dict[str, list[int]]
) -> None:
    """A hundred thousand jobs that wait cost no more steps than a hundred, and no writer waits."""
    nothing = rule(
        store.clock,
        older_than=store.clock.now() - timedelta(days=1),
        most_items=50,
        most_bytes=10**12,
    )
    more(store, 60)
    assert store.batches.gather(nothing, ids()) == 0
    more(store, MANY, first=1_000)
    steps["reading"].clear()
    full = replace(nothing, most_items=MANY)
    assert store.batches.gather(full, ids()) == 0
    assert steps["writing"] == []
    assert max(steps["reading"]) * _STEPS < MANY * 12  # what one batch may hold, no more than once
    with store_reading(store) as connection:
        taken = [0]

        def step() -> int:
            taken[0] += 1
            return 0

        connection.set_progress_handler(step, _STEPS)
        rows = connection.execute(LANES).fetchall()
        counts = [connection.execute(HEAD, (row[0], 50)).fetchone()[0] for row in rows]
    assert counts == [50, 50]
    assert taken[0] < 20


@contextmanager
def store_reading(store: JobFile) -> Iterator[sqlite3.Connection]:
    """Its file, to look at."""
    connection = sqlite3.connect(f"file:{store.path}?mode=ro", uri=True)
    try:
        yield connection
    finally:
        connection.close()


def test_each_batch_is_a_transaction_of_its_own(
    store: JobFile, steps: dict[str, list[int]]
) -> None:
    """The lock is held for as many jobs as a batch has, however many wait."""
    more(store, 4_000)
    store.clock.pass_by(4_000)
    assert store.batches.gather(rule(store.clock), ids()) == 42
    assert len(steps["writing"]) == 44
    assert max(steps["writing"]) * _STEPS < 60_000
    assert sum(one.items for one in store.batches.batches()) == 4_002


@pytest.mark.parametrize("query", [LANES, HEAD, NEXT], ids=["lanes", "head", "next"])
def test_no_query_reads_the_table(store: JobFile, query: str) -> None:
    """Bodies lie in it: only indexes are read."""
    with store_reading(store) as connection:
        given = () if query is LANES else ("lane", 10)
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}", given)]
    looks = [one for one in plan if "jobs" in one]
    assert looks
    assert all("USING COVERING INDEX jobs_" in one for one in looks), plan
