"""Put off what may wait: to a provider's batch API, or to its flex tier, at half the price.

A call that is put off is held against its budgets and written down before its client hears of it;
from then on it is a job, whether or not the client is still there. What cannot be put off goes
live, and the trace says why.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, NoReturn, Protocol

from msgspec.structs import replace

from scrimp.batches.deciding import lane_of, refusal, why_live, with_version
from scrimp.batches.promise import JOBS, promise
from scrimp.budgets.words import BUDGET, OPEN
from scrimp.calls import Call, HeldSink, Reply, ReplyFacts, Target, Trace, TraceLine
from scrimp.dialects.base import Dialect
from scrimp.dialects.json_body import encode
from scrimp.errors import InvalidRequest, StoreError, Unavailable, UpstreamError
from scrimp.jobs import Deferred, Job, Lane
from scrimp.ledger.waited import BATCH, DEFER, FLEX, PROMISED
from scrimp.ports import Clock, Next

_JSON = ("content-type", "application/json")
_JOB = "x-scrimp-job"


class Tiers(Protocol):
    """Which discounted tiers are known for a target."""

    def __call__(self, target: Target) -> frozenset[str]:
        """Of `batch` and `flex` those that it has, and that cost less than the plain one."""
        ...


@dataclass(frozen=True, slots=True)
class DeferSettings:
    """From how many seconds on a call may wait for a batch, and for the flex tier (0: never)."""

    batch_s: int = 3600
    flex_s: int = 0


@dataclass(frozen=True, slots=True)
class DeferMeans:
    """`hold` is the way of a call that is put off: what it may cost is held, nothing is sent.

    `release` ends such a hold, by its id. `keep` writes jobs down. `lane_text` names their lane.
    """

    hold: Next
    release: Callable[[str], None]
    keep: Callable[[Job, Deferred], Awaitable[Job]]
    lane_text: Callable[[Lane], str]
    tiers: Tiers
    dialects: dict[str, Dialect]
    clock: Clock


class Defer:
    """Answers with a job where the call may wait long enough."""

    name: ClassVar[str] = "defer"
    fail_closed: ClassVar[bool] = False

    def __init__(self, means: DeferMeans, settings: DeferSettings) -> None:
        self._means = means
        self._settings = settings

    async def __call__(self, call: Call, next: Next) -> Reply:
        """A job, or the reply from below.

        Raises Rejected where no budget bears the call, and where one that may only wait cannot.
        """
        seconds = call.wait.seconds
        if not seconds:
            return await next(call)
        why, known = self._tiers(call)
        if BATCH in known and seconds >= self._settings.batch_s:
            reply = await self._put_off(call)
            return reply if reply is not None else await next(call)
        if call.wait.only:
            self._refuse(call, why, known)
        if self._settings.flex_s and seconds >= self._settings.flex_s and FLEX in known:
            return await self._flex(call, next)
        why = why or ("no_tier" if not known else "too_soon")
        call.trace.note(self.name, "live", {"why": why, "wait_s": seconds})
        return await next(call)

    def check(self, call: Call) -> None:
        """Raises InvalidRequest for a call that no batch would take. Budgets are not asked."""
        why, known = self._tiers(call)
        if BATCH not in known or call.wait.seconds < self._settings.batch_s:
            self._refuse(call, why, known)

    def _tiers(self, call: Call) -> tuple[str, frozenset[str]]:
        """What in a call keeps it from waiting; which tiers its model has where nothing does."""
        why = why_live(call)
        return why, frozenset() if why else self._means.tiers(call.target)

    def _refuse(self, call: Call, why: str, known: frozenset[str]) -> NoReturn:
        why = why or ("too_soon" if BATCH in known else "no_tier")
        raise InvalidRequest(refusal(call, why, self._settings.batch_s))

    async def _put_off(self, call: Call) -> Reply | None:
        """The promise of a job; None where it cannot be written down."""
        means, held = self._means, Trace()
        waiting = replace(call.sent_to(HeldSink(), held), id=f"{call.id}/{DEFER}")
        try:
            await means.hold(waiting)
        finally:
            call.trace.headers.update(held.headers)
        hold_id, lines = _open(held, len(call.trace.attempts))
        try:
            job, deferred = self._job(call, lines)
            kept = await means.keep(job, deferred)
        except StoreError as error:
            self._let_go(hold_id)
            if call.wait.only:
                raise Unavailable(f"no job can be kept now: {error}") from error
            call.trace.note(self.name, "live", {"why": "no_queue", "error": str(error)})
            return None
        if kept.id != job.id:
            self._let_go(hold_id)
        call.trace.note(self.name, "put_off", {"job": kept.id, "wait_s": call.wait.seconds})
        call.trace.headers[_JOB] = kept.id
        headers = (_JSON, ("location", f"{JOBS}{kept.id}"))
        return Reply(PROMISED, headers, promise(kept), "json", ReplyFacts(), False, DEFER)  # noqa: FBT003 (as the word has it)

    def _let_go(self, hold_id: str) -> None:
        if hold_id:
            self._means.release(hold_id)

    def _job(self, call: Call, lines: list[TraceLine]) -> tuple[Job, Deferred]:
        target, wait, now = call.target, call.wait, self._means.clock.now()
        dialect = self._means.dialects[target.dialect]
        lane = lane_of(call)
        job = Job(
            id=call.id,
            tenant=call.caller.tenant,
            key=call.caller.key,
            lane=self._means.lane_text(lane),
            provider=target.provider,
            model=target.model,
            dialect=target.dialect,
            at=call.started_at,
            until=now + timedelta(seconds=wait.seconds),
            ref=wait.ref,
        )
        deferred = Deferred(
            operation="embeddings" if call.operation == "embeddings" else "chat",
            path=call.path,
            headers=with_version(call.headers, target.dialect),
            caller=replace(call.caller, purses=()),
            task=call.task,
            cache=call.cache,
            target=replace(target, provider=wait.provider, model=wait.model),
            to=target,
            asked=wait.body,
            sent=dialect.upstream_body(call.request, model=target.model, want_usage=False),
            lines=(*call.trace.lines, *lines),
            attempts=tuple(call.trace.attempts),
            over_soft=call.over_soft,
            wish=call.wish,
            tell=wait.tell,
        )
        return job, deferred

    async def _flex(self, call: Call, next: Next) -> Reply:
        """At the flex tier, and plainly where that has no room (OpenAI: a 429)."""
        fields = {**call.request.fields, "service_tier": FLEX}
        request = replace(call.request, body=encode(fields), fields=fields)
        call.trace.note(self.name, FLEX, {"wait_s": call.wait.seconds})
        try:
            return await next(replace(call, request=request))
        except UpstreamError as error:
            if call.sink.begun or error.status not in (400, 429, 503):
                raise
            call.trace.note(self.name, "flex_refused", {"status": error.status})
        return await next(call)


def _open(held: Trace, attempts: int) -> tuple[str, list[TraceLine]]:
    """The hold that stays open, and the lines of holding: the job's attempt settles it."""
    hold_id, lines = "", []
    for line in held.lines:
        if line.lever == BUDGET and line.verdict == OPEN:
            hold_id = str(dict(line.numbers)["hold"])
            lines.append(TraceLine(BUDGET, OPEN, (("hold", hold_id), ("attempt", attempts))))
        else:
            lines.append(line)
    return hold_id, lines
