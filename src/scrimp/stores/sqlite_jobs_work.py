"""Jobs in their file as the one worker knows them who leads: asked, ended, booked, forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from scrimp.budgets.windows import micros
from scrimp.jobs import Booking, Deferred, Ended, Job, JobState, Outcome
from scrimp.ports import Clock
from scrimp.stores.sqlite_brief import Brief
from scrimp.stores.sqlite_jobs_rows import JOB, OUTCOME, Row, deferred_of, job_of, outcome_of

_FINISH = """
UPDATE jobs SET state = ?, status = ?, body = ?, attempt = ?, why = ?, error = ?, booked = ?,
ended_us = ?, tell_us = iif(tell = '', NULL, ?) WHERE id = ? AND ended_us IS NULL
"""
_FINISH_IN = f"{_FINISH} AND state = 'batched' AND batch = ?"
_GO_ON = """
UPDATE jobs SET state = ?, batch = '', tries = tries + ? WHERE id = ? AND ended_us IS NULL
"""
_TAKE = """
UPDATE jobs SET state = 'asking' WHERE id = ? AND state = 'single'
RETURNING deferred, asked, sent
"""
_BOOKED = """
UPDATE jobs SET booked = 1, cost_nanousd = ?, saved_nanousd = ?, deferred = NULL, asked = NULL,
sent = NULL WHERE id = ?
"""
_TIDY = "DELETE FROM jobs WHERE booked = 1 AND ended_us < ? AND tell_us IS NULL"
_TIDY_BATCHES = """
DELETE FROM batches WHERE state = 'over' AND made_us < ?
AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.batch = batches.id)
"""
_KEPT_BATCHES_US = 30 * 86400 * 1_000_000


class SqliteJobWork:
    """Implements `jobs.JobWork`."""

    def __init__(self, file: Brief, clock: Clock) -> None:
        self._file = file
        self._now = clock.now

    def finish(self, ends: Sequence[tuple[str, Outcome]], batch_id: str = "") -> int:
        """End jobs; how many had not ended before. Raises StoreError."""
        now_us, done = micros(self._now()), 0
        sql, more = (_FINISH_IN, (batch_id,)) if batch_id else (_FINISH, ())
        with self._file.writing() as connection:
            for job_id, outcome in ends:
                given = (*_values(outcome), now_us, now_us, job_id, *more)
                done += connection.execute(sql, given).rowcount
        return done

    def go_on(self, job_ids: Sequence[str], state: JobState, *, tried: bool) -> None:
        """Take jobs out of their batch into another state. Raises StoreError."""
        with self._file.writing() as connection:
            connection.executemany(_GO_ON, [(state, int(tried), one) for one in job_ids])

    def waiting(self, *, until: datetime, limit: int) -> Sequence[Job]:
        """Jobs that nobody asks yet and that must be answered by then. Raises StoreError."""
        where = "ended_us IS NULL AND state = 'waiting' AND until_us <= ? ORDER BY until_us LIMIT ?"
        return self._jobs(where, (micros(until), limit))

    def take(self, job_id: str) -> Deferred | None:
        """Begin to ask a job by itself. Raises StoreError."""
        with self._file.writing() as connection:
            row = connection.execute(_TAKE, (job_id,)).fetchone()
            return None if row is None else deferred_of(*row)

    def in_state(self, state: JobState, *, limit: int) -> Sequence[Job]:
        """The oldest jobs in a state. Raises StoreError."""
        return self._jobs("state = ? ORDER BY at_us, id LIMIT ?", (state, limit))

    def unbooked(self, *, limit: int) -> Sequence[Ended]:
        """Ended jobs that are not in the ledger yet. Raises StoreError."""
        query = (
            f"SELECT {JOB}, {OUTCOME}, deferred, asked, sent FROM jobs "  # noqa: S608 - constants only
            "WHERE booked = 0 AND ended_us IS NOT NULL ORDER BY ended_us, id LIMIT ?"
        )
        names, told = JOB.count(",") + 1, OUTCOME.count(",") + 1
        with self._file.reading() as connection:
            rows = [] if connection is None else connection.execute(query, (limit,)).fetchall()
        return [
            Ended(
                job_of(row[:names]),
                deferred_of(*row[names + told :]),
                outcome_of(row[names : names + told]),
            )
            for row in rows
        ]

    def booked(self, bookings: Sequence[Booking]) -> None:
        """They are in the ledger: what was said in them is forgotten. Raises StoreError."""
        with self._file.writing() as connection:
            connection.executemany(
                _BOOKED, [(one.cost_nanousd, one.saved_nanousd, one.id) for one in bookings]
            )

    def tidy(self, *, ended_before: datetime) -> int:
        """Forget jobs that ended before, and batches long over. Raises StoreError."""
        with self._file.writing() as connection:
            gone = connection.execute(_TIDY, (micros(ended_before),)).rowcount
            oldest_us = micros(self._now()) - _KEPT_BATCHES_US
            connection.execute(_TIDY_BATCHES, (oldest_us,))
            return gone

    def _jobs(self, where: str, given: Row) -> Sequence[Job]:
        query = f"SELECT {JOB} FROM jobs WHERE {where}"  # noqa: S608 - constants only
        with self._file.reading() as connection:
            rows = [] if connection is None else connection.execute(query, given).fetchall()
        return [job_of(row) for row in rows]


def _values(outcome: Outcome) -> Row:
    attempt = outcome.attempt
    return (
        outcome.state,
        outcome.status,
        outcome.body,
        None if attempt is None else msgspec.json.encode(attempt).decode(),
        outcome.why,
        outcome.error,
        int(outcome.booked),
    )
