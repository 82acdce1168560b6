"""One batch, step by step: written down before each step that costs, so that none is done twice.

forming → sending → sent → over. A batch that was being sent when its answer got lost is looked for
at the provider before anything is sent again; what it did not answer goes on alone or in another.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from msgspec.structs import replace

from scrimp.batches import forms
from scrimp.batches.deciding import after_batch
from scrimp.batches.forms import Seen
from scrimp.batches.results import Item
from scrimp.calls import Attempt, Target
from scrimp.errors import UpstreamError
from scrimp.jobs import Batch, BatchWork, Job, JobWork, Outcome
from scrimp.pipeline.batch_apis import BatchApi, Lines
from scrimp.pipeline.batch_room import Room
from scrimp.pipeline.deferred_books import DeferredBooks
from scrimp.pipeline.validity import Validity
from scrimp.ports import Clock

log = logging.getLogger("scrimp.defer")

_AT_ONCE = 200
_MOST_MISSES = 3
"""How often in a row a provider must not know a batch before it counts as gone."""
_MOST_FETCHES = 8
"""How often results are fetched that lack lines: such a line may be an answer that is paid for, and
to fetch it costs nothing, to ask again does."""
_UNTOLD = (408, 409)


@dataclass(frozen=True, slots=True)
class StepRules:
    """As in the settings: see `DeferSection`."""

    poll_s: float
    alone: timedelta
    lost: timedelta
    least: timedelta
    tries: int


@dataclass(frozen=True, slots=True)
class StepMeans:
    """What the steps work with."""

    batches: BatchWork
    jobs: JobWork
    api: BatchApi
    books: DeferredBooks
    validity: Validity
    clock: Clock
    dice: Callable[[], float]


class BatchSteps:
    """Moves batches on. When it may next be looked at is known for as long as the process lives."""

    def __init__(self, means: StepMeans, rules: StepRules) -> None:
        self._means = means
        self._rules = rules
        self._not_before: dict[str, float] = {}
        self._due: dict[str, datetime] = {}
        self._room = Room(rules.poll_s)

    async def step(self, batch: Batch) -> None:
        """The next step, if it is time for one. Raises StoreError, UpstreamError."""
        if self._means.clock.monotonic() < self._not_before.get(batch.id, 0.0):
            return
        match batch.state:
            case "forming":
                await self._send(batch)
            case "sending":
                await self._find(batch)
            case "sent":
                await self._look(batch)
            case "over":
                pass
            case _:
                assert_never(batch.state)

    async def _lines(self, batch: Batch) -> Sequence[tuple[Job, bytes]]:
        lines = await asyncio.to_thread(self._means.batches.lines, batch.id)
        if lines:
            self._due[batch.id] = min(job.until for job, _ in lines)
        return lines

    async def _move(self, before: Batch, after: Batch) -> bool:
        return await asyncio.to_thread(self._means.batches.move, before, after)

    async def _send(self, batch: Batch) -> None:
        """What is still to be asked, and by keys that still hold."""
        means = self._means
        jobs = [job for job, _ in await self._lines(batch)]
        if ends := await means.validity.ends(jobs):
            await asyncio.to_thread(means.jobs.finish, ends, batch.id)
        lines = [(job.id, body) for job, body in await self._lines(batch)]
        if not lines:
            await self._over(batch)
            return
        many = self._room.most(batch.lane, len(lines), means.clock.monotonic())
        if not many:
            await self._wait_for_room(batch)
            return
        if rest := [job_id for job_id, _ in lines[many:]]:
            await asyncio.to_thread(means.jobs.go_on, rest, "waiting", tried=False)
            lines = lines[:many]
        try:
            # one that was uploaded holds calls that are not sent, or not now
            file = "" if ends or rest else batch.file
            file = file or await means.api.upload(batch, lines)
        except UpstreamError as error:
            await self._unsent(batch, error)
            return
        await self._begin(batch, replace(batch, file=file, items=len(lines)), lines)

    async def _wait_for_room(self, batch: Batch) -> None:
        """Its provider holds what it will: later, or alone where there is no time for that."""
        self._later(batch, self._rules.poll_s)
        if await self._is_due(batch):
            await self._let_go(batch, single=True)

    async def _begin(self, before: Batch, batch: Batch, lines: Lines) -> None:
        """The one request that is paid for; that it is made is written down before."""
        sending = replace(batch, state="sending", sent_at=self._means.clock.now())
        if not await self._move(before, sending):
            return
        try:
            remote = await self._means.api.begin(sending, lines)
        except UpstreamError as error:
            if not error.sent or (400 <= error.status < 500 and error.status not in _UNTOLD):
                forming = replace(sending, state="forming", sent_at=None)
                if await self._move(sending, forming):
                    await self._unsent(forming, error)
            return  # else nobody knows whether it was begun: it is looked for
        await self._begun(sending, remote)

    async def _begun(self, sending: Batch, remote: str) -> None:
        await self._move(sending, replace(sending, state="sent", remote=remote))
        self._later(sending, min(5.0, self._rules.poll_s))
        log.info("batch %s: %d calls are at %s", sending.id, sending.items, sending.lane.provider)

    async def _unsent(self, batch: Batch, error: UpstreamError) -> None:
        """Nothing was begun: again later, or not at all where the provider will not have it."""
        if error.sent and 400 <= error.status < 500 and error.status not in (*_UNTOLD, 429):
            log.warning("batch %s: %s refuses it (%d)", batch.id, batch.lane.provider, error.status)
            await self._let_go(batch, single=True)
            return
        self._later(batch, self._rules.poll_s)
        if await self._is_due(batch):
            await self._let_go(batch, single=True)

    async def _find(self, batch: Batch) -> None:
        """Was it begun? It is sent again only when it certainly was not."""
        means = self._means
        known = await asyncio.to_thread(means.batches.remotes)
        jobs = frozenset(job.id for job, _ in await self._lines(batch))
        found = await means.api.find(batch, known, jobs)
        if found.remote:
            await self._begun(batch, found.remote)
            return
        sent_at = batch.sent_at or batch.made_at
        if found.sure and means.clock.now() - sent_at >= self._rules.lost:
            await self._move(batch, replace(batch, state="forming", sent_at=None))
            return
        self._later(batch, min(self._rules.poll_s, self._rules.lost.total_seconds() / 4))

    async def _look(self, batch: Batch) -> None:
        means = self._means
        self._later(batch, self._rules.poll_s)
        seen = await means.api.look(batch)
        if seen is None:
            await self._missed(batch)
            return
        if seen.full:
            await self._refused(batch)
            return
        if not seen.checking and not seen.refused:
            self._room.taken(batch)
        if seen.over:
            await self._collect(batch, seen)
            return
        if batch.misses:
            found = replace(batch, misses=0)
            await self._move(batch, found)
            batch = found
        if not batch.recalled and await self._is_due(batch):
            await means.api.recall(batch)
            await self._move(batch, replace(batch, recalled=True))
            self._later(batch, min(5.0, self._rules.poll_s))

    async def _refused(self, batch: Batch) -> None:
        """There was no room for it: nothing of it was begun, and its calls wait for another one."""
        means = self._means
        self._room.refused(batch, means.clock.monotonic())
        log.warning(
            "batch %s: %s has no room for %d calls more, so fewer go later",
            *(batch.id, batch.lane.provider, batch.items),
        )
        if await self._is_due(batch):
            await self._let_go(batch, single=True)
            return
        jobs = [job.id for job, _ in await self._lines(batch)]
        await asyncio.to_thread(means.jobs.go_on, jobs, "waiting", tried=False)
        await self._over(batch)

    async def _missed(self, batch: Batch) -> None:
        """The provider does not know it: what does not exist is not billed, so it is asked anew."""
        misses = batch.misses + 1
        if misses < _MOST_MISSES:
            await self._move(batch, replace(batch, misses=misses))
            return
        log.warning("batch %s has vanished at %s", batch.id, batch.lane.provider)
        await self._let_go(batch, single=False)

    async def _collect(self, batch: Batch, seen: Seen) -> None:
        """Write answers down as they come, each once; then let go of what is left."""
        jobs = {job.id: job for job, _ in await self._lines(batch)}
        ends: list[tuple[str, Outcome]] = []
        try:
            async for item in self._means.api.results(batch, seen):
                job = jobs.pop(forms.job_id(item.custom_id), None)
                if job is not None and item.became != "undone":
                    ends.append((job.id, self._end(batch, job, item)))
                if len(ends) >= _AT_ONCE:
                    await self._finish(batch, ends)
        except UpstreamError as error:
            await self._finish(batch, ends)
            if error.status != 404:
                raise
            await self._missed(batch)
            return
        await self._finish(batch, ends)
        if jobs and not seen.refused and await self._may_come(batch):
            await self._move(batch, replace(batch, misses=batch.misses + 1))
            self._later(batch, self._rules.poll_s * 2.0**batch.misses)
            return
        await self._let_go(batch, single=bool(seen.refused))

    async def _may_come(self, batch: Batch) -> bool:
        """Whether what is missing in results is looked for once more."""
        return batch.misses + 1 < _MOST_FETCHES and not await self._is_due(batch)

    async def _finish(self, batch: Batch, ends: list[tuple[str, Outcome]]) -> None:
        if ends:
            await asyncio.to_thread(self._means.jobs.finish, ends, batch.id)
            ends.clear()

    def _end(self, batch: Batch, job: Job, item: Item) -> Outcome:
        sent_at, now = batch.sent_at or batch.made_at, self._means.clock.now()
        lane = batch.lane
        attempt = Attempt(
            target=Target(lane.provider, lane.model, lane.dialect),
            outcome="ok",
            status=0,
            started_at=sent_at,
            latency_ms=max(0.0, (now - sent_at).total_seconds() * 1000),
        )
        return self._means.books.answered(job, attempt, item)

    async def _let_go(self, batch: Batch, *, single: bool) -> None:
        """What the batch did not answer goes on; then it is over."""
        rules, now = self._rules, self._means.clock.now()
        moves: dict[str, list[str]] = {"waiting": [], "single": [], "expired": []}
        for job, _ in await self._lines(batch):
            then = after_batch(job, now, most_tries=rules.tries, least=rules.least)
            moves["single" if single and then == "waiting" else then].append(job.id)
        work = self._means.jobs
        if moves["expired"]:
            end = Outcome("failed", 504, why="expired", error=EXPIRED)
            await asyncio.to_thread(work.finish, [(one, end) for one in moves["expired"]], batch.id)
        if moves["waiting"]:
            await asyncio.to_thread(work.go_on, moves["waiting"], "waiting", tried=True)
        if moves["single"]:
            await asyncio.to_thread(work.go_on, moves["single"], "single", tried=True)
        await self._over(batch)

    async def _over(self, batch: Batch) -> None:
        await self._move(batch, replace(batch, state="over"))
        self._not_before.pop(batch.id, None)
        self._due.pop(batch.id, None)

    async def _is_due(self, batch: Batch) -> bool:
        """True when one of its calls must be asked alone now to be answered in time."""
        if batch.id not in self._due and not await self._lines(batch):
            return False
        return self._means.clock.now() >= self._due[batch.id] - self._rules.alone

    def _later(self, batch: Batch, seconds: float) -> None:
        """Not at the same moment as everybody's."""
        jitter = 0.9 + 0.2 * self._means.dice()
        self._not_before[batch.id] = self._means.clock.monotonic() + seconds * jitter


EXPIRED = "it was not answered in the time that its client gave it; nothing was paid for it"
