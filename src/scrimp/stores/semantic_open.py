"""The engine of answers by meaning that the settings name."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, assert_never

from scrimp.errors import ConfigError
from scrimp.meanings import Chosen, SemanticStats, SemanticStore
from scrimp.ports import Clock
from scrimp.stores.at_work import Beside, at_work
from scrimp.stores.semantic_plan import SemanticPlan
from scrimp.stores.sqlite_semantic_file import file_stats

if TYPE_CHECKING:
    from scrimp.stores.postgres_semantic import PostgresSemantic
    from scrimp.stores.redis_semantic import RedisSemantic
    from scrimp.stores.sqlite_semantic import SqliteSemantic


@dataclass(frozen=True, slots=True)
class OpenStore:
    """A store at work; `run`, where it has one, runs beside it until it is closed."""

    store: SemanticStore
    run: Beside | None = None


def open_semantic(plan: SemanticPlan, clock: Clock) -> OpenStore:
    """Open the engine. Raises ConfigError; a file or server that is away says so when asked."""
    match plan.engine:
        case "memory":
            try:  # an optional extra
                from scrimp.stores.semantic_memory import MemorySemantic  # noqa: PLC0415
            except ImportError as error:
                raise _missing(error) from error
            return OpenStore(MemorySemantic(clock, plan.limits, plan.index))
        case "sqlite":
            return OpenStore(_open_file(plan, clock))
        case "postgres":
            server = _open_postgres(plan, clock)
            return OpenStore(server, server.run)
        case "redis":
            store = _open_redis(plan, clock)
            return OpenStore(store, store.run)
    assert_never(plan.engine)


def check_semantic(plan: SemanticPlan, clock: Clock) -> None:
    """Raises ConfigError where an extra or the URL is missing. Nothing is opened."""
    served = plan.engine in ("postgres", "redis")
    open_semantic(plan if served else replace(plan, engine="memory"), clock)


async def look(
    plan: SemanticPlan, clock: Clock, tenant: str | None = None
) -> tuple[SemanticStats, ...]:
    """What is kept and counted where processes share it; a file is neither made nor changed.

    A file needs no extra. Raises StoreError, and ConfigError where nothing is shared.
    """
    match plan.engine:
        case "memory":
            raise _unshared()
        case "sqlite":
            return await asyncio.to_thread(file_stats, plan.path, tenant)
        case "postgres":
            server = _open_postgres(plan, clock)
            async with at_work(server, None):
                return await server.stats(tenant)
        case "redis":
            store = _open_redis(plan, clock)
            async with at_work(store, store.run):
                return await store.stats(tenant)
    assert_never(plan.engine)


async def server_policy(plan: SemanticPlan, clock: Clock) -> str:
    """What a Redis does when it is full (`maxmemory-policy`). Raises StoreError or ConfigError."""
    store = _open_redis(plan, clock)
    async with at_work(store, store.run):
        return (await store.memory()).get("maxmemory_policy", "")


async def forget(plan: SemanticPlan, clock: Clock, chosen: Chosen, *, dry_run: bool = False) -> int:
    """Forget, or only count, answers that processes share; how many there were.

    Raises InvalidRequest as the store does, StoreError, and ConfigError where nothing is shared.
    """
    if plan.engine == "memory":
        raise _unshared()
    if plan.engine == "sqlite" and not plan.path.exists():
        return 0
    opened = open_semantic(replace(plan, index_bytes=0), clock)
    served = opened.run if plan.engine == "redis" else None  # the others work without
    async with at_work(opened.store, served):
        return await opened.store.invalidate(chosen, dry_run=dry_run)


def _unshared() -> ConfigError:
    return ConfigError(
        "semantic_cache.engine is memory: answers live in the process of a gateway "
        '(engine = "sqlite", "postgres" or "redis" keeps them where others can look)'
    )


def _open_file(plan: SemanticPlan, clock: Clock) -> SqliteSemantic:
    try:  # an optional extra
        from scrimp.stores.sqlite_semantic import SemanticOptions, SqliteSemantic  # noqa: PLC0415
    except ImportError as error:
        raise _missing(error) from error
    options = SemanticOptions(plan.limits, plan.index, index_bytes=plan.index_bytes)
    return SqliteSemantic.open(plan.path, clock, options)


def _open_postgres(plan: SemanticPlan, clock: Clock) -> PostgresSemantic:
    try:  # optional extras
        from scrimp.stores.postgres_link import LinkOptions  # noqa: PLC0415
        from scrimp.stores.postgres_semantic import (  # noqa: PLC0415
            PostgresSemantic,
            SemanticOptions,
        )
    except ImportError as error:
        raise _missing(error) from error
    _need_url(plan, "postgresql://USER:PASSWORD@HOST:5432/DATABASE")
    options = SemanticOptions(plan.limits, plan.index, LinkOptions(schema=plan.schema))
    return PostgresSemantic(plan.url, clock, options)


def _open_redis(plan: SemanticPlan, clock: Clock) -> RedisSemantic:
    try:  # optional extras
        from scrimp.stores.redis_semantic import (  # noqa: PLC0415
            RedisSemantic,
            SemanticOptions,
        )
    except ImportError as error:
        raise _missing(error) from error
    _need_url(plan, "redis://:PASSWORD@HOST:6379/0")
    options = SemanticOptions(plan.limits, plan.index, prefix=plan.schema)
    return RedisSemantic(plan.url, clock, options)


def _need_url(plan: SemanticPlan, like: str) -> None:
    if not plan.url:
        raise ConfigError(
            f"semantic_cache.engine is {plan.engine}, and {plan.url_env} is not set "
            f"(export {plan.url_env}={like})"
        )


def _missing(error: ImportError) -> ConfigError:
    extra = {"asyncpg": ",postgres", "redis": ",redis"}.get(error.name or "", "")
    return ConfigError(
        f"the semantic cache is enabled, and {error.name or 'a package of it'} is not installed "
        f"(pip install 'scrimp[semantic{extra}]')"
    )
