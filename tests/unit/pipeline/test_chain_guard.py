"""The guard: a broken saver costs nothing but its saving."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import ClassVar

import pytest

from scrimp.calls import Call, Reply
from scrimp.errors import InvalidRequest, StoreError, UpstreamError
from scrimp.pipeline.chain import chain
from scrimp.ports import Lever, Next
from tests.support.core import call_of, reply_of

Does = Callable[[Call, Next], Awaitable[Reply]]
THEIRS = UpstreamError("the provider answered 500", status=500)


class Saver:
    """A lever that does what the test wants."""

    name: ClassVar[str] = "saver"
    fail_closed: ClassVar[bool] = False

    def __init__(self, does: Does) -> None:
        self._does = does

    async def __call__(self, call: Call, next: Next) -> Reply:
        """Do it."""
        return await self._does(call, next)


class Gatekeeper(Saver):
    """The same, but the call may not go round it."""

    name: ClassVar[str] = "gatekeeper"
    fail_closed: ClassVar[bool] = True


class End:
    """The attempt: counts, then answers or raises."""

    def __init__(self, outcome: Reply | BaseException | None = None) -> None:
        self.calls = 0
        self._outcome = outcome or reply_of()

    async def __call__(self, call: Call) -> Reply:
        """Count."""
        assert call.id
        self.calls += 1
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        return self._outcome


async def passes(call: Call, next: Next) -> Reply:
    """A lever that does nothing."""
    return await next(call)


async def breaks_before(call: Call, next: Next) -> Reply:  # noqa: ARG001 (a lever's shape)
    """A lever that breaks before anything was asked."""
    raise ZeroDivisionError(call.request.body)


async def breaks_after(call: Call, next: Next) -> Reply:
    """A lever that breaks when the reply is here already."""
    await next(call)
    raise StoreError("the disk is full")


def trace_of(call: Call) -> list[tuple[str, str, dict[str, int | float | str]]]:
    """The trace, as plain values."""
    return [(line.lever, line.verdict, dict(line.numbers)) for line in call.trace.lines]


async def test_levers_see_a_call_in_their_order() -> None:
    """The first lever of the list is the outermost."""
    seen: list[str] = []

    def named(name: str) -> Lever:
        async def does(call: Call, next: Next) -> Reply:
            seen.append(f"{name} in")
            reply = await next(call)
            seen.append(f"{name} out")
            return reply

        return Saver(does)

    await chain([named("a"), named("b")], End())(call_of())
    assert seen == ["a in", "b in", "b out", "a out"]


async def test_a_saver_that_breaks_first_is_skipped() -> None:
    """The call goes on below it; the trace names the kind of the error, not its content."""
    call, end = call_of(), End()
    assert await chain([Saver(breaks_before)], end)(call) == reply_of()
    assert end.calls == 1
    assert trace_of(call) == [("saver", "skipped", {"error": "ZeroDivisionError"})]


async def test_a_saver_that_breaks_last_loses_nothing() -> None:
    """The reply that had come is kept, and nobody pays twice."""
    call, end = call_of(), End()
    assert await chain([Saver(breaks_after)], end)(call) == reply_of()
    assert end.calls == 1
    assert trace_of(call) == [("saver", "skipped", {"error": "StoreError: the disk is full"})]


async def test_an_error_from_below_is_not_the_levers() -> None:
    """A store error of an inner guard passes an outer saver without a word in the trace."""
    call, dead = call_of(), StoreError("keys cannot be read")
    with pytest.raises(StoreError) as caught:
        await chain([Saver(passes)], End(dead))(call)
    assert caught.value is dead
    assert call.trace.lines == []


async def test_a_lever_that_breaks_over_an_error_does_not_hide_it() -> None:
    """The provider's error is the one that the client gets."""

    async def stumbles(call: Call, next: Next) -> Reply:
        try:
            return await next(call)
        except UpstreamError:
            raise KeyError(call.id) from None

    call, end = call_of(), End(THEIRS)
    with pytest.raises(UpstreamError) as caught:
        await chain([Saver(stumbles)], end)(call)
    assert caught.value is THEIRS
    assert end.calls == 1
    assert trace_of(call) == [("saver", "skipped", {"error": "KeyError"})]


@pytest.mark.parametrize("error", [THEIRS, InvalidRequest("no"), asyncio.CancelledError()])
async def test_refusals_provider_errors_and_cancellation_pass(error: BaseException) -> None:
    """They are a lever's job, or nobody's to stop."""

    async def refuses(call: Call, next: Next) -> Reply:  # noqa: ARG001 (a lever's shape)
        raise error

    call, end = call_of(), End()
    with pytest.raises(type(error)):
        await chain([Saver(refuses)], end)(call)
    assert (end.calls, call.trace.lines) == (0, [])


async def test_a_gatekeeper_that_breaks_first_fails_the_call() -> None:
    """Budgets and keys fail closed: nothing is spent."""
    end = End()
    with pytest.raises(ZeroDivisionError):
        await chain([Gatekeeper(breaks_before)], end)(call_of())
    assert end.calls == 0


async def test_a_gatekeeper_that_breaks_last_keeps_no_paid_reply_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The client gets what was paid for; the log names the call, the lever and the error's kind."""
    call = call_of()
    assert await chain([Gatekeeper(breaks_after)], End())(call) == reply_of()
    assert trace_of(call)[0][:2] == ("gatekeeper", "skipped")
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert f"call {call.id}: gatekeeper broke after the answer: StoreError" in record.message


async def test_a_gatekeeper_that_breaks_over_an_error_does_not_hide_it() -> None:
    """Nor does it make the provider's error its own."""

    async def stumbles(call: Call, next: Next) -> Reply:
        try:
            return await next(call)
        finally:
            raise KeyError(call.id)

    with pytest.raises(UpstreamError) as caught:
        await chain([Gatekeeper(stumbles)], End(THEIRS))(call_of())
    assert caught.value is THEIRS


async def test_nothing_is_tried_again_once_bytes_have_left() -> None:
    """A lever whose own time limit cuts a live reply off must not start a second one."""

    async def hasty(call: Call, next: Next) -> Reply:
        async with asyncio.timeout(0):
            return await next(call)

    async def live_then_stuck(call: Call) -> Reply:
        await call.sink.start(200, ())
        await asyncio.Event().wait()
        raise AssertionError

    call = call_of()
    with pytest.raises(TimeoutError):
        await chain([Saver(hasty)], live_then_stuck)(call)


async def test_a_broken_levers_reply_is_the_last_one() -> None:
    """After an error and a second, good answer from below, the good one is kept."""
    answers: list[Reply | Exception] = [THEIRS, reply_of(status=201)]

    async def end(call: Call) -> Reply:  # noqa: ARG001 (the shape of a `Next`)
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def twice(call: Call, next: Next) -> Reply:
        try:
            return await next(call)
        except UpstreamError:
            await next(call)
            raise OSError from None

    assert (await chain([Saver(twice)], end)(call_of())).status == 201
