"""What marks for the provider's prefix cache saved, or cost: from the usage of what was sent. Pure.

A lever that marks lets its line's numbers begin with `marked(first, past)`. Without marks of its
own such a call would have been all fresh input, so the saving is known and not estimated: it is
below zero where the premium of a write was not earned by reads.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from scrimp.calls import Trace, Usage
from scrimp.errors import PriceUnknown
from scrimp.ledger.smaller import saved_line
from scrimp.ledger.steps import served_of
from scrimp.ports import Pricer

_FIRST, _PAST = "marked_from", "marked_to"

Numbers = Mapping[str, int | float | str]


def marked(first: int, past: int) -> Numbers:
    """Numbers of a line: `trace.attempts[first:past]` carried marks of the lever's."""
    return {_FIRST: first, _PAST: past}


def savings_of_marks(trace: Trace, pricer: Pricer) -> list[Numbers]:
    """Numbers of lines `KNOWN` for the attempt that answered; none where nothing was marked."""
    found: list[Numbers] = []
    for line in tuple(trace.lines):
        if not line.numbers or line.numbers[0][0] != _FIRST:
            continue
        first, past = line.numbers[0][1], dict(line.numbers).get(_PAST)
        served = served_of(trace.attempts, trace.lines)
        if served is None or not isinstance(first, int) or not isinstance(past, int):
            continue
        if served.usage is None or served.cost.basis != "usage":
            continue
        if not any(one is served for one in trace.attempts[first:past]):
            continue
        try:
            fresh = pricer(
                unmarked(served.usage), served.target, served.started_at, served.service_tier
            )
        except PriceUnknown:
            continue
        if fresh.nanousd is not None and served.cost.nanousd is not None:
            tokens = served.usage.cache_read_tokens
            found.append(saved_line(line.lever, tokens, fresh.nanousd - served.cost.nanousd))
    return found


def unmarked(usage: Usage) -> Usage:
    """The same tokens as a call without marks would have used them: all fresh."""
    return replace(
        usage,
        input_tokens=usage.input_tokens
        + usage.cache_read_tokens
        + usage.cache_write_5m_tokens
        + usage.cache_write_1h_tokens,
        cache_read_tokens=0,
        cache_write_5m_tokens=0,
        cache_write_1h_tokens=0,
    )
