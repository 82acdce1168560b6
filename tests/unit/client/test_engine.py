"""The engine's loop thread: starts once, ends once, fails in words."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar

import pytest

from scrimp.client.engine import ClosedError, Engine
from scrimp.errors import ConfigError

_MINE: ContextVar[str] = ContextVar("mine", default="nobody's")


class Opened:
    """What the engine works with; counts how often it was opened and closed."""

    def __init__(self) -> None:
        self.opened = 0
        self.closed = 0
        self.begun = threading.Event()
        self.left = threading.Event()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Opened]:
        """Once per loop thread."""
        self.opened += 1
        try:
            yield self
        finally:
            self.closed += 1


async def thread_of(_: Opened) -> str:
    """Where a job runs."""
    return threading.current_thread().name


async def for_ever(opened: Opened) -> None:
    """A job that only ends when it is cancelled."""
    opened.begun.set()
    try:
        await asyncio.Event().wait()
    finally:
        opened.left.set()


async def test_threads_and_tasks_share_one_loop_thread() -> None:
    """It is started by the first and opened once."""
    opened = Opened()
    engine = Engine(opened.open)
    try:
        names = [
            await engine.acall(thread_of),
            await asyncio.to_thread(engine.call, thread_of),
            engine.call(thread_of),
        ]
    finally:
        engine.close()
    assert names == ["scrimp-engine"] * 3
    assert (opened.opened, opened.closed) == (1, 1)


def test_what_a_job_raises_its_caller_raises() -> None:
    """And the next job runs."""

    async def broken(_: Opened) -> None:
        raise ConfigError("this one")

    engine = Engine(Opened().open)
    try:
        with pytest.raises(ConfigError, match="this one"):
            engine.call(broken)
        assert engine.call(thread_of) == "scrimp-engine"
    finally:
        engine.close()


def test_what_cannot_be_opened_is_told_and_tried_again() -> None:
    """Each first use raises; no thread stays behind."""

    @asynccontextmanager
    async def broken() -> AsyncIterator[Opened]:
        if threading.active_count():
            raise ConfigError("no such folder")
        yield Opened()

    engine = Engine(broken)
    for _ in range(2):
        with pytest.raises(ConfigError, match="no such folder"):
            engine.call(thread_of)
    assert not engine.started


def test_a_closed_engine_says_so() -> None:
    """Closing twice is nothing."""
    engine = Engine(Opened().open)
    engine.close()
    engine.close()
    with pytest.raises(ClosedError, match="closed"):
        engine.call(thread_of)


def test_closing_ends_what_does_not_end_by_itself() -> None:
    """After its grace; who waits for it hears why."""
    opened = Opened()
    engine = Engine(opened.open)
    heard: list[BaseException] = []

    def wait() -> None:
        try:
            engine.call(for_ever)
        except ClosedError as error:
            heard.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert opened.begun.wait(5)
    engine.close(grace_s=0)
    waiting.join(5)
    assert opened.left.is_set()
    assert len(heard) == 1


async def test_who_leaves_takes_his_job_along() -> None:
    """A cancelled task cancels its job on the engine's loop."""
    opened = Opened()
    engine = Engine(opened.open)
    try:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(engine.acall(for_ever))
            assert await asyncio.to_thread(opened.begun.wait, 5)
            task.cancel()
        assert await asyncio.to_thread(opened.left.wait, 5)
    finally:
        engine.close()


def test_a_callers_context_stays_with_the_caller() -> None:
    """What lives on the engine's loop would keep it, and what is in it, alive."""

    async def whose(_: Opened) -> str:
        return _MINE.get()

    engine = Engine(Opened().open)
    token = _MINE.set("the caller's")
    try:
        assert engine.call(whose) == "nobody's"
    finally:
        _MINE.reset(token)
        engine.close()


def test_a_forked_child_starts_anew_and_touches_nothing() -> None:
    """As the hook of a fork does it: jobs of before are refused, the old thread lives on."""
    opened = Opened()
    engine = Engine(opened.open)
    before = engine.running()
    engine.forked()
    assert not engine.started
    try:
        assert engine.running() is not before
        assert (opened.opened, opened.closed) == (2, 0)
    finally:
        engine.close()
        before.inherited = False
        before.stop(0)
    assert opened.closed == 2
