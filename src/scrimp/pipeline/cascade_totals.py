"""What cascades have cost, told to a store that workers share, and heard from it.

A store that cannot be read or written costs no call: each process then counts for itself.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, Protocol

from scrimp.choosing import Place
from scrimp.errors import StoreError, kind_and_place
from scrimp.pipeline.background import Spawn
from scrimp.ports import Clock
from scrimp.routing.stop_loss import StopLoss, Totals, added

log = logging.getLogger(__name__)

EVERY_S: Final = 5.0
Add = Callable[[Totals, Totals], Totals]


class TotalsStore(Protocol):
    """The totals of every route that cascades, shared by workers. Raises StoreError."""

    async def add(self, more: Mapping[Place, Totals], add: Add) -> Mapping[Place, Totals]:
        """Put `add(known, more)` in the place of what is known; all that is then known.

        Nobody comes between. `add` is pure and may be called from another thread.
        """
        ...


class SharedTotals:
    """Tells and asks beside the calls: at once where it is said to matter, else now and then."""

    def __init__(self, stop: StopLoss, store: TotalsStore, spawn: Spawn, clock: Clock) -> None:
        self._stop = stop
        self._store = store
        self._spawn = spawn
        self._clock = clock
        self._due_s = float("-inf")
        self._busy = False

    def touch(self, *, at_once: bool = False) -> None:
        """See that the store is told and asked, soon. Returns at once and never raises."""
        now_s = self._clock.monotonic()
        if self._busy or (now_s < self._due_s and not at_once):
            return
        self._due_s = now_s + EVERY_S
        work = self._share()
        self._busy = True
        try:
            self._spawn(work)
        except RuntimeError:  # the app is not open, or closing
            work.close()
            self._busy = False

    async def _share(self) -> None:
        now_s = self._clock.now().timestamp()
        taken = self._stop.take()
        try:
            known = await self._store.add(
                taken, partial(added, now_s=now_s, rules=self._stop.rules)
            )
            self._stop.hear(known, now_s)
        except StoreError as error:
            self._stop.give_back(taken)
            log.warning("what cascades cost is not shared: %s", kind_and_place(error))
        except Exception as error:  # noqa: BLE001 (an edge: the app's other tasks must go on)
            log.error("sharing what cascades cost broke: %s", kind_and_place(error))  # noqa: TRY400 (a traceback ends with the message)
        finally:
            self._busy = False
