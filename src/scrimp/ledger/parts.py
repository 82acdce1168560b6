"""One attempt that several calls shared: each call's part of its usage and of its bill. Pure.

Parts add up to the whole, token by token and nano-dollar by nano-dollar. What a call would have
used by itself is counted, so its saving is an estimate of tokens, priced exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate

from msgspec.structs import replace

from scrimp.budgets.words import BUDGET, OPEN
from scrimp.calls import COUNTERS, FREE_COST, UNKNOWN_COST, Attempt, Cost, Line, TraceLine, Usage
from scrimp.errors import PriceUnknown
from scrimp.ledger.marked import MARKED
from scrimp.ledger.smaller import APART, saved_line
from scrimp.ledger.steps import SERVED, UNSERVED
from scrimp.money import line_nanousd
from scrimp.ports import Pricer
from scrimp.prices.parted import COUNTED, added_nanousd
from scrimp.terms import Part, Terms, unsaid
from scrimp.values import Value

__all__ = ["APART", "Weights", "apart", "estimated", "parts_of", "saving_apart", "split", "told_to"]

_INPUTS = ("input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens")
_OUTPUTS = ("output_tokens", "reasoning_tokens", "output_audio_tokens", "output_image_tokens")
_OUT = ("output", "reasoning")
_INDICES = frozenset({*MARKED, *UNSERVED, *SERVED})
_FRAMING_TOKENS = 1_024


class Weights(Value, frozen=True):
    """How input and output of a shared attempt are parted: a weight for each call."""

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def split(total: int, weights: Sequence[int]) -> list[int]:
    """Whole parts in the shares of the weights, which add up to `total`, however they round."""
    whole = sum(weights)
    if whole <= 0:
        weights, whole = [1] * len(weights), len(weights)
    parts, before, done = [], 0, 0
    for weight in weights:
        done += weight
        upto = total * done // whole
        parts.append(upto - before)
        before = upto
    return parts


def parts_of(attempt: Attempt, weights: Weights) -> list[Attempt]:
    """What of an attempt each call used, and pays.

    A cost that is no exact bill is not parted: the first call pays it, with its bounds.
    """
    count = len(weights.inputs)
    cost = attempt.cost
    if not cost.nanousd == cost.low_nanousd == cost.high_nanousd or cost.nanousd is None:
        unpaid = replace(attempt, usage=None, cost=FREE_COST, partial=b"")
        return [replace(attempt, partial=b""), *[unpaid] * (count - 1)]
    usages = _usages(attempt.usage, weights)
    costs = _costs(attempt.cost, weights)
    return [replace(attempt, usage=usages[at], cost=costs[at], partial=b"") for at in range(count)]


def _usages(usage: Usage | None, weights: Weights) -> Sequence[Usage | None]:
    count = len(weights.inputs)
    if usage is None:
        return [None] * count
    columns = {
        name: split(getattr(usage, name), weights.outputs if name in _OUTPUTS else weights.inputs)
        for name in COUNTERS
    }
    terms = _terms(usage, weights, list(columns.values()))
    return [
        Usage(
            **{name: column[at] for name, column in columns.items()},
            suspect=usage.suspect,
            terms=terms[at],
        )
        for at in range(count)
    ]


def _terms(usage: Usage, weights: Weights, columns: Sequence[Sequence[int]]) -> Sequence[Terms]:
    """Each part's, with what a price needs to know of the parts before it."""
    terms, count = usage.terms or Terms(), len(weights.inputs)
    reported = terms.reported_nanousd
    bills = [None] * count if reported is None else split(reported, weights.inputs)
    times = split(terms.compute_ms, weights.inputs)
    ends = list(accumulate(weights.inputs if sum(weights.inputs) > 0 else [1] * count))
    befores = [list(accumulate(column, initial=0)) for column in (*columns, times)]
    parts = [
        Part(
            before=tuple([column[at] for column in befores]),
            prompt_tokens=usage.total_input_tokens,
            share=(ends[at - 1] if at else 0, ends[at], ends[-1]),
        )
        for at in range(count)
    ]
    return [
        replace(terms, reported_nanousd=bills[at], compute_ms=times[at], part=parts[at])
        for at in range(count)
    ]


def _costs(cost: Cost, weights: Weights) -> list[Cost]:
    nanousd = cost.nanousd or 0
    if nanousd != sum(line.nanousd for line in cost.lines):
        return [_of(cost, amount, ()) for amount in split(nanousd, weights.inputs)]
    columns = [_lines(line, weights) for line in cost.lines]
    count = len(weights.inputs)
    return [_of_lines(cost, [column[at] for column in columns]) for at in range(count)]


