"""What a webhook gets when a job is over: which one, how it ended, where its answer is. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from scrimp.batches.promise import JOBS, KIND
from scrimp.jobs import Job, Outcome

MOST_ANSWER = 1024 * 1024
"""Bytes of an answer that go with the news; a larger one is fetched."""


def news_of(job: Job, outcome: Outcome | None) -> bytes:
    """JSON. With an outcome the answer goes with it, where there is one."""
    told: dict[str, Any] = {
        "id": job.id,
        "object": KIND,
        "status": job.state,
        "key": job.key,
        "created_at": job.at,
        "ended_at": job.ended_at,
        "answer": None if job.state == "cancelled" else f"{JOBS}{job.id}/answer",
    }
    if outcome is not None and outcome.state == "done" and len(outcome.body) <= MOST_ANSWER:
        told |= {"answer_status": outcome.status, "body": _as_json(outcome.body)}
    return msgspec.json.encode(told)


def _as_json(body: bytes) -> object:
    """As it came; as text what is no JSON."""
    try:
        msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body.decode(errors="replace")
    return msgspec.Raw(body)
