"""The lever that puts calls off: a job where the call may wait, the live way where it may not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from scrimp.budgets.words import OPEN
from scrimp.calls import Call, Reply, ReplyFacts, Target
from scrimp.dialects import DIALECTS
from scrimp.errors import (
    BudgetExceeded,
    InvalidRequest,
    StoreError,
    Unavailable,
    UpstreamError,
)
from scrimp.jobs import Deferred, Job
from scrimp.levers.defer import Defer, DeferMeans, DeferSettings
from scrimp.stores.sqlite_jobs_rows import lane_text
from scrimp.waiting import Wait
from tests.support.core import FakeClock, call_of, chat_fields, reply_of


class Desk:
    """A lever, what it kept and released, and what went live below it."""

    def __init__(
        self,
        *,
        tiers: frozenset[str] = frozenset({"batch", "flex"}),
        keeps: Callable[[Job], Job] | Exception | None = None,
        holds: Exception | None = None,
        below: Reply | Exception | None = None,
    ) -> None:
        self.kept: list[tuple[Job, Deferred]] = []
        self.released: list[str] = []
        self.live: list[Call] = []
        self._tiers, self._keeps, self._holds, self._below = tiers, keeps, holds, below
        means = DeferMeans(
            hold=self._hold,
            release=self.released.append,
            keep=self._keep,
            lane_text=lane_text,
            tiers=self._known,
            dialects=dict(DIALECTS),
            clock=FakeClock(),
        )
        self.lever = Defer(means, DeferSettings(batch_s=3600, flex_s=600))

    def _known(self, target: Target) -> frozenset[str]:
        return self._tiers if target.provider == "openai" else frozenset()

    async def _hold(self, call: Call) -> Reply:
        if self._holds is not None:
            raise self._holds
        call.trace.note("budget", OPEN, {"hold": f"{call.id}/0", "attempt": 0})
        call.trace.headers["x-left"] = "1"
        return Reply(202, (), None, "json", ReplyFacts(), cacheable=False)

    async def _keep(self, job: Job, deferred: Deferred) -> Job:
        if isinstance(self._keeps, Exception):
            raise self._keeps
        self.kept.append((job, deferred))
        return job if self._keeps is None else self._keeps(job)

    async def below(self, call: Call) -> Reply:
        """The live way."""
        self.live.append(call)
        if isinstance(self._below, Exception) and len(self.live) == 1:
            raise self._below
        return reply_of()

    async def serve(self, call: Call) -> Reply:
        """Serve one call."""
        return await self.lever(call, self.below)


def waiting(seconds: int = 7200, fields: dict[str, Any] | None = None, **more: Any) -> Call:
    """A chat that may wait."""
    call = call_of(fields, **more)
    target = call.target
    wait = Wait(seconds, "", target.provider, target.model, call.request.body)
    return replace(call, wait=wait)


async def test_a_call_that_may_wait_is_written_down_and_promised() -> None:
    """What it may cost is held, and nothing is sent; the hold is the job's to settle."""
    desk, call = Desk(), waiting()
    reply = await desk.serve(call)
    assert (reply.status, reply.served_by, reply.cacheable) == (202, "defer", False)
    ((job, deferred),) = desk.kept
    told = msgspec.json.decode(reply.body or b"")
    assert (told["id"], told["object"], told["choices"]) == (job.id, "scrimp.job", [])
    assert (job.id, deferred.asked) == (call.id, call.request.body)
    (line,) = deferred.lines
    assert dict(line.numbers) == {"hold": f"{call.id}/defer/0", "attempt": 0}
    assert (desk.live, desk.released, call.trace.attempts) == ([], [], [])
    assert call.trace.headers["x-left"] == "1"


