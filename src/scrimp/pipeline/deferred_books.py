"""From a job back to its call: booked by the record lever as any call is, or asked by itself.

A job's entry has the job's id, so that booking it again, after a crash in the middle, changes
nothing. Its hold is settled by that entry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

from msgspec.structs import replace

from scrimp.batches.results import Item
from scrimp.budgets.words import BUDGET, OPEN
from scrimp.calls import (
    FREE_COST,
    UNKNOWN_COST,
    Attempt,
    Call,
    HeldSink,
    Outcome,
    Reply,
    Trace,
)
from scrimp.dialects.base import Dialect
from scrimp.errors import PriceUnknown, Rejected, ScrimpError, Unavailable, UpstreamError
from scrimp.jobs import Booking, Deferred, Ended, Job
from scrimp.jobs import Outcome as End
from scrimp.ledger.steps import place_name
from scrimp.ledger.waited import BATCH, DEFER
from scrimp.pipeline.open_holds import open_holds
from scrimp.pipeline.priced import priced
from scrimp.ports import Clock, Next, Pricer

_JSON = (("content-type", "application/json"),)
Recording = Callable[[Clock, Next], Next]
"""The way of booking around some end: the record lever, with this clock, and what remembers."""


@dataclass(frozen=True, slots=True)
class BookMeans:
    """`recording` books and remembers, `live` asks, `release` ends a hold by its id."""

    recording: Recording
    live: Next
    release: Callable[[str], None]
    pricer: Pricer
    clock: Clock
    dialects: Mapping[str, Dialect]


class DeferredBooks:
    """Rebuilds calls of jobs."""

    def __init__(self, means: BookMeans) -> None:
        self._means = means

    def answered(self, job: Job, deferred_to: Attempt, item: Item) -> End:
        """What a line of results comes to. `deferred_to` tells where and since when it was."""
        dialect = self._means.dialects[job.dialect]
        if item.became == "refused":
            attempt = replace(deferred_to, outcome="rejected", status=item.status, cost=FREE_COST)
            said = f"the provider answered {item.status}"
            return End("failed", item.status, item.body, attempt, "refused", said)
        facts = replace(dialect.read_reply(item.body), service_tier=BATCH)
        cost = UNKNOWN_COST
        if facts.usage is not None:
            try:
                cost = priced(
                    self._means.pricer,
                    facts.usage,
                    facts,
                    deferred_to.target,
                    deferred_to.started_at,
                )
            except PriceUnknown:
                cost = UNKNOWN_COST
        attempt = replace(
            deferred_to,
            outcome="ok",
            status=item.status,
            usage=facts.usage,
            service_tier=BATCH,
            request_id=item.id,
            reported_model=facts.model,
            partial=b"" if facts.usage is not None else item.body,
            cost=cost,
        )
        return End("done", item.status, item.body, attempt)

    async def book(self, ended: Ended) -> Booking:
        """Hand a job's entry to the ledger; what it came to."""
        job, outcome = ended.job, ended.outcome
        call = self._call(job, ended.deferred)
        if outcome.attempt is None:
            self._release(ended.deferred)
        else:
            call.trace.attempts.append(outcome.attempt)
        if outcome.state == "done":
            call.trace.note(DEFER, BATCH, {"tries": job.tries + 1})
        else:
            call.trace.note(DEFER, outcome.state, {"why": outcome.why or outcome.state})

        async def end(_: Call) -> Reply:
            if outcome.state == "done":
                return self._reply(job, outcome)
            _fail(outcome)

        ended_at = job.ended_at or self._means.clock.now()
        with suppress(ScrimpError):  # it ends as it was to end, and its entry says so
            await self._means.recording(_Waited(self._means.clock, job.at, ended_at), end)(call)
        return booking_of(job, call)

    async def ask(self, job: Job, deferred: Deferred) -> tuple[End, Booking]:
        """Ask for a job by itself, at the plain price, and book it. Raises what nobody foresaw."""
        self._release(deferred)
        call = self._call(job, deferred)
        if any(line.lever == BUDGET and line.verdict == OPEN for line in deferred.lines):
            call.trace.attempts.append(_unasked(deferred, job.at))
        call.trace.note(DEFER, "alone", {"tries": job.tries})
        dialect = self._means.dialects[job.dialect]

        async def end(asked: Call) -> Reply:
            request = dialect.read_request(deferred.sent)
            return await self._means.live(replace(asked, request=request, target=deferred.to))

        clock = _Waited(self._means.clock, job.at)
        try:
            reply = await self._means.recording(clock, end)(call)
            done = End("done", reply.status, reply.body or b"", _last(call), booked=True)
        except UpstreamError as error:
            done = End(
                "failed", error.status, error.body, _last(call), "refused", str(error), booked=True
            )
        except Rejected as error:
            done = End("failed", error.status, why="refused", error=str(error), booked=True)
        return done, booking_of(job, call)

    def _reply(self, job: Job, outcome: End) -> Reply:
        facts, by = self._means.dialects[job.dialect].read_reply(outcome.body), ""
        if outcome.attempt is not None:
            facts = replace(facts, service_tier=outcome.attempt.service_tier)
            by = place_name(outcome.attempt.target)  # who remembers it must know whose it is
        whole = facts.complete and facts.finish in ("complete", "tool_calls")
        return Reply(
            status=outcome.status,
            headers=_JSON,
            body=outcome.body,
            framing="json",
            facts=facts,
            cacheable=whole and facts.usage is not None,
            by=by,
        )

    def _call(self, job: Job, deferred: Deferred) -> Call:
        """The call as it was asked, with its trace so far; what it brings is remembered anew."""
        cache = deferred.cache
        if cache.mode == "default":
            cache = replace(cache, mode="refresh")
        return Call(
            id=job.id,
            purpose="client",
            operation=deferred.operation,
            method="POST",
            path=deferred.path,
            headers=deferred.headers,
            request=self._means.dialects[job.dialect].read_request(deferred.asked),
            target=deferred.target,
            caller=deferred.caller,
            task=deferred.task,
            cache=cache,
            started_at=job.at,
            sink=HeldSink(),
            trace=Trace(list(deferred.lines), list(deferred.attempts)),
            over_soft=deferred.over_soft,
            wish=deferred.wish,
        )

    def _release(self, deferred: Deferred) -> None:
        for hold_id in open_holds(deferred.lines):
            self._means.release(hold_id)


