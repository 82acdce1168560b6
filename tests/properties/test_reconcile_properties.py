"""Exports add up however they are cut, no false number passes, and no input breaks the readers."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrimp.errors import ConfigError
from scrimp.reconcile.numbers import atto_usd
from scrimp.simulator.bill import Usage
from tests.support.exports import (
    ANTHROPIC_EXPORTS,
    OPENAI_EXPORTS,
    Export,
    Used,
    noon,
    openai_costs,
    openai_usage,
)
from tests.support.reconciling import booked, laid, rows

COUNTS = st.integers(0, 2_000_000)
SHAPES = [
    *OPENAI_EXPORTS.values(),
    *(export for name, export in ANTHROPIC_EXPORTS.items() if name != "cost.csv"),
]


@st.composite
def calls(draw: st.DrawFn, models: tuple[str, ...], *, writes: bool = False) -> Used:
    """A call on one of three days."""
    at = noon(4) + timedelta(minutes=draw(st.integers(-700, 2 * 1440)))
    written = (draw(COUNTS), draw(COUNTS)) if writes else (0, 0)
    usage = Usage(draw(st.integers(1, 2_000_000)), draw(COUNTS), *written, draw(COUNTS))
    return Used(at, draw(st.sampled_from(models)), usage)


GPT = st.lists(calls(("gpt-4o-2024-08-06", "gpt-4.1-nano-2025-04-14")), min_size=1, max_size=8)
CLAUDE = st.lists(
    calls(("claude-opus-4-5-20251101", "claude-haiku-4-5-20251001"), writes=True),
    min_size=1,
    max_size=8,
)


@pytest.mark.parametrize("export", SHAPES)
@given(data=st.data())
def test_an_export_of_the_same_calls_always_agrees(export: Export, data: st.DataObject) -> None:
    """Whatever the calls, their days and models."""
    made = data.draw(GPT if export in OPENAI_EXPORTS.values() else CLAUDE)
    found = laid({"export": export(made)}, booked(*made))
    assert {row.verdict for row in found.rows} == {"equal"}


@given(GPT, st.randoms(use_true_random=False))
def test_pages_in_any_order_are_the_same_bill(made: list[Used], dice: Any) -> None:
    """One bucket a file, shuffled: the same rows."""
    page = json.loads(openai_usage(made))
    buckets = [json.dumps({"data": [one]}) for one in page["data"]]
    dice.shuffle(buckets)
    cut = laid({f"page {number}": text for number, text in enumerate(buckets)}, booked(*made))
    whole = laid({"u": openai_usage(made)}, booked(*made))
    assert cut.rows == whole.rows


@given(GPT, st.data())
def test_no_false_number_passes(made: list[Used], data: st.DataObject) -> None:
    """One token more or less, or one nano-dollar more, in any place."""
    usage, costs = json.loads(openai_usage(made)), json.loads(openai_costs(made))
    what = data.draw(st.sampled_from(["input_tokens", "input_cached_tokens", "output_tokens", "$"]))
    document = costs if what == "$" else usage
    bucket = data.draw(st.sampled_from(document["data"]))
    result = data.draw(st.sampled_from(bucket["results"]))
    if what == "$":
        nano = round(result["amount"]["value"] * 10**9) + data.draw(st.integers(1, 10**12))
        result["amount"]["value"] = f"{nano // 10**9}.{nano % 10**9:09d}"
    else:
        result[what] += data.draw(st.sampled_from([-1, 1, 1_000_000]))
    found = laid({"u": json.dumps(usage), "c": json.dumps(costs)}, booked(*made))
    assert not found.reconciled
    assert all(row.causes for row in found.rows if row.verdict == "differs")


NAMES = (
    *("data", "results", "start_time", "end_time", "starting_at", "ending_at", "model"),
    *("object", "amount", "value", "currency", "input_tokens", "output_tokens", "batch"),
    *("uncached_input_tokens", "cache_creation", "has_more", "line_item"),
)
VALUES = (
    *("organization.costs.result", "organization.usage.completions.result", "usd"),
    *("2026-11-04T00:00:00Z", 1_793_750_400, "NaN", "-0.5", "1e5"),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(NAMES),
            inner | st.sampled_from(VALUES),
            max_size=6,
        )
    ),
    max_leaves=25,
)


def refusal(text: str) -> str:
    """What the reader says of a file that it does not read; empty when it reads it."""
    try:
        list(rows(text, "file"))
    except ConfigError as error:
        return str(error)
    return ""


@given(JSON)
def test_no_document_breaks_the_reader(document: Any) -> None:
    """It is read, or refused as settings are; never another error."""
    assert refusal(json.dumps(document)).isprintable()


@given(st.text(max_size=300))
def test_no_table_breaks_the_reader(text: str) -> None:
    """Under any header and below a good one."""
    good = "usage_date_utc,model,cost_usd,token_type\r\n"
    for table in (text, good + text):
        assert refusal("x" + table if table.lstrip()[:1] in ("{", "[") else table).isprintable()


@given(st.integers(-(10**21), 10**21), st.integers(0, 18))
def test_decimals_are_read_digit_by_digit(atto: int, places: int) -> None:
    """What has at most 18 decimals is exact, in dollars and in cents."""
    step = 10 ** (18 - places)
    exact = atto // step * step
    sign, (whole, rest) = ("-" if exact < 0 else ""), divmod(abs(exact), 10**18)
    text = f"{sign}{whole}.{rest:018d}"
    assert atto_usd(text, "x") == exact
    hundred = exact // 100 * 100
    sign, (whole, rest) = ("-" if hundred < 0 else ""), divmod(abs(hundred), 10**16)
    assert atto_usd(f"{sign}{whole}.{rest:016d}", "x", cents=True) == hundred
