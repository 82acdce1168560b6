"""What single calls tell: models without a price, tiers that were upgraded, loops."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from scrimp.alerts.delivery import next_try
from scrimp.alerts.entries import of_entry
from scrimp.alerts.loops import MOST_KNOWN, Repeats
from scrimp.alerts.tiers import upgraded
from scrimp.calls import UNKNOWN_COST, Target, TraceLine
from scrimp.notices import Alert, Sent
from scrimp.ports import Entry
from tests.support.ledger_entries import attempt, entry

NOW = datetime(2026, 5, 8, 15, 30, tzinfo=UTC)


def unpriced(model: str = "house", **changes: Any) -> Entry:
    """A call to a model that no price is known for."""
    one = replace(attempt(), target=Target("local", model, "openai.chat"), cost=UNKNOWN_COST)
    one = replace(one, **changes)
    return replace(entry(), attempts=(one,), cost_basis="unknown", cost_nanousd=None, trace=())


def told(one: Entry) -> list[Alert]:
    """Alerts of one entry."""
    return list(of_entry(one, NOW))


def noted(verdict: str, **numbers: float | str) -> Entry:
    """A call with a line of the watch lever."""
    line = TraceLine("watch", verdict, tuple(numbers.items()))
    return replace(entry(), trace=(TraceLine("retry", "loop"), line))


def test_a_model_without_a_price_is_told_with_the_way_out() -> None:
    """Once a week for each model."""
    (alert,) = told(unpriced())
    assert alert.kind == "unpriced"
    assert "local/house" in alert.title
    assert '[prices."local/house"]' in alert.text
    assert alert.again
    assert told(unpriced("other"))[0].topic != alert.topic


def test_what_was_not_billed_or_is_priced_tells_nothing() -> None:
    """A name that the provider refuses costs nothing, and could be invented for ever."""
    assert told(unpriced(outcome="rejected", status=404)) == []
    assert told(unpriced(outcome="unsent", status=0)) == []
    assert told(replace(unpriced(), operation="passthrough")) == []
    assert told(entry()) == []


def test_an_assumed_price_is_told_as_such() -> None:
    """The books are full, but not sure."""
    assumed = replace(attempt().cost, basis="assumed")
    one = replace(unpriced(cost=assumed), cost_basis="assumed", cost_nanousd=1)
    assert "at the price that [unpriced] assumes" in told(one)[0].text


@pytest.mark.parametrize(
    ("asked", "billed", "dearer"),
    [
        (None, "priority", True),
        ("auto", "priority", True),
        ("default", "priority", True),
        ("standard_only", "priority", True),
        ("flex", "default", True),
        ("priority", "priority", False),
        ("priority", "default", False),
        ("auto", "flex", False),
        (None, "", False),
        (None, "something new", False),
        ("something new", "priority", False),
        ({"no": "text"}, "priority", True),
    ],
)
def test_only_what_is_known_to_be_dearer_is_an_upgrade(
    asked: object, billed: str, *, dearer: bool
) -> None:
    """A tier that nobody knows is no reason to wake somebody."""
    assert upgraded(asked, billed) is dearer


def test_an_upgrade_is_told_with_both_tiers_and_what_it_cost() -> None:
    """Once a day for each model and pair of tiers."""
    (alert,) = told(noted("upgraded", asked="auto", billed="priority"))
    assert alert.kind == "tier"
    assert "asked for tier 'auto' and was billed as 'priority'" in alert.text
    assert "This call cost $" in alert.text


def test_a_loop_is_told_with_who_and_how_often() -> None:
    """Whether it goes on or was refused."""
    (alert,) = told(noted("loop", times=31, within_s=600.0))
    assert "came 31 times within 600 s. They go on" in alert.text
    assert alert.severity == "warning"
    (refused,) = told(noted("refused", times=31, within_s=600.0))
    assert "Further ones are refused." in refused.text
    assert refused.topic == alert.topic


def test_repeats_count_within_their_time_and_in_bounded_memory() -> None:
    """After its time a count begins anew; the oldest is forgotten for a new one."""
    repeats = Repeats(10)
    assert [repeats.seen(1, at) for at in (0.0, 5.0, 9.9, 10.0, 11.0)] == [1, 2, 3, 1, 2]
    assert repeats.rest_s(1, 12.0) == 8.0
    assert repeats.rest_s(2, 12.0) == 0.0
    for what in range(100, 100 + MOST_KNOWN):
        repeats.seen(what, 12.0)
    assert repeats.seen(1, 12.0) == 1
    assert len(repeats._seen) == MOST_KNOWN


def test_waits_double_up_to_a_quarter_of_an_hour_and_end() -> None:
    """A receiver may ask for more patience; after `give_up_s` nothing is tried."""

    def wait(tries: int, sent: Sent, dice: float = 1.0) -> float:
        then = next_try(tries, sent, NOW, NOW, give_up_s=86400, dice=dice)
        assert then is not None
        return (then - NOW).total_seconds()

    failed = Sent(ok=False)
    assert [wait(tries, failed) for tries in (1, 2, 3, 20)] == [5, 10, 20, 900]
    assert wait(1, failed, 0.0) == 2.5
    assert wait(1, Sent(ok=False, wait_s=60)) == 60
    assert wait(1, Sent(ok=False, wait_s=99_999)) == 900
    assert next_try(1, failed, NOW, NOW, give_up_s=4, dice=1.0) is None
