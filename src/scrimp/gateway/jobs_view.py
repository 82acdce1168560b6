"""`/v1/scrimp/jobs`: a caller's own jobs, how each stands, its answer as the provider gave it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from scrimp.app import App
from scrimp.errors import NotThere, StoreError
from scrimp.shell.intake import Intake
from scrimp.shell.jobs_desk import JobsDesk
from scrimp.shell.jobs_told import PATH, Told, answered, told_json

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
                return await answered(self._desk, tenant, method, parts)
            except StoreError as error:
                return told_json(503, {"error": {"type": "store_error", "message": str(error)}})

        return shown
