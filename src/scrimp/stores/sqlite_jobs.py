"""Jobs in a SQLite file that all processes of a machine share, as clients and the lever know them.

A job that was acknowledged is on the disk. The file is opened for each piece of work and closed
again, so that nothing of it is inherited by a fork or outlives a file that was replaced.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scrimp.budgets.windows import micros, moment
from scrimp.errors import StoreError
from scrimp.jobs import Deferred, Job, JobState, Outcome, Standing
from scrimp.ports import Clock
from scrimp.stores.sqlite_brief import Brief
from scrimp.stores.sqlite_jobs_rows import JOB, OUTCOME, SCHEMA, insert_job, job_of, outcome_of

_BUSY_S = 10.0
_NAMES = 500
_OFFERED = ("waiting", "single")
_COUNTS = "SELECT state, count(*) FROM jobs GROUP BY state"
_OLDEST = "SELECT min(at_us) FROM jobs WHERE ended_us IS NULL"
_OVERDUE = "SELECT count(*) FROM jobs WHERE ended_us IS NULL AND until_us < ?"
_UNTOLD = "SELECT count(*) FROM jobs WHERE tell_us IS NOT NULL"


def jobs_file(path: Path) -> Brief:
    """The file; nothing is opened or made yet."""
    return Brief(path, SCHEMA, "the file of jobs", busy_s=_BUSY_S)


class SqliteJobs:
    """Implements `jobs.JobDesk`."""

    def __init__(self, file: Brief, clock: Clock) -> None:
        self._file = file
        self._now = clock.now

    def check(self) -> None:
        """Raises StoreError when there is a file that is none of ours, or damaged."""
        with self._file.reading() as connection:
            if connection is not None:
                found = connection.execute("PRAGMA quick_check(1)").fetchone()
                if found[0] != "ok":
                    raise StoreError(f"the file of jobs is damaged: {found[0][:200]}")

    def put(self, jobs: Sequence[tuple[Job, Deferred]]) -> Sequence[Job]:
        """Keep them, or find what has their `ref` already. Raises StoreError."""
        kept: list[Job] = []
        query = f"SELECT {JOB} FROM jobs WHERE tenant = ? AND ref = ?"  # noqa: S608 - constants only
        with self._file.writing() as connection:
            for job, deferred in jobs:
                row = None
                if job.ref:
                    row = connection.execute(query, (job.tenant, job.ref)).fetchone()
                if row is None:
                    insert_job(connection, job, deferred)
                kept.append(job if row is None else job_of(row))
        return kept

    def find(self, job_id: str, tenant: str | None) -> Job | None:
        """One job of a tenant's, or of anybody's. Raises StoreError."""
        query = f"SELECT {JOB} FROM jobs WHERE id = ? AND (? IS NULL OR tenant = ?)"  # noqa: S608 - constants only
        with self._file.reading() as connection:
            if connection is None:
                return None
            row = connection.execute(query, (job_id, tenant, tenant)).fetchone()
        return None if row is None else job_of(row)

    def named(self, tenant: str, refs: Sequence[str]) -> Sequence[Job]:
        """The jobs of a tenant with these names. Raises StoreError."""
        found: list[Job] = []
        names = [one for one in refs if one]
        with self._file.reading() as connection:
            if connection is None:
                return ()
            for first in range(0, len(names), _NAMES):
                few = names[first : first + _NAMES]
                marks = ", ".join("?" * len(few))
                query = (
                    f"SELECT {JOB} FROM jobs WHERE tenant = ? AND ref != '' AND ref IN ({marks})"  # noqa: S608 - constants only
                )
                found += map(job_of, connection.execute(query, (tenant, *few)))
        return found

    def outcome(self, job_id: str) -> Outcome | None:
        """How it ended. Raises StoreError."""
        query = f"SELECT {OUTCOME} FROM jobs WHERE id = ? AND ended_us IS NOT NULL"  # noqa: S608 - constants only
        with self._file.reading() as connection:
            if connection is None:
                return None
            row = connection.execute(query, (job_id,)).fetchone()
        return None if row is None else outcome_of(row)

    def jobs(
        self, tenant: str | None, *, states: Sequence[JobState] = (), after: str = "", limit: int
    ) -> Sequence[Job]:
        """Newest first. Raises StoreError."""
        marks = ", ".join("?" * len(states))
        chosen = f" AND state IN ({marks})" if states else ""
        query = (
            f"SELECT {JOB} FROM jobs WHERE (? IS NULL OR tenant = ?) AND (? = '' OR id < ?)"  # noqa: S608 - constants only
            f"{chosen} ORDER BY id DESC LIMIT ?"
        )
        with self._file.reading() as connection:
            if connection is None:
                return ()
            given = (tenant, tenant, after, after, *states, limit)
            rows = connection.execute(query, given).fetchall()
        return [job_of(row) for row in rows]

    def cancel(self, job_id: str) -> bool:
        """Call it off while nothing was sent. Raises StoreError."""
        if not self._file.exists:
            return False
        marks = ", ".join("?" * len(_OFFERED))
        query = (
            "UPDATE jobs SET state = 'cancelled', ended_us = ?, "  # noqa: S608 - constants only
            "tell_us = iif(tell = '', NULL, ?) "
            f"WHERE id = ? AND state IN ({marks})"
        )
        with self._file.writing() as connection:
            now_us = micros(self._now())
            given = (now_us, now_us, job_id, *_OFFERED)
            return bool(connection.execute(query, given).rowcount)

    def counts(self) -> dict[JobState, int]:
        """How many jobs are in each state. Raises StoreError."""
        with self._file.reading() as connection:
            if connection is None:
                return {}
            return dict(connection.execute(_COUNTS))

    def standing(self) -> Standing:
        """How all of them stand now. Raises StoreError."""
        with self._file.reading() as connection:
            if connection is None:
                return Standing({})
            counts = dict(connection.execute(_COUNTS))
            (oldest_us,) = connection.execute(_OLDEST).fetchone()
            (overdue,) = connection.execute(_OVERDUE, (micros(self._now()),)).fetchone()
            (untold,) = connection.execute(_UNTOLD).fetchone()
        return Standing(counts, None if oldest_us is None else moment(oldest_us), overdue, untold)
