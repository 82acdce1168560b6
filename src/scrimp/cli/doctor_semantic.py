"""What `scrimp doctor` finds of the semantic cache: whether it can be used, and who judges."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import assert_never

from scrimp.app import system_clock
from scrimp.billing import book_of
from scrimp.by_meaning import check, semantic_counts, semantic_policy
from scrimp.cli.console import short_path
from scrimp.cli.finding import Finding
from scrimp.errors import ConfigError, StoreError
from scrimp.semantics.tables import judges_of, url_env_of
from scrimp.served import targets_of
from scrimp.settings import Loaded

_NAME = "semantic cache"


def semantic_cache(loaded: Loaded) -> Iterator[Finding]:
    """Nothing where it is switched off."""
    settings = loaded.settings
    section = settings.semantic_cache
    if not section.enabled:
        return
    try:
        check(loaded, targets_of(settings, book_of(settings)), system_clock())
    except ConfigError as error:
        said, _, way_out = str(error).rpartition(" (")
        yield Finding("fail", _NAME, said or str(error), way_out.rstrip(")") if said else "")
        return
    if section.engine in ("postgres", "redis"):
        try:
            asyncio.run(semantic_counts(loaded, None))
        except StoreError as error:
            said, _, way_out = str(error).rpartition(" (")
            if not said or not way_out.endswith(")"):
                said, way_out = str(error), f"start it, or look at ${url_env_of(section)}"
            yield Finding("fail", _NAME, said, way_out.removesuffix(")"))
            return
    if section.engine == "redis":
        yield from _policy(loaded)
    yield _use(loaded)


def _use(loaded: Loaded) -> Finding:
    """Where it is, what is promised, who judges."""
    settings = loaded.settings
    section = settings.semantic_cache
    bound = f"at most {section.max_error:.1%} wrong per {section.per}"
    if section.threshold is not None:
        bound = f"from cosine {section.threshold:g}, nothing promised"
    judges = judges_of(section)
    said = f"{_where(loaded)}; {bound}; judges: {', '.join(judges)}"
    if section.threshold is None and "model" not in judges:
        way_out = "name a cheap model: semantic_cache.judge_model"
        return Finding("warn", _NAME, f"{said}; free text is compared by nearness alone", way_out)
    if section.engine == "memory" and settings.server.workers > 1:
        way_out = 'semantic_cache.engine = "sqlite" is one for all'
        return Finding("warn", _NAME, f"{said}; each worker learns for itself", way_out)
    return Finding("ok", _NAME, said)


def _policy(loaded: Loaded) -> Iterator[Finding]:
    """A server that drops what it likes would drop parts of answers."""
    try:
        policy = asyncio.run(semantic_policy(loaded))
    except StoreError:  # it may not be asked: managed ones do without
        return
    if policy.startswith("allkeys-"):
        said = f"a Redis with maxmemory-policy {policy} drops parts of answers when it is full"
        way_out = "set it to volatile-lru, which suits the exact cache, too"
        yield Finding("warn", _NAME, said, way_out)


def _where(loaded: Loaded) -> str:
    section = loaded.settings.semantic_cache
    match section.engine:
        case "memory":
            return "in memory"
        case "sqlite":
            return short_path(loaded.settings.semantic_path)
        case "postgres":
            return f"the PostgreSQL of ${url_env_of(section)}, schema {section.schema}"
        case "redis":
            return f"the Redis of ${url_env_of(section)}, names that begin with {section.schema}:"
    assert_never(section.engine)
