"""The simulator's bill: exact fractions, one rounding per line item, no price invented."""

from __future__ import annotations

from fractions import Fraction

import pytest

from scrimp.simulator.bill import CATALOGUE, MODELS, Price, Usage
from scrimp.simulator.bill import billed_nanousd as billed
from scrimp.simulator.bill import exact_usd as exact


def test_a_call_costs_its_tokens_at_the_published_rates() -> None:
    """1,000 in and 100 out of gpt-4o-mini at $0.15 and $0.60 a million."""
    usage = Usage(input_tokens=1000, output_tokens=100)
    price = MODELS["gpt-4o-mini"].price
    assert exact(usage, price) == Fraction(21, 100_000)
    assert billed(usage, price) == 210_000


def test_each_line_item_is_rounded_up_by_itself() -> None:
    """Two lines of a third of a nano-dollar make two nano-dollars, not one."""
    third = Price(Fraction(1, 3000), Fraction(1, 3000))
    usage = Usage(input_tokens=1, output_tokens=1)
    assert exact(usage, third) == Fraction(2, 3_000_000_000)
    assert billed(usage, third) == 2


def test_cached_and_written_input_have_rates_of_their_own() -> None:
    """Every bucket of a Claude call is a line: fresh, read, both writes, output."""
    usage = Usage(100, 1000, 10, 20, 5)
    price = MODELS["claude-haiku-4-5"].price
    assert billed(usage, price) == 100_000 + 100_000 + 12_500 + 40_000 + 25_000


def test_hidden_reasoning_is_sold_as_output() -> None:
    """64 reasoning tokens of gpt-5 cost what 64 visible ones cost."""
    price = MODELS["gpt-5"].price
    hidden, shown = Usage(reasoning_tokens=64), Usage(output_tokens=64)
    assert exact(hidden, price) == exact(shown, price) > 0


def test_a_bucket_that_is_not_sold_is_an_error_and_never_free() -> None:
    """OpenAI sells no one-hour cache writes."""
    with pytest.raises(ValueError, match="cache_write_1h_tokens"):
        exact(Usage(cache_write_1h_tokens=3), MODELS["gpt-4o"].price)


def test_an_alias_costs_what_its_snapshot_costs() -> None:
    """Both names of every model lead to the same entry."""
    assert all(MODELS[model.alias] is MODELS[model.id] for model in CATALOGUE if model.alias)
