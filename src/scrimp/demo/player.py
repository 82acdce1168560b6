"""Plays a planned day: many calls at once, the turns of one conversation one after the other.

A whole day in half a minute brings calls together that were minutes apart. So a call waits for an
equal one in the air when the plan has them apart: on a real day the first would be long answered.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from scrimp.demo.traffic import PlannedCall, Turn, request_fields

Ask = Callable[[PlannedCall, Sequence[Turn]], Awaitable[str]]

AT_ONCE = 28
_AHEAD = 2 * AT_ONCE
_APART_S = 5


@dataclass(slots=True)
class Progress:
    """How far the day is. `at_s` is the virtual second of the newest call that was begun."""

    planned: int
    done: int = 0
    at_s: int = 0
    failures: list[str] = field(default_factory=list)


class Player:
    """Sends the calls of one day by `ask`; `errors` are the ways in which a call may fail."""

    def __init__(
        self, ask: Ask, progress: Progress, *, errors: tuple[type[Exception], ...]
    ) -> None:
        self._ask = ask
        self._progress = progress
        self._errors = errors
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._ahead = asyncio.Semaphore(_AHEAD)
        self._past: defaultdict[str, list[Turn]] = defaultdict(list)
        self._last: dict[str, asyncio.Event] = {}
        self._flying: dict[bytes, tuple[int, asyncio.Event]] = {}

    async def play(self, day: Sequence[PlannedCall]) -> None:
        """Every call of the day; a failed one is written down, and ends its conversation."""
        async with asyncio.TaskGroup() as group:
            for call in day:
                await self._ahead.acquire()
                before = self._last.get(call.conversation)
                done = self._last[call.conversation] = asyncio.Event()
                group.create_task(self._turn(call, before, done))

    async def _turn(
        self, call: PlannedCall, before: asyncio.Event | None, done: asyncio.Event
    ) -> None:
        try:
            if before is not None:
                await before.wait()
            async with self._slots:
                await self._send(call)
        finally:
            done.set()
            self._ahead.release()
            self._progress.done += 1

    async def _send(self, call: PlannedCall) -> None:
        past = self._past[call.conversation]
        if len(past) != call.turn - 1:
            self._fail(call, "an earlier turn of the conversation failed")
            return
        key = words(call, past)
        await self._apart(call, key)
        landed = asyncio.Event()
        self._flying[key] = (call.at_s, landed)
        self._progress.at_s = max(self._progress.at_s, call.at_s)
        try:
            reply = await self._ask(call, tuple(past))
        except self._errors as error:
            self._fail(call, said(error))
        else:
            past.append(Turn(call.step, reply))
        finally:
            landed.set()
            if self._flying.get(key, (0, None))[1] is landed:
                del self._flying[key]

    async def _apart(self, call: PlannedCall, key: bytes) -> None:
        while (other := self._flying.get(key)) and abs(call.at_s - other[0]) >= _APART_S:
            await other[1].wait()

    def _fail(self, call: PlannedCall, why: str) -> None:
        self._progress.failures.append(f"{call.model}: {why}")


def words(call: PlannedCall, past: Sequence[Turn]) -> bytes:
    """Equal for calls that ask the same thing, in whichever form the answer is to come."""
    fields = {**request_fields(call, past), "stream": False}
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).digest()


def said(error: Exception) -> str:
    """The kind of an SDK's error, with its status, without its text (which may quote a prompt)."""
    status = getattr(error, "status_code", None)
    return type(error).__name__ + (f" ({status})" if status is not None else "")
