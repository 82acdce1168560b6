"""The app's outbox: settlements that a `finally` handed over, worked off one after another.

`put` never waits. The queue is drained at shutdown, so nothing that was handed over is lost while
the process ends in order.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from scrimp.ports import Entry, Settlement

log = logging.getLogger(__name__)


class SettlementOutbox:
    """A queue with one worker. Implements `ports.Outbox`.

    `settle` is handed one settlement at a time. When it fails, `fallback` books the entry as it
    was handed over, so that one bad settlement neither vanishes nor stops the next.
    """

    def __init__(
        self, settle: Callable[[Settlement], Awaitable[None]], fallback: Callable[[Entry], None]
    ) -> None:
        self._settle = settle
        self._fallback = fallback
        self._queue: asyncio.Queue[Settlement | None] = asyncio.Queue()
        self.pending = 0

    def put(self, settlement: Settlement) -> None:
        """Hand it over; it is drained at shutdown."""
        self.pending += 1
        self._queue.put_nowait(settlement)

    async def drained(self) -> None:
        """Wait until everything handed over so far is settled."""
        await self._queue.join()

    async def run(self) -> None:
        """Work until `stop` was called and the queue is empty."""
        while (settlement := await self._queue.get()) is not None:
            try:
                await self._settle(settlement)
            except Exception as error:  # noqa: BLE001 (an edge: the next settlement must go on)
                log.error("call %s booked unsettled: %s", settlement.entry.id, type(error).__name__)  # noqa: TRY400 (a traceback may hold a prompt)
                self._fallback(settlement.entry)
            finally:
                self.pending -= 1
                self._queue.task_done()
        self._queue.task_done()

    def stop(self) -> None:
        """Let `run` end after what is queued now."""
        self._queue.put_nowait(None)