def _lines(line: Line, weights: Weights) -> list[Line]:
    """As the price of each part has it: what is billed once goes by the shares of the input."""
    shares = weights.outputs if line.what.startswith(_OUT) else weights.inputs
    quantities = split(line.quantity, shares)
    if line.what not in COUNTED:
        bills = split(line.nanousd, shares)
    elif line.nanousd != line_nanousd(line.quantity, line.pico_per_unit):
        bills = split(line.nanousd, quantities)
    else:
        befores = accumulate(quantities, initial=0)
        pairs = zip(befores, quantities, strict=False)
        bills = [added_nanousd(before, own, line.pico_per_unit) for before, own in pairs]
    return [
        replace(line, quantity=quantity, nanousd=nanousd)
        for quantity, nanousd in zip(quantities, bills, strict=True)
    ]


def _of_lines(cost: Cost, lines: Sequence[Line]) -> Cost:
    kept = tuple(line for line in lines if line.quantity or line.nanousd)
    return _of(cost, sum(line.nanousd for line in kept), kept)


def _of(cost: Cost, nanousd: int, lines: tuple[Line, ...]) -> Cost:
    return replace(cost, nanousd=nanousd, low_nanousd=nanousd, high_nanousd=nanousd, lines=lines)


def apart(usage: Usage, input_tokens: int, output_tokens: int) -> Usage:
    """The usage of a call by itself: so many tokens, cached and written in the same shares.

    `output_tokens` is the visible text; thoughts stay as they were parted.
    """
    found = split(input_tokens, [getattr(usage, name) for name in _INPUTS])
    if not any(getattr(usage, name) for name in _INPUTS):
        found = [input_tokens, *[0] * (len(_INPUTS) - 1)]
    into = dict(zip(_INPUTS, found, strict=True))
    return replace(usage, **into, output_tokens=output_tokens, suspect="", terms=None)


def saving_apart(
    lever: str, part: Attempt, alone: Usage, pricer: Pricer
) -> Mapping[str, int | float | str] | None:
    """Numbers of a line `APART`: what a call would have cost by itself, less its part."""
    usage, cost = part.usage, part.cost
    if usage is None or cost.nanousd is None:
        return None
    try:
        whole = pricer(alone, part.target, part.started_at, part.service_tier).nanousd
        if cost.basis != "usage":  # the provider's own bill: lists tell the difference alone
            listed = replace(usage, terms=unsaid(usage.terms))
            own = pricer(listed, part.target, part.started_at, part.service_tier).nanousd
        else:
            own = cost.nanousd
    except PriceUnknown:
        return None
    if whole is None or own is None:
        return None
    tokens = alone.total_input_tokens + alone.total_output_tokens
    tokens -= usage.total_input_tokens + usage.total_output_tokens
    return saved_line(lever, tokens, whole - own)


def estimated(attempt: Attempt, size_bytes: int, most_tokens: int, pricer: Pricer) -> Cost:
    """Bounds for an attempt whose usage nobody told: no text has more tokens than bytes."""
    most = Usage(input_tokens=size_bytes + _FRAMING_TOKENS, output_tokens=most_tokens)
    likely = Usage(input_tokens=size_bytes // 4)
    told = (attempt.target, attempt.started_at, attempt.service_tier)
    try:
        high, expected = pricer(most, *told), pricer(likely, *told)
    except PriceUnknown:
        return UNKNOWN_COST
    nanousd = 0 if attempt.status >= 400 else expected.nanousd
    return Cost(nanousd, 0, high.nanousd, "estimate", high.price_version)


def told_to(lines: Sequence[TraceLine], by: int) -> list[TraceLine]:
    """The lines of a shared attempt for a trace that has so many attempts before it.

    Holds that are open are settled for all at once, and are no entry's to settle again.
    """
    return [
        _shifted(line, by) for line in lines if not (line.lever == BUDGET and line.verdict == OPEN)
    ]


def _shifted(line: TraceLine, by: int) -> TraceLine:
    """The same line in a trace that has so many attempts before those that it tells of."""
    if not by or not any(name in _INDICES for name, _ in line.numbers):
        return line
    moved = tuple(
        (name, value + by if name in _INDICES and isinstance(value, int) else value)
        for name, value in line.numbers
    )
    return replace(line, numbers=moved)
