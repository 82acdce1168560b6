"""The work behind jobs, done by one process of many: batches, calls asked alone, booking, tidying.

Whoever holds the lease leads. All that matters is in the file before it is done, so that another
process, or the next one after a crash, goes on from there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from scrimp.calls import Attempt, Target
from scrimp.errors import ScrimpError, StoreError, UpstreamError, kind_and_place
from scrimp.jobs import BatchWork, Gathering, Job, JobDesk, JobWork, Outcome, Standing
from scrimp.pipeline.batch_steps import EXPIRED, BatchSteps
from scrimp.pipeline.deferred_books import DeferredBooks, attempt_of
from scrimp.pipeline.validity import Validity
from scrimp.ports import Clock, Ledger

log = logging.getLogger("scrimp.defer")

LEASE_S = 60.0
_RENEW_S = 15.0
_FOLLOW_S = 5.0
"""How often somebody who does not lead asks whether he may."""
_LAST_S = 20.0
"""How long calls that are asked alone may go on at the end."""
_AT_ONCE = 500
_TIDY_S = 3600.0
_LOOK_S = 1.0
_INTERRUPTED = (
    "the gateway ended while this call was asked by itself: it may have been paid, "
    "and its answer is lost; it is not asked again"
)


@dataclass(frozen=True, slots=True)
class DeferringRules:
    """As in the settings: see `DeferSection`. `at_once` calls are asked alone at the same time."""

    gather: timedelta
    alone: timedelta
    keep: timedelta
    pause_s: float
    most_items: int
    most_bytes: int
    at_once: int = 8


@dataclass(frozen=True, slots=True)
class DeferringMeans:
    """What the work is done with. `new_id` names batches, `owner` is this process."""

    batches: BatchWork
    jobs: JobWork
    desk: JobDesk
    steps: BatchSteps
    books: DeferredBooks
    validity: Validity
    ledger: Ledger
    clock: Clock
    owner: str
    new_id: Callable[[], str]


class Deferring:
    """Beside the calls for as long as the app is open."""

    def __init__(self, means: DeferringMeans, rules: DeferringRules) -> None:
        self._means = means
        self._rules = rules
        self._stopping = asyncio.Event()
        self._new = (asyncio.Event(), asyncio.Event())
        self._asking: set[str] = set()
        self._tidied_s: float | None = None
        self._leads = False
        self._looked_s = -_LOOK_S
        self._standing: Standing | None = None

    def kept(self) -> None:
        """A job was kept, the first one perhaps; who leads sees it by himself."""
        if not self._leads:
            self._wake()

    @property
    def standing(self) -> Standing | None:
        """How all jobs stood a moment ago; None where another process leads, and says so."""
        return self._standing if self._leads else None

    def _wake(self) -> None:
        for event in self._new:
            event.set()

    def stop(self) -> None:
        """Let what is asked alone end, and book it; the rest is in the file."""
        self._stopping.set()
        self._wake()

    async def run(self) -> None:
        """Work until `stop`: batches, and calls that are asked alone, which may take long."""
        async with asyncio.TaskGroup() as group:
            for new, work in zip(self._new, (self.round, self.alone), strict=True):
                group.create_task(self._repeat(new, work), name="scrimp defer")
        if self._leads:  # the next one need not wait until the lease ends by itself
            await self._guarded_lead(0.0)

    async def _repeat(self, new: asyncio.Event, work: Callable[[], Awaitable[None]]) -> None:
        while not self._stopping.is_set():
            new.clear()
            self._leads = leads = await self._guarded_lead()
            pause_s = self._rules.pause_s if leads else max(_FOLLOW_S, self._rules.pause_s)
            if leads:
                await self._led(work)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await new.wait()

    async def _led(self, work: Callable[[], Awaitable[None]]) -> None:
        """One round; given up when the lease is lost in the middle, or the end takes too long."""
        try:
            async with asyncio.TaskGroup() as group:
                renewing = group.create_task(self._renew(), name="scrimp defer leads")
                stopping = group.create_task(self._give_up(), name="scrimp defer ends")
                await work()
                renewing.cancel()
                stopping.cancel()
        except* (_LostError, _EndedError):
            log.warning("work on jobs was given up in the middle; another process goes on")

    async def _guarded_lead(self, lease_s: float = LEASE_S) -> bool:
        try:
            return await self._lead(lease_s)
        except StoreError as error:
            log.warning("jobs: %s", error)
            return False

    async def _lead(self, lease_s: float) -> bool:
        means = self._means
        return await asyncio.to_thread(means.batches.lead, means.owner, lease_s=lease_s)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(_RENEW_S)
            if not await self._guarded_lead():
                raise _LostError

    async def _give_up(self) -> None:
        await self._stopping.wait()
        await asyncio.sleep(_LAST_S)
        raise _EndedError

    async def round(self) -> None:
        """All that is to be done for batches now, and the books of all jobs."""
        await self._all(self._book, self._gather, self._batches, self._book, self._tidy, self._look)

    async def alone(self) -> None:
        """Calls that batches did not answer, or would not in time."""
        await self._all(self._interrupted, self._due, self._alone)

    async def _all(self, *works: Callable[[], Awaitable[None]]) -> None:
        for work in works:
            try:
                await work()
            except ScrimpError as error:
                log.warning("jobs: %s", error)
            except Exception as error:  # noqa: BLE001 (an edge: the next work must go on)
                log.error("jobs: %s", kind_and_place(error))  # noqa: TRY400 (its message may hold a prompt)

    async def _interrupted(self) -> None:
        """Calls that a process was asking alone when it ended: nobody knows what they cost."""
        jobs = await asyncio.to_thread(self._means.jobs.in_state, "asking", limit=_AT_ONCE)
        for job in jobs:
            if job.id in self._asking:
                continue
            target = Target(job.provider, job.model, job.dialect)
            attempt = Attempt(target, "failed", 0, self._means.clock.now(), 0.0)
            end = Outcome("failed", 500, b"", attempt, "interrupted", _INTERRUPTED)
            await asyncio.to_thread(self._means.jobs.finish, [(job.id, end)])

    async def _gather(self) -> None:
        rules, now = self._rules, self._means.clock.now()
        gathering = Gathering(
            older_than=now - rules.gather,
            due_by=now + rules.alone + rules.gather,
            most_items=rules.most_items,
            most_bytes=rules.most_bytes,
        )
        await asyncio.to_thread(self._means.batches.gather, gathering, self._ids())

    def _ids(self) -> Iterator[str]:
        while True:
            yield self._means.new_id()

    async def _batches(self) -> None:
        for batch in await asyncio.to_thread(self._means.batches.batches):
            if self._stopping.is_set():
                return
            try:
                await self._means.steps.step(batch)
            except UpstreamError as error:
                log.warning("batch %s: %s", batch.id, error)

    async def _due(self) -> None:
        """What would not be answered in time by a batch any more is asked alone."""
        until = self._means.clock.now() + self._rules.alone
        jobs = await asyncio.to_thread(self._means.jobs.waiting, until=until, limit=_AT_ONCE)
        if jobs:
            names = [job.id for job in jobs]
            await asyncio.to_thread(self._means.jobs.go_on, names, "single", tried=False)

    async def _alone(self) -> None:
        jobs = await asyncio.to_thread(self._means.jobs.in_state, "single", limit=_AT_ONCE)
        if not jobs:
            return
        ends = await self._means.validity.ends(jobs)
        now = self._means.clock.now()
        late = Outcome("failed", 504, why="expired", error=EXPIRED)
        over = dict(ends) | {job.id: late for job in jobs if now >= job.until}
        if over:
            await asyncio.to_thread(self._means.jobs.finish, list(over.items()))
        left = iter([job for job in jobs if job.id not in over])
        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._rules.at_once, len(jobs))):
                group.create_task(self._ask_each(left), name="scrimp defer asks")

    async def _ask_each(self, jobs: Iterator[Job]) -> None:
        for job in jobs:
            if self._stopping.is_set():
                return
            self._asking.add(job.id)
            try:
                await self._ask(job)
            finally:
                self._asking.discard(job.id)

    async def _ask(self, job: Job) -> None:
        work = self._means.jobs
        deferred = await asyncio.to_thread(work.take, job.id)
        if deferred is None:
            return
        try:
            end, booking = await self._means.books.ask(job, deferred)
        except Exception as error:  # noqa: BLE001 (an edge: the other jobs must go on)
            log.error("job %s: %s", job.id, kind_and_place(error))  # noqa: TRY400 (its message may hold a prompt)
            attempt = attempt_of(deferred, self._means.clock.now(), "failed")
            text = "Scrimp failed on this call; its log has the reason"
            await asyncio.to_thread(
                work.finish, [(job.id, Outcome("failed", 500, b"", attempt, "unsendable", text))]
            )
            return
        await asyncio.to_thread(work.finish, [(job.id, end)])
        await asyncio.to_thread(work.booked, [booking])

    async def _book(self) -> None:
        """Ended jobs into the ledger; they are marked once that has them."""
        means = self._means
        while ended := await asyncio.to_thread(means.jobs.unbooked, limit=_AT_ONCE):
            bookings = [await means.books.book(one) for one in ended]
            await means.ledger.flush()
            await asyncio.to_thread(means.jobs.booked, bookings)
            if len(ended) < _AT_ONCE:
                return

    async def _look(self) -> None:
        now_s = self._means.clock.monotonic()
        if now_s >= self._looked_s + _LOOK_S:
            self._looked_s = now_s
            self._standing = await asyncio.to_thread(self._means.desk.standing)

    async def _tidy(self) -> None:
        now_s = self._means.clock.monotonic()
        if self._tidied_s is not None and now_s < self._tidied_s + _TIDY_S:
            return
        self._tidied_s = now_s
        before = self._means.clock.now() - self._rules.keep
        await asyncio.to_thread(self._means.jobs.tidy, ended_before=before)


class _LostError(Exception):
    """Another process leads."""


class _EndedError(Exception):
    """The app closes, and what is asked takes too long."""
