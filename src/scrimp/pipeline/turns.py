"""Of many processes that miss the same answer at once, one asks; the others wait for it and read.

Waiting is bounded, and whoever has waited long enough asks, too: nothing here can hold a call for
ever. Equal calls within this process are not this file's work: they pass together, and share a
flight further down.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from scrimp.ports import Claims, Clock, StoredReply

_FIRST_PAUSE_S = 0.01
_LONGEST_PAUSE_S = 0.1
_BARREN = 1024

Read = Callable[[], Awaitable[StoredReply | None]]


@dataclass(slots=True, eq=False)
class Turn:
    """Leave for this process to ask: for how many calls, and whether an answer was kept.

    `kept` stays None as long as nobody knows: a client that leaves says nothing of the answer.
    """

    key: bytes
    inside: int = 0
    kept: bool | None = None
    watchers: list[asyncio.Future[StoredReply | None]] = field(default_factory=list)

    def tell(self, found: StoredReply | None) -> None:
        """To the calls that wait along: an answer, or that they should look again."""
        watchers, self.watchers = self.watchers, []
        for watcher in watchers:
            if not watcher.done():
                watcher.set_result(found)


class Turns:
    """Who asks, for one event loop. `lease_s` is how long a claim holds where no one gives it back.

    Where an answer could not be kept there was nothing to wait for: such keys are remembered, a
    bounded number of them, and their next calls do not wait.
    """

    def __init__(self, claims: Claims, clock: Clock, *, wait_s: float, lease_s: float) -> None:
        self._claims = claims
        self._clock = clock
        self._wait_s = wait_s
        self._lease_s = lease_s
        self._turns: dict[bytes, Turn] = {}
        self._barren: dict[bytes, None] = {}

    async def enter(self, key: bytes, read: Read) -> Turn | StoredReply:
        """A turn, to be given to `leave`, or the answer that another process got meanwhile.

        `read` looks the answer up. Raises StoreError.
        """
        if key in self._barren:
            return Turn(key, inside=1)
        while (turn := self._turns.get(key)) is not None:
            if turn.inside:
                turn.inside += 1
                return turn
            watcher: asyncio.Future[StoredReply | None]
            watcher = asyncio.get_running_loop().create_future()
            turn.watchers.append(watcher)
            if (found := await watcher) is not None:
                return found
        turn = self._turns[key] = Turn(key)
        try:
            found = await self._wait(key, read)
        except BaseException:
            self._drop(turn, None)
            raise
        if found is not None:
            self._drop(turn, found)
            return found
        turn.inside = 1
        turn.tell(None)
        return turn

    def leave(self, turn: Turn, *, kept: bool | None) -> None:
        """A call of this turn is over; never waits, so a `finally` may use it."""
        turn.inside -= 1
        if kept is not None:
            turn.kept = turn.kept or kept
        if turn.inside:
            return
        if self._turns.get(turn.key) is turn:
            self._drop(turn, None)
        if turn.kept:
            self._barren.pop(turn.key, None)
        elif turn.kept is False:
            self._barren[turn.key] = None
            if len(self._barren) > _BARREN:
                del self._barren[next(iter(self._barren))]

    async def _wait(self, key: bytes, read: Read) -> StoredReply | None:
        """None: ask. Whoever comes first does so at once."""
        clock, pause_s = self._clock, _FIRST_PAUSE_S
        if await self._claims.claim(key, lease_s=self._lease_s):
            return None
        end_s = clock.monotonic() + self._wait_s
        while (left_s := end_s - clock.monotonic()) > 0:
            await clock.sleep(min(pause_s, left_s))
            pause_s = min(pause_s * 1.5, _LONGEST_PAUSE_S)
            # the claim first: who gives one back has put its answer before
            mine = await self._claims.claim(key, lease_s=self._lease_s)
            if (found := await read()) is not None:
                return found
            if mine:
                return None
        return None

    def _drop(self, turn: Turn, found: StoredReply | None) -> None:
        del self._turns[turn.key]
        self._claims.release(turn.key)
        turn.tell(found)
