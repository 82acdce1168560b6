"""The choice among models: by gain per extra dollar, one dial, explained."""

from __future__ import annotations

import pytest

from scrimp.errors import InvalidRequest
from scrimp.routing.decide import Candidate, Choice, Dial, choose, ladder
from scrimp.routing.predictor import Chances

THREE = (Candidate("big", 9000), Candidate("small", 1000), Candidate("middle", 3000))
GOOD = {"small": 0.60, "middle": 0.80, "big": 0.90}


def by(dial: Dial, candidates: tuple[Candidate, ...] = THREE, **good: float) -> Choice:
    """The choice with these chances."""
    return choose(candidates, Chances(good or GOOD, {}, 0.0), dial)


def test_within_a_loss_the_cheapest_serves() -> None:
    """Measured against the reference, or the best where none is named."""
    assert by(Dial(max_loss=0.0)).model == "big"
    assert by(Dial(max_loss=0.1)).model == "middle"
    assert by(Dial(max_loss=0.3)).model == "small"
    assert by(Dial(max_loss=0.0, reference="middle")).model == "middle"
    assert by(Dial(max_loss=0.2, reference="middle")).model == "small"


def test_above_a_floor_the_cheapest_serves_and_else_the_best() -> None:
    """A floor that nobody reaches is no reason to serve a worse one."""
    assert by(Dial(floor=0.75)).model == "middle"
    found = by(Dial(floor=0.95))
    assert (found.model, found.why) == ("big", "best")


def test_a_budget_buys_the_best_within_it() -> None:
    """And the cheapest where it buys nothing."""
    assert by(Dial(budget_nanousd=5000)).model == "middle"
    found = by(Dial(budget_nanousd=10))
    assert (found.model, found.why) == ("small", "cheapest")


def test_gain_per_dollar_climbs_while_a_step_pays() -> None:
    """A good answer worth 20,000 nano-dollars pays .2 for 2,000, and not .1 for 6,000."""
    assert by(Dial(worth_nanousd=20_000)).model == "middle"
    assert by(Dial(worth_nanousd=70_000)).model == "big"
    assert by(Dial(worth_nanousd=5_000)).model == "small"


def test_worth_is_the_argmax_of_chance_less_cost() -> None:
    """The ladder finds what trying every model finds, at any price of quality."""
    for worth in range(1000, 100_000, 977):
        best = max(THREE, key=lambda one: GOOD[one.name] * worth - (one.cost_nanousd or 0))
        assert by(Dial(worth_nanousd=worth)).model == best.name


def test_a_lost_prompt_cache_counts_as_cost() -> None:
    """The cheaper model is dearer for a session whose cache it would write anew."""
    warm = (Candidate("here", 2000), Candidate("there", 1500, regret_nanousd=4000))
    assert by(Dial(max_loss=0.0), warm, here=0.8, there=0.8).model == "here"
    cold = (Candidate("here", 2000), Candidate("there", 1500))
    assert by(Dial(max_loss=0.0), cold, here=0.8, there=0.8).model == "there"


def test_what_no_price_would_choose_is_not_on_the_ladder() -> None:
    """Dearer and no better, or under the line between two others."""
    four = (*THREE, Candidate("dear", 20_000), Candidate("odd", 2900))
    rungs = ladder(four, Chances({**GOOD, "dear": 0.85, "odd": 0.61}, {}, 0.0))
    assert [rung.candidate.name for rung in rungs] == ["small", "odd", "middle", "big", "dear"]
    prices = {rung.candidate.name: rung.price for rung in rungs}
    assert prices["odd"] is None
    assert prices["dear"] is None
    assert prices["small"] == float("inf")
    assert prices["middle"] == pytest.approx(0.2 / 2000 * 1e9)
    assert prices["big"] == pytest.approx(0.1 / 6000 * 1e9)


def test_a_model_without_a_price_serves_only_if_nothing_else_can() -> None:
    """An unknown cost is never taken for none."""
    some = (Candidate("unpriced", None), Candidate("small", 1000))
    assert by(Dial(max_loss=0.0), some, unpriced=0.99, small=0.2).model == "small"
    assert by(Dial(floor=0.5), some[:1], unpriced=0.99).model == "unpriced"


def test_a_choice_explains_itself() -> None:
    """Who could have served, with which chance, for how much, and at which price of quality."""
    assert by(Dial(max_loss=0.1)).told() == {
        "chosen": "middle",
        "why": "within_loss",
        "good_per_usd": 100_000.0,
        "p_small": 0.6,
        "nanousd_small": 1000,
        "p_middle": 0.8,
        "nanousd_middle": 3000,
        "p_big": 0.9,
        "nanousd_big": 9000,
    }


@pytest.mark.parametrize(
    ("dial", "message"),
    [
        (Dial(max_loss=0.1, floor=0.5), "max_loss and floor are set"),
        (Dial(floor=1.5), "from 0 to 1, not 1.5"),
        (Dial(budget_nanousd=0), "above 0, not 0"),
    ],
)
def test_dials_that_make_no_sense_are_refused(dial: Dial, message: str) -> None:
    """With what was set."""
    with pytest.raises(InvalidRequest, match=message):
        by(dial)


def test_without_candidates_there_is_no_choice() -> None:
    """It says where to look."""
    with pytest.raises(InvalidRequest, match="no model left"):
        choose((), Chances({}, {}, 0.0), Dial())
