"""What a smaller call saved: in shares of what was sent, added up with all else."""

from __future__ import annotations

from scrimp.calls import FREE_COST, Trace, TraceLine, Usage
from scrimp.ledger.booking import booked
from scrimp.ledger.smaller import (
    SMALLER,
    as_sent,
    larger,
    less_text,
    less_tokens,
    saved_by_less,
    savings_of,
    taken_out,
)
from scrimp.ledger.steps import unserved
from scrimp.ports import Count
from tests.support.core import attempt_of, flat_price


def line(lever: str, numbers: object) -> TraceLine:
    """A line of a lever."""
    return TraceLine(lever, "done", tuple(dict(numbers).items()))  # type: ignore[call-overload]  # numbers by construction


def test_tokens_and_characters_are_taken_out() -> None:
    """Characters weigh what those that were sent weighed; the last line of a lever holds."""
    lines = [
        line("trim", less_tokens(900)),
        line("trim", less_tokens(300)),
        line("compact", less_text(200, 1000)),
        line("route", {"to_model": "x", "less_tokens": 7}),
        line("odd", less_text(5, 0)),
    ]
    usage = Usage(input_tokens=100, cache_read_tokens=400, output_tokens=9)
    assert taken_out(lines, usage) == {"trim": 300, "compact": 100}


def test_a_broken_call_is_counted_as_it_was_sent() -> None:
    """Bounds hold whatever the characters weighed; without a smaller call nothing changes."""
    whole = Count(1000, 900, 1100, "words")
    assert as_sent(whole, [line("retry", {"attempt": 1})]) is whole
    lines = [line("trim", less_tokens(100)), line("compact", less_text(200, 5000))]
    assert as_sent(whole, lines) == Count(850, 610, 990, "words")
    assert as_sent(whole, [line("trim", less_tokens(5000))]) == Count(0, 0, 0, "words")


def test_what_is_gone_had_the_shares_of_what_was_sent() -> None:
    """Every token of it, none lost by rounding."""
    usage = Usage(input_tokens=1, cache_read_tokens=2, cache_write_5m_tokens=4, output_tokens=5)
    more = larger(usage, 10)
    assert (more.input_tokens, more.cache_read_tokens, more.cache_write_5m_tokens) == (2, 4, 11)
    assert more.total_input_tokens == usage.total_input_tokens + 10
    assert larger(Usage(), 3).input_tokens == 3


def test_savings_add_up() -> None:
    """Baseline less cost is all that levers saved, attempts in vain included."""
    trace = Trace()
    trace.attempts += [attempt_of(), attempt_of()]
    trace.lines += [
        line("trim", less_tokens(1000)),
        line("compact", less_text(100, 100)),
        line("cascade", unserved(0, 1)),
    ]
    for numbers in savings_of(trace, flat_price):
        trace.note("record", SMALLER, numbers)
    assert saved_by_less(trace.lines) == (("trim", 1000), ("compact", 9))
    found = booked(None, trace.attempts, FREE_COST, trace.lines)
    assert found.cost.nanousd is not None
    assert found.baseline_nanousd is not None
    assert found.baseline_nanousd - found.cost.nanousd == sum(part for _, part in found.saved)
    assert dict(found.saved)["trim"] == 1000
    assert dict(found.saved)["cascade"] < 0


def test_what_nobody_knows_is_no_saving() -> None:
    """Without usage, without a price, without an attempt, without a smaller call."""
    trace = Trace()
    assert savings_of(trace, flat_price) == []
    trace.lines.append(line("trim", less_tokens(10)))
    assert savings_of(trace, flat_price) == []
    trace.attempts.append(attempt_of(usage=None))
    assert savings_of(trace, flat_price) == []
    trace.attempts[:] = [attempt_of(service_tier="unpriced")]
    assert savings_of(trace, flat_price) == []
