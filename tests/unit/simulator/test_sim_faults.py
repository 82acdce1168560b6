"""Fault texts and plans: what they mean and when they strike."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from scrimp.simulator.clock import Clock
from scrimp.simulator.faults import Kind, Plan, Rule, parse

MANUAL = (Path(__file__).parents[3] / "docs" / "simulator.md").read_text(encoding="utf-8")


def test_a_fault_text_has_a_kind_a_number_and_options() -> None:
    """Written as in the header `x-sim-fault`."""
    fault = parse("429:retry-after=2:retry-after-ms=1500")
    assert (fault.kind, fault.status) == ("429", 429)
    assert fault.options == {"retry-after": "2", "retry-after-ms": "1500"}
    assert parse("cut=120").number == 120
    assert parse("500:work").worked
    assert parse("hangup").kind == "cut-before-headers"


@pytest.mark.parametrize("text", ["", "nonsense", "cut", "cut=-1", "cut=many", "418"])
def test_a_wrong_fault_text_is_an_error(text: str) -> None:
    """A misspelt fault must not pass as no fault."""
    with pytest.raises(ValueError, match="fault"):
        parse(text)


def struck(rule: Rule, calls: int = 12) -> list[int]:
    """The numbers of the calls that a rule strikes, from 1."""
    plan = Plan(Clock())
    plan.add(rule)
    return [number for number in range(1, calls + 1) if plan.next("/v1/messages")]


def test_a_plan_strikes_the_next_or_every_kth_or_all_or_by_path() -> None:
    """Four ways to say when."""
    fault = parse("500")
    assert struck(Rule(fault, count=2)) == [1, 2]
    assert struck(Rule(fault, every=5)) == [5, 10]
    assert struck(Rule(fault)) == list(range(1, 13))
    assert struck(Rule(fault, path="/v1/chat")) == []


def test_chance_repeats_for_the_same_seed() -> None:
    """About a third of 900 calls, the same ones each time, others for another seed."""
    rule = Rule(parse("503"), probability=1 / 3, seed=7)
    first = struck(rule, 900)
    assert 250 < len(first) < 350
    assert struck(rule, 900) == first
    assert struck(Rule(parse("503"), probability=1 / 3, seed=8), 900) != first


def test_the_first_rule_that_strikes_wins() -> None:
    """And a rule that is used up lets the next one speak."""
    plan = Plan(Clock())
    plan.add(Rule(parse("429"), count=1))
    plan.add(Rule(parse("500"), count=2))
    kinds = [fault.kind if (fault := plan.next("/v1/x")) else None for _ in range(4)]
    assert kinds == ["429", "500", "500", None]


def test_a_burst_begins_and_ends_by_number() -> None:
    """A run of failing calls after some good ones, said by fields or by the fault's own text."""
    assert struck(Rule(parse("503"), count=3, after=4)) == [5, 6, 7]
    assert struck(Rule(parse("503:after=4:count=3"))) == [5, 6, 7]
    assert struck(Rule(parse("503:every=3:after=2"))) == [5, 8, 11]
    assert struck(Rule(parse("503:path=/v1/chat"))) == []


def test_a_burst_may_end_by_time() -> None:
    """A share of the calls, for so many seconds."""
    clock = Clock()
    plan = Plan(clock)
    plan.add(Rule(parse("503:share=1:for=10")))
    assert plan.next("/v1/x") is not None
    clock.advance(9)
    assert plan.next("/v1/x") is not None
    clock.advance(2)
    assert plan.next("/v1/x") is None


def test_a_wrong_schedule_is_an_error() -> None:
    """Like any other misspelt fault."""
    with pytest.raises(ValueError, match="many"):
        Plan(Clock()).add(Rule(parse("503:count=many")))


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_fault_is_in_the_manual(kind: str) -> None:
    """By its name, in `docs/simulator.md`."""
    assert f"`{kind}" in MANUAL or f"(`{kind}`)" in MANUAL


def test_the_examples_of_the_manual_are_faults() -> None:
    """Everything that stands there as a fault in a table is one."""
    rows = [line for line in MANUAL.splitlines() if line.startswith("| `")]
    cells = [row.split("|")[1] for row in rows if not row.startswith("| `/")]
    texts = [text for cell in cells for text in re.findall(r"`([^`]+)`", cell)]
    assert len(texts) > 25
    for text in texts:
        assert parse(text).kind


def test_the_clock_only_goes_forward() -> None:
    """A life that was over is not back again."""
    with pytest.raises(ValueError, match="forward"):
        Clock().advance(-1)
