"""The no-harm gate: who wins, by what numbers, and when it is too early to tell."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from scrimp.errors import InvalidRequest
from scrimp.routing.gate import FEWEST, Logged, cross_fitted, gate

COSTS = {"weak": 1.0, "strong": 10.0}
Picks = Callable[[float, float, float], str]


def logged(count: int, picks: Picks, *, seed: int = 1, middle: float | None = None) -> list[Logged]:
    """Questions of a known hardness: the strong model is right up to 0.9, the weak up to 0.6.

    `picks` chooses by (hardness, luck, luck). A third model, if any, is right up to `middle`.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for hardness, one, other in rng.random((count, 3)).tolist():
        qualities = {"weak": float(hardness < 0.6), "strong": float(hardness < 0.9)}
        costs = dict(COSTS)
        if middle is not None:
            qualities["middle"], costs["middle"] = float(hardness < middle), 2.0
        chosen = picks(hardness, one, other)
        rows.append(Logged(qualities, costs, qualities[chosen], costs[chosen]))
    return rows


def knows(hardness: float, _one: float, _other: float) -> str:
    """A router that mostly sees which questions are hard."""
    return "strong" if 0.5 < hardness < 0.95 else "weak"


def guesses(_hardness: float, one: float, _other: float) -> str:
    """A router that tosses a coin."""
    return "strong" if one < 0.4 else "weak"


def test_a_router_that_knows_wins() -> None:
    """What sends hard questions to the strong model rises above any blind mix, and goes live."""
    verdict = gate(logged(1000, knows))
    assert verdict.winner == "learned"
    assert verdict.closest.low > 0.05
    assert verdict.missing == 0
    assert verdict.mix is not None
    assert verdict.mix.models == ("weak", "strong")
    assert verdict.mix.cost == pytest.approx(verdict.cost)
    assert verdict.single is not None
    assert verdict.single.models == ("weak",)
    assert "beats" in verdict.why


def test_a_router_that_guesses_stays_out() -> None:
    """A coin is on the hull itself: the mix serves, and the verdict names it."""
    verdict = gate(logged(2000, guesses))
    assert verdict.winner == "mix"
    assert verdict.models == ("weak", "strong")
    assert verdict.share == pytest.approx(0.4, abs=0.03)
    assert abs(verdict.closest.edge) < 0.02
    assert "not shown to beat a blind mix of weak and strong" in verdict.why


def test_one_well_chosen_model_beats_a_router_between_two_others() -> None:
    """A cheap model that is right where the strong one is wins against any choice of the rest."""
    verdict = gate(logged(1000, knows, middle=0.92))
    assert verdict.winner == "single"
    assert verdict.models == ("middle",)
    assert verdict.closest.low < 0
    assert verdict.missing is None


def test_a_router_that_does_harm_is_told_no_number() -> None:
    """What is worse than chance gets no estimate of rows that would help."""
    verdict = gate(logged(800, lambda hardness, *_: "weak" if hardness > 0.4 else "strong"))
    assert verdict.winner == "mix"
    assert verdict.closest.edge < 0
    assert verdict.missing is None


def test_too_few_rows_keep_it_out() -> None:
    """A lucky streak of few questions does not open the gate."""
    verdict = gate(logged(FEWEST - 10, knows))
    assert verdict.winner != "learned"
    assert verdict.missing is not None
    assert verdict.missing >= 10
    assert "too few" in verdict.why


def test_a_coin_opens_the_gate_in_few_of_many_samples() -> None:
    """The limit holds: of 1,000 samples at 95 % about 5 % may be wrong, and no more."""
    opened = sum(gate(logged(150, guesses, seed=seed)).winner == "learned" for seed in range(1000))
    assert opened <= 70


def test_labels_asked_for_more_rarely_weigh_more() -> None:
    """Weights of one over the propensity undo that hard questions were labelled more often."""
    even = gate(logged(4000, knows))
    rng = np.random.default_rng(5)
    tilted = [
        Logged(row.qualities, row.costs, row.quality, row.cost, weight=1 / propensity)
        for row in logged(4000, knows)
        if rng.random() < (propensity := 0.9 if row.cost > 5 else 0.3)
    ]
    assert gate(tilted).quality == pytest.approx(even.quality, abs=0.02)
    assert gate(tilted).cost == pytest.approx(even.cost, abs=0.3)


def test_cheaper_than_every_model_it_still_has_to_be_as_good() -> None:
    """Where no mix is as cheap, the cheapest model alone is the competitor."""
    rows = [Logged({"a": 1.0, "b": 1.0}, {"a": 2.0, "b": 3.0}, 0.0, 1.0) for _ in range(100)]
    verdict = gate(rows)
    assert verdict.winner == "single"
    assert verdict.models == ("a",)
    assert verdict.mix is None


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "0 rows"),
        ([Logged({"a": 1.0}, {}, 1.0, 1.0)], "no model has a quality and a cost on each of 1 rows"),
        ([Logged({"a": float("nan")}, {"a": 1.0}, 1.0, 1.0)], "no finite number"),
        ([Logged({"a": 1.0}, {"a": 1.0}, 1.0, 1.0, weight=0.0)], "weights are above 0"),
    ],
)
def test_rows_that_tell_nothing_are_refused(rows: list[Logged], words: str) -> None:
    """The error says what is wrong with them."""
    with pytest.raises(InvalidRequest, match=words):
        gate(rows)


def test_nobody_is_judged_by_what_it_was_trained_on() -> None:
    """Each item is decided by a router that saw nothing of its group."""
    items = list(range(40))
    groups = [at // 4 for at in items]

    def fit(known: list[int]) -> Callable[[int], bool]:
        seen = {at // 4 for at in known}
        return lambda at: at // 4 in seen

    assert cross_fitted(items, groups, fit) == [False] * 40
    with pytest.raises(InvalidRequest, match="1 groups"):
        cross_fitted(items, [0] * 40, fit)
