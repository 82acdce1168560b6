"""Money that adds up: baseline - cost = the sum of all savings, to the nano-dollar."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scrimp.calls import FREE_COST, UNKNOWN_COST, Attempt, Cost, Outcome, Reply
from scrimp.ledger.booking import booked, changed_by, total_cost
from tests.support.core import attempt_of, reply_of

AMOUNTS = st.integers(0, 10**15)


@st.composite
def costs(draw: st.DrawFn) -> Cost:
    """Exact, free, estimated or unknown."""
    kind = draw(st.sampled_from(["exact", "free", "estimate", "unknown"]))
    if kind == "free":
        return FREE_COST
    if kind == "unknown":
        return UNKNOWN_COST
    if kind == "exact":
        return Cost.exact(draw(AMOUNTS), price_version="a", lines=())
    low, middle, high = sorted(draw(st.tuples(AMOUNTS, AMOUNTS, AMOUNTS)))
    return Cost(middle, low, high, "estimate", "b")


OUTCOMES: list[Outcome] = ["ok", "rejected", "failed", "cut", "cancelled", "unsent"]
ATTEMPTS = st.lists(
    st.builds(
        lambda cost, outcome: attempt_of(cost=cost, outcome=outcome),
        costs(),
        st.sampled_from(OUTCOMES),
    ),
    max_size=4,
)
REPLIES = st.sampled_from([None, reply_of(), reply_of(served_by="exact_cache")])


@given(REPLIES, ATTEMPTS, costs())
def test_savings_explain_the_difference(
    reply: Reply | None, attempts: list[Attempt], untouched: Cost
) -> None:
    """Whatever was tried and whoever answered; unknown costs stay unknown."""
    result = booked(reply, attempts, untouched)
    saved = sum(nanousd for _, nanousd in result.saved)
    if result.baseline_nanousd is None:
        assert result.saved == ()
    else:
        assert result.cost.nanousd is not None
        assert result.baseline_nanousd - result.cost.nanousd == saved
    if any(attempt.cost.nanousd is None for attempt in attempts):
        assert result.cost.nanousd is None
        assert result.baseline_nanousd is None


@given(ATTEMPTS.filter(bool), st.none() | costs())
def test_what_a_change_saved_explains_the_difference(
    attempts: list[Attempt], asked: Cost | None
) -> None:
    """Another model, or a shorter answer: the sum holds, and what is unknown stays unknown."""
    result = changed_by("degrade", booked(None, attempts, FREE_COST), attempts[-1].cost, asked)
    if result.baseline_nanousd is None:
        assert result.saved == ()
        return
    assert result.cost.nanousd is not None
    assert result.baseline_nanousd - result.cost.nanousd == sum(part for _, part in result.saved)
    assert result.saved[-1][0] == "degrade"


@given(st.lists(costs(), max_size=5))
def test_a_total_is_the_sum_of_its_parts(parts: list[Cost]) -> None:
    """Bounds add up as amounts do; the total is exact only when every part is."""
    total = total_cost(parts)
    known = [(part.low_nanousd, part.nanousd, part.high_nanousd) for part in parts]
    if any(None in bounds for bounds in known):
        assert total == UNKNOWN_COST
        return
    assert total.nanousd is not None
    assert total.low_nanousd is not None
    assert total.high_nanousd is not None
    assert (total.low_nanousd, total.nanousd, total.high_nanousd) == tuple(
        sum(bounds[i] or 0 for bounds in known) for i in range(3)
    )
    assert total.low_nanousd <= total.nanousd <= total.high_nanousd
    assert (total.basis == "estimate") == any(part.basis == "estimate" for part in parts)
