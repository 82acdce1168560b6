"""Reports say what the sums say, for people, programs and spreadsheets."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime

import pytest

from scrimp.ledger.report import Report, ReportRow, latency_added, to_csv, to_json

ROW = ReportRow(
    "gpt-4o-mini",
    calls=8,
    hits=2,
    errors=1,
    cost_nanousd=3_252_500,
    cost_low_nanousd=3_252_500,
    cost_high_nanousd=3_252_500,
    baseline_nanousd=4_000_000,
    saved_nanousd=747_500,
    input_tokens=10,
    cache_read_tokens=4,
    output_tokens=2,
)


def report(*rows: ReportRow) -> Report:
    """One day by tag."""
    day = datetime(2026, 3, 4, tzinfo=UTC)
    return Report("tag", day, day.replace(day=5), rows, ROW)


def test_shares_are_of_calls_and_of_the_baseline() -> None:
    """Hit rate over calls, saving over what it would have cost."""
    assert ROW.hit_rate == 0.25
    assert ROW.saved_share == 0.186875


def test_a_share_of_nothing_is_not_invented() -> None:
    """No calls: no hits. No baseline: no share, not 0 %."""
    assert ReportRow("").hit_rate == 0.0
    assert ReportRow("").saved_share is None


def test_a_row_is_exact_only_when_everything_in_it_is_known() -> None:
    """Bounds that differ, or one unpriced call, make it an estimate."""
    assert ROW.exact
    assert not ReportRow("", cost_nanousd=5, cost_low_nanousd=5, cost_high_nanousd=6).exact
    assert not ReportRow("", calls=1, unpriced_calls=1).exact


def test_json_has_exact_dollars_as_text() -> None:
    """No float touches money on the way out; the document can be encoded as it is."""
    document = json.loads(json.dumps(to_json(report(ROW))))
    assert document["since"] == "2026-03-04T00:00:00+00:00"
    assert document["rows"][0]["tag"] == "gpt-4o-mini"
    assert document["rows"][0]["cost_usd"] == "0.0032525"
    assert document["rows"][0]["hit_rate"] == 0.25
    assert document["total"]["calls"] == 8


def test_csv_has_one_line_per_row_and_a_header() -> None:
    """Values with commas, quotes and line ends survive a CSV reader."""
    nasty = 'a,"b"\nc'
    read = list(csv.DictReader(io.StringIO(to_csv(report(ROW, ReportRow(nasty))))))
    assert [line["tag"] for line in read] == ["gpt-4o-mini", nasty]
    assert read[0]["saved_usd"] == "0.0007475"
    assert read[1]["saved_share"] == ""


@pytest.mark.parametrize("tag", ["=1+1", "+cmd", "@SUM(A1)", "-2+3", "\t=1"])
def test_a_tag_cannot_become_a_formula(tag: str) -> None:
    """A spreadsheet shows what a client wrote and does not run it."""
    read = list(csv.DictReader(io.StringIO(to_csv(report(ReportRow(tag))))))
    assert read[0]["tag"] == "'" + tag


def test_a_negative_amount_stays_a_number_in_csv() -> None:
    """A lever that lost money is not hidden behind a quote."""
    read = list(csv.DictReader(io.StringIO(to_csv(report(ReportRow("a", saved_nanousd=-1500))))))
    assert read[0]["saved_usd"] == "-0.0000015"


def test_latency_added_is_of_sorted_values() -> None:
    """Nearest rank: half of the calls are at or below p50, 95 % at or below p95."""
    added = latency_added([float(number) for number in range(100, 0, -1)])
    assert (added.calls, added.p50_ms, added.p95_ms) == (100, 50.0, 95.0)
    assert latency_added([7.0]).p95_ms == 7.0
    assert latency_added([]).calls == 0
