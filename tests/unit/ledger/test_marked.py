"""What marks for a prefix cache saved: known from the usage, below zero for a write in vain."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import pytest

from scrimp.calls import Attempt, Cost, Target, Trace, Usage
from scrimp.ledger.booking import booked
from scrimp.ledger.marked import by_itself, marked, savings_of_marks
from scrimp.ledger.smaller import KNOWN, SUPPOSED
from tests.support.core import NOON, reply_of

TARGET = Target("anthropic", "claude-sonnet-5", "anthropic.messages")


@dataclass(frozen=True, slots=True)
class Flat:
    """2,000 nano-dollars a token, a read a tenth, a write a quarter more."""

    def __call__(self, usage: Usage, target: Target, at: datetime, service_tier: str) -> Cost:  # noqa: ARG002 (the protocol's)
        """The exact cost."""
        nanousd = 2000 * usage.input_tokens + 200 * usage.cache_read_tokens
        nanousd += 2500 * usage.cache_write_5m_tokens
        return Cost.exact(nanousd, price_version="flat", lines=())


def attempt(usage: Usage) -> Attempt:
    """One that answered."""
    cost = Flat()(usage, TARGET, NOON, "")
    return Attempt(TARGET, "ok", 200, NOON, 1.0, usage=usage, cost=cost)


@pytest.mark.parametrize(
    ("usage", "saved"),
    [
        (Usage(input_tokens=10, cache_write_5m_tokens=1000), -500_000),
        (Usage(input_tokens=10, cache_read_tokens=1000), 1_800_000),
        (Usage(input_tokens=10, cache_read_tokens=1000, cache_write_5m_tokens=100), 1_750_000),
    ],
)
def test_the_saving_is_what_the_tokens_would_have_cost_fresh(usage: Usage, saved: int) -> None:
    """To the nano-dollar, and baseline less cost is what was saved."""
    trace = Trace(attempts=[attempt(usage)])
    trace.note("prefix_cache", "marked", marked(0, 1))
    for verdict, numbers in savings_of_marks(trace, Flat()):
        assert verdict == KNOWN
        trace.note("record", verdict, numbers)
    found = booked(reply_of(), trace.attempts, Cost(None, None, None, "unknown"), trace.lines)
    assert found.saved == (("prefix_cache", saved),)
    assert found.baseline_nanousd == 2000 * usage.total_input_tokens


def test_an_answer_that_carried_no_marks_is_none_of_the_levers() -> None:
    """After a refusal, or at another target, what the provider did by itself is the baseline."""
    usage = Usage(input_tokens=10, cache_read_tokens=1000)
    trace = Trace(attempts=[attempt(Usage()), attempt(usage)])
    trace.note("prefix_cache", "marked", marked(0, 1))
    assert savings_of_marks(trace, Flat()) == []


@pytest.mark.parametrize(
    ("told", "usage", "saved"),
    [
        ((2000, 0, 2000), Usage(input_tokens=4000), 2_000_000),
        ((2000, 1500, 500), Usage(input_tokens=4000), -4_900_000),
        ((2000, 0, 2000), Usage(input_tokens=100, cache_read_tokens=3900), 9_020_000),
        ((300, 0, 300), Usage(input_tokens=600), 0),
    ],
)
def test_what_a_provider_caches_by_itself_is_in_the_baseline(
    told: tuple[int, int, int], usage: Usage, saved: int
) -> None:
    """A write that was spared is a saving, a read that was lost a loss; short prompts are fresh."""
    trace = Trace(attempts=[attempt(usage)])
    trace.note("prefix_cache", "one_shot", {**marked(0, 1), **by_itself(*told)})
    (found,) = savings_of_marks(trace, Flat())
    assert found[0] == SUPPOSED
    assert found[1]["saved_nanousd"] == saved
