"""What clients are told of jobs: how each stands, its answer, calling one off."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from scrimp.errors import InvalidRequest, NotThere
from scrimp.jobs import Job, Outcome
from scrimp.shell.jobs_desk import JobsDesk, view

PATH = "/v1/scrimp/jobs"
_RETRY_S = 30
MOST_NAMES = 100
_MOST_NAME = 64
_KINDS = {401: "authentication_error", 429: "rate_limit_error", 504: "timeout_error"}


@dataclass(frozen=True, slots=True)
class Told:
    """An answer: a status, a body, and headers of its own."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


async def answered(desk: JobsDesk, tenant: str, method: str, parts: list[str]) -> Told:
    """What a tenant is told; `parts` of the path behind `PATH`. Raises Rejected, StoreError."""
    match method, parts:
        case "GET", []:
            return told_json(200, await desk.page(tenant))
        case "GET", ["after", job_id]:
            return told_json(200, await desk.page(tenant, after=job_id[:_MOST_NAME]))
        case "GET", ["named", names]:
            return told_json(200, await _named(desk, tenant, names))
        case "GET", [job_id]:
            return told_json(200, await desk.show(job_id[:_MOST_NAME], tenant))
        case "GET", [job_id, "answer"]:
            return _answer(*await desk.answer(job_id[:_MOST_NAME], tenant))
        case "POST", [job_id, "cancel"]:
            return told_json(200, await desk.cancel(job_id[:_MOST_NAME], tenant))
        case _:
            raise NotThere(f"nothing of jobs is here (GET {PATH}/ID, GET {PATH}/ID/answer)")


async def _named(desk: JobsDesk, tenant: str, names: str) -> dict[str, object]:
    """Those that there are, each with its name. Raises InvalidRequest."""
    asked = names.split(",")
    if len(asked) > MOST_NAMES:
        raise InvalidRequest(f"{len(asked)} names at once; at most {MOST_NAMES}")
    found = await desk.named(asked, tenant)
    return {"data": [{"name": one.ref, **view(one)} for one in found]}


def _answer(job: Job, outcome: Outcome | None) -> Told:
    """The provider's own reply or error; 202 while there is none; our words where it gave none."""
    ours = (("x-scrimp-job", job.id),)
    if outcome is None:
        waiting = told_json(202, view(job))
        return Told(202, waiting.body, (*ours, ("retry-after", str(_RETRY_S))))
    if outcome.state == "done":
        return Told(outcome.status, outcome.body, ours)
    # an SDK that repeated the question would get the same answer
    never = (*ours, ("x-should-retry", "false"))
    if outcome.body and outcome.status >= 400:
        return Told(outcome.status, outcome.body, never)
    status = outcome.status if outcome.status >= 400 else 409
    said = outcome.error or f"the job was {outcome.state}"
    error = {"type": _KINDS.get(status, "api_error"), "code": outcome.why or None, "message": said}
    return Told(status, told_json(status, {"type": "error", "error": error}).body, never)


def told_json(status: int, told: object) -> Told:
    """A value as JSON."""
    return Told(status, msgspec.json.encode(told))
