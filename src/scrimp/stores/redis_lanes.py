"""Ways to a Redis with vector search: one for writes, some for searches; looked at once.

A search holds its connection up until it is done, and all that waits behind it; so searches have
connections of their own. What is told of the server is told once, however many of them see it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from redis.exceptions import ResponseError

from scrimp.errors import StoreError
from scrimp.stores.redis_link import (
    Argument,
    Command,
    LinkOptions,
    RedisLink,
    connections,
)

_NEEDED = ("VADD", "VREM", "VSIM", "VCARD")
_PAUSE_S = 5.0
"""So long a server without vector search is not asked again."""


class RedisLanes:
    """Runs commands while `run` runs. `what` is whose they are, in messages."""

    def __init__(
        self, url: str, what: str, options: LinkOptions, tell: Callable[[str], None], searches: int
    ) -> None:
        """Nothing is opened yet. Raises ConfigError, never with the URL."""
        make, self._place = connections(url)
        self._what = what
        self._tell = tell
        self._lanes = tuple(
            RedisLink(make, self._place, options, partial(self._heard, lane))
            for lane in range(searches + 1)
        )
        self._under_way = [0] * len(self._lanes)
        self._down: set[int] = set()
        self._said = ""
        self._fit = False
        self._unfit = ""
        self._unfit_until_s = 0.0

    async def write(self, commands: Iterable[Command]) -> list[Any]:
        """Answers to commands, one after the other, in one trip. Raises StoreError."""
        await self.check()
        return await self._asked(self._away() or 0, commands)

    async def read(self, commands: Iterable[Command]) -> list[Any]:
        """Answers to commands that change nothing, over whichever way has least to do."""
        await self.check()
        lane = self._away()
        if lane is None:
            lane = min(range(1, len(self._lanes)), key=self._under_way.__getitem__)
        return await self._asked(lane, commands)

    async def ask(self, *command: Argument) -> Any:
        """The answer to one command that changes nothing."""
        (answer,) = await self.read([command])
        return answer

    async def check(self) -> None:
        """Raise StoreError when the server has no vector search."""
        if self._fit:
            return
        if self._unfit and time.monotonic() < self._unfit_until_s:
            raise StoreError(self._unfit)
        (told,) = await self._asked(self._away() or 0, [("COMMAND", "INFO", *_NEEDED)])
        if all(told):
            if self._unfit:
                self._tell(f"the {self._what} in Redis at {self._place} is in use again")
            self._fit, self._unfit = True, ""
            return
        why = f"the {self._what} cannot use Redis at {self._place}: {await self._version()}"
        if why != self._unfit:
            self._tell(f"{why}; calls go on without it")
        self._unfit, self._unfit_until_s = why, time.monotonic() + _PAUSE_S
        raise StoreError(why)

    async def memory(self) -> dict[str, str]:
        """What the server says of its memory. Raises StoreError."""
        return _facts(await self.ask("INFO", "memory"))

    def post(self, *command: Argument) -> None:
        """A command whose answer nobody waits for; lost when the server is away."""
        if self._fit:
            self._lanes[0].post(*command)

    async def run(self) -> None:
        """Carry commands until `close`."""
        async with asyncio.TaskGroup() as group:
            for lane in self._lanes:
                group.create_task(lane.run())

    def close(self) -> None:
        """Let `run` end after what waits now."""
        for lane in self._lanes:
            lane.close()

    async def _asked(self, lane: int, commands: Iterable[Command]) -> list[Any]:
        self._under_way[lane] += 1
        try:
            return await self._lanes[lane].ask_all(commands)
        except StoreError as error:
            if isinstance(error.__cause__, ResponseError):
                self._fit = False  # perhaps another server answers by now: it is looked at again
            raise
        finally:
            self._under_way[lane] -= 1

    def _away(self) -> int | None:
        """A way whose server was away: all take it until it is back, so that one of them tries."""
        return next(iter(self._down), None)

    def _heard(self, lane: int, line: str) -> None:
        """A way tells of each turn: away, back, away, ..."""
        self._fit = False  # it may come back as another
        back = lane in self._down
        (self._down.discard if back else self._down.add)(lane)
        if bool(self._said) == back:
            self._said = "" if back else line
            self._tell(line.replace("cache:", f"{self._what}:", 1))

    async def _version(self) -> str:
        """What is there, what is needed, and the way out."""
        told: dict[str, str] = {}
        with suppress(StoreError):
            (info,) = await self._asked(0, [("INFO", "server")])
            told = _facts(info)
        found = f"Redis {told.get('redis_version', 'of an unknown version')}"
        if valkey := told.get("valkey_version"):
            found = f"Valkey {valkey}"
        return (
            f"it is {found}, without vector search, and Redis 8.0 or newer is needed "
            '(upgrade it, or semantic_cache.engine = "postgres")'
        )


def _facts(info: bytes) -> dict[str, str]:
    lines = (line.partition(":") for line in info.decode("utf-8", "replace").splitlines())
    return {name: value for name, _, value in lines if value}
