"""Ends of jobs that webhooks wait for, in the file that jobs are in; any worker may take them.

Who takes one puts off its time by a lease: another worker sees it again only when the first one
has not said by then what became of it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from scrimp.budgets.windows import micros
from scrimp.jobs import Job, News
from scrimp.ports import Clock
from scrimp.stores.sqlite_brief import Brief
from scrimp.stores.sqlite_jobs_rows import JOB, job_of

_ANY = "SELECT 1 FROM jobs WHERE tell_us IS NOT NULL AND tell_us <= ? LIMIT 1"
_DUE = f"""
SELECT {JOB}, tell, tell_tries FROM (
  SELECT *, row_number() OVER (PARTITION BY tell ORDER BY tell_us, id) AS place FROM jobs
  WHERE tell_us IS NOT NULL AND tell_us <= ?
) WHERE place <= ? ORDER BY place, tell_us LIMIT 256
"""  # noqa: S608 - constants only
_TAKE = "UPDATE jobs SET tell_us = ?, tell_tries = tell_tries + 1 WHERE id = ?"
_TOLD = "UPDATE jobs SET told_us = ?, tell_us = NULL WHERE id = ?"
_LATER = "UPDATE jobs SET tell_us = ? WHERE id = ? AND tell_tries = ? AND told_us IS NULL"
_GIVEN_UP = f"""
SELECT {JOB} FROM jobs WHERE tell != '' AND tell_us IS NULL AND told_us IS NULL
AND ended_us IS NOT NULL ORDER BY id DESC LIMIT ?
"""  # noqa: S608 - constants only


class SqliteJobNews:
    """Implements `jobs.JobNews`."""

    def __init__(self, file: Brief, clock: Clock) -> None:
        self._file = file
        self._now = clock.now

    def take(self, *, lease_s: float, each: int) -> Sequence[News]:
        """What is due, of all addresses alike. Raises StoreError."""
        now_us = micros(self._now())
        if not self._is_due(now_us):
            return ()
        with self._file.writing() as connection:
            rows = connection.execute(_DUE, (now_us, each)).fetchall()
            found = [News(job_of(row), row[-2], row[-1] + 1) for row in rows]
            then_us = now_us + round(lease_s * 1_000_000)
            connection.executemany(_TAKE, [(then_us, one.job.id) for one in found])
        return found

    def told(self, news: Sequence[News]) -> None:
        """They were delivered, whoever has them now. Raises StoreError."""
        now_us = micros(self._now())
        with self._file.writing() as connection:
            connection.executemany(_TOLD, [(now_us, one.job.id) for one in news])

    def later(self, news: Sequence[tuple[News, datetime | None]]) -> None:
        """Due again then, or never; nothing where somebody else has it. Raises StoreError."""
        given = [
            (None if then is None else micros(then), one.job.id, one.tries) for one, then in news
        ]
        with self._file.writing() as connection:
            connection.executemany(_LATER, given)

    def given_up(self, *, limit: int) -> Sequence[Job]:
        """Nobody took them, and they are not due again; newest first. Raises StoreError."""
        with self._file.reading() as connection:
            rows = [] if connection is None else connection.execute(_GIVEN_UP, (limit,)).fetchall()
        return [job_of(row) for row in rows]

    def _is_due(self, now_us: int) -> bool:
        with self._file.reading() as connection:
            return connection is not None and _any(connection, now_us)


def _any(connection: sqlite3.Connection, now_us: int) -> bool:
    return connection.execute(_ANY, (now_us,)).fetchone() is not None
