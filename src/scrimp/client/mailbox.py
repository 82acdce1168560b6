"""One call's way back from the engine's loop to its caller: in order, bounded, no locks of ours.

A mailbox has one producer (a job on the engine's loop) and one consumer: a thread that blocks, or a
task on another event loop. Each side writes only its own counters, and each looks once more after
it has said that it waits, so that no wake-up is lost.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Protocol

from scrimp.calls import Headers
from scrimp.errors import Rejected

MOST_WAITING_BYTES = 256 * 1024
"""How much of a stream waits for a slow reader before the provider has to wait, too."""


@dataclass(frozen=True, slots=True)
class Head:
    """Status and headers of an answer; `body` is None when it comes in pieces.

    `refused` is why Scrimp itself has refused the call.
    """

    status: int
    headers: Headers
    body: bytes | None
    refused: Rejected | None = None


@dataclass(frozen=True, slots=True)
class Value:
    """What a job that serves no request found out."""

    value: object


@dataclass(frozen=True, slots=True)
class Failure:
    """The job ended with this error."""

    error: BaseException


Item = Head | Value | Failure | bytes | None
"""None is the end of a stream."""


class TooLateError(Exception):
    """Nothing came within the time that the caller allows."""


class Mailbox(Protocol):
    """The producer's end."""

    def put(self, item: Item) -> None:
        """Hand over. Raises CancelledError when the consumer's event loop is gone."""
        ...

    async def put_piece(self, piece: bytes) -> None:
        """Hand over a piece of a stream; waits while too much is unread."""
        ...


class _Flow:
    """Counts what waits unread, and makes the producer wait for room."""

    __slots__ = ("_given", "_loop", "_room", "_taken")

    def __init__(self, engine_loop: asyncio.AbstractEventLoop) -> None:
        self._loop = engine_loop
        self._given = 0  # bytes; only the producer writes
        self._taken = 0  # bytes; only the consumer writes
        self._room: asyncio.Future[None] | None = None

    async def give(self, size: int) -> None:
        """The producer has put so many bytes."""
        self._given += size
        while self._given - self._taken > MOST_WAITING_BYTES:
            self._room = room = self._loop.create_future()
            try:
                if self._given - self._taken > MOST_WAITING_BYTES:
                    await room
            finally:
                self._room = None

    def take(self, size: int) -> None:
        """The consumer has got so many bytes."""
        self._taken += size
        room = self._room
        if room is not None and self._given - self._taken <= MOST_WAITING_BYTES:
            with suppress(RuntimeError):  # the engine has ended; what it had put is still here
                self._loop.call_soon_threadsafe(settle, room)


class ThreadMailbox:
    """For a thread that blocks."""

    __slots__ = ("_flow", "_items")

    def __init__(self, engine_loop: asyncio.AbstractEventLoop) -> None:
        self._items: SimpleQueue[Item] = SimpleQueue()
        self._flow = _Flow(engine_loop)

    def put(self, item: Item) -> None:
        """Hand over."""
        self._items.put(item)

    async def put_piece(self, piece: bytes) -> None:
        """Hand over a piece of a stream; waits while too much is unread."""
        self._items.put(piece)
        await self._flow.give(len(piece))

    def get(self, timeout_s: float | None) -> Item:
        """The next item. Raises TooLateError."""
        try:
            item = self._items.get(timeout=timeout_s)
        except Empty:
            raise TooLateError from None
        if type(item) is bytes:
            self._flow.take(len(item))
        return item


class LoopMailbox:
    """For a task on an event loop that is not the engine's. Made on that loop."""

    __slots__ = ("_flow", "_items", "_loop", "_waiter")

    def __init__(self, engine_loop: asyncio.AbstractEventLoop) -> None:
        self._loop = asyncio.get_running_loop()
        self._items: deque[Item] = deque()
        self._flow = _Flow(engine_loop)
        self._waiter: asyncio.Future[None] | None = None

    def put(self, item: Item) -> None:
        """Hand over. Raises CancelledError when the consumer's event loop is gone."""
        self._items.append(item)
        waiter = self._waiter
        if waiter is None and not self._loop.is_closed():
            return
        try:
            self._loop.call_soon_threadsafe(settle, waiter)
        except RuntimeError:
            raise asyncio.CancelledError from None

    async def put_piece(self, piece: bytes) -> None:
        """Hand over a piece of a stream; waits while too much is unread."""
        self.put(piece)
        await self._flow.give(len(piece))

    async def get(self, timeout_s: float | None) -> Item:
        """The next item. Raises TooLateError."""
        items = self._items
        if not items:
            await self._arrival(timeout_s)
            if not items:
                raise TooLateError
        item = items.popleft()
        if type(item) is bytes:
            self._flow.take(len(item))
        return item

    async def _arrival(self, timeout_s: float | None) -> None:
        """Wait until there is an item, or too long."""
        loop = self._loop
        self._waiter = waiter = loop.create_future()
        timer = None if timeout_s is None else loop.call_later(timeout_s, settle, waiter)
        try:
            if not self._items:
                await waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()


def settle(waiter: asyncio.Future[None] | None) -> None:
    """Let go on who waits, if still."""
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
