"""Where the calls of a file wait, as `scrimp jobs submit` and `collect` see it: in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from msgspec.structs import replace

from scrimp.app import App, open_app
from scrimp.calls import Call, Reply, Usage
from scrimp.client.calling import Way
from scrimp.client.jobs import TENANT, Wish, waiting_call
from scrimp.client.lanes import Turn
from scrimp.client.purses import Pocket
from scrimp.deferring import Jobs
from scrimp.dialects import DIALECTS
from scrimp.errors import (
    BudgetExceeded,
    RateLimited,
    ScrimpError,
    StoreError,
    Unavailable,
)
from scrimp.jobs import Job
from scrimp.ledger.waited import DEFER
from scrimp.levers.defer import Defer
from scrimp.many.asked import Item
from scrimp.many.pace import MOST_WAIT_S
from scrimp.many.rates import Size
from scrimp.many.results import Result
from scrimp.ports import Clock
from scrimp.semantics.answers import text_of
from scrimp.settings import Loaded
from scrimp.shell.intake import Intake
from scrimp.shell.jobs_desk import SHOWN
from scrimp.shell.waiting import only

ANEW: Mapping[bytes, bytes] = {b"x-scrimp-cache": b"refresh"}
"""A job is made of every line, whatever is remembered: its answer waits in one place for all."""
_SAID_BYTES = 2000
_GATHER_S = 5.0
"""A file is handed in at once: its batch need not wait long for company."""


@dataclass(frozen=True, slots=True)
class Named:
    """A line and the name of the job that it is to be. Implements `lanes.Lined`."""

    item: Item
    name: str

    @property
    def lane(self) -> str:
        """All go into one file, or to one gateway."""
        return "jobs"

    @property
    def size(self) -> Size:
        """Nothing is asked of a provider yet."""
        return Size()


@dataclass(frozen=True, slots=True)
class Handed:
    """What became of handing one in: the id of its job, or why there is none."""

    id: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A job of a file. Costs are None until it is `booked`. `status` is as clients are told it.

    `why` and `error` say how it failed, `batch` is our name of the one that it is in.
    `earlier_nanousd` was spent on `tries - 1` before it; of `earlier_unknown` nobody knows it.
    """

    id: str
    name: str
    status: str
    model: str = ""
    provider: str = ""
    cost_nanousd: int | None = None
    saved_nanousd: int | None = None
    why: str = ""
    error: str = ""
    batch: str = ""
    booked: bool = False
    tries: int = 1
    earlier_nanousd: int = 0
    earlier_unknown: int = 0

    @property
    def over(self) -> bool:
        """Whether anything more will come of it."""
        return self.status in ("done", "failed", "cancelled")

    @property
    def failed(self) -> bool:
        """Whether it is over without an answer."""
        return self.over and self.status != "done"


def may_cost_more(found: Found) -> bool:
    """Whether a job may come to more than is known: it goes on, or nobody knows what it came to."""
    if not (found.over and found.booked):
        return True
    return found.cost_nanousd is None and (not found.failed or found.why == "interrupted")


class Queue(Protocol):
    """Where calls wait."""

    clock: Clock
    pause_s: float
    """How often it may be looked at."""
    at_once: int
    """How many may be handed in at the same time."""

    def check(self, item: Item) -> None:
        """Raises Rejected for what cannot wait, as far as this is known here."""
        ...

    async def put(self, named: Named) -> Turn[Handed]:
        """Hand one in, or find that it was."""
        ...

    async def named(self, names: Sequence[str]) -> Mapping[str, Found]:
        """The jobs that there are of these names."""
        ...

    async def unsent(self, found: Sequence[Found]) -> frozenset[str]:
        """Which of these are still to be sent from here, by name."""
        ...

    async def result(self, item: Item, found: Found) -> Result:
        """What came of one that is over."""
        ...


def told(item: Item, found: Found, status: int, body: bytes) -> Result:
    """The result of a job that is over, of what its provider wrote (or nothing)."""
    cost = found.cost_nanousd
    if found.status != "done":
        said = body[:_SAID_BYTES].decode("utf-8", "replace").strip()
        text = found.error or f"the job was {found.status}"
        return Result(
            id=found.id,
            status=status,
            error=f"{text}: {said}" if said else text,
            kind=found.why or found.status,
            model=found.model,
            provider=found.provider,
            cost_nanousd=cost,
            high_nanousd=cost,
        )
    dialect = DIALECTS[item.dialect]
    facts = dialect.read_reply(body)
    reply = Reply(status, (), body, "json", facts, cacheable=False)
    return Result(
        id=found.id,
        status=status,
        body=body,
        text=text_of(reply, dialect),
        source="upstream",
        model=facts.model or found.model,
        provider=found.provider,
        finish=facts.finish,
        tokens=facts.usage or Usage(),
        cost_nanousd=cost,
        high_nanousd=cost,
        saved=((DEFER, found.saved_nanousd),) if found.saved_nanousd else (),
    )


