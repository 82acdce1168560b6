"""The engine of remembered replies that the settings name, with memory in front of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from scrimp.errors import ConfigError
from scrimp.ports import Claims, Clock, ReplyStore, StoreStats
from scrimp.remembered import Chosen
from scrimp.stores.at_work import Beside, at_work
from scrimp.stores.memory_replies import MemoryReplies
from scrimp.stores.sqlite_replies import RepliesOptions, SqliteReplies, file_stats
from scrimp.stores.tiered_replies import SharedReplies, TieredReplies

if TYPE_CHECKING:
    from scrimp.stores.redis_replies import RedisReplies

Engine = Literal["memory", "sqlite", "redis"]
_PATIENT_S = 5.0


@dataclass(frozen=True, slots=True)
class CachePlan:
    """What is asked for. `memory_bytes` is memory in front of a shared engine; 0 is none."""

    engine: Engine
    path: Path
    max_bytes: int
    memory_bytes: int = 0
    url: str = ""
    url_env: str = ""
    prefix: str = "scrimp"
    timeout_s: float = 0.25

    def __repr__(self) -> str:
        """Without the URL: it may hold a password."""
        return f"CachePlan({self.engine!r}, {str(self.path)!r})"


@dataclass(frozen=True, slots=True)
class OpenCache:
    """An engine at work. `claims` where processes share it; `run` has to run beside it."""

    replies: ReplyStore
    claims: Claims | None = None
    run: Beside | None = None


def open_cache(plan: CachePlan, clock: Clock) -> OpenCache:
    """Open the engine. Raises ConfigError; one that is down is no error: it says so when asked."""
    match plan.engine:
        case "memory":
            return OpenCache(MemoryReplies(clock, max_bytes=plan.max_bytes))
        case "sqlite":
            file = SqliteReplies.open(plan.path, clock, RepliesOptions(plan.max_bytes))
            return OpenCache(_in_front(file, plan, clock), file)
        case "redis":
            server = open_redis(plan, clock)
            return OpenCache(_in_front(server, plan, clock), server, server.run)


def open_redis(plan: CachePlan, clock: Clock) -> RedisReplies:
    """The server of the plan's URL. Raises ConfigError."""
    if not plan.url:
        raise ConfigError(
            f"exact_cache.engine is redis, and {plan.url_env} is not set "
            f"(export {plan.url_env}=redis://HOST:6379/0)"
        )
    try:  # an optional extra
        from scrimp.stores.redis_link import LinkOptions  # noqa: PLC0415
        from scrimp.stores.redis_replies import RedisOptions, RedisReplies  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(
            "exact_cache.engine is redis, and its client is not installed "
            "(pip install 'scrimp[redis]')"
        ) from error
    return RedisReplies.open(
        plan.url, clock, RedisOptions(plan.prefix, LinkOptions(plan.timeout_s))
    )


async def look(plan: CachePlan, clock: Clock, tenant: str | None = None) -> StoreStats:
    """What a cache that processes share says of itself; a file is neither made nor changed.

    Raises StoreError, and ConfigError where there is none to look at.
    """
    if plan.engine == "sqlite":
        return await asyncio.to_thread(file_stats, plan.path, plan.max_bytes, tenant)
    async with _at_work(plan, clock) as replies:
        return await replies.stats(tenant)


async def forget(plan: CachePlan, clock: Clock, chosen: Chosen, *, dry_run: bool) -> int:
    """Forget, or only count, what is chosen in a cache that processes share; how much that was.

    All of it when nothing is chosen. Raises as `look` does, and InvalidRequest.
    """
    if plan.engine == "sqlite" and not plan.path.exists():
        return 0
    async with _at_work(plan, clock) as replies:
        if chosen == Chosen():
            return await replies.clear()
        return await replies.invalidate(chosen, dry_run=dry_run)


async def server_memory(plan: CachePlan, clock: Clock) -> dict[str, str]:
    """What a Redis says of its memory. Raises StoreError or ConfigError."""
    replies = open_redis(plan, clock)
    async with at_work(replies, replies.run):
        return await replies.memory()


@asynccontextmanager
async def _at_work(plan: CachePlan, clock: Clock) -> AsyncIterator[ReplyStore]:
    if plan.engine == "memory":
        raise ConfigError(
            "exact_cache.engine is memory: replies live in the process of a gateway "
            '(engine = "sqlite" or "redis" keeps them where others can look)'
        )
    patient = max(plan.timeout_s, _PATIENT_S)  # nobody's call waits for it
    cache = open_cache(replace(plan, memory_bytes=0, timeout_s=patient), clock)
    async with at_work(cache.replies, cache.run):
        yield cache.replies


def _in_front(shared: SharedReplies, plan: CachePlan, clock: Clock) -> ReplyStore:
    if not plan.memory_bytes:
        return shared
    return TieredReplies(shared, clock, max_bytes=plan.memory_bytes)
