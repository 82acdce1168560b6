"""Exports are read exactly in every shape, and what cannot be read is refused with its place."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from scrimp.errors import ConfigError
from scrimp.reconcile.numbers import atto_usd, count, instant, shown
from scrimp.reconcile.words import ATTO_PER_NANO, FEES, rounded_nanousd
from tests.support.exports import (
    ANTHROPIC_EXPORTS,
    OPENAI_EXPORTS,
    Export,
    Used,
    anthropic_costs,
    anthropic_usage,
    claude_usage_csv,
    openai_activity_csv,
    openai_costs,
    openai_usage,
    table,
)
from tests.support.reconciling import booked, claude, gpt, laid, only, rows

OPENAI_CALLS = (gpt(), gpt(77, model="gpt-4o-mini-2024-07-18"))


@pytest.mark.parametrize(
    ("export", "calls"),
    [(one, OPENAI_CALLS) for one in OPENAI_EXPORTS.values()]
    + [(one, (claude(),)) for name, one in ANTHROPIC_EXPORTS.items() if name != "cost.csv"],
)
def test_every_shape_agrees_with_the_calls_that_it_was_made_from(
    export: Export, calls: Sequence[Used]
) -> None:
    """To the token and the nano-dollar."""
    found = laid({"export": export(calls)}, booked(*calls))
    assert found.rows
    assert {row.verdict for row in found.rows} == {"equal"}
    assert found.reconciled


def test_usage_and_costs_together_compare_both_numbers() -> None:
    """One row per model, with tokens and dollars."""
    calls = [gpt()]
    found = laid({"u": openai_usage(calls), "c": openai_costs(calls)}, booked(*calls))
    row = only(found).row
    assert row.token_gap is not None
    assert (row.same_tokens, row.gap_nanousd) == (True, 0)
    assert row.booked.nanousd == calls[0].nanousd == 5_300_000


def test_cents_and_decimal_text_are_exact() -> None:
    """Anthropic's amounts are cents; nothing passes through a float."""
    assert atto_usd("123.45", "x", cents=True) == 1_234_500_000 * ATTO_PER_NANO
    assert atto_usd("0.8958740000000000", "x") == 895_874_000 * ATTO_PER_NANO
    assert atto_usd("-12.5", "x") == -12_500_000_000 * ATTO_PER_NANO
    assert atto_usd("5e-8", "x") == 50 * ATTO_PER_NANO
    assert count("59200.0", "x") == 59200
    assert rounded_nanousd(1_500_000_000) == 2
    assert rounded_nanousd(2_500_000_000) == 2


@pytest.mark.parametrize(
    "value",
    ["NaN", "Infinity", "1,234", "1e999999999", "0x10", "1_000", "", "--3", True, [], {}, "9" * 80],
)
def test_what_is_no_amount_is_refused_with_its_place(value: object) -> None:
    """Never 0, never a guess at a decimal comma."""
    with pytest.raises(ConfigError, match=r"cost\.csv, line 7"):
        atto_usd(value, "cost.csv, line 7")


@pytest.mark.parametrize("value", ["12.5", "NaN", 10**16, "1e400", True])
def test_what_is_no_count_is_refused(value: object) -> None:
    """Half a token is none."""
    with pytest.raises(ConfigError, match="line 7"):
        count(value, "line 7")


def test_times_are_utc() -> None:
    """Unix seconds, RFC 3339 with any zone, a bare date, OpenAI's and the Console's forms."""
    told = {
        instant(value, "x")
        for value in (
            1_772_582_400,
            "1772582400",
            "2026-03-04",
            "2026-03-04T00:00:00Z",
            "2026-03-04T05:30:00+05:30",
            "2026-03-04 00:00:00",
        )
    }
    assert len(told) == 1
    for wrong in ("yesterday", None, "1970-01-01", "99999999999999", "2026-13-01"):
        with pytest.raises(ConfigError, match="line 7"):
            instant(wrong, "line 7")


def test_a_document_of_pages_and_a_list_of_buckets_are_the_same() -> None:
    """What `jq -s` makes of several pages is read, and so is the data alone."""
    calls = [gpt()]
    page = json.loads(openai_usage(calls))
    for document in ([page], page["data"]):
        found = laid({"u": json.dumps(document)}, booked(*calls))
        assert only(found).verdict == "equal"


