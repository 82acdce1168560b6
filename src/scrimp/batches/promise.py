"""What a client gets at once for a call that was put off: a job, in its SDK's shape. Pure.

It is no answer and does not look like one: `object` (Anthropic: `type`) says `scrimp.job`, and what
an SDK would read an answer from is there and empty.
"""

from __future__ import annotations

from typing import Any

from scrimp.dialects.json_body import encode
from scrimp.jobs import Job

JOBS = "/v1/scrimp/jobs/"
KIND = "scrimp.job"
_EMPTY: dict[str, dict[str, Any]] = {
    "openai.chat": {"object": KIND, "choices": [], "usage": None},
    "openai.responses": {"object": KIND, "output": [], "usage": None, "error": None},
    "openai.embeddings": {"object": KIND, "data": [], "usage": None},
    "anthropic.messages": {"type": KIND, "role": "assistant", "content": [], "usage": None},
}


def promise(job: Job) -> bytes:
    """The body of the 202."""
    told = {
        "id": job.id,
        **_EMPTY.get(job.dialect, {"object": KIND}),
        "created": int(job.at.timestamp()),
        "model": job.model,
        "status": "queued",
        "answer_by": job.until.isoformat().replace("+00:00", "Z"),
        "poll": f"{JOBS}{job.id}",
        "answer": f"{JOBS}{job.id}/answer",
    }
    return encode(told)
