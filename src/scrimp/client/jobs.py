"""Calls of the library that may wait, on the engine's loop: putting one off, what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn
from urllib.parse import quote

from scrimp.app import App
from scrimp.calls import Call, HeldSink, Reply, Trace, Usage
from scrimp.client.asking import Answer, answer_of
from scrimp.client.calling import call_headers
from scrimp.client.desk import Desk
from scrimp.client.purses import Pocket
from scrimp.dialects.base import Dialect
from scrimp.errors import Conflict, InvalidRequest, Unauthenticated, Unavailable, UpstreamError
from scrimp.jobs import Job as Kept
from scrimp.jobs import Outcome
from scrimp.ledger.waited import DEFER, promised
from scrimp.many.asked import Item
from scrimp.semantics.answers import text_of
from scrimp.shell.deliver import present
from scrimp.shell.intake import Asked, Identity, Intake
from scrimp.shell.jobs_desk import SHOWN, JobsDesk
from scrimp.shell.routes import ROUTES
from scrimp.shell.waiting import HEADER, WEBHOOK, able_to_wait

TENANT = Identity().tenant
"""Whose the calls of the engine itself are."""
OFF = "no call may wait here: put [defer] with enabled = true into the settings"
_SAME = b"idempotency-key"
_FIRST_S, _MOST_S = 0.02, 1.0
"""How often the file is looked at: soon at first, then once a second."""
_EACH_S = 0.002
"""Beyond that so much for each job that is waited for: thousands of them must not keep the disk."""
_UNSURE = 5
"""How often a job that is booked without a price is looked at again: its price may be late."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A call and how long it may wait. `name` is the program's own for it, `tell` an address."""

    item: Item
    max_wait: str
    name: str
    labels: Mapping[bytes, bytes]
    purses: tuple[Pocket, ...]
    tell: str = ""


@dataclass(frozen=True, slots=True)
class Came:
    """An answer, and its body as the provider wrote it."""

    answer: Answer
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Put:
    """What became of a call at once: a job, or the answer, and why it did not wait."""

    id: str
    came: Came | None = None
    why: str = ""


def waiting_call(app: App, intake: Intake, wish: Wish) -> Call:
    """The call of a wish. Raises Rejected."""
    item, name = wish.item, quote(wish.name)
    said = {
        HEADER.encode(): wish.max_wait.encode(),
        WEBHOOK.encode(): wish.tell.encode(),
        _SAME: name.encode(),
    }
    headers = {**call_headers(item, wish.labels), **{key: one for key, one in said.items() if one}}
    asked = Asked(
        id=app.new_id(),
        identity=Identity(),
        method="POST",
        path=item.path,
        headers=headers,
        raw=[pair for pair in headers.items() if pair[0] not in said],
        body=item.body,
        sink=HeldSink(),
        trace=Trace(),
    )
    return able_to_wait(intake.call(asked, ROUTES[item.path]), headers, app.settings.defer)


async def put(desk: Desk, *, wish: Wish) -> Put:
    """Put a call off, or have it answered now where it cannot wait. Raises as `ask` does."""
    app = desk.app
    if not app.settings.defer.enabled:
        raise InvalidRequest(OFF)
    call = desk.paid(waiting_call(app, desk.intake, wish), wish.purses)
    reply = await app.handle(call)
    if promised(reply):
        return Put(call.trace.headers["x-scrimp-job"])
    dialect = app.dialects[call.target.dialect]
    _, body = present(dialect, reply, call)
    said_why = [dict(one.numbers).get("why") for one in call.trace.lines if one.lever == DEFER]
    came = Came(answer_of(call, reply, text_of(reply, dialect)), body)
    return Put(call.id, came, str(said_why[-1] or "") if said_why else reply.served_by)


async def find(desk: Desk, *, job_id: str) -> Kept:
    """How a job stands. Raises NotThere."""
    job, _ = await jobs_desk(desk).answer(job_id, TENANT)
    return job


