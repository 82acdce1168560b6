"""The committed book is what the compiler makes of the pinned source."""

from __future__ import annotations

import json
import tomllib
from datetime import date, time
from decimal import Decimal
from importlib.metadata import version
from typing import Any

import pytest

pytest.importorskip("genai_prices", reason="the source of the prices is a development dependency")

from genai_prices import types as source_types

from scrimp.errors import ConfigError
from scrimp.prices import source as compile_prices
from tools.compile_prices import PRICES

BOOK = PRICES / "book.json"
OVERRIDE = {"provider": "openai", "model": "gone", "source": "x", "checked": "y"}
RUN = compile_prices.Compiled(date(2026, 1, 1))


def _committed() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(BOOK.read_bytes())
    return found


def test_compiling_again_gives_the_same_bytes() -> None:
    """The book is not edited by hand, and the compiler is deterministic."""
    head = _committed()
    installed = f"genai-prices {version('genai-prices')}"
    if head["source"] != installed:
        pytest.skip(f"the book is from {head['source']}, installed is {installed}")
    again = compile_prices.compiled(date.fromisoformat(head["compiled_on"]))
    assert again == BOOK.read_bytes()


def test_the_date_alone_does_not_change_the_version() -> None:
    """The version is a hash of prices: two days on which the same rows are in force share it."""
    first, second = (json.loads(compile_prices.compiled(date(2040, 1, day))) for day in (1, 2))
    assert first["version"] == second["version"]
    assert first["compiled_on"] != second["compiled_on"]


def test_rates_that_are_not_whole_are_rounded_up_and_listed() -> None:
    """A twelfth of a dollar is rounded up; the dust of a binary float is swept."""
    run = compile_prices.Compiled(date(2026, 1, 1))
    assert compile_prices.pico("input_mtok", Decimal("0.08333333333333334"), "x", run) == 83_334
    dust = Decimal("0.18000000000000002")
    assert compile_prices.pico("input_mtok", dust, "x", run) == 180_000
    assert compile_prices.pico("web_searches_kcount", Decimal(10), "x", run) == 10**10
    assert len(run.notes) == 2


def test_rules_become_alternatives() -> None:
    """`and` over `or` is multiplied out."""
    both = source_types.ClauseAnd(
        and_=[
            source_types.ClauseContains(contains="A"),
            source_types.ClauseOr(
                or_=[
                    source_types.ClauseStartsWith(starts_with="b"),
                    source_types.ClauseRegex(regex=r"^\d"),
                ]
            ),
        ]
    )
    assert compile_prices.rule(both) == [["*a", "^b"], ["*a", r"~^\d"]]


def test_conditions() -> None:
    """Dates after the compile date are marked as scheduled; hours become minutes."""
    since = source_types.StartDateConstraint(date(2026, 2, 1))
    assert compile_prices.condition(since, RUN) == {"since": "2026-02-01", "scheduled": True}
    hours = source_types.TimeOfDateConstraint(time(1, 30), time(16, 0))
    assert compile_prices.condition(hours, RUN) == {"minutes": [90, 960]}
    with pytest.raises(TypeError):
        compile_prices.condition("weekdays", RUN)


def test_rows_of_ours_for_later_days_are_scheduled_too() -> None:
    """They were announced like the source's, and may be called off like them."""
    row = {"since": date(2026, 2, 1), "input": "1"}
    assert [made.get("scheduled") for made in compile_prices.replacement(row, "x", RUN)] == [True]
    for day in (date(2026, 1, 1), date(2025, 1, 1)):
        given = row | {"since": day}
        assert all("scheduled" not in one for one in compile_prices.replacement(given, "x", RUN))


