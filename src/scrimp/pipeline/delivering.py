"""Takes alerts out of the outbox and to their notifiers: one task each, so that none waits for one.

A failed delivery is tried again later, by whichever worker comes first; one whose worker ended
in the middle is due again when its lease ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

from scrimp.alerts.delivery import next_try
from scrimp.errors import StoreError, kind_and_place
from scrimp.notices import AlertBox, Due, Notifier, Sent
from scrimp.ports import Clock

log = logging.getLogger("scrimp.alerts")

LEASE_S = 90.0
SEND_S = 60.0
"""The most that one try may take: less than a lease."""
LOOK_S = 30.0
"""How often somebody looks for what other workers have left."""
FINAL_S = 5.0


class Deliveries:
    """The deliveries of one process. `owner` tells it from others, `dice` draws from 0 to 1."""

    def __init__(
        self,
        box: AlertBox,
        notifiers: Sequence[Notifier],
        clock: Clock,
        owner: str,
        dice: Callable[[], float],
        *,
        give_up_s: float,
    ) -> None:
        self.names = tuple(one.name for one in notifiers)
        self._box = box
        self._notifiers = notifiers
        self._clock = clock
        self._owner = owner
        self._dice = dice
        self._give_up_s = give_up_s
        self._new = {one.name: asyncio.Event() for one in notifiers}
        self._stopping = asyncio.Event()

    def wake(self) -> None:
        """There is something new."""
        for event in self._new.values():
            event.set()

    def stop(self) -> None:
        """Deliver once more what is due, then end."""
        self._stopping.set()
        self.wake()

    async def run(self) -> None:
        """Deliver until `stop`."""
        async with asyncio.TaskGroup() as group:
            for notifier in self._notifiers:
                group.create_task(self._serve(notifier), name=f"scrimp alerts {notifier.name}")

    async def once(self, notifier: Notifier) -> int:
        """Deliver all that is due now by one notifier; how many were tried."""
        tried = 0
        while (due := await self._claim(notifier.name)) is not None:
            await self._try(notifier, due)
            tried += 1
        return tried

    async def _serve(self, notifier: Notifier) -> None:
        new = self._new[notifier.name]
        while not self._stopping.is_set():
            new.clear()
            await unbroken(self._all_due(notifier))
            with suppress(TimeoutError):
                async with asyncio.timeout(await self._pause_s(notifier.name)):
                    await new.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(FINAL_S):
                await unbroken(self._all_due(notifier))

    async def _all_due(self, notifier: Notifier) -> None:
        await self.once(notifier)

    async def _pause_s(self, name: str) -> float:
        try:
            due = await asyncio.to_thread(self._box.next_due, name)
        except (StoreError, ArithmeticError):
            return LOOK_S
        if due is None:
            return LOOK_S
        return min(LOOK_S, max(0.05, (due - self._clock.now()).total_seconds()))

    async def _claim(self, name: str) -> Due | None:
        try:
            return await asyncio.to_thread(self._box.claim, name, self._owner, lease_s=LEASE_S)
        except StoreError as error:
            log.warning("alerts wait: %s", error)
            return None

    async def _try(self, notifier: Notifier, due: Due) -> None:
        sent = await _sent(notifier, due)
        retry_at = None
        if not sent.ok:
            retry_at = next_try(
                due.tries + 1,
                sent,
                due.alert.at,
                self._clock.now(),
                give_up_s=self._give_up_s,
                dice=self._dice(),
            )
            then = "given up" if retry_at is None else f"again at {retry_at:%Y-%m-%dT%H:%M:%SZ}"
            log.warning("alert %s by %s: %s, %s", due.alert.id, due.notifier, sent.said, then)
        try:
            await asyncio.to_thread(self._box.settle, due, self._owner, sent, retry_at=retry_at)
        except StoreError as error:
            log.warning("alert %s by %s: %s", due.alert.id, due.notifier, error)


async def unbroken(work: Coroutine[Any, Any, None]) -> None:
    """What breaks here is logged and goes no further: no call may suffer from an alert."""
    try:
        await work
    except Exception as error:  # noqa: BLE001 (an edge: the app's other tasks must go on)
        log.error("alerts broke: %s", kind_and_place(error))  # noqa: TRY400 (a traceback ends with the message)


async def _sent(notifier: Notifier, due: Due) -> Sent:
    try:
        async with asyncio.timeout(SEND_S):
            return await notifier.send(due.alert)
    except TimeoutError:
        return Sent(ok=False, said=f"not done within {SEND_S:g} s")
    except Exception as error:  # noqa: BLE001 (an edge: a program's own function, too, may raise anything)
        return Sent(ok=False, said=f"it raised {kind_and_place(error)}")
