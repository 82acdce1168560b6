"""Rows of the file of jobs: words to columns and back."""

from __future__ import annotations

import sqlite3
from typing import Any

import msgspec
from msgspec.structs import replace

from scrimp.budgets.windows import micros, moment
from scrimp.calls import Attempt
from scrimp.errors import StoreError
from scrimp.jobs import Batch, Deferred, Job, Lane, Outcome
from scrimp.stores.sqlite_schema import Schema

APPLICATION_ID = 0x5343524A
"""`SCRJ` in the file's header: this database has Scrimp's jobs."""
SCHEMA = Schema("file of jobs", "jobs_", APPLICATION_ID)

JOB = (
    "id, tenant, key, lane, provider, model, dialect, at_us, until_us, state, ref, batch, tries, "
    "status, why, error, ended_us, cost_nanousd, saved_nanousd, told_us, booked"
)
BATCH = "id, lane, state, items, made_us, sent_us, remote, file, misses, recalled"
OUTCOME = "state, status, body, attempt, why, error, booked"

Row = tuple[Any, ...]
_encode = msgspec.json.encode


def lane_text(lane: Lane) -> str:
    """A lane as it is compared: equal lanes have equal texts."""
    return _encode(lane).decode()


def job_of(row: Row) -> Job:
    """Raises StoreError for what no version has written."""
    try:
        return Job(
            id=row[0],
            tenant=row[1],
            key=row[2],
            lane=row[3],
            provider=row[4],
            model=row[5],
            dialect=row[6],
            at=moment(row[7]),
            until=moment(row[8]),
            state=row[9],
            ref=row[10],
            batch=row[11],
            tries=row[12],
            status=row[13],
            why=row[14],
            error=row[15],
            ended_at=None if row[16] is None else moment(row[16]),
            cost_nanousd=row[17],
            saved_nanousd=row[18],
            told_at=None if row[19] is None else moment(row[19]),
            booked=bool(row[20]),
        )
    except (TypeError, ValueError, OverflowError) as error:
        raise _unreadable(error) from error


def batch_of(row: Row) -> Batch:
    """Raises StoreError for what no version has written."""
    try:
        return Batch(
            id=row[0],
            lane=msgspec.json.decode(row[1], type=Lane),
            state=row[2],
            items=row[3],
            made_at=moment(row[4]),
            sent_at=None if row[5] is None else moment(row[5]),
            remote=row[6],
            file=row[7],
            misses=row[8],
            recalled=bool(row[9]),
        )
    except (TypeError, ValueError, OverflowError) as error:
        raise _unreadable(error) from error


def outcome_of(row: Row) -> Outcome:
    """Raises StoreError for what no version has written."""
    state, status, body, attempt, why, error, booked = row
    try:
        found = None if attempt is None else msgspec.json.decode(attempt, type=Attempt)
    except (TypeError, ValueError) as problem:
        raise _unreadable(problem) from problem
    return Outcome(state, status, body or b"", found, why, error, bool(booked))


def deferred_text(deferred: Deferred) -> str:
    """Without the bodies, which have columns of their own."""
    return _encode(replace(deferred, asked=b"", sent=b"", tell="")).decode()


def deferred_of(text: str | None, asked: bytes | None, sent: bytes | None) -> Deferred:
    """Raises StoreError for what no version has written."""
    try:
        found = msgspec.json.decode(text or "", type=Deferred)
    except (TypeError, ValueError) as error:
        raise _unreadable(error) from error
    said = asked or b""
    return replace(found, asked=said, sent=said if sent is None else sent)


def batch_values(batch: Batch) -> Row:
    """What of a batch may change, then what tells whether it did."""
    return (
        batch.state,
        batch.items,
        None if batch.sent_at is None else micros(batch.sent_at),
        batch.remote,
        batch.file,
        batch.misses,
        int(batch.recalled),
    )


def insert_job(connection: sqlite3.Connection, job: Job, deferred: Deferred) -> None:
    """Add a job."""
    connection.execute(
        "INSERT INTO jobs (id, tenant, key, ref, lane, provider, model, dialect, at_us, until_us, "
        "state, size_bytes, tell, deferred, asked, sent) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(job.id, job.tenant, job.key, job.ref, job.lane, job.provider, job.model),
            *(job.dialect, micros(job.at), micros(job.until), job.state, len(deferred.sent)),
            *(deferred.tell, deferred_text(deferred), deferred.asked),
            None if deferred.sent == deferred.asked else deferred.sent,
        ),
    )


def _unreadable(error: Exception) -> StoreError:
    return StoreError(f"a row of the file of jobs cannot be read: {type(error).__name__}")