def test_an_override_that_meets_nothing_is_an_error() -> None:
    """When the source drops or mends a model, the override must be looked at again."""
    book: dict[str, dict[str, Any]] = {"openai": {"models": []}}
    gone: dict[str, Any] = {"replace": [OVERRIDE | {"row": []}]}
    with pytest.raises(LookupError, match="gone"):
        compile_prices.apply_overrides(book, gone, RUN)
    lost = {"unpriced": [{"provider": "openai", "model": "gone", "why": "x"}]}
    with pytest.raises(LookupError, match="gone"):
        compile_prices.apply_overrides(book, lost, RUN)
    away = {"residency": [{"provider": "openai", "models": ["gone"], "places": {"us": "1.1"}}]}
    with pytest.raises(LookupError, match="gone"):
        compile_prices.apply_overrides(book, away, RUN)
    with pytest.raises(LookupError, match="gone"):
        compile_prices.apply_limits(book, {"openai": {"gone": 1}}, RUN)


def test_a_tier_of_ours_stands_until_the_source_has_it() -> None:
    """Then it must be looked at again: theirs is dated, and may differ."""
    one = {"provider": "openai", "model": "mini", "tier": "batch", "input": "0.5"}
    one |= {"source": "a page", "checked": "2026-01-01"}
    book: dict[str, dict[str, Any]] = {
        "openai": {"models": [{"id": "mini", "match": ["=mini"], "rows": [], "tiers": {}}]}
    }
    compile_prices.apply_overrides(book, {"tier": [one]}, RUN)
    row = {"rates": {"input": 500_000}, "source": "a page (checked 2026-01-01)"}
    assert book["openai"]["models"][0]["tiers"] == {"batch": [row]}
    with pytest.raises(LookupError, match="the source has it by now"):
        compile_prices.apply_overrides(book, {"tier": [one]}, RUN)
    with pytest.raises(LookupError, match="gone"):
        compile_prices.apply_overrides(book, {"tier": [one | {"model": "gone"}]}, RUN)


def test_a_model_is_carved_out_of_another_and_never_of_itself() -> None:
    """Two entries of one id would be one when books are compared or put together."""
    one = {"provider": "openai", "model": "mini", "why": "disputed"}
    book: dict[str, dict[str, Any]] = {
        "openai": {"models": [{"id": "big", "match": ["=big", "=mini"], "rows": [], "tiers": {}}]}
    }
    compile_prices.apply_overrides(book, {"unpriced": [one]}, RUN)
    assert [model["id"] for model in book["openai"]["models"]] == ["mini", "big"]
    with pytest.raises(LookupError, match="replace its rows"):
        compile_prices.apply_overrides(book, {"unpriced": [one | {"model": "mini"}]}, RUN)


def test_no_model_stands_twice_in_the_book() -> None:
    """Books are compared and put together by provider and id."""
    for name, provider in _committed()["providers"].items():
        ids = [model["id"] for model in provider["models"]]
        assert len(ids) == len(set(ids)), name


def test_an_update_remarks_on_an_override_that_meets_nothing() -> None:
    """A user cannot mend it, and the rest of a newer source is worth having."""
    run = compile_prices.Compiled(date(2026, 1, 1), strict=False)
    book: dict[str, dict[str, Any]] = {"openai": {"models": []}}
    overrides = {"replace": [OVERRIDE | {"row": []}], "unpriced": [OVERRIDE | {"why": "x"}]}
    compile_prices.apply_overrides(book, overrides, run)
    compile_prices.apply_limits(book, {"openai": {"gone": 1}, "nobody": {"gone": 1}}, run)
    assert len(run.notes) == 4
    assert all("gone" in note for note in run.notes)


def test_data_that_is_none_of_the_sources_is_refused() -> None:
    """In one line, with the name of the file."""
    for data in (b"nonsense", b"[1]", b'[{"id": "x"}]', b'{"a": 1}'):
        with pytest.raises(ConfigError, match=r"^data\.json: no data of genai-prices: "):
            compile_prices.providers_of(data, "data.json")


def test_every_override_says_its_source_and_when_it_was_checked() -> None:
    """A rate of ours that nobody can look up again is not a fact."""
    overrides = tomllib.loads((BOOK.parent / "overrides.toml").read_text(encoding="utf-8"))
    aliases = overrides.pop("aliases")
    assert aliases
    for kind, rows in overrides.items():
        for row in rows:
            assert row["source"], (kind, row)
            assert date.fromisoformat(row["checked"]) >= date(2026, 11, 1), (kind, row)
