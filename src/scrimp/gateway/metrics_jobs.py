"""How jobs stand, for `/metrics`: said by the one worker who leads, so that sums are right."""

from __future__ import annotations

from datetime import datetime

from scrimp.gateway.metrics_text import Counts, series
from scrimp.jobs import JobState, Standing

_STATES: dict[str, tuple[JobState, ...]] = {
    "waiting": ("waiting", "single", "asking"),
    "in_batch": ("batched",),
    "done": ("done",),
    "failed": ("failed",),
    "cancelled": ("cancelled",),
}
"""States as they are told: those of clients, with what waits in one."""


def job_counts(standing: Standing | None, now: datetime) -> Counts:
    """Nothing where another worker leads, or no call was ever put off."""
    if standing is None:
        return {}
    found = {
        series("jobs", state=name): sum(standing.counts.get(one, 0) for one in states)
        for name, states in _STATES.items()
    }
    oldest = standing.oldest_at
    waits_s = 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds())
    found[series("jobs_oldest_wait_seconds")] = round(waits_s * 1_000_000)
    found[series("jobs_overdue")] = standing.overdue
    found[series("jobs_untold")] = standing.untold
    return found
