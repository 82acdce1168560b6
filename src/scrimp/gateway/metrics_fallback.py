"""What one process counts of fallbacks and circuits, for `/metrics`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from scrimp.gateway.metrics_text import Counts, series
from scrimp.levers.fallback import Fallback
from scrimp.ports import Lever


def fallback_counts(levers: Mapping[str, Lever]) -> Counts:
    """Nothing where fallbacks are switched off."""
    lever = levers.get("fallback")
    if not isinstance(lever, Fallback):
        return {}
    counts = lever.counts
    found = {
        series("fallbacks_total", outcome="answered"): counts.answered,
        series("fallbacks_total", outcome="failed"): counts.failed,
        series("circuit_skips_total"): counts.left_out,
    }
    providers = Counter(upstream.partition("/")[0] for upstream in lever.open_circuits)
    for provider, number in providers.items():
        found[series("circuits_open", provider=provider)] = number
    return found
