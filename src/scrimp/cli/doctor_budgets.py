"""What `scrimp doctor` says of budgets: how many, where they are kept, what they cannot hold."""

from __future__ import annotations

from collections.abc import Iterator

from scrimp.cli.finding import Finding
from scrimp.settings import Settings


def budgets(settings: Settings) -> Iterator[Finding]:
    """Of the settings' own budgets; those of the control store are listed by `scrimp budget`."""
    named = len(settings.budgets) + len(settings.limits)
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
    yield Finding("ok", "budgets", f"{named} {tables} in the settings, kept in {kept}")
    if settings.budgets and settings.unpriced.policy == "allow":
        yield Finding(
            "ok", "budgets", "calls of models without a price are refused under a hard budget"
        )
    if settings.budgets and settings.degrade.enabled and not settings.degrade.models:
        yield Finding(
            "ok",
            "budgets",
            "no cheaper model is named for calls over a soft budget ([degrade] models)",
        )
