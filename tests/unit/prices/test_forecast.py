"""A plan's month: the two check numbers, and arithmetic that loses nothing."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrimp.money import parse_usd
from scrimp.prices.forecast import (
    CHEAP_SHARES,
    HIT_RATES,
    Plan,
    Workload,
    baseline_nanousd,
    forecast,
    scenarios,
    tokens_of,
)

LOAD = Workload(users=10_000, queries=Fraction(5), tokens=1500)
INPUT_PICO, OUTPUT_PICO = 2_500_000, 10_000_000
SHARES = st.fractions(0, 1, max_denominator=1000)


def test_the_month_of_a_plan() -> None:
    """10,000 users x 5 queries x 1,500 tokens, 60/40, $2.50 and $10 per million: $12,375."""
    assert tokens_of(LOAD) == (1_350_000_000, 900_000_000)
    assert baseline_nanousd(LOAD, INPUT_PICO, OUTPUT_PICO) == parse_usd("12375")


def test_what_caching_and_a_cheaper_model_save() -> None:
    """40 % hits, half of the rest 94 % cheaper: $3,935.25, a saving of 68.2 %."""
    found = forecast(parse_usd("12375"), Plan(Fraction(4, 10), Fraction(1, 2), Fraction(94, 100)))
    assert found.after_caching_nanousd == parse_usd("7425")
    assert found.after_tiering_nanousd == parse_usd("3935.25")
    assert found.saving_nanousd == parse_usd("8439.75")
    assert found.saving_share == Fraction(682, 1000)


@given(st.integers(0, 10**15), SHARES, SHARES, SHARES)
def test_a_plan_never_costs_more_than_none(
    baseline: int, hits: Fraction, share: Fraction, discount: Fraction
) -> None:
    """Each step costs at most the one before, and what is saved and spent is the baseline."""
    found = forecast(baseline, Plan(hits, share, discount))
    assert baseline >= found.after_caching_nanousd >= found.after_tiering_nanousd >= 0
    assert found.after_tiering_nanousd + found.saving_nanousd == baseline
    assert 0 <= found.saving_share <= 1


@given(
    st.integers(0, 10**6), st.fractions(0, 100, max_denominator=10), st.integers(0, 10**6), SHARES
)
def test_no_token_is_lost_between_input_and_output(
    users: int, queries: Fraction, tokens: int, share: Fraction
) -> None:
    """The split adds up to the whole, rounded up at most once on either side."""
    load = Workload(users, queries, tokens, share)
    whole = users * queries * tokens * load.days
    inputs, outputs = tokens_of(load)
    assert whole <= inputs + outputs < whole + 2


def test_scenarios_stand_in_a_grid() -> None:
    """A row per hit rate, a column per share; the first corner is the baseline."""
    rows = scenarios(1_000_000, Fraction(1, 2))
    assert (len(rows), {len(row) for row in rows}) == (len(HIT_RATES), {len(CHEAP_SHARES)})
    assert rows[0][0].after_tiering_nanousd == 1_000_000
    assert rows[2][2].after_tiering_nanousd == 450_000


@pytest.mark.parametrize("field", ["hit_rate", "cheap_share", "cheap_discount"])
@pytest.mark.parametrize("share", [Fraction(-1, 100), Fraction(40)])
def test_a_share_is_between_0_and_1(field: str, share: Fraction) -> None:
    """40 for 40 % is the likeliest slip: both the name and the number are told."""
    with pytest.raises(ValueError, match=rf"{field} is a share of 0 to 1, not {float(share):g}"):
        forecast(1, Plan(**{field: share}))


def test_a_workload_cannot_be_negative() -> None:
    """Neither its counts nor its input share."""
    with pytest.raises(ValueError, match="cannot be below 0"):
        tokens_of(Workload(-1, Fraction(1), 1))
    with pytest.raises(ValueError, match="input_share is a share of 0 to 1, not 60"):
        tokens_of(Workload(1, Fraction(1), 1, Fraction(60)))
