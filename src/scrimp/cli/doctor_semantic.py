"""What `scrimp doctor` finds of the semantic cache: whether it can be used, and who judges."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from scrimp.app import system_clock
from scrimp.billing import book_of
from scrimp.by_meaning import check, semantic_counts
from scrimp.cli.console import short_path
from scrimp.cli.finding import Finding
from scrimp.errors import ConfigError, StoreError
from scrimp.semantics.tables import judges_of
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
    where = "in memory" if section.engine == "memory" else short_path(settings.semantic_path)
    if section.engine == "postgres":
        where = f"the PostgreSQL of ${section.url_env}, schema {section.schema}"
        try:
            asyncio.run(semantic_counts(loaded, None))
        except StoreError as error:
            way_out = f"start it, or look at ${section.url_env}"
            yield Finding("fail", _NAME, str(error), way_out)
            return
    bound = f"at most {section.max_error:.1%} wrong per {section.per}"
    if section.threshold is not None:
        bound = f"from cosine {section.threshold:g}, nothing promised"
    judges = judges_of(section)
    said = f"{where}; {bound}; judges: {', '.join(judges)}"
    if section.threshold is None and "model" not in judges:
        way_out = "name a cheap model: semantic_cache.judge_model"
        yield Finding("warn", _NAME, f"{said}; free text is compared by nearness alone", way_out)
    elif section.engine == "memory" and settings.server.workers > 1:
        way_out = 'semantic_cache.engine = "sqlite" is one for all'
        yield Finding("warn", _NAME, f"{said}; each worker learns for itself", way_out)
    else:
        yield Finding("ok", _NAME, said)
