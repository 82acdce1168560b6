"""The exact cache's store as the settings say: opened by the engine, looked at by shells."""

from __future__ import annotations

from scrimp.clock import SystemClock
from scrimp.ports import StoreStats
from scrimp.remembered import Chosen
from scrimp.settings import Loaded
from scrimp.stores.replies import CachePlan, forget, look, server_memory


def cache_plan(loaded: Loaded) -> CachePlan:
    """Which engine remembers replies, and where."""
    settings, section = loaded.settings, loaded.settings.exact_cache
    return CachePlan(
        engine=section.engine,
        path=settings.cache_path,
        max_bytes=section.max_bytes,
        memory_bytes=section.memory_bytes,
        url=loaded.cache_url,
        url_env=section.url_env,
        prefix=section.prefix,
        timeout_s=section.timeout_s,
    )


async def cache_stats(loaded: Loaded, tenant: str | None = None) -> StoreStats:
    """What a cache that processes share says, without an engine. Raises StoreError, ConfigError."""
    return await look(cache_plan(loaded), SystemClock(), tenant)


async def forget_cached(loaded: Loaded, chosen: Chosen, *, dry_run: bool = False) -> int:
    """Forget, or count, what such a cache remembers; all if nothing is chosen. Raises likewise."""
    return await forget(cache_plan(loaded), SystemClock(), chosen, dry_run=dry_run)


async def cache_server_memory(loaded: Loaded) -> dict[str, str]:
    """What the Redis of the settings says of its memory. Raises StoreError, ConfigError."""
    return await server_memory(cache_plan(loaded), SystemClock())
