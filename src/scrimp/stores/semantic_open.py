"""The engine of answers by meaning that the settings name."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from scrimp.errors import ConfigError
from scrimp.meanings import Chosen, SemanticStats, SemanticStore
from scrimp.ports import Clock
from scrimp.stores.semantic_plan import SemanticPlan
from scrimp.stores.sqlite_semantic_file import file_stats

if TYPE_CHECKING:
    from scrimp.stores.sqlite_semantic import SqliteSemantic


def open_semantic(plan: SemanticPlan, clock: Clock) -> SemanticStore:
    """Open the engine. Raises ConfigError; a file that cannot be used says so when asked."""
    match plan.engine:
        case "memory":
            try:  # an optional extra
                from scrimp.stores.semantic_memory import MemorySemantic  # noqa: PLC0415
            except ImportError as error:
                raise _missing(error) from error
            return MemorySemantic(clock, plan.limits, plan.index)
        case "sqlite":
            return _open_file(plan, clock)
    assert_never(plan.engine)


async def look(plan: SemanticPlan, tenant: str | None = None) -> tuple[SemanticStats, ...]:
    """What a file that processes share keeps and counts; it is neither made nor changed.

    Needs no extra. Raises StoreError, and ConfigError where nothing is shared.
    """
    if plan.engine == "memory":
        raise _unshared()
    return await asyncio.to_thread(file_stats, plan.path, tenant)


async def forget(plan: SemanticPlan, clock: Clock, chosen: Chosen, *, dry_run: bool = False) -> int:
    """Forget, or only count, answers of a file that processes share; how many there were.

    Raises InvalidRequest as the store does, StoreError, and ConfigError where nothing is shared.
    """
    if plan.engine == "memory":
        raise _unshared()
    if not plan.path.exists():
        return 0
    store = _open_file(replace(plan, index_bytes=0), clock)
    try:
        return await store.invalidate(chosen, dry_run=dry_run)
    finally:
        await store.close()


def _unshared() -> ConfigError:
    return ConfigError(
        "semantic_cache.engine is memory: answers live in the process of a gateway "
        '(engine = "sqlite" keeps them where others can look)'
    )


def _open_file(plan: SemanticPlan, clock: Clock) -> SqliteSemantic:
    try:  # an optional extra
        from scrimp.stores.sqlite_semantic import SemanticOptions, SqliteSemantic  # noqa: PLC0415
    except ImportError as error:
        raise _missing(error) from error
    options = SemanticOptions(plan.limits, plan.index, index_bytes=plan.index_bytes)
    return SqliteSemantic.open(plan.path, clock, options)


def _missing(error: ImportError) -> ConfigError:
    return ConfigError(
        f"the semantic cache is enabled, and {error.name or 'a package of it'} is not installed "
        "(pip install 'scrimp[semantic]')"
    )
