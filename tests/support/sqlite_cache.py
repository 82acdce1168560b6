"""A cache file under test: opened, filled, waited for."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from scrimp.errors import StoreError
from scrimp.ports import CacheScope, StoredReply
from scrimp.stores.sqlite_replies import RepliesOptions, SqliteReplies
from tests.support.core import FakeClock, reply_of

OPTIONS = RepliesOptions(1 << 20, linger_ms=1, busy_timeout_ms=20, pauses_s=(0.5,))


class Opened:
    """A cache on a file, and what it said."""

    def __init__(self, path: Path, options: RepliesOptions = OPTIONS) -> None:
        self.clock = FakeClock()
        self.told: list[str] = []
        self.replies = SqliteReplies.open(path, self.clock, options, tell=self.told.append)

    def stored(self, size: int = 100) -> StoredReply:
        """A reply that no compression makes smaller."""
        now = self.clock.now()
        body = os.urandom(size)
        return StoredReply(reply_of(body=body), now, now + timedelta(hours=1), CacheScope("t", "x"))

    async def put(self, key: bytes, size: int = 100) -> StoredReply:
        """Put one and wait until it is in the file."""
        given = self.stored(size)
        assert await self.replies.put(key, given)
        await self.replies.stats()
        return given

    async def comes_back(self) -> None:
        """Wait until it can be written again."""
        await until(lambda: works(self.replies.stats()))


async def works(asked: Awaitable[object]) -> bool:
    """True when nothing is raised."""
    try:
        await asked
    except StoreError:
        return False
    return True


async def until(true: Callable[[], Awaitable[bool]], *, limit_s: float = 10.0) -> None:
    """Wait for what another thread does."""
    end_s = time.monotonic() + limit_s
    while not await true():
        assert time.monotonic() < end_s, f"not within {limit_s:g} s"
        await asyncio.sleep(0.005)


@asynccontextmanager
async def opened(path: Path, options: RepliesOptions = OPTIONS) -> AsyncIterator[Opened]:
    """Open, and close at the end."""
    cache = Opened(path, options)
    try:
        yield cache
    finally:
        await cache.replies.close()
