"""The engine's private event loop: one daemon thread, started on first use, one per process.

Whoever calls may be a thread, or a task on any event loop; both put jobs into one inbox. A forked
child gets an engine of its own on first use; what it inherited is never touched again, since loop,
sockets and database are the parent's, too. At the interpreter's exit what is pending is booked.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, suppress
from contextvars import Context
from functools import partial
from typing import Any, Generic, TypeVar

from scrimp.client.mailbox import Failure, Item, LoopMailbox, Mailbox, ThreadMailbox, Value
from scrimp.errors import kind_and_place

log = logging.getLogger("scrimp.client")

T = TypeVar("T")
R = TypeVar("R")

GRACE_S = 5.0
"""How long calls in the air may go on when the engine is closed."""
_EXIT_S = 10.0
"""The most that the interpreter's exit waits for one engine."""


class ClosedError(RuntimeError):
    """The engine was closed, or belongs to the process that this one was forked from."""


class Job(Generic[T]):
    """Work on the engine's loop, and the mailbox that hears of it."""

    __slots__ = ("_left", "_mailbox", "_task", "_work")

    def __init__(self, work: Callable[[T], Coroutine[Any, Any, None]], mailbox: Mailbox) -> None:
        self._work = work
        self._mailbox = mailbox
        self._task: asyncio.Task[None] | None = None
        self._left = False

    def begin(self, group: asyncio.TaskGroup, value: T) -> asyncio.Task[None] | None:
        """Start, unless the caller has left already. On the engine's loop."""
        if self._left:
            return None
        self._task = task = group.create_task(_guarded(self._work(value), self._mailbox))
        return task

    def leave(self) -> None:
        """The caller has left. On the engine's loop."""
        self._left = True
        if self._task is not None:
            self._task.cancel()

    def refuse(self, error: Exception) -> None:
        """It will never begin."""
        _tell(self._mailbox, Failure(error))


async def _guarded(work: Coroutine[Any, Any, None], mailbox: Mailbox) -> None:
    """The broad `except` of this shell: what was not foreseen reaches the caller, and only it."""
    try:
        await work
    except Exception as error:  # noqa: BLE001 (an edge: other jobs must go on)
        _tell(mailbox, Failure(error))
    except BaseException:
        _tell(mailbox, Failure(ClosedError("Scrimp was closed during this call")))
        raise


def _tell(mailbox: Mailbox, failure: Failure) -> None:
    with suppress(asyncio.CancelledError):  # nobody is there to hear it
        mailbox.put(failure)


class Running(Generic[T]):
    """A loop thread with what was opened on it. Ends once."""

    def __init__(self, opened: Callable[[], AbstractAsyncContextManager[T]]) -> None:
        self._opened = opened
        self._inbox: deque[Job[T]] = deque()
        self._jobs: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup | None = None  # None: nothing is begun any more
        self._value: T
        self._stop: asyncio.Future[float]
        self._ready: Future[None] = Future()
        # a caller's own would live as long as the connections that are made in it
        self._context = Context()
        self.loop: asyncio.AbstractEventLoop
        self.inherited = False
        self._over = False  # from then on the loop is not touched: the interpreter may be ending
        self._thread = threading.Thread(target=self._main, name="scrimp-engine", daemon=True)

    def start(self) -> None:
        """Returns when jobs are taken. Raises what opening raised."""
        self._thread.start()
        self._ready.result()

    def submit(self, job: Job[T]) -> None:
        """Start a job; from any thread. Raises ClosedError."""
        if self.inherited:
            msg = "this call was begun before a fork, in the parent process"
            raise ClosedError(msg)
        self._inbox.append(job)
        if self._over:
            self._refuse_all()
            return
        try:
            self.loop.call_soon_threadsafe(self._begin, context=self._context)
        except RuntimeError:  # the loop is closed
            self._refuse_all()

    def leave(self, job: Job[T]) -> None:
        """Cancel a job; from any thread, never waits."""
        if self.inherited or self._over:
            return
        with suppress(RuntimeError):  # the loop is closed: the job is over
            self.loop.call_soon_threadsafe(job.leave)

    def stop(self, grace_s: float, limit_s: float | None = None) -> None:
        """Drain and end. Jobs may go on for `grace_s`; waits for `limit_s` at most."""
        if self.inherited or self._over:
            return
        with suppress(RuntimeError):  # somebody else has ended it
            self.loop.call_soon_threadsafe(self._end, grace_s)
        if threading.current_thread() is not self._thread:
            self._thread.join(limit_s)

    def _end(self, grace_s: float) -> None:
        if not self._stop.done():
            self._stop.set_result(grace_s)

    def _begin(self) -> None:
        while self._inbox:
            job = self._inbox.popleft()
            if self._group is None:
                job.refuse(ClosedError("this Scrimp is closed (make a new one)"))
            elif (task := job.begin(self._group, self._value)) is not None:
                self._jobs.add(task)
                task.add_done_callback(self._jobs.discard)

    def _refuse_all(self) -> None:
        """After the loop is closed; two threads may get here."""
        with suppress(IndexError):
            while True:
                self._inbox.popleft().refuse(ClosedError("this Scrimp is closed (make a new one)"))

    def _main(self) -> None:
        self.loop = loop = _new_loop()
        executor = _Threads(max_workers=4, thread_name_prefix="scrimp-engine")
        loop.set_default_executor(executor)
        try:
            loop.run_until_complete(self._serve())
        except BaseException as error:  # noqa: BLE001 (an edge: a thread has nobody to raise to)
            if self._ready.done():
                log.error("the engine broke: %s", kind_and_place(error))  # noqa: TRY400 (its message may hold a prompt)
            else:
                self._ready.set_exception(error)
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            executor.shutdown(wait=False)
            loop.close()
            self._over = True
            self._refuse_all()

    async def _serve(self) -> None:
        self._stop = asyncio.get_running_loop().create_future()
        async with self._opened() as value, asyncio.TaskGroup() as group:
            self._value, self._group = value, group
            self._ready.set_result(None)
            grace_s = await self._stop
            self._group = None
            if self._jobs and grace_s > 0:
                await asyncio.wait(self._jobs, timeout=grace_s)
            for task in tuple(self._jobs):
                task.cancel()


