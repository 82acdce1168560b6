"""A report as a value: exact sums, and text that says the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from scrimp.client.reporting import Spend, period, row_of
from scrimp.ledger.report import LatencyAdded, ReportRow

SINCE = datetime(2026, 11, 22, tzinfo=UTC)
TOTAL = ReportRow(
    "",
    calls=1200,
    hits=300,
    errors=2,
    unpriced_calls=1,
    cost_nanousd=2_000_000_001,
    cost_low_nanousd=1_900_000_000,
    cost_high_nanousd=2_100_000_000,
    baseline_nanousd=3_000_000_001,
    saved_nanousd=1_000_000_000,
    input_tokens=5000,
    output_tokens=700,
)
SPEND = Spend(
    by="user",
    since=SINCE,
    until=SINCE + timedelta(hours=5),
    total=TOTAL,
    rows=(ReportRow("anna", calls=1199, cost_nanousd=2_000_000_001), ReportRow("", calls=1)),
    levers=(ReportRow("exact_cache", calls=300, hits=300, saved_nanousd=1_000_000_000),),
    latency_added=LatencyAdded(10, 0.5, 1.0),
)


def test_amounts_are_exact_dollars() -> None:
    """Decimals to the nano-dollar, never floats."""
    assert SPEND.cost == Decimal("2.000000001")
    assert SPEND.baseline == Decimal("3.000000001")
    assert SPEND.saved == Decimal(1)


def test_the_text_has_the_same_numbers() -> None:
    """Sentences first, then a table by what was asked for, then the levers."""
    assert str(SPEND).splitlines() == [
        "2026-11-22 00:00 to 2026-11-22 05:00 UTC",
        "calls   1,200, of them 300 answered by a lever (25.0%), 2 failed",
        "tokens  5,000 in, 700 out",
        "spend   $2.000000001 (the truth lies between $1.90 and $2.10)",
        "saved   $1.00 (33.3%) of $3.000000001 untouched",
        "        of 1 calls no price is known",
        "",
        "user    calls  hits         spend  saved",
        "anna    1,199     0  $2.000000001  $0.00",
        "(none)      1     0         $0.00  $0.00",
        "",
        "lever        calls  hits  saved",
        "exact_cache    300   300  $1.00",
    ]


def test_the_row_of_one_value() -> None:
    """Zeros for who made no call."""
    assert row_of(SPEND, "anna").calls == 1199
    assert row_of(SPEND, "nobody") == ReportRow("nobody")


def test_a_period_may_be_as_long_ago() -> None:
    """A duration counts back from now; without anything the default holds."""
    start, end = period(timedelta(days=7), None, default=SINCE)
    assert end - start == timedelta(days=7)
    assert period(None, SINCE + timedelta(days=1), default=SINCE)[0] == SINCE
    with pytest.raises(ValueError, match="is not before"):
        period(SINCE, SINCE, default=SINCE)
