"""What `scrimp doctor` finds of the exact cache: its engine, whether it can be used, its limits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from scrimp.cached_replies import cache_server_memory, cache_stats
from scrimp.cli.cache_view import size
from scrimp.cli.console import short_path
from scrimp.cli.finding import Finding
from scrimp.errors import ConfigError, StoreError
from scrimp.settings import Loaded

_NAME = "cache"
_OTHERS = 0o077
_WITHOUT = "calls go on without it, and are paid again"


def cache(loaded: Loaded) -> Iterator[Finding]:
    """The engine of the settings."""
    section = loaded.settings.exact_cache
    if not section.enabled:
        yield Finding("ok", _NAME, "the exact cache is switched off")
        return
    match section.engine:
        case "memory":
            yield _memory(loaded)
        case "sqlite":
            yield from _file(loaded)
        case "redis":
            yield from _server(loaded)


def _memory(loaded: Loaded) -> Finding:
    settings = loaded.settings
    said = f"in memory, up to {size(settings.exact_cache.max_bytes)}, gone with the process"
    if settings.server.workers > 1:
        said = f"{said}; each of {settings.server.workers} workers has its own"
        way_out = 'exact_cache.engine = "sqlite" is one for all'
        return Finding("warn", _NAME, said, way_out)
    return Finding("ok", _NAME, said)


def _file(loaded: Loaded) -> Iterator[Finding]:
    path, section = loaded.settings.cache_path, loaded.settings.exact_cache
    shown = short_path(path)
    if not path.exists():
        yield Finding("ok", _NAME, f"{shown} is not there yet; scrimp serve makes it")
        return
    mode = path.stat().st_mode & 0o777
    if mode & _OTHERS:
        said = f"{shown} can be read by others (mode {mode:03o})"
        yield Finding("warn", _NAME, said, f"chmod 600 {shown}")
    try:
        stats = asyncio.run(cache_stats(loaded))
    except StoreError as error:
        yield Finding("warn", _NAME, f"{error}: {_WITHOUT}", "name another file: exact_cache.path")
        return
    kept = f"{stats.entries:,} replies, {size(stats.size_bytes)} of {size(section.max_bytes)}"
    yield Finding("ok", _NAME, f"{shown}: {kept}")


def _server(loaded: Loaded) -> Iterator[Finding]:
    section = loaded.settings.exact_cache
    try:
        told = asyncio.run(cache_server_memory(loaded))
    except ConfigError as error:
        said, _, way_out = str(error).partition(" (")
        yield Finding("fail", _NAME, said, way_out.rstrip(")"))
        return
    except StoreError as error:
        way_out = f"start it, or look at ${section.url_env} and exact_cache.timeout_s"
        yield Finding("warn", _NAME, f"{error}: {_WITHOUT}", way_out)
        return
    used = told.get("used_memory_human", "?")
    limit, policy = told.get("maxmemory", "0"), told.get("maxmemory_policy", "?")
    best = "volatile-lru" if _holds_meanings(loaded) else "allkeys-lru"
    if limit == "0":
        said = f"the Redis of ${section.url_env} has no limit of memory ({used} in use)"
        yield Finding("warn", _NAME, said, f"set its maxmemory, and maxmemory-policy {best}")
    elif policy == "noeviction":
        said = f"the Redis of ${section.url_env} refuses new replies when it is full ({policy})"
        yield Finding("warn", _NAME, said, f"set its maxmemory-policy to {best}")
    else:
        limits = f"{used} of {size(int(limit))} in use, {policy}"
        yield Finding("ok", _NAME, f"the Redis of ${section.url_env} answers ({limits})")


def _holds_meanings(loaded: Loaded) -> bool:
    """Whether the same server has answers by meaning: of these it must drop none."""
    section = loaded.settings.semantic_cache
    return section.enabled and section.engine == "redis" and loaded.semantic_url == loaded.cache_url
