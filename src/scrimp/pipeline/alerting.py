"""Finds out, beside the calls, what deserves an alert, and hands it to the outbox.

On a call's way stands nothing but an entry put on a list and a settlement noted. One task looks at
them a little later; what it cannot hand over now it keeps, up to a bound, and tries again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from scrimp.alerts.entries import WATCH, of_entry
from scrimp.alerts.habits import Sums, of_habits
from scrimp.alerts.rules import AlertRules
from scrimp.alerts.standings import of_refusal, of_standing
from scrimp.errors import StoreError
from scrimp.limits import BudgetStore
from scrimp.notices import Alert, AlertBox
from scrimp.pipeline.delivering import Deliveries, unbroken
from scrimp.pipeline.watched_budgets import WatchedBudgets
from scrimp.ports import Clock, Entry

log = logging.getLogger("scrimp.alerts")

LOOK_S = 1.0
"""How long after the first event somebody looks: one look for many calls."""
HABITS_S = 300.0
_MOST_ENTRIES = 10_000
_MOST_KEPT = 1_000
_MOST_KNOWN = 50_000
DENIED = "denied"
"""What a lever's line says of a call that it turned away."""
_SURE = frozenset({"usage", "reported", "estimate", "free"})


@dataclass(frozen=True, slots=True)
class AlertMeans:
    """What alerting works with. `sums` is the ledger's report; it blocks."""

    clock: Clock
    box: AlertBox
    deliveries: Deliveries
    sums: Sums | None = None


class Alerting:
    """Sees what happens in one process. Give its `budgets` to the levers, its `entry` the entries.

    `run` it in a task of the app's; `stop` lets it look once more, deliver, and end.
    """

    def __init__(self, means: AlertMeans, rules: AlertRules, budgets: BudgetStore) -> None:
        self.budgets = WatchedBudgets(budgets, self._wake)
        self._clock = means.clock
        self._box = means.box
        self._deliveries = means.deliveries
        self._sums = means.sums
        self._rules = rules
        self._entries: deque[Entry] = deque(maxlen=_MOST_ENTRIES)
        self._kept: list[Alert] = []
        self._known: dict[str, datetime | None] = {}
        self._compare_s = 0.0
        self._failing = False
        self._awake = asyncio.Event()
        self._stopping = asyncio.Event()

    def entry(self, entry: Entry) -> None:
        """An entry on its way to the ledger; most say nothing that would be told."""
        if entry.cost_basis not in _SURE:
            self._entries.append(entry)
            self._wake()
            return
        for line in entry.trace:
            if line.lever == WATCH or line.verdict == DENIED:
                self._entries.append(entry)
                self._wake()
                return

    def stop(self) -> None:
        """Let `run` end, after one more look."""
        self._stopping.set()
        self._awake.set()

    def _wake(self) -> None:
        self._awake.set()

    async def run(self) -> None:
        """Look now and then until `stop`."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._deliveries.run(), name="scrimp alert deliveries")
            while not self._stopping.is_set():
                await unbroken(self._compare())
                await _set_within(self._awake, HABITS_S)
                await _set_within(self._stopping, LOOK_S)
                self._awake.clear()
                await unbroken(self.look())
            self._deliveries.stop()

    async def look(self) -> None:
        """Look at everything that has happened since, and hand over what is to be told."""
        now = self._clock.now()
        found: list[Alert] = []
        while self._entries:
            found += self._of_entry(self._entries.popleft(), now)
        found += await self._of_limits(now)
        await self._hand_over(found)

    def _of_entry(self, entry: Entry, now: datetime) -> Iterator[Alert]:
        yield from of_entry(entry, now)
        if (refused := self.budgets.refusal(entry.id)) is not None:
            standing, needed = refused
            alert = of_refusal(standing, needed, now, self._rules)
            if alert is not None:
                yield alert

    async def _of_limits(self, now: datetime) -> Sequence[Alert]:
        """How those limits stand that were used; counted over all processes."""
        used = {limit: None for limits in self.budgets.settled() for limit in limits}
        if not used:
            return ()
        try:
            standings = await self.budgets.standing(tuple(used))
        except StoreError as error:
            log.warning("alerts cannot see how budgets stand: %s", error)
            return ()
        return [one for standing in standings for one in of_standing(standing, now, self._rules)]

    async def _compare(self) -> None:
        """Of all processes one compares with the days before, every few minutes."""
        if self._sums is None or self._clock.monotonic() < self._compare_s:
            return
        self._compare_s = self._clock.monotonic() + HABITS_S
        try:
            if await asyncio.to_thread(self._box.turn, "habits", every_s=HABITS_S - 1):
                await self._hand_over(await asyncio.to_thread(self._habits, self._sums))
        except StoreError as error:
            log.warning("alerts cannot compare with the days before: %s", error)

    def _habits(self, sums: Sums) -> list[Alert]:
        return list(of_habits(sums, self._clock.now(), self._rules))

    async def _hand_over(self, found: Iterable[Alert]) -> None:
        """What this process has not told yet goes to the outbox, which knows what others have."""
        self._kept += self._new(found)
        if not self._kept:
            return
        batch, self._kept = self._kept[:_MOST_KEPT], []
        try:
            taken = await asyncio.to_thread(self._box.offer, batch, self._deliveries.names)
        except StoreError as error:
            if not self._failing:
                log.warning("%d alerts wait: %s", len(batch), error)
            self._failing = True
            self._kept = batch
            self._wake()
            return
        self._failing = False
        if taken:
            self._deliveries.wake()

    def _new(self, found: Iterable[Alert]) -> Iterator[Alert]:
        now = self._clock.now()
        for alert in found:
            if alert.kind in self._rules.mute:
                continue
            if alert.topic in self._known:
                until = self._known[alert.topic]
                if until is None or until > now:
                    continue
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            for topic in (alert.topic, *alert.covers):
                self._known[topic] = alert.until
            yield alert


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