class Here:
    """Implements `Queue`: the file of jobs, worked on by this process where no other one leads."""

    pause_s = 1.0
    at_once = 256  # they are written together: the more, the fewer flushes of the disk

    def __init__(self, app: App, jobs: Jobs, max_wait: str, labels: Mapping[bytes, bytes]) -> None:
        self.clock: Clock = app.clock
        self.purses: tuple[Pocket, ...] = ()
        self._app = app
        self._jobs = jobs
        self._intake = Intake(app, tenant_secret=b"")
        self._wait = only(max_wait)
        self._labels = {**labels, **ANEW}
        self._way = Way(app, self._intake, self._labels, lambda call: call)

    def check(self, item: Item) -> None:
        """Raises Rejected; where models are chosen by a router only for what nobody serves."""
        lever = self._app.levers.get(DEFER)
        if self._app.settings.route.enabled or not isinstance(lever, Defer):
            self._way.check(item)
            return
        lever.check(self._call(Named(item, "")))

    async def put(self, named: Named) -> Turn[Handed]:
        """Raises nothing that a call can be at fault for."""
        try:
            call = self._call(named)
            await self._app.handle(call)
        except BudgetExceeded as error:
            return Turn("no_room", why=str(error))
        except RateLimited as error:
            if error.retry_after_s <= MOST_WAIT_S:
                wait_s = error.retry_after_s
                return Turn("later", refused=True, wait_s=wait_s, why=str(error))
            return Turn("failed", Handed("", str(error)))
        except Unavailable as error:
            return Turn("broken", Handed("", str(error)), why=str(error))
        except ScrimpError as error:
            return Turn("failed", Handed("", str(error)))
        job_id = call.trace.headers.get("x-scrimp-job", "")
        return Turn("answered", Handed(job_id, "" if job_id else "it was answered at once"))

    async def named(self, names: Sequence[str]) -> Mapping[str, Found]:
        """Raises StoreError."""
        found = await asyncio.to_thread(self._jobs.desk.named, TENANT, names)
        return {one.ref: _found(one) for one in found}

    async def unsent(self, found: Sequence[Found]) -> frozenset[str]:
        """Raises StoreError."""
        batches = await asyncio.to_thread(self._jobs.batches.batches)
        open_ones = {one.id for one in batches if one.state in ("forming", "sending")}
        return frozenset(
            one.name
            for one in found
            if one.status == "queued" or (one.status == "in_batch" and one.batch in open_ones)
        )

    async def result(self, item: Item, found: Found) -> Result:
        """Raises StoreError."""
        outcome = await asyncio.to_thread(self._jobs.desk.outcome, found.id)
        if outcome is None:
            raise StoreError(f"job {found.id} is {found.status}, and its answer is gone")
        ended_badly = outcome.state != "done" and outcome.status < 400
        return told(item, found, 409 if ended_badly else outcome.status, outcome.body)

    def _call(self, named: Named) -> Call:
        wish = Wish(named.item, self._wait, named.name, self._labels, ())
        call = waiting_call(self._app, self._intake, wish)
        if not self.purses:
            return call
        return replace(call, caller=replace(call.caller, purses=self.purses))


def _found(job: Job) -> Found:
    return Found(
        id=job.id,
        name=job.ref,
        status=SHOWN[job.state],
        model=job.model,
        provider=job.provider,
        cost_nanousd=job.cost_nanousd,
        saved_nanousd=job.saved_nanousd,
        why=job.why,
        error=job.error,
        batch=job.batch,
        booked=job.booked,
    )


@asynccontextmanager
async def opened(
    loaded: Loaded, max_wait: str, labels: Mapping[bytes, bytes]
) -> AsyncIterator[Here]:
    """An engine whose calls may wait: who says `jobs submit` has said so. Raises ConfigError."""
    section = loaded.settings.defer
    section = replace(section, enabled=True, gather_s=min(section.gather_s, _GATHER_S))
    settings = replace(loaded.settings, defer=section)
    async with open_app(replace(loaded, settings=settings)) as app:
        assert app.jobs is not None  # noqa: S101 - they are switched on
        yield Here(app, app.jobs, max_wait, labels)
