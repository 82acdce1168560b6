"""What one process counts of budgets and limits, for `/metrics`."""

from __future__ import annotations

from collections.abc import Mapping

from scrimp.gateway.metrics_text import Counts, series
from scrimp.levers.budget import Budget
from scrimp.levers.rate_limit import RateLimit
from scrimp.ports import Lever


def budget_counts(levers: Mapping[str, Lever]) -> Counts:
    """Nothing where no budgets are kept."""
    found: Counts = {}
    budget, rate_limit = levers.get("budget"), levers.get("rate_limit")
    if isinstance(budget, Budget):
        counts = budget.counts
        found[series("budget_holds_total")] = counts.holds
        found[series("budget_denials_total", kind="hard")] = counts.denied_hard
        found[series("budget_denials_total", kind="soft")] = counts.denied_soft
        found[series("budget_breaches_total")] = counts.breaches
        found[series("budget_unheld_total")] = counts.unheld
        found[series("budget_held_usd")] = counts.held_nanousd
    if isinstance(rate_limit, RateLimit):
        found[series("budget_denials_total", kind="rate")] = rate_limit.denied
    return found
