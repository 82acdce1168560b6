"""What it saved to wait: the answer at the plain price, less what the batch or the tier took. Pure.

The same tokens, the same model, the same day: the saving is known, not estimated. What other levers
saved is reckoned at the plain price, so that the parts add up to the call untouched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from scrimp.calls import Attempt, Cost, Reply, Trace, TraceLine
from scrimp.errors import PriceUnknown
from scrimp.ledger.steps import served_of
from scrimp.ports import Pricer

DEFER = "defer"
BATCH, FLEX = "batch", "flex"
SAVED = "saving_by_waiting"
"""Verdict of a call that was answered in a batch or at the flex tier."""
PROMISED = 202
_TIERS = (BATCH, FLEX)
_NANOUSD = "saved_nanousd"


def promised(reply: Reply) -> bool:
    """True for what a client gets for a call that was put off: there is nothing to book yet."""
    return reply.status == PROMISED and reply.served_by == DEFER


def saving_of_waiting(trace: Trace, pricer: Pricer) -> Mapping[str, int | float | str] | None:
    """Numbers of a line `SAVED`; None where nothing was, or nobody knows."""
    if not any(line.lever == DEFER and line.verdict in _TIERS for line in trace.lines):
        return None
    served = served_of(trace.attempts, trace.lines)
    if served is None or served.usage is None or served.cost.nanousd is None:
        return None
    if served.service_tier not in _TIERS or served.cost.basis != "usage":
        return None
    try:
        plain = pricer(served.usage, served.target, served.started_at, "")
    except PriceUnknown:
        return None
    if plain.nanousd is None:
        return None
    return {"tier": served.service_tier, _NANOUSD: plain.nanousd - served.cost.nanousd}


def saved_by_waiting(lines: Iterable[TraceLine]) -> tuple[tuple[str, int], ...]:
    """What was noted, under the lever's name."""
    saved = sum(_noted(line) for line in lines if line.lever == DEFER and line.verdict == SAVED)
    return ((DEFER, saved),) if saved else ()


def unwaited(served: Attempt, lines: Iterable[TraceLine]) -> Attempt:
    """The attempt as it would have been without waiting: at the plain tier, for the plain price."""
    if served.service_tier not in _TIERS:
        return served
    saved = dict(saved_by_waiting(lines)).get(DEFER, 0)
    if not saved or served.cost.nanousd is None:
        return served
    nanousd = served.cost.nanousd + saved
    cost = Cost(nanousd, nanousd, nanousd, served.cost.basis, served.cost.price_version)
    return replace(served, service_tier="", cost=cost)


def _noted(line: TraceLine) -> int:
    saved = dict(line.numbers).get(_NANOUSD)
    return saved if isinstance(saved, int) else 0
