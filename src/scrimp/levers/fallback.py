"""After an error that retries did not mend: another target, in the order that settings or call say.

Nothing goes elsewhere once a byte has reached the client. An upstream whose circuit is open is left
out without an attempt; where all are, or nobody else may take the call, the one that was asked for
is tried. When all fail the client gets the last error of an upstream as it came.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import quote

from msgspec.structs import replace

from scrimp.calls import Call, Reply, Sink, Target
from scrimp.errors import BudgetExceeded, Rejected, UpstreamError
from scrimp.ledger.steps import same_place, sent_to, unserved
from scrimp.pipeline.circuits import Circuits
from scrimp.ports import Clock, Next
from scrimp.routing.failing import Way, retry_after_s, way_of
from scrimp.routing.instead import Instead

FELL_BACK = "x-scrimp-fallback"
"""The header of a call that another target answered: which one."""

_JUST_CUT = 0.9
"""Who was cut off for another has left it a little less than it needs."""


@dataclass(frozen=True, slots=True)
class FallbackSettings:
    """As `routing.fallback_tables.FallbackSection` has them."""

    also_on: frozenset[int] = frozenset()
    larger_window: bool = True
    deadline_ms: int | None = None
    least_ms: int = 2_000


@dataclass(slots=True)
class FallbackCounts:
    """What one process has done, for its metrics."""

    answered: int = 0
    failed: int = 0
    left_out: int = 0


class Fallback:
    """Goes elsewhere. `instead` says where to, `circuits` where not."""

    name: ClassVar[str] = "fallback"
    fail_closed: ClassVar[bool] = False

    def __init__(
        self, instead: Instead, circuits: Circuits, clock: Clock, settings: FallbackSettings
    ) -> None:
        self._instead = instead
        self._circuits = circuits
        self._clock = clock
        self._settings = settings
        self.counts = FallbackCounts()

    @property
    def open_circuits(self) -> tuple[str, ...]:
        """The upstreams that are left alone now."""
        return tuple(self._circuits.ill)

    async def __call__(self, call: Call, next: Next) -> Reply:
        """Raises the last error of an upstream where nobody answers."""
        if not self._instead.names(call):
            return await next(call)
        since = len(call.trace.attempts)
        failed: UpstreamError | None = None
        answer: Reply | UpstreamError | None = None
        try:
            leave = await self._leave(call, call.target)
            if leave is not None:
                answer = await self._try(call, next, leave, more=True)
                if isinstance(answer, Reply):
                    return answer
                failed = answer
                if self._way(failed) == "nowhere":
                    raise failed
            answer, since = await self._walk(call, next, failed=failed, since=since)
            if isinstance(answer, Reply):
                self.counts.answered += 1
                return replace(answer, cacheable=False)
            failed = answer
            if leave is not None and failed is not None:
                self.counts.failed += 1
                call.trace.note(self.name, "gave_up", {"status": failed.status})
                raise failed
            self._note_vain(call, since)
            return await self._after_all(call, next)
        finally:
            failed = answer = None  # its traceback leads back here: a ring for the collector

    async def _walk(
        self, call: Call, next: Next, *, failed: UpstreamError | None, since: int
    ) -> tuple[Reply | UpstreamError | None, int]:
        """The first answer of the chain, else the last error for which an upstream is to blame.

        Beside it the number of the first attempt that no line has called vain yet.
        """
        names = self._instead.names(call)
        larger = failed is not None and self._way(failed) == "larger"
        for number, name in enumerate(names, 1):
            if not self._in_time(call):
                break
            target = self._instead.target(name, call, larger=larger)
            if isinstance(target, str):
                call.trace.note(self.name, "left_out", {"model": name, "why": target})
                continue
            if (leave := await self._leave(call, target)) is None:
                continue
            rest = names[number:]
            self._note_vain(call, since)
            since = len(call.trace.attempts)
            self._tell(call, target)
            answer = await self._other(call, next, target, leave, rest)
            if isinstance(answer, Reply):
                return answer, since
            failed = answer or failed
            call.trace.headers.pop(FELL_BACK, None)
        return failed, since

    async def _other(
        self, call: Call, next: Next, target: Target, leave: str, rest: tuple[str, ...]
    ) -> Reply | UpstreamError | None:
        """None where the other target cannot take the call: that says nothing of the first one."""
        wish = replace(call.wish, fallback=bool(rest), instead=rest)
        there = replace(call, target=target, wish=wish)
        try:
            answer = await self._try(there, next, leave, more=bool(rest))
        except BudgetExceeded as error:
            breach = error.breach
            call.trace.note(
                self.name,
                "over_budget",
                {"budget": breach.budget, "needed": breach.needed, "left": breach.remaining},
            )
            return None
        except Rejected as error:
            call.trace.note(self.name, "refused", {"why": str(error)})
            return None
        if isinstance(answer, UpstreamError) and self._way(answer) == "nowhere":
            call.trace.note(self.name, "refused", {"status": answer.status})
            return None
        return answer

    async def _after_all(self, call: Call, next: Next) -> Reply:
        """The target that was asked for, though its circuit is open: nobody else can answer."""
        call.trace.note(self.name, "after_all", _place(call.target))
        answer: Reply | UpstreamError | None = None
        try:
            alone = replace(call, wish=replace(call.wish, fallback=False))
            answer = await self._try(alone, next, "", more=False)
            if isinstance(answer, Reply):
                return answer
            self.counts.failed += 1
            raise answer
        finally:
            answer = None

    async def _leave(self, call: Call, target: Target) -> str | None:
        """Leave to try a target: empty, or the name of a probe; None where it is denied."""
        state = self._circuits.state(target)
        if state == "closed":
            return ""
        if state == "half_open":
            prober = f"{call.id}/{len(call.trace.lines)}"
            if await self._circuits.probe(target, prober):
                call.trace.note(self.name, "probe", _place(target))
                return prober
        self.counts.left_out += 1
        call.trace.note(self.name, "left_out", {**_place(target), "why": "circuit_open"})
        return None

    async def _try(
        self, call: Call, next: Next, leave: str, *, more: bool
    ) -> Reply | UpstreamError:
        """Errors are values where another target may still be asked."""
        first, wait_s = len(call.trace.attempts), None
        try:
            return await (self._in_due_time(call, next) if more else next(call))
        except UpstreamError as error:
            if call.sink.begun:
                raise
            wait_s = retry_after_s(error.headers, self._clock.now())
            return error
        finally:
            own_key, target = call.caller.credential is None, call.target
            made = call.trace.attempts[first:]
            attempts = [one for one in made if same_place(one.target, target)]
            self._circuits.saw(target, attempts, wait_s=wait_s, own_key=own_key)
            if leave:
                self._circuits.end_probe(leave, attempts, own_key=own_key)

    async def _in_due_time(self, call: Call, next: Next) -> Reply:
        """Cut off what has not begun to answer when only just enough time is left for another."""
        left_s, least_s = self._left_s(call), self._settings.least_ms / 1000
        if left_s is None or left_s <= least_s:
            return await next(call)
        limit = asyncio.timeout(None)
        loop = asyncio.get_running_loop()
        timer = loop.call_later(left_s - least_s, _cut_off, limit, call.sink, loop)
        try:
            async with limit:
                return await next(call)
        except TimeoutError:
            if not limit.expired():
                raise
            raise UpstreamError(
                f"provider '{call.target.provider}' had not answered after "
                f"{left_s - least_s:.1f} s, when {least_s:g} s were left for another",
                status=504,
            ) from None
        finally:
            timer.cancel()

    def _way(self, error: UpstreamError) -> Way:
        way = way_of(error, self._settings.also_on)
        return "nowhere" if way == "larger" and not self._settings.larger_window else way

    def _left_s(self, call: Call) -> float | None:
        """What is left of the call's time; None where it has all the time that there is."""
        deadline_ms = call.wish.deadline_ms or self._settings.deadline_ms
        if deadline_ms is None:
            return None
        return deadline_ms / 1000 - (self._clock.now() - call.started_at).total_seconds()

    def _in_time(self, call: Call) -> bool:
        left_s = self._left_s(call)
        if left_s is None or left_s * 1000 >= self._settings.least_ms * _JUST_CUT:
            return True
        numbers = {"left_ms": round(left_s * 1000), "least_ms": self._settings.least_ms}
        call.trace.note(self.name, "too_late", numbers)
        return False

    def _tell(self, call: Call, target: Target) -> None:
        """In the trace, and in the headers before anything is sent."""
        call.trace.note(self.name, "instead", sent_to(target))
        call.trace.headers[FELL_BACK] = quote(f"{target.provider}/{target.model}", safe="/:@+")

    def _note_vain(self, call: Call, since: int) -> None:
        """The attempts of a target that has failed, when another one takes its place."""
        attempts = call.trace.attempts
        if since < len(attempts):
            last, numbers = attempts[-1], unserved(since, len(attempts))
            told = {**numbers, **_place(last.target), "status": last.status}
            call.trace.note(self.name, "failed", told)


def _cut_off(limit: asyncio.Timeout, sink: Sink, loop: asyncio.AbstractEventLoop) -> None:
    if not sink.begun:
        limit.reschedule(loop.time())


def _place(target: Target) -> dict[str, int | float | str]:
    return {"provider": target.provider, "model": target.model}
