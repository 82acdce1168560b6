"""A second cheap model's answer to the same call, beside the first one or after it.

It has a trace of its own while it runs: budgets count attempts by their place in a trace, and two
that run at once would take each other's. When it has ended its attempts join those of the call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from msgspec.structs import replace

from scrimp.budgets.words import BUDGET, OPEN
from scrimp.calls import Call, HeldSink, Reply, Target, Trace, TraceLine
from scrimp.errors import Rejected, UpstreamError
from scrimp.ledger.steps import unserved
from scrimp.ports import Next

T = TypeVar("T")


class SecondOpinion:
    """One question to one more model. It never fails: who does not answer has no opinion.

    `number` is that of the step that it belongs to, as the trace counts attempts.
    """

    def __init__(self, call: Call, target: Target, *, number: int) -> None:
        self.target = target
        self._id = f"{call.id}-{number}"  # its holds are its own
        self._call = call
        self._trace = Trace()

    async def ask(self, next: Next) -> Reply | None:
        """Its whole reply, or None."""
        call = self._call
        there = replace(
            call,
            id=self._id,
            target=self.target,
            sink=HeldSink(),
            trace=self._trace,
            wish=replace(call.wish, fallback=False),
        )
        try:
            return await next(there)
        except (UpstreamError, Rejected):
            return None

    def join(self, lever: str) -> None:
        """Its attempts and lines to those of the call, once: none of them was served."""
        trace, part, self._trace = self._call.trace, self._trace, Trace()
        first = len(trace.attempts)
        trace.attempts += part.attempts
        trace.lines += [_moved(line, first) for line in part.lines]
        if part.attempts:
            numbers = {**unserved(first, len(trace.attempts)), "model": self.target.model}
            trace.note(lever, "second_opinion", numbers)


async def with_opinion(
    work: Awaitable[T], other: Awaitable[Reply | None]
) -> tuple[T, Reply | None]:
    """Both at once. Raises what the first raises; the other is then given up."""
    failure: Exception | None = None
    try:
        async with asyncio.TaskGroup() as group:
            second = group.create_task(_awaited(other))
            try:
                first = await work
            except Exception as error:  # noqa: BLE001 (raised again below, out of the group)
                failure = error
                second.cancel()
        if failure is not None:
            raise failure
        return first, second.result()
    finally:
        failure = None  # its traceback leads back here: a ring that only the collector frees


async def _awaited(work: Awaitable[T]) -> T:
    return await work


def _moved(line: TraceLine, by: int) -> TraceLine:
    """A line of the budget's names an attempt by its number, which is another one now."""
    if line.lever != BUDGET or line.verdict != OPEN:
        return line
    numbers = tuple(
        [(k, v + by if k == "attempt" and isinstance(v, int) else v) for k, v in line.numbers]
    )
    return TraceLine(line.lever, line.verdict, numbers)
