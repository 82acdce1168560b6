"""A cascade that costs more than going direct stops for a while; its tables refuse nonsense."""

from __future__ import annotations

import pytest

from scrimp.choosing import Place
from scrimp.routing.cascade_tables import CascadeSection, CascadeTable, check_cascade, checks_of
from scrimp.routing.stop_loss import StopLoss, StopLossRules

HERE, THERE = Place("a", "math"), Place("b", "math")


def test_it_stops_after_enough_calls_and_begins_anew_later() -> None:
    """With margin, by route; totals of before do not count again."""
    stop = StopLoss(StopLossRules(margin=0.1, least_calls=3, rest_s=60))
    assert [stop.add(HERE, 112, 100, 0.0) for _ in range(3)] == [False, False, True]
    assert not stop.add(HERE, 112, 100, 1.0)
    standing = stop.resting(HERE, 59.0)
    assert standing is not None
    assert standing.more_percent == 12
    assert stop.resting(THERE, 59.0) is None
    assert stop.resting(HERE, 60.0) is None
    assert not stop.add(HERE, 112, 100, 61.0)


def test_what_saves_goes_on() -> None:
    """Dear calls among cheap ones are what a cascade is for."""
    stop = StopLoss(StopLossRules(margin=0.0, least_calls=1, rest_s=60))
    assert not stop.add(HERE, 10, 100, 0.0)
    assert not stop.add(HERE, 110, 100, 0.0)
    assert stop.resting(HERE, 0.0) is None


def test_routes_beyond_the_limit_are_forgotten() -> None:
    """Those that were used longest ago."""
    stop = StopLoss(StopLossRules(margin=0.0, least_calls=1, rest_s=60))
    assert stop.add(HERE, 2, 1, 0.0)
    for number in range(1024):
        stop.add(Place(str(number)), 1, 1, 0.0)
    assert stop.resting(HERE, 0.0) is None


def test_a_clock_that_was_set_back_keeps_no_route_off_for_longer_than_its_rest() -> None:
    """It is the same for all processes, and may be wrong."""
    stop = StopLoss(StopLossRules(margin=0.0, least_calls=1, rest_s=60))
    assert stop.add(HERE, 2, 1, 10_000.0)
    assert stop.resting(HERE, 10_001.0) is not None
    assert stop.resting(HERE, 9_000.0) is None


@pytest.mark.parametrize(
    ("section", "why"),
    [
        (CascadeSection(models=("a", "a")), "names a model twice"),
        (CascadeSection(models=tuple("abcde")), "names 5 models; at most 4"),
        (CascadeSection(checks=("spelling",)), "cascade.checks: there is no check 'spelling'"),
        (CascadeSection(checks=("min_length",)), "min_length needs a whole number"),
        (CascadeSection(tasks={"cooking": CascadeTable()}), "cascade.tasks.cooking is no task"),
        (
            CascadeSection(tasks={"code_generation": CascadeTable(checks=("score=7",))}),
            "cascade.tasks.code_generation.checks: score needs a number from 0 to 1",
        ),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(section: CascadeSection, why: str) -> None:
    """With the setting at fault."""
    with pytest.raises(ValueError, match=why):
        check_cascade(section)


def test_checks_are_read_from_settings() -> None:
    """Name and argument, in their order."""
    section = CascadeSection(models=("a",), checks=("arithmetic", "min_length=40"))
    check_cascade(section)
    assert checks_of(section.checks) == (("arithmetic", ""), ("min_length", "40"))
