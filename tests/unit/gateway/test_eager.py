"""A coroutine started by hand behaves as if it had been awaited."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from scrimp.gateway.eager import Started

Body = Callable[[], Coroutine[Any, Any, str]]


async def at_once() -> str:
    """Never waits."""
    return "done"


async def later() -> str:
    """Waits twice."""
    await asyncio.sleep(0)
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.set_result, "later")
    return str(await future)


async def forever() -> str:
    """Never ends."""
    await asyncio.Event().wait()
    return ""


async def started(body: Body) -> str:
    """The result of a started coroutine."""
    handle = Started(body())
    return handle.result if handle.done else await handle


async def plain(body: Body) -> str:
    """The result of an awaited one."""
    return await body()


BOTH = pytest.mark.parametrize("run", [started, plain])


@BOTH
@pytest.mark.parametrize(("body", "result"), [(at_once, "done"), (later, "later")])
async def test_results(run: Callable[[Body], Awaitable[str]], body: Body, result: str) -> None:
    """The same either way."""
    assert await run(body) == result


async def test_what_never_waits_is_done_at_once() -> None:
    """Without a turn of the loop."""
    handle = Started(at_once())
    assert (handle.done, handle.result) == (True, "done")


@BOTH
async def test_errors_before_and_after_the_first_wait(
    run: Callable[[Body], Awaitable[str]],
) -> None:
    """They come out where the caller stands."""

    async def early() -> str:
        raise KeyError("early")

    async def late() -> str:
        await asyncio.sleep(0)
        raise KeyError("late")

    for body in (early, late):
        with pytest.raises(KeyError, match=body.__name__):
            await run(body)


@BOTH
async def test_an_error_of_what_is_waited_for_is_thrown_inside(
    run: Callable[[Body], Awaitable[str]],
) -> None:
    """The coroutine may handle it and go on waiting."""

    async def handles() -> str:
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.set_exception, ValueError("x"))
        try:
            return await future
        except ValueError:
            await asyncio.sleep(0)
            return "handled"

    assert await run(handles) == "handled"


@BOTH
async def test_cancellation_reaches_inside(run: Callable[[Body], Awaitable[str]]) -> None:
    """Clean-up runs, may itself wait, and the task counts as cancelled."""
    cleaned: list[str] = []

    async def careful() -> str:
        try:
            return await forever()
        finally:
            await asyncio.sleep(0)
            cleaned.append("up")

    async def whole() -> str:
        return await run(careful)

    task = asyncio.get_running_loop().create_task(whole())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cleaned == ["up"]
    assert task.cancelled()


@BOTH
async def test_inside_a_timeout(run: Callable[[Body], Awaitable[str]]) -> None:
    """The limit around it holds, and so does one within that began before the first wait."""

    async def limited() -> str:
        async with asyncio.timeout(0):
            return await forever()

    with pytest.raises(TimeoutError):
        await run(limited)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await run(forever)
    current = asyncio.current_task()
    assert current is not None
    assert current.cancelling() == 0


@BOTH
async def test_beside_a_task_that_fails(run: Callable[[Body], Awaitable[str]]) -> None:
    """A group cancels it like any other member."""

    async def fails() -> None:
        raise OSError("gone")

    async def together() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(fails())
            await run(forever)

    with pytest.raises(ExceptionGroup) as caught:
        await together()
    assert caught.group_contains(OSError, match="gone")


@BOTH
async def test_a_group_within(run: Callable[[Body], Awaitable[str]]) -> None:
    """Begun before the first wait, it belongs to the same task."""

    async def groups() -> str:
        async with asyncio.TaskGroup() as group:
            one = group.create_task(later())
        return one.result()

    assert await run(groups) == "later"


async def test_started_outside_and_awaited_inside_a_limit() -> None:
    """As the sink does: the send begins first, the limit comes only if it waits."""
    handle = Started(forever())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await handle


def test_closing_it_closes_what_is_inside() -> None:
    """The generator protocol: clean-up runs, and a refusal to end is an error."""
    closed: list[str] = []

    class Pause:
        def __await__(self) -> Any:
            yield

    async def tidy() -> str:
        try:
            await Pause()
        finally:
            closed.append("tidy")
        return ""

    async def stubborn() -> str:
        with contextlib.suppress(GeneratorExit):
            await Pause()
        await Pause()
        return ""

    waiting = Started(tidy()).__await__()
    next(waiting)
    waiting.close()
    assert closed == ["tidy"]
    waiting = Started(stubborn()).__await__()
    next(waiting)
    with pytest.raises(RuntimeError, match="ignored GeneratorExit"):
        waiting.close()


def test_dropping_it_cleans_up() -> None:
    """Started and never awaited: no warning, no loose end."""
    closed: list[str] = []

    class Pause:
        def __await__(self) -> Any:
            yield

    async def tidy() -> None:
        try:
            await Pause()
        finally:
            closed.append("tidy")

    handle = Started(tidy())
    assert not handle.done
    del handle
    assert closed == ["tidy"]
