"""Stores of remembered replies, opened for tests by the name of their engine."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path

from scrimp.ports import Clock, ReplyStore
from scrimp.stores.memory_replies import MemoryReplies
from scrimp.stores.redis_link import LinkOptions
from scrimp.stores.redis_replies import RedisOptions, RedisReplies
from scrimp.stores.sqlite_replies import RepliesOptions, SqliteReplies
from scrimp.stores.tiered_replies import TieredReplies

_numbers = count()


async def open_store(
    stack: AsyncExitStack,
    engine: str,
    clock: Clock,
    place: tuple[Path, str],
    *,
    max_bytes: int = 1 << 20,
    name: str = "",
) -> ReplyStore:
    """A store that the stack closes. `place` is a file and a URL; `name` shares one of a server."""
    path, url = place
    front, _, behind = engine.rpartition("+")
    shared: SqliteReplies | RedisReplies
    if behind == "memory":
        memory = MemoryReplies(clock, max_bytes=max_bytes)
        stack.push_async_callback(memory.close)
        return memory
    if behind == "sqlite":
        shared = SqliteReplies.open(path, clock, RepliesOptions(max_bytes))
        stack.push_async_callback(shared.close)
    else:
        shared = open_redis(stack, url, clock, prefix=f"test-{name or next(_numbers)}")
    return TieredReplies(shared, clock, max_bytes=max_bytes) if front else shared


def open_redis(
    stack: AsyncExitStack, url: str, clock: Clock, *, prefix: str, timeout_s: float = 5.0
) -> RedisReplies:
    """A store over a server, with a task that runs it until the stack ends."""
    options = RedisOptions(prefix, LinkOptions(timeout_s, pauses_s=(0.05,)), margin_s=0.0)
    replies = RedisReplies.open(url, clock, options)
    running = asyncio.get_running_loop().create_task(replies.run())

    async def close() -> None:
        await replies.close()
        await running

    stack.push_async_callback(close)
    return replies
