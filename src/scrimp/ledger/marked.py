"""What marks for the provider's prefix cache saved, or cost: from the usage of what was sent. Pure.

A lever that marks lets its line's numbers begin with `marked(first, past)`. Where a provider caches
nothing by itself, such a call would have been all fresh input: the saving is known, and below zero
where the premium of a write was not earned by reads. Where it does (`by_itself`), what it would
have read and written of the same prompt is supposed from its rules, and the saving an estimate.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from scrimp.calls import Trace, Usage
from scrimp.errors import PriceUnknown
from scrimp.ledger.smaller import KNOWN, SUPPOSED, saved_line
from scrimp.ledger.steps import served_of
from scrimp.ports import Pricer

MARKED = _FIRST, _PAST = "marked_from", "marked_to"
_OF, _READ, _WRITTEN = "untold_tokens", "untold_read", "untold_written"
_LEAST_TOKENS = 1_024
"""Of a shorter prompt no provider that caches by itself keeps anything (OpenAI; 2026-11)."""

Numbers = Mapping[str, int | float | str]


def marked(first: int, past: int) -> Numbers:
    """Numbers of a line: `trace.attempts[first:past]` carried marks of the lever's."""
    return {_FIRST: first, _PAST: past}


def by_itself(tokens: int, read: int, written: int) -> Numbers:
    """More numbers of such a line: what the provider would have done untold, of so many tokens."""
    return {_OF: tokens, _READ: read, _WRITTEN: written}


def savings_of_marks(trace: Trace, pricer: Pricer) -> list[tuple[str, Numbers]]:
    """Verdicts and numbers for the attempt that answered; none where nothing was marked."""
    found: list[tuple[str, Numbers]] = []
    for line in tuple(trace.lines):
        if not line.numbers or line.numbers[0][0] != _FIRST:
            continue
        first, numbers = line.numbers[0][1], dict(line.numbers)
        past = numbers.get(_PAST)
        served = served_of(trace.attempts, trace.lines)
        if served is None or not isinstance(first, int) or not isinstance(past, int):
            continue
        if served.usage is None or served.cost.basis != "usage":
            continue
        if not any(one is served for one in trace.attempts[first:past]):
            continue
        before = untold(served.usage, numbers)
        try:
            cost = pricer(before, served.target, served.started_at, served.service_tier)
        except PriceUnknown:
            continue
        if cost.nanousd is not None and served.cost.nanousd is not None:
            tokens = served.usage.cache_read_tokens
            saving = saved_line(line.lever, tokens, cost.nanousd - served.cost.nanousd)
            found.append((SUPPOSED if _OF in numbers else KNOWN, saving))
    return found


def untold(usage: Usage, numbers: Numbers) -> Usage:
    """The same tokens as a call without marks would have used them: fresh, unless supposed."""
    total = usage.input_tokens + sum(getattr(usage, name) for name in _CACHED)
    told = [one for name in (_OF, _READ, _WRITTEN) if isinstance(one := numbers.get(name), int)]
    was_read = was_written = 0
    if len(told) == 3 and told[0] and total >= _LEAST_TOKENS:
        was_read, was_written = (total * part // told[0] for part in told[1:])
    return replace(
        usage,
        input_tokens=total - was_read - was_written,
        cache_read_tokens=was_read,
        cache_write_5m_tokens=was_written,
        cache_write_1h_tokens=0,
    )


_CACHED = ("cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens")
