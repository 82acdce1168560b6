"""Calls that are made once more while nobody waits for them: each is a call of its own.

It has an id, a trace and an entry of its own, is paid by whoever made the first, and passes the
guards only. As many run at once as are allowed; a key that failed, or whose answer may not be kept,
rests for a while.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from scrimp.calls import Call, HeldSink, Reply, Trace
from scrimp.errors import ScrimpError, kind_and_place
from scrimp.pipeline.background import Running, Spawn
from scrimp.ports import Clock, Next
from scrimp.remembered import About, named_as

log = logging.getLogger(__name__)

_MOST = 32
_REST_S = 10.0
_RESTING = 1024

Work = Callable[[], Awaitable[bool]]
"""False: nothing came of it, and it would be the same at once."""


class Again:
    """One of each key at once. `ask` is the app's own way."""

    def __init__(
        self, ask: Next, clock: Clock, new_id: Callable[[], str], spawn: Spawn, *, most: int = _MOST
    ) -> None:
        self._ask = ask
        self._clock = clock
        self._new_id = new_id
        self._spawn = spawn
        self._most = most
        self._running: dict[bytes, Running | None] = {}
        self._resting: dict[bytes, float] = {}
        self._open = True

    @property
    def way(self) -> Next:
        """The app's own way, for calls that a lever makes beside those of clients."""
        return self._ask

    @property
    def new_id(self) -> Callable[[], str]:
        """What names them."""
        return self._new_id

    def begin(self, key: bytes, work: Work) -> bool:
        """Start the work of a key. False when it is being done, or rests, or too much is."""
        if key in self._running or len(self._running) >= self._most or not self._open:
            return False
        if self._resting and self._resting.get(key, 0.0) > self._clock.monotonic():
            return False
        self._running[key] = None
        running = self._guarded(key, work)
        try:
            self._running[key] = self._spawn(running)
        except RuntimeError:  # the app is closing
            running.close()
            del self._running[key]
            return False
        return True

    async def ask(self, call: Call, about: About) -> tuple[Call, Reply]:
        """The call anew, as the answer was named, and its reply. Raises as the app's way does."""
        cache = replace(named_as(call.cache, about), mode="refresh")
        anew = replace(
            call,
            id=self._new_id(),
            purpose="warm",
            cache=cache,
            started_at=self._clock.now(),
            sink=HeldSink(),
            trace=Trace(),
        )
        return anew, await self._ask(anew)

    def stop(self) -> None:
        """End what runs; nobody waits for it."""
        self._open = False
        for running in tuple(self._running.values()):
            if running is not None:
                running.cancel()

    async def _guarded(self, key: bytes, work: Work) -> None:
        try:
            if not await work():
                self._rest(key)
        except ScrimpError:  # its entry, or the trace of the next call, says what is wrong
            self._rest(key)
        except Exception as error:  # noqa: BLE001 (an edge: the app's other tasks must go on)
            log.warning("asking again failed: %s", kind_and_place(error))
            self._rest(key)
        finally:
            del self._running[key]

    def _rest(self, key: bytes) -> None:
        self._resting.pop(key, None)
        self._resting[key] = self._clock.monotonic() + _REST_S
        if len(self._resting) > _RESTING:
            del self._resting[next(iter(self._resting))]