def test_a_page_that_is_not_the_last_is_told() -> None:
    """Without the next pages the bill is not whole; a later page of the same file is that."""
    page = json.loads(openai_usage([gpt()]))
    first = page | {"has_more": True}
    assert laid({"u": json.dumps(first)}, booked(gpt())).bill.unfinished == ("u",)
    second = {"data": [], "has_more": False}
    assert laid({"u": json.dumps([first, second])}, booked(gpt())).bill.unfinished == ()


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_tables_of_any_separator_and_line_end_are_read(delimiter: str, end: str) -> None:
    """As spreadsheets save them, byte order mark and empty lines too."""
    fields = {
        "usage_date_utc": "2026-03-04",
        "model": "Claude Sonnet 4.5",
        "cost_usd": "0.25",
        "token_type": "output",
        "cost_type": "token",
    }
    text = "\ufeff" + table([fields], delimiter).replace("\r\n", end) + end
    found = laid({"cost.csv": text}, [])
    assert only(found).row.model == "claude-sonnet-4-5"
    assert only(found).row.gap_nanousd == 250_000_000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\x00\x01\x02",
        "a,b\n1,2\n",
        "{}",
        "[]]",
        '{"data": [1]}',
        '{"data": [{"results": []}]}',
        '{"data": [{"start_time": 1, "results": [7]}]}',
        '{"data": [{"start_time": 1, "results": [{"object": "organization.usage.images"}]}]}',
        '{"data": [{"starting_at": "2026-03-04", "results": [{"tokens": 3}]}]}',
        "[" * 100_000,
    ],
)
def test_what_is_no_export_is_refused_with_what_is_accepted(text: str) -> None:
    """Or with why it is not JSON at all; never a traceback."""
    with pytest.raises(ConfigError, match=r"accepted|not JSON|is no|not an object"):
        list(rows(text, "file"))


def test_a_missing_column_and_a_short_line_are_refused() -> None:
    """A table without a column is no export; a line with too few cells has its number."""
    whole = claude_usage_csv([claude()])
    with pytest.raises(ConfigError, match="accepted: OpenAI usage API"):
        list(rows(whole.replace("usage_output_tokens", "tokens"), "u.csv"))
    with pytest.raises(ConfigError, match=r"u\.csv, line 3: 2 cells under a header of 14"):
        list(rows(whole + "2026-03-04,claude\r\n", "u.csv"))


def test_two_exports_that_tell_the_same_are_refused() -> None:
    """The API's usage and the dashboard's would be counted twice."""
    with pytest.raises(ConfigError, match="give one of them"):
        laid({"a": openai_usage([gpt()]), "b": openai_activity_csv([gpt()])}, [])


def test_another_currency_is_refused() -> None:
    """Nothing here knows exchange rates."""
    for text in (openai_costs([gpt()]), anthropic_costs([claude()])):
        strange = text.replace('"usd"', '"eur"').replace('"USD"', '"EUR"')
        with pytest.raises(ConfigError, match="not in US dollars"):
            list(rows(strange, "costs.json"))


def test_line_items_name_their_model_or_are_fees() -> None:
    """Tiers before the model, long context behind it, modalities, and tools without a model."""
    items = {
        "gpt-4o-2024-08-06, cached input": "gpt-4o",
        "priority | gpt-4o-2024-08-06, output, long context": "gpt-4o",
        "gpt-4o-audio-preview-2024-12-17 audio, input": "gpt-4o-audio-preview-2024-12-17",
        "web search tool calls": FEES,
        "text-embedding-3-small": "text-embedding-3-small",
    }
    for item, model in items.items():
        text = openai_costs([gpt()]).replace("gpt-4o-2024-08-06, output", item)
        found = {row.row.model for row in laid({"c": text}, []).rows}
        assert found <= {"gpt-4o", model} or any(model.startswith(one) for one in found), item
        assert any(one == model or model.startswith(one) for one in found), item


def test_escape_sequences_of_a_file_are_not_kept() -> None:
    """A model's name with terminal codes is shown without them."""
    text = anthropic_usage([claude()]).replace(
        "claude-sonnet-4-5-20250929", "evil\\u001b]0;x\\u0007\\u202e"
    )
    (model,) = {row.row.model for row in laid({"u": text}, []).rows}
    assert model.isprintable()
    assert shown("\x1b[31m" + "x" * 100).isprintable()


def test_days_on_which_nothing_was_used_are_covered() -> None:
    """An empty bucket is a day of the export, so that a call of ours on it is told."""
    page = json.loads(openai_usage([gpt()]))
    empty = page["data"][0] | {"results": []}
    empty["start_time"], empty["end_time"] = (
        empty[name] + 86_400 for name in ("start_time", "end_time")
    )
    page["data"].append(empty)
    late = gpt(at=gpt().at.replace(day=5))
    found = laid({"u": json.dumps(page)}, booked(gpt(), late))
    assert [row.verdict for row in found.rows] == ["equal", "differs"]


def test_an_export_of_nothing_is_no_agreement() -> None:
    """Empty buckets say that nothing was used, which a ledger with calls contradicts."""
    page = json.loads(openai_usage([gpt()]))
    page["data"][0]["results"] = []
    assert not laid({"u": json.dumps(page)}, booked(gpt())).reconciled
    assert laid({"u": json.dumps(page)}, []).reconciled


def test_hours_and_minutes_are_summed_by_day() -> None:
    """Buckets of an hour add up to the UTC day."""
    page = json.loads(openai_usage([gpt()]))
    (bucket,) = page["data"]
    hours = [
        bucket
        | {"start_time": bucket["start_time"] + at, "end_time": bucket["start_time"] + at + 3600}
        for at in (11 * 3600, 12 * 3600)
    ]
    found = laid({"u": json.dumps({"data": hours})}, booked(gpt(), gpt()))
    assert only(found).verdict == "equal"
