"""What `scrimp doctor` says of budgets: how many, where they are kept, what they cannot hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from scrimp.cli.control import at_desk
from scrimp.cli.finding import Finding
from scrimp.errors import StoreError
from scrimp.settings import Settings


def budgets(settings: Settings, config: Path | None) -> Iterator[Finding]:
    """Of the budgets of the settings, and of those beside them."""
    named = len(settings.budgets) + len(settings.limits)
    stored = _stored(settings, config)
    engine, workers = settings.budget.engine, settings.server.workers
    if engine == "memory" and workers > 1:
        yield Finding(
            "fail",
            "budgets",
            f"{workers} workers would each count in their own memory",
            '[budget] engine = "sqlite", or server.workers = 1',
        )
        return
    kept = "memory and a journal" if engine == "memory" else "sqlite"
    tables = "budget" if named == 1 else "budgets"
    beside = f" and {stored} by scrimp budget" if stored else ""
    yield Finding("ok", "budgets", f"{named} {tables} in the settings{beside}, kept in {kept}")
    if (settings.budgets or stored) and settings.unpriced.policy == "allow":
        yield Finding(
            "ok", "budgets", "calls of models without a price are refused under a hard budget"
        )
    if (settings.budgets or stored) and settings.degrade.enabled and not settings.degrade.models:
        yield Finding(
            "ok",
            "budgets",
            "no cheaper model is named for calls over a soft budget ([degrade] models)",
        )


def _stored(settings: Settings, config: Path | None) -> int:
    """How many stand beside the settings; what is wrong with their file is told of its keys."""
    if not settings.control_path.exists():
        return 0
    try:
        found = at_desk(config, lambda desks: desks.rules.budgets())
    except StoreError:
        return 0
    return sum(one.source == "store" for one in found)