def attempt_of(deferred_to: Deferred, at: datetime, outcome: Outcome) -> Attempt:
    """An attempt at what a job wanted, of which nothing else is known."""
    return Attempt(target=deferred_to.to, outcome=outcome, status=0, started_at=at, latency_ms=0.0)


def _unasked(deferred: Deferred, at: datetime) -> Attempt:
    """A batch that brought nothing: in the place of the attempt that its hold was for."""
    return replace(attempt_of(deferred, at, "unsent"), cost=FREE_COST)


def booking_of(job: Job, call: Call) -> Booking:
    """What the record lever has put in the trace."""
    booked = call.trace.booked
    if booked is None:
        return Booking(job.id, None, None)
    known = booked.baseline_nanousd is not None
    saved = sum(part for _, part in booked.saved) if known else None
    return Booking(job.id, booked.cost.nanousd, saved)


def _last(call: Call) -> Attempt | None:
    return call.trace.attempts[-1] if call.trace.attempts else None


def _fail(outcome: End) -> NoReturn:
    """End as the job did."""
    text = outcome.error or outcome.why or outcome.state
    if outcome.attempt is not None:
        raise UpstreamError(text, status=outcome.status or 502, body=outcome.body)
    raise Unavailable(text)


class _Waited:
    """A clock by which a call took as long as its client has waited."""

    def __init__(self, clock: Clock, since: datetime, until: datetime | None = None) -> None:
        self._clock = clock
        self._since = since
        self._until = until
        self._asked = False

    def now(self) -> datetime:
        """What time it is."""
        return self._clock.now()

    def monotonic(self) -> float:
        """0 at first, then how long it took."""
        if not self._asked:
            self._asked = True
            return 0.0
        until = self._until or self._clock.now()
        return max(0.0, (until - self._since).total_seconds())

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._clock.sleep(seconds)
