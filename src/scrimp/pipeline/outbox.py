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
_MOST_PENDING = 1000


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
        self._ended = False
        self.pending = 0

    def put(self, settlement: Settlement) -> None:
        """Hand it over; it is drained at shutdown, and booked as it is after that.

        When too many wait already (each holds its call's body) it is booked as it is, too.
        """
        if self._ended or self.pending >= _MOST_PENDING:
            why = "it came after the end" if self._ended else f"{self.pending} wait before it"
            log.error("call %s booked unsettled: %s", settlement.entry.id, why)
            self._fallback(settlement.entry)
            return
        self.pending += 1
        self._queue.put_nowait(settlement)

    async def drained(self) -> None:
        """Wait until everything handed over so far is settled."""
        await self._queue.join()

    async def run(self) -> None:
        """Work until `stop` was called and the queue is empty.

        Cancelled, it books what is left as it was handed over: unsettled, but not lost.
        """
        try:
            while (settlement := await self._queue.get()) is not None:
                await self._work_off(settlement)
            self._queue.task_done()
        finally:
            self._ended = True
            while not self._queue.empty():
                left = self._queue.get_nowait()
                if left is not None:
                    self._book_unsettled(left, "cancelled")

    async def _work_off(self, settlement: Settlement) -> None:
        try:
            await self._settle(settlement)
        except Exception as error:  # noqa: BLE001 (an edge: the next settlement must go on)
            self._book_unsettled(settlement, type(error).__name__)
        except BaseException:
            self._book_unsettled(settlement, "cancelled")
            raise
        else:
            self._done()

    def _book_unsettled(self, settlement: Settlement, why: str) -> None:
        log.error("call %s booked unsettled: %s", settlement.entry.id, why)
        self._fallback(settlement.entry)
        self._done()

    def _done(self) -> None:
        self.pending -= 1
        self._queue.task_done()

    def stop(self) -> None:
        """Let `run` end after what is queued now."""
        self._queue.put_nowait(None)
