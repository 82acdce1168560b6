"""Two books into one: prices change on a day, and history stays."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from scrimp.calls import Usage
from scrimp.errors import ConfigError
from scrimp.prices import PriceBook, price
from scrimp.prices.book import differences, read_book
from scrimp.prices.changes import changes
from scrimp.prices.merge import merged, rows_of
from tests.support.books import book_json

START = date(2026, 11, 10)
BEFORE, AFTER = datetime(2026, 11, 9, tzinfo=UTC), datetime(2026, 11, 10, tzinfo=UTC)
USAGE = Usage(input_tokens=1000)

Models = dict[str, Any]


def both(old: Models, new: Models, since: date = START) -> PriceBook:
    """The merged book."""
    one = json.loads(book_json(old, version="old", compiled_on="2026-10-01"))
    other = json.loads(book_json(new, version="new", compiled_on="2026-11-10"))
    return read_book(merged(one, other, since), source="the test")


def cost(book: PriceBook, at: datetime, *, model: str = "gpt-x", tier: str = "") -> int | None:
    """Of 1,000 input tokens."""
    return price(USAGE, model, "openai", at, book=book, service_tier=tier).nanousd


def rated(pico: int, **more: object) -> dict[str, object]:
    """A row."""
    return {**more, "rates": {"input": pico}}


def test_a_price_that_changed_has_the_day_of_its_change() -> None:
    """Calls before it still cost what they did."""
    book = both({"gpt-x": {"input": 1000}}, {"gpt-x": {"input": 3000}})
    assert (cost(book, BEFORE), cost(book, AFTER)) == (1000, 3000)


def test_a_day_that_the_source_names_is_believed() -> None:
    """Also when it is past: the older book did not know it yet."""
    rows = [rated(1000), rated(3000, since="2026-11-05")]
    book = both({"gpt-x": {"input": 1000}}, {"gpt-x": {"rows": rows}})
    assert cost(book, datetime(2026, 11, 4, tzinfo=UTC)) == 1000
    assert cost(book, datetime(2026, 11, 5, tzinfo=UTC)) == 3000


def test_an_announced_price_keeps_its_day() -> None:
    """What begins later is no change of today."""
    rows = [rated(1000), rated(3000, since="2027-01-01", scheduled=True)]
    book = both({"gpt-x": {"input": 1000}}, {"gpt-x": {"rows": rows}})
    assert (cost(book, AFTER), cost(book, datetime(2027, 1, 1, tzinfo=UTC))) == (1000, 3000)


def test_what_vanished_keeps_its_price_and_says_from_where() -> None:
    """The models of past calls are still priced."""
    book = both({"gpt-x": {"input": 1000}, "gpt-y": {"input": 5}}, {"gpt-y": {"input": 5}})
    assert cost(book, AFTER) == 1000
    found = book.find("gpt-x", "openai")
    assert found is not None
    assert found.rows[0].source == "a list old, compiled 2026-10-01"


def test_a_provider_that_vanished_stays() -> None:
    """With all of its models."""
    one = json.loads(book_json({"gpt-x": {"input": 1000}}, provider="gone"))
    other = json.loads(book_json({"gpt-y": {"input": 1000}}))
    book = read_book(merged(one, other, START), source="the test")
    assert price(USAGE, "gpt-x", "gone", AFTER, book=book).nanousd == 1000


def test_a_price_that_nobody_knew_holds_at_all_times() -> None:
    """There is no history to keep: calls without a price get one."""
    unknown = {"rows": [{"rates": {}, "unpriced": "not listed"}]}
    book = both({"gpt-x": unknown}, {"gpt-x": {"input": 3000}, "gpt-y": {"input": 2}})
    assert cost(book, BEFORE) == 3000
    assert cost(book, BEFORE, model="gpt-y") == 2


def test_tiers_change_on_their_day_too() -> None:
    """One that vanished stays, one that changed has both prices."""
    tiers = {"flex": [rated(500)], "batch": [rated(400)]}
    old = {"rows": [rated(1000)], "tiers": tiers}
    book = both({"gpt-x": old}, {"gpt-x": {"rows": [rated(1000)], "tiers": {"flex": [rated(700)]}}})
    assert (cost(book, BEFORE, tier="flex"), cost(book, AFTER, tier="flex")) == (500, 700)
    assert cost(book, AFTER, tier="batch") == 400


def test_the_same_again_changes_nothing() -> None:
    """A book is updated every day without growing; its version is that of its content."""
    one = json.loads(book_json({"gpt-x": {"input": 1000}}, version="old"))
    other = json.loads(book_json({"gpt-x": {"input": 3000}}, version="new"))
    first = json.loads(merged(one, other, START))
    again = json.loads(merged(first, other, date(2026, 12, 1)))
    assert again["version"] == first["version"]
    books = [read_book(json.dumps(told).encode(), source="the test") for told in (first, again)]
    assert differences(*books) == {"added": (), "removed": (), "changed": ()}
    assert json.loads(merged(one, one, START))["version"] == "old"


def test_hours_stay_with_their_price() -> None:
    """A peak price that changed has its old hours before and its new ones after."""
    old = [rated(1000), rated(2000, minutes=[60, 120])]
    new = [rated(1000), rated(4000, minutes=[60, 180])]
    book = both({"gpt-x": {"rows": old}}, {"gpt-x": {"rows": new}})
    assert [cost(book, day.replace(hour=1)) for day in (BEFORE, AFTER)] == [2000, 4000]
    assert [cost(book, day.replace(hour=2)) for day in (BEFORE, AFTER)] == [1000, 4000]


def test_no_row_is_left_without_a_time() -> None:
    """What the change cuts away is gone, not kept as an empty span."""
    old = [rated(1), rated(2, since="2026-12-01")]
    rows = rows_of(old, [rated(9)], START.isoformat())
    assert rows == [rated(1, until="2026-11-10"), rated(9, since="2026-11-10")]


def test_changes_have_both_numbers_and_their_day() -> None:
    """In pico-dollars per unit, None where there is no price."""
    book = both({"gpt-x": {"input": 1000, "output": 7}}, {"gpt-x": {"input": 3000}})
    old = read_book(book_json({"gpt-x": {"input": 1000, "output": 7}}), source="the test")
    told = [(one.what, one.since, one.old, one.new) for one in changes(old, book, START)]
    assert told == [("input", START, 1000, 3000), ("output", START, 7, None)]
    assert list(changes(book, book, START)) == []


def test_another_source_of_the_same_price_is_no_difference() -> None:
    """Who says it does not change what a call costs."""
    one = read_book(book_json({"gpt-x": {"rows": [rated(1, source="a")]}}), source="the test")
    other = read_book(book_json({"gpt-x": {"rows": [rated(1, source="b")]}}), source="the test")
    assert differences(one, other)["changed"] == ()


@pytest.mark.parametrize(
    ("rates", "said"),
    [({"input": -1}, "input is -1"), ({"input": [1, 5]}, "one per step"), ({"input": "x"}, "int")],
)
def test_a_book_with_impossible_rates_is_refused(rates: dict[str, Any], said: str) -> None:
    """With the name of the model, before anything is priced by it."""
    with pytest.raises(ConfigError, match=said):
        read_book(book_json({"gpt-x": rates}), source="the test")


def test_a_book_without_a_day_is_refused() -> None:
    """Which of two books is newer must be known."""
    with pytest.raises(ConfigError, match="not a price book"):
        read_book(book_json({}, compiled_on="yesterday"), source="the test")