async def test_a_call_that_waits_for_nothing_passes() -> None:
    """Untouched, and without a line."""
    desk, call = Desk(), call_of()
    await desk.serve(call)
    assert (desk.live, desk.kept, call.trace.lines) == ([call], [], [])


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (waiting(60), "too_soon"),
        (waiting(fields={**chat_fields(), "stream": True}), "streams"),
        (waiting(fields={**chat_fields(), "service_tier": "flex"}), "own_tier"),
        (waiting(target=Target("mistral", "m", "openai.chat")), "no_tier"),
        (waiting(operation="count_tokens"), "not_a_chat"),
    ],
)
async def test_what_may_not_be_put_off_goes_live(call: Call, why: str) -> None:
    """The trace says why."""
    desk = Desk()
    await desk.serve(call)
    assert (desk.live, desk.kept) == ([call], [])
    assert dict(call.trace.lines[-1].numbers)["why"] == why


ONLY = {
    "too_soon": waiting(600),
    "streams": waiting(fields={**chat_fields(), "stream": True}),
    "no_tier": waiting(target=Target("mistral", "m", "openai.chat")),
}


@pytest.mark.parametrize("why", sorted(ONLY))
async def test_who_would_only_wait_is_refused_instead(why: str) -> None:
    """Not even at the flex tier: nothing is asked at once, and the reason is said."""
    call = ONLY[why]
    desk, call = Desk(), replace(call, wait=replace(call.wait, only=True))
    with pytest.raises(InvalidRequest, match=rf"cannot wait .*\({why}\)"):
        await desk.serve(call)
    with pytest.raises(InvalidRequest, match=why):
        desk.lever.check(call)
    assert (desk.live, desk.kept, desk.released) == ([], [], [])


async def test_who_would_only_wait_is_told_that_the_queue_is_down() -> None:
    """Nothing stays held, and nothing is asked at once."""
    desk, call = Desk(keeps=StoreError("damaged")), waiting()
    with pytest.raises(Unavailable, match="damaged"):
        await desk.serve(replace(call, wait=replace(call.wait, only=True)))
    assert (desk.live, desk.released) == ([], [f"{call.id}/defer/0"])
    desk.lever.check(call)  # the call itself may wait


async def test_a_queue_that_is_down_costs_no_call() -> None:
    """It goes live, and nothing stays held."""
    desk, call = Desk(keeps=StoreError("damaged")), waiting()
    assert (await desk.serve(call)).status == 200
    assert desk.released == [f"{call.id}/defer/0"]


async def test_a_call_that_is_a_job_already_holds_once() -> None:
    """The job of the first time is promised again."""
    desk, call = Desk(keeps=lambda job: replace(job, id="first")), waiting()
    reply = await desk.serve(call)
    assert msgspec.json.decode(reply.body or b"")["id"] == "first"
    assert desk.released == [f"{call.id}/defer/0"]


async def test_what_no_budget_bears_is_refused_at_once() -> None:
    """And not written down."""
    desk = Desk(holds=BudgetExceeded("too dear"))
    with pytest.raises(BudgetExceeded):
        await desk.serve(waiting())
    assert (desk.kept, desk.live) == ([], [])


async def test_a_shorter_wait_takes_the_flex_tier() -> None:
    """Live, with the tier in its body."""
    desk, call = Desk(), waiting(900)
    await desk.serve(call)
    assert [one.request.fields["service_tier"] for one in desk.live] == ["flex"]
    assert msgspec.json.decode(desk.live[0].request.body)["service_tier"] == "flex"


async def test_flex_without_room_is_asked_plainly() -> None:
    """A 429 of that tier says nothing of the plain one."""
    desk, call = Desk(below=UpstreamError("no room", status=429)), waiting(900)
    assert (await desk.serve(call)).status == 200
    assert ["service_tier" in one.request.fields for one in desk.live] == [True, False]


async def test_another_error_of_flex_is_the_calls_own() -> None:
    """It is not asked twice."""
    desk = Desk(below=UpstreamError("broken", status=500))
    with pytest.raises(UpstreamError):
        await desk.serve(waiting(900))
    assert len(desk.live) == 1
