"""`/v1/scrimp/jobs`: a caller's own jobs, how each stands, its answer as the provider gave it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import msgspec

from scrimp.app import App
from scrimp.errors import NotThere, StoreError
from scrimp.jobs import Job, Outcome
from scrimp.shell.intake import Intake
from scrimp.shell.jobs_desk import JobsDesk, view

PATH = "/v1/scrimp/jobs"
_RETRY_S = 30
_MOST_NAME = 64
_KINDS = {401: "authentication_error", 429: "rate_limit_error", 504: "timeout_error"}


@dataclass(frozen=True, slots=True)
class Told:
    """An answer: a status, a body, and headers of its own."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


Headers = Mapping[bytes, bytes]
JobView = Callable[[Headers], Awaitable[Told]]


class JobsView:
    """Finds what is asked of jobs. Raises Rejected from its views."""

    def __init__(self, app: App, intake: Intake) -> None:
        self._intake = intake
        self._desk = None if app.jobs is None else JobsDesk(app.jobs.desk)

    def find(self, method: str, path: str) -> JobView | None:
        """The view of a path; None where it is not one of jobs."""
        if path != PATH and not path.startswith(f"{PATH}/"):
            return None
        parts = path[len(PATH) :].split("/")[1:]

        async def shown(headers: Headers) -> Told:
            tenant = (await self._intake.identify(headers)).tenant
            if self._desk is None:
                raise NotThere("this gateway puts no calls off ([defer] enabled in scrimp.toml)")
            try:
                return await _answered(self._desk, tenant, method, parts)
            except StoreError as error:
                return _json(503, {"error": {"type": "store_error", "message": str(error)}})

        return shown


async def _answered(desk: JobsDesk, tenant: str, method: str, parts: list[str]) -> Told:
    match method, parts:
        case "GET", []:
            return _json(200, await desk.page(tenant))
        case "GET", ["after", job_id]:
            return _json(200, await desk.page(tenant, after=job_id[:_MOST_NAME]))
        case "GET", [job_id]:
            return _json(200, await desk.show(job_id[:_MOST_NAME], tenant))
        case "GET", [job_id, "answer"]:
            return _answer(*await desk.answer(job_id[:_MOST_NAME], tenant))
        case "POST", [job_id, "cancel"]:
            return _json(200, await desk.cancel(job_id[:_MOST_NAME], tenant))
        case _:
            raise NotThere(f"nothing of jobs is here (GET {PATH}/ID, GET {PATH}/ID/answer)")


def _answer(job: Job, outcome: Outcome | None) -> Told:
    """The provider's own reply or error; 202 while there is none; our words where it gave none."""
    ours = (("x-scrimp-job", job.id),)
    if outcome is None:
        waiting = _json(202, view(job))
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
    return Told(status, _json(status, {"type": "error", "error": error}).body, never)


def _json(status: int, told: object) -> Told:
    return Told(status, msgspec.json.encode(told))
