"""Remembered replies without an engine around them: opened here for who has no settings.

Beside `app.py` a place that opens adapters, because an integration brings its own way of a call.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from scrimp.clock import SystemClock
from scrimp.ports import Clock, ReplyStore
from scrimp.stores.replies import CachePlan, open_cache, open_redis

_PATIENT_S = 2.0
"""A model is slower than any server of replies; the gateway's own limit is for each call's way."""


@dataclass(frozen=True, slots=True)
class OwnReplies:
    """Where they are kept: at `redis_url`, else in the file `path`, else in this process."""

    path: Path | None
    redis_url: str
    max_bytes: int

    def __repr__(self) -> str:
        """Without the URL: it may hold a password."""
        return f"OwnReplies({'redis' if self.redis_url else self.path or 'memory'})"


@dataclass(frozen=True, slots=True)
class Opened:
    """A store at work, and the time that it goes by."""

    replies: ReplyStore
    clock: Clock


@asynccontextmanager
async def open_own_replies(own: OwnReplies) -> AsyncIterator[Opened]:
    """On the running event loop, until the block ends. Raises ConfigError."""
    clock = SystemClock()
    cache = open_cache(_plan(own), clock)
    async with asyncio.TaskGroup() as group:
        if cache.run is not None:
            group.create_task(cache.run(), name="scrimp replies")
        try:
            yield Opened(cache.replies, clock)
        finally:
            await cache.replies.close()


def check_own_replies(own: OwnReplies) -> None:
    """Raises ConfigError for a Redis that cannot be asked as it is told. Nothing is connected."""
    if own.redis_url:
        open_redis(_plan(own), SystemClock())


def _plan(own: OwnReplies) -> CachePlan:
    return CachePlan(
        engine="redis" if own.redis_url else "sqlite" if own.path else "memory",
        path=own.path or Path(),
        max_bytes=own.max_bytes,
        url=own.redis_url,
        timeout_s=_PATIENT_S,
    )
