"""Jobs as their clients see them: how one stands, its answer, calling it off.

A job is seen by the tenant whose call it is, and by nobody else, however well an id is guessed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from scrimp.batches.promise import JOBS, KIND
from scrimp.errors import Conflict, NotThere
from scrimp.jobs import OVER, Job, JobDesk, JobState, Outcome
from scrimp.money import decimal_usd

SHOWN: dict[JobState, str] = {
    "waiting": "queued",
    "batched": "in_batch",
    "single": "queued",
    "asking": "in_progress",
    "done": "done",
    "failed": "failed",
    "cancelled": "cancelled",
}
"""States as they are told."""
MOST = 100


class JobsDesk:
    """For one file of jobs. Raises StoreError."""

    def __init__(self, desk: JobDesk) -> None:
        self._desk = desk

    async def show(self, job_id: str, tenant: str | None) -> dict[str, Any]:
        """How it stands. Raises NotThere."""
        return view(await self._find(job_id, tenant))

    async def answer(self, job_id: str, tenant: str | None) -> tuple[Job, Outcome | None]:
        """The job, and how it ended if it has. Raises NotThere."""
        job = await self._find(job_id, tenant)
        if job.state not in OVER:
            return job, None
        return job, await asyncio.to_thread(self._desk.outcome, job_id)

    async def named(self, names: Sequence[str], tenant: str) -> Sequence[Job]:
        """The jobs with these names of the tenant's own."""
        return await asyncio.to_thread(self._desk.named, tenant, names)

    async def page(self, tenant: str | None, *, after: str = "") -> dict[str, Any]:
        """The newest jobs; `next` is what the next page comes after, None at the end."""
        found = await asyncio.to_thread(self._desk.jobs, tenant, after=after, limit=MOST + 1)
        shown = found[:MOST]
        more = len(found) > MOST
        return {"data": [view(one) for one in shown], "next": shown[-1].id if more else None}

    async def cancel(self, job_id: str, tenant: str | None) -> dict[str, Any]:
        """Call it off. Raises NotThere, and Conflict once it may have been paid."""
        job = await self._find(job_id, tenant)
        if not await asyncio.to_thread(self._desk.cancel, job_id):
            job = await self._find(job_id, tenant)
            if job.state != "cancelled":
                raise Conflict(
                    f"job {job_id} is {SHOWN[job.state]}: it was sent, and its answer is paid for, "
                    "so it cannot be called off (its answer comes when it is here)"
                )
        return view(await self._find(job_id, tenant))

    async def _find(self, job_id: str, tenant: str | None) -> Job:
        job = await asyncio.to_thread(self._desk.find, job_id, tenant)
        if job is None:
            raise NotThere(
                f"no job {job_id[:60]!r} here (answers are kept for a while: defer.keep)"
            )
        return job


def view(job: Job) -> dict[str, Any]:
    """A job as JSON. Times are RFC 3339, amounts exact decimals of dollars."""
    over = job.state in OVER
    return {
        "id": job.id,
        "object": KIND,
        "status": SHOWN[job.state],
        "model": job.model,
        "provider": job.provider,
        "created_at": job.at,
        "answer_by": job.until,
        "ended_at": job.ended_at,
        "tries": job.tries,
        "answer": f"{JOBS}{job.id}/answer" if over and job.state != "cancelled" else None,
        "answer_status": job.status or None,
        "told_at": job.told_at,
        "error": {"why": job.why, "message": job.error} if job.why else None,
        "booked": job.booked,
        "cost_usd": _usd(job.cost_nanousd),
        "saved_usd": _usd(job.saved_nanousd),
    }


def _usd(nanousd: int | None) -> str | None:
    return None if nanousd is None else decimal_usd(nanousd)
