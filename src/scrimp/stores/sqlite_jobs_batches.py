"""Batches of jobs in the file that jobs are in, for the one worker who leads."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence

from scrimp.budgets.windows import micros
from scrimp.jobs import Batch, Gathering, Job
from scrimp.ports import Clock
from scrimp.stores.sqlite_brief import Brief
from scrimp.stores.sqlite_jobs_rows import BATCH, JOB, batch_of, batch_values, job_of

_LEAD = """
INSERT INTO leases (name, owner, until_us) VALUES ('batches', ?, ?)
ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, until_us = excluded.until_us
WHERE owner = excluded.owner OR until_us <= ?
"""
LANES = """
WITH RECURSIVE lanes (lane) AS (
  SELECT min(lane) FROM jobs WHERE state = 'waiting'
  UNION ALL
  SELECT (SELECT min(lane) FROM jobs WHERE state = 'waiting' AND lane > lanes.lane)
  FROM lanes WHERE lane IS NOT NULL
)
SELECT lane,
  (SELECT min(at_us) FROM jobs WHERE state = 'waiting' AND jobs.lane = lanes.lane) AS at_us,
  (SELECT min(until_us) FROM jobs WHERE state = 'waiting' AND jobs.lane = lanes.lane)
FROM lanes WHERE lane IS NOT NULL ORDER BY at_us
"""
"""From lane to lane by the ends of an index: what it reads does not grow with what waits."""
HEAD = """
SELECT count(*), coalesce(sum(size_bytes), 0) FROM (
  SELECT size_bytes FROM jobs WHERE state = 'waiting' AND lane = ? ORDER BY at_us, id LIMIT ?
)
"""
NEXT = """
SELECT id, size_bytes FROM jobs WHERE state = 'waiting' AND lane = ? ORDER BY at_us, id LIMIT ?
"""
_BEGIN = "INSERT INTO batches (id, lane, state, items, made_us) VALUES (?, ?, 'forming', ?, ?)"
_JOIN = "UPDATE jobs SET state = 'batched', batch = ? WHERE id = ? AND state = 'waiting'"
_MOVE = """
UPDATE batches SET state = ?, items = ?, sent_us = ?, remote = ?, file = ?, misses = ?, recalled = ?
WHERE id = ? AND state = ? AND items = ? AND sent_us IS ? AND remote = ? AND file = ? AND misses = ?
AND recalled = ?
"""


class SqliteBatches:
    """Implements `jobs.BatchWork`."""

    def __init__(self, file: Brief, clock: Clock) -> None:
        self._file = file
        self._now = clock.now

    def lead(self, owner: str, *, lease_s: float) -> bool:
        """True for one owner at a time. Nobody leads where no job was ever kept."""
        if not self._file.exists:
            return False
        now_us = micros(self._now())
        with self._file.writing() as connection:
            given = (owner, now_us + round(lease_s * 1_000_000), now_us)
            return bool(connection.execute(_LEAD, given).rowcount)

    def gather(self, rule: Gathering, new_id: Iterable[str]) -> int:
        """Put waiting jobs into new batches; how many batches that made. Raises StoreError.

        Whoever else writes waits for one batch at most, however many jobs there are.
        """
        with self._file.reading() as connection:
            ready = () if connection is None else tuple(_ready(connection, rule))
        ids, made = iter(new_id), 0
        for lane in ready:
            while self._gathered(lane, rule, ids):
                made += 1
        return made

    def _gathered(self, lane: str, rule: Gathering, ids: Iterator[str]) -> bool:
        """One batch of the next jobs of a lane; False when none are left."""
        with self._file.writing() as connection:
            members = _members(connection, lane, rule)
            if members:
                batch_id, now_us = next(ids), micros(self._now())
                connection.execute(_BEGIN, (batch_id, lane, len(members), now_us))
                connection.executemany(_JOIN, [(batch_id, one) for one in members])
        return bool(members)

    def batches(self) -> Sequence[Batch]:
        """Those that are not over, oldest first. Raises StoreError."""
        query = f"SELECT {BATCH} FROM batches WHERE state != 'over' ORDER BY made_us, id"  # noqa: S608 - constants only
        with self._file.reading() as connection:
            rows = [] if connection is None else connection.execute(query).fetchall()
        return [batch_of(row) for row in rows]

    def lines(self, batch_id: str) -> Sequence[tuple[Job, bytes]]:
        """Jobs of a batch with the bodies to send, in one order always. Raises StoreError."""
        query = (
            f"SELECT {JOB}, coalesce(sent, asked) FROM jobs "  # noqa: S608 - constants only
            "WHERE batch = ? AND state = 'batched' ORDER BY id"
        )
        with self._file.reading() as connection:
            rows = [] if connection is None else connection.execute(query, (batch_id,)).fetchall()
        return [(job_of(row), row[-1]) for row in rows]

    def move(self, before: Batch, after: Batch) -> bool:
        """Change a batch, if it still is as it was before. Raises StoreError."""
        with self._file.writing() as connection:
            given = (*batch_values(after), before.id, *batch_values(before))
            return bool(connection.execute(_MOVE, given).rowcount)

    def remotes(self) -> frozenset[str]:
        """The provider's ids of all batches that were ever known here. Raises StoreError."""
        with self._file.reading() as connection:
            if connection is None:
                return frozenset()
            query = "SELECT remote FROM batches WHERE remote != ''"
            return frozenset(one for (one,) in connection.execute(query))


def _ready(connection: sqlite3.Connection, rule: Gathering) -> Iterator[str]:
    """Lanes that make a batch now, the one whose oldest job waits longest first."""
    older_us, due_us = micros(rule.older_than), micros(rule.due_by)
    for lane, at_us, until_us in connection.execute(LANES).fetchall():
        if at_us <= older_us or until_us <= due_us or _is_full(connection, lane, rule):
            yield lane


def _is_full(connection: sqlite3.Connection, lane: str, rule: Gathering) -> bool:
    """Looks at as many jobs as a batch may hold, and at no more."""
    count, size = connection.execute(HEAD, (lane, rule.most_items)).fetchone()
    return bool(count >= rule.most_items or size >= rule.most_bytes)


def _members(connection: sqlite3.Connection, lane: str, rule: Gathering) -> list[str]:
    """The next jobs of a lane, as many as a batch may hold; one at least, whatever its size."""
    chosen: list[str] = []
    left = rule.most_bytes
    for job_id, size in connection.execute(NEXT, (lane, rule.most_items)):
        left -= size
        if left < 0 and chosen:
            break
        chosen.append(job_id)
    return chosen
