"""`defer` and `job` of `scrimp.Scrimp`: calls that may wait, as values to ask for later."""

from __future__ import annotations

from functools import partial
from typing import TypedDict, Unpack

from scrimp.batches.tables import seconds_of
from scrimp.client import jobs
from scrimp.client.asking import Answer
from scrimp.client.desk import Desk
from scrimp.client.engine import Engine
from scrimp.client.given import only
from scrimp.client.jobs import Came, Put, Wish
from scrimp.client.mapping import Asked, record_of
from scrimp.client.purses import purses_here
from scrimp.client.wrapping import Labels
from scrimp.errors import InvalidRequest
from scrimp.many.asked import Reading, item_of
from scrimp.shell.jobs_desk import SHOWN

_MOST_NAME = 256


class DeferOptions(TypedDict, total=False):
    """What may be said beside a call that may wait; see `Scrimp.defer`."""

    model: str
    user: str
    task: str
    tags: tuple[str, ...]
    name: str
    webhook: str


class Job:
    """A call that was put off. It outlives this value: `Scrimp.job(id)` finds it again.

    `why` is empty for a job that waits. A call that could not wait was answered at once; then `why`
    is the reason (`too_soon`, `no_tier`, …), or who answered (`exact_cache`), and only this value
    has its answer.
    """

    __slots__ = ("_came", "_engine", "id", "why")

    def __init__(self, engine: Engine[Desk], put: Put) -> None:
        self._engine = engine
        self._came = put.came
        self.id = put.id
        self.why = put.why

    def __repr__(self) -> str:
        """Its id, and nothing that was said."""
        return f"Job({self.id!r})"

    @property
    def state(self) -> str:
        """`queued`, `in_batch`, `in_progress`, `done`, `failed` or `cancelled`, read now."""
        if self._came is not None:
            return "done"
        return SHOWN[self._engine.call(partial(jobs.find, job_id=self.id)).state]

    async def astate(self) -> str:
        """The same, awaited."""
        if self._came is not None:
            return "done"
        return SHOWN[(await self._engine.acall(partial(jobs.find, job_id=self.id))).state]

    def result(self, timeout: float | None = None) -> Answer:
        """The answer, as `Scrimp.ask` gives it; waits until it is here and booked.

        Raises TimeoutError after `timeout` seconds, and the job goes on; UpstreamError where the
        provider refused it or nobody answered in time; Conflict where it was called off.
        """
        return self._waited(timeout).answer

    async def aresult(self, timeout: float | None = None) -> Answer:  # noqa: ASYNC109 (as `result`)
        """The same, awaited."""
        return (await self._awaited(timeout)).answer

    def body(self, timeout: float | None = None) -> bytes:
        """The provider's reply as it wrote it: with tool calls, vectors and all. As `result`."""
        return self._waited(timeout).body

    async def abody(self, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 (as `body`)
        """The same, awaited."""
        return (await self._awaited(timeout)).body

    def cancel(self) -> None:
        """Call it off while nothing was sent. Raises Conflict once it may have been paid."""
        self._only_waiting()
        self._engine.call(partial(jobs.cancel, job_id=self.id))

    async def acancel(self) -> None:
        """The same, awaited."""
        self._only_waiting()
        await self._engine.acall(partial(jobs.cancel, job_id=self.id))

    def _waited(self, timeout_s: float | None) -> Came:
        if self._came is not None:
            return self._came
        return self._engine.call(partial(jobs.answer, job_id=self.id, timeout_s=timeout_s))

    async def _awaited(self, timeout_s: float | None) -> Came:
        if self._came is not None:
            return self._came
        return await self._engine.acall(partial(jobs.answer, job_id=self.id, timeout_s=timeout_s))

    def _only_waiting(self) -> None:
        if self._came is not None:
            raise jobs.answered_at_once(self.id)


class DeferFace:
    """The part of `Scrimp` whose calls may wait."""

    _engine: Engine[Desk]
    _default_model: str

    def defer(self, call: Asked, *, max_wait: str = "24h", **options: Unpack[DeferOptions]) -> Job:
        """Ask for an answer within `max_wait` (`90m`, `12h`, `7d`), at the price of a batch.

        `call` is what `map` takes. The job is on the disk when this returns: it survives this
        process, and is worked on wherever an engine of the same state folder is open, this one or
        that of `scrimp serve`. `name` is yours for it: asked again by the same one, it is the same
        job. `webhook`, an address that `[defer.webhook]` allows, is told when it is over, in place
        of the settings' own. What cannot wait is answered at once, at its plain price, and
        `Job.why` says why. Needs `[defer] enabled = true`. Raises Rejected, and as `ask` does where
        it is answered at once.
        """
        wish = self._wish(call, max_wait, options)
        return Job(self._engine, self._engine.call(partial(jobs.put, wish=wish)))

    async def adefer(
        self, call: Asked, *, max_wait: str = "24h", **options: Unpack[DeferOptions]
    ) -> Job:
        """The same, awaited."""
        wish = self._wish(call, max_wait, options)
        return Job(self._engine, await self._engine.acall(partial(jobs.put, wish=wish)))

    def job(self, job_id: str) -> Job:
        """A job of before, this process's or another's. Raises NotThere."""
        found = self._engine.call(partial(jobs.find, job_id=job_id))
        return Job(self._engine, Put(found.id))

    async def ajob(self, job_id: str) -> Job:
        """The same, awaited."""
        found = await self._engine.acall(partial(jobs.find, job_id=job_id))
        return Job(self._engine, Put(found.id))

    def _wish(self, call: Asked, max_wait: str, options: DeferOptions) -> Wish:
        """Raises InvalidRequest."""
        only("defer", options, DeferOptions)
        try:
            seconds = seconds_of(max_wait)
        except ValueError as error:
            raise InvalidRequest(f"max_wait: {error}") from None
        labels = Labels(options.get("user", ""), options.get("task", ""), options.get("tags", ()))
        reading = Reading(options.get("model", "") or self._default_model)
        item = item_of(record_of(call), 0, reading)
        name = options.get("name", "")
        if len(name) > _MOST_NAME or not name.isprintable():
            raise InvalidRequest(f"name has {len(name)} characters; at most 256, all printable")
        tell = options.get("webhook", "")
        return Wish(item, f"{seconds}s", name, labels.headers(), purses_here(), tell)