class Engine(Generic[T]):
    """Starts its loop thread when it is first needed, and again in every forked child.

    `opened` opens what jobs are given; it is entered and left on the loop thread. At the exit those
    that others still have something to tell are ended `last`.
    """

    def __init__(
        self, opened: Callable[[], AbstractAsyncContextManager[T]], *, last: bool = False
    ) -> None:
        self._opened = opened
        self.last = last
        self._lock = threading.Lock()
        self._running: Running[T] | None = None
        self._closed = False

    def running(self) -> Running[T]:
        """The loop thread of this process; started if need be. Raises ClosedError."""
        running = self._running
        return running if running is not None else self._start()

    async def arunning(self) -> Running[T]:
        """The same for a task: its event loop goes on while the engine starts."""
        running = self._running
        return running if running is not None else await asyncio.to_thread(self._start)

    def call(self, work: Callable[[T], Coroutine[Any, Any, R]]) -> R:
        """What a coroutine on the engine's loop returns, or raises; the thread waits."""
        running = self.running()
        mailbox = ThreadMailbox(running.loop)
        job: Job[T] = Job(partial(_valued, work, mailbox), mailbox)
        try:
            running.submit(job)
            item = mailbox.get(None)
        except BaseException:
            running.leave(job)
            raise
        value: R = _value_of(item)
        return value

    async def acall(self, work: Callable[[T], Coroutine[Any, Any, R]]) -> R:
        """The same for a task on another event loop."""
        running = await self.arunning()
        mailbox = LoopMailbox(running.loop)
        job: Job[T] = Job(partial(_valued, work, mailbox), mailbox)
        try:
            running.submit(job)
            item = await mailbox.get(None)
        except BaseException:
            running.leave(job)
            raise
        value: R = _value_of(item)
        return value

    @property
    def started(self) -> bool:
        """True while there is something that `close` would end."""
        return self._running is not None

    def close(self, grace_s: float = GRACE_S, limit_s: float | None = None) -> None:
        """End for good; may be called twice, and from any thread."""
        with self._lock:
            self._closed = True
            running, self._running = self._running, None
        if running is not None:
            running.stop(grace_s, limit_s)

    def forked(self) -> None:
        """In a forked child: forget the parent's thread without touching it."""
        self._lock = threading.Lock()
        if self._running is not None:
            self._running.inherited = True
            _inherited.append(self._running)
            self._running = None

    def _start(self) -> Running[T]:
        with self._lock:
            if self._closed:
                raise ClosedError("this Scrimp is closed (make a new one)")
            if self._running is None:
                _watch(self)
                running = Running(self._opened)
                running.start()
                self._running = running
            return self._running


async def _valued(work: Callable[[T], Coroutine[Any, Any, R]], mailbox: Mailbox, value: T) -> None:
    mailbox.put(Value(await work(value)))


def _value_of(item: Item) -> Any:
    if isinstance(item, Value):
        return item.value
    raise item.error if isinstance(item, Failure) else TypeError("a job without a value")


class _Threads(ThreadPoolExecutor):
    """Threads for what blocks; while the interpreter exits there are none: it is done at once."""

    def submit(self, fn: Callable[..., R], /, *args: Any, **kwargs: Any) -> Future[R]:
        """Run it on a thread, or here when no thread can be had any more."""
        try:
            return super().submit(fn, *args, **kwargs)
        except RuntimeError:
            done: Future[R] = Future()
            try:
                done.set_result(fn(*args, **kwargs))
            except Exception as error:  # noqa: BLE001 (handed on, as a thread would)
                done.set_exception(error)
            return done


def _new_loop() -> asyncio.AbstractEventLoop:
    """The faster event loop, where there is one."""
    try:
        import uvloop  # noqa: PLC0415 (not to be had on Windows)
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


_watched: weakref.WeakSet[Engine[Any]] = weakref.WeakSet()
_hooks: list[int] = []  # the processes in which the hooks below are set
_inherited: list[Running[Any]] = []
"""Kept, so that nothing of them is finalised: closing a socket that the parent's loop watches would
make the parent deaf to it. (The frames of the thread that is gone keep them, too, to the very end.)
"""


def _watch(engine: Engine[Any]) -> None:
    """From its first start on an engine is drained at exit, and hears of forks."""
    if not _hooks:
        os.register_at_fork(after_in_child=_forked)
        atexit.register(_drain_all)
    if os.getpid() not in _hooks:
        _hooks.append(os.getpid())
        if (processes := sys.modules.get("multiprocessing.util")) is not None:
            # its children leave without running what `atexit` knows
            processes.Finalize(None, _drain_all, exitpriority=10)
    _watched.add(engine)


def _forked() -> None:
    for engine in tuple(_watched):
        engine.forked()


def _drain_all() -> None:
    for engine in sorted(_watched, key=lambda one: one.last):
        engine.close(grace_s=0, limit_s=_EXIT_S)
