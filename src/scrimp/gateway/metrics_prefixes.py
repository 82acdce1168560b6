"""What one process counts of broken prefixes, for `/metrics`."""

from __future__ import annotations

from collections.abc import Mapping

from scrimp.gateway.metrics_text import Counts, series
from scrimp.levers.prefix_cache import PrefixCache
from scrimp.ports import Lever


def prefix_counts(levers: Mapping[str, Lever]) -> Counts:
    """By what they broke at; nothing where the lever is switched off."""
    lever = levers.get(PrefixCache.name)
    if not isinstance(lever, PrefixCache):
        return {}
    found = {series("broken_prefixes_total", kind=kind): n for kind, n in lever.broken.items()}
    for kind, nanousd in lever.lost_nanousd.items():
        found[series("broken_prefixes_usd_total", kind=kind)] = nanousd
    return found