async def cancel(desk: Desk, *, job_id: str) -> None:
    """Call it off. Raises NotThere, and Conflict once it may have been paid."""
    await jobs_desk(desk).cancel(job_id, TENANT)


async def answer(desk: Desk, *, job_id: str, timeout_s: float | None) -> Came:
    """Wait until a job is over and booked. Raises TimeoutError, and how it ended badly."""
    kept = jobs_desk(desk)
    job, outcome = await kept.answer(job_id, TENANT)
    if outcome is None or not _is_over(job, outcome):  # what is over is told however short the time
        try:
            async with asyncio.timeout(timeout_s):
                job, outcome = await _over(kept, job_id, desk.awaited)
        except TimeoutError:
            if timeout_s is None:
                raise
            job = await find(desk, job_id=job_id)
            raise TimeoutError(_not_yet(job, timeout_s)) from None
    if outcome.state != "done":
        _fail(job, outcome)
    dialect = desk.app.dialects[job.dialect]
    return Came(_answer(job, outcome, dialect), outcome.body)


def answered_at_once(call_id: str) -> Conflict:
    """What is raised where somebody calls off what is no job."""
    return Conflict(f"call {call_id} did not wait: it is answered, and cannot be called off")


def jobs_desk(desk: Desk) -> JobsDesk:
    """The jobs of this engine. Raises InvalidRequest where there are none."""
    if desk.app.jobs is None:
        raise InvalidRequest(OFF)
    return JobsDesk(desk.app.jobs.desk)


async def _over(desk: JobsDesk, job_id: str, awaited: set[object]) -> tuple[Kept, Outcome]:
    """Look until it is; the more are waited for, the more seldom each of them."""
    pause_s, unsure, mark = _FIRST_S, 0, object()
    awaited.add(mark)
    try:
        while True:
            await asyncio.sleep(max(pause_s, len(awaited) * _EACH_S))
            job, outcome = await desk.answer(job_id, TENANT)
            if outcome is not None:
                unsure += outcome.booked
                if unsure > _UNSURE or _is_over(job, outcome):
                    return job, outcome
            pause_s = min(_MOST_S, pause_s * 1.5)
    finally:
        awaited.discard(mark)


def _is_over(job: Kept, outcome: Outcome) -> bool:
    """An answer is when it is booked: its cost is known then."""
    return outcome.state != "done" or (outcome.booked and job.cost_nanousd is not None)


def _not_yet(job: Kept, timeout_s: float) -> str:
    return (
        f"job {job.id} is {SHOWN[job.state]} after {timeout_s:g} s; it is answered by "
        f"{job.until:%Y-%m-%d %H:%M}Z (wait longer, or ask again later: engine.job({job.id!r}))"
    )


def _fail(job: Kept, outcome: Outcome) -> NoReturn:
    """Raise what it ended with."""
    said = f"job {job.id}: {outcome.error or outcome.why or outcome.state}"
    if outcome.state == "cancelled":
        raise Conflict(f"job {job.id} was called off")
    if outcome.why == "revoked":
        raise Unauthenticated(said)
    if outcome.why == "refused" and outcome.attempt is None:
        raise Unavailable(said)
    raise UpstreamError(said, status=outcome.status or 502, body=outcome.body)


def _answer(job: Kept, outcome: Outcome, dialect: Dialect) -> Answer:
    facts = dialect.read_reply(outcome.body)
    reply = Reply(outcome.status, (), outcome.body, "json", facts, cacheable=False)
    attempt = outcome.attempt
    used = None if attempt is None else attempt.usage
    return Answer(
        answer=text_of(reply, dialect),
        source=reply.served_by,
        model=facts.model or job.model,
        provider=job.provider,
        task="",
        tokens=used or facts.usage or Usage(),
        cost_nanousd=job.cost_nanousd,
        saved_nanousd=job.saved_nanousd,
        cached=False,
        finish=facts.finish,
        id=job.id,
    )
