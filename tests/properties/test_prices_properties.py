"""Properties of every bill: lines add up, nothing is lost to rounding, more never costs less."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from scrimp.calls import COUNTERS, Usage
from scrimp.money import NANO_PER_USD, PICO_PER_USD
from scrimp.ports import Count
from scrimp.prices import BUCKETS, PriceRow, bounds, load_book, price, resolve
from scrimp.prices.rates import ModelPrice, Rate, rate_at

BOOK = load_book()
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)

picos = st.integers(0, 10**12)
rates = st.one_of(
    picos,
    st.tuples(picos, st.integers(0, 10**6), picos),
    st.tuples(picos, st.integers(0, 1000), picos, st.integers(1001, 10**6), picos),
)
rising = st.tuples(picos, st.integers(0, 10**6), picos).map(
    lambda t: (min(t[0], t[2]), t[1], max(t[0], t[2]))
)
tables = st.fixed_dictionaries(dict.fromkeys(BUCKETS, rates))
rising_tables = st.fixed_dictionaries(dict.fromkeys(BUCKETS, st.one_of(picos, rising)))
usages = st.builds(Usage, **dict.fromkeys(COUNTERS, st.integers(0, 10**9)))


@given(tables, usages)
def test_a_bill_is_exact_and_never_below(table: dict[str, Rate], usage: Usage) -> None:
    """Lines add up; the total is never below the exact value, nor a nano-dollar per line above."""
    book = BOOK.with_overrides({"m": PriceRow(table)})
    cost = price(usage, "m", "openai", AT, book=book)
    assert cost.nanousd is not None
    assert cost.nanousd == sum(line.nanousd for line in cost.lines)
    exact = sum(
        Fraction(rate_at(table[what], usage.total_input_tokens), PICO_PER_USD)
        * getattr(usage, counter)
        for what, counter in zip(BUCKETS, _aligned(), strict=True)
    )
    over = Fraction(cost.nanousd, NANO_PER_USD) - exact
    assert 0 <= over < Fraction(max(1, len(cost.lines)), NANO_PER_USD)


def _aligned() -> tuple[str, ...]:
    special = {"web_search": "web_search_requests"}
    return tuple(special.get(what, f"{what}_tokens") for what in BUCKETS)


def _only(counter: str) -> Usage:
    one: dict[str, Any] = {counter: 1000}
    return Usage(**one)


def test_every_counter_of_usage_has_its_bucket() -> None:
    """A new kind of usage cannot be forgotten on the bill: each counter alone makes its line."""
    assert sorted(_aligned()) == sorted(COUNTERS)
    table: dict[str, Rate] = {what: 1000 + at for at, what in enumerate(BUCKETS)}
    book = BOOK.with_overrides({"m": PriceRow(table)})
    for what, counter in zip(BUCKETS, _aligned(), strict=True):
        cost = price(_only(counter), "m", "openai", AT, book=book)
        assert [(line.what, line.pico_per_unit) for line in cost.lines] == [(what, table[what])]


@given(rising_tables, usages, st.sampled_from(COUNTERS), st.integers(1, 10**6))
def test_more_never_costs_less(
    table: dict[str, Rate], usage: Usage, counter: str, more: int
) -> None:
    """The price is monotone in every bucket (long-context rates are never lower)."""
    book = BOOK.with_overrides({"m": PriceRow(table)})
    grown = replace(usage, **{counter: getattr(usage, counter) + more})
    before = price(usage, "m", "openai", AT, book=book).nanousd
    after = price(grown, "m", "openai", AT, book=book).nanousd
    assert before is not None
    assert after is not None
    assert after >= before


days = st.integers(0, 4000).map(lambda n: date(2020, 1, 1) + timedelta(days=n))
moments = st.integers(0, 4000 * 1440).map(
    lambda n: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=n)
)
rows = st.builds(
    PriceRow,
    rates=st.fixed_dictionaries({"input": picos}),
    since=st.none() | days,
    until=st.none() | days,
    minutes=st.none() | st.tuples(st.integers(0, 1439), st.integers(0, 1439)),
    weekdays=st.just(()) | st.sets(st.integers(0, 6), min_size=1).map(lambda s: tuple(sorted(s))),
)


@given(st.lists(rows, max_size=5), st.lists(moments, min_size=1, max_size=8))
def test_the_right_row_whatever_was_asked_before(
    given_rows: list[PriceRow], asked: list[datetime]
) -> None:
    """The last row that holds prices the call; remembered rates never outlive their time."""
    base = PriceRow({"input": 1})
    every = (base, *given_rows)
    book = BOOK.with_overrides({"m": every})
    for at in asked:
        wanted = [row for row in every if row.holds(at)][-1].rates["input"]
        assert resolve("m", "openai", at, book=book).of("input") == wanted


counts = st.lists(st.integers(0, 10**6), min_size=3, max_size=3).map(
    lambda n: Count(sum(n) - min(n) - max(n), min(n), max(n), "t")
)


@given(tables, counts, counts, st.data())
def test_the_truth_is_inside_the_bounds(
    table: dict[str, Rate], inputs: Count, outputs: Count, data: st.DataObject
) -> None:
    """Any split of a possible prompt and output costs between low and high."""
    table = {key: rate for key, rate in table.items() if not key.startswith("cache_read_")}
    book = BOOK.with_overrides({"m": PriceRow(table)})
    cost = bounds(inputs, outputs, resolve("m", "openai", AT, book=book))
    assert cost.low_nanousd is not None
    assert cost.nanousd is not None
    assert cost.high_nanousd is not None
    assert cost.low_nanousd <= cost.nanousd <= cost.high_nanousd
    prompt = data.draw(st.integers(inputs.low, inputs.high))
    cached = data.draw(st.integers(0, prompt))
    output = data.draw(st.integers(outputs.low, outputs.high))
    thought = data.draw(st.integers(0, output))
    usage = Usage(
        input_tokens=prompt - cached,
        cache_read_tokens=cached,
        output_tokens=output - thought,
        reasoning_tokens=thought,
    )
    truth = price(usage, "m", "openai", AT, book=book).nanousd
    assert truth is not None
    assert cost.low_nanousd <= truth <= cost.high_nanousd


def test_every_row_of_the_book_is_sound() -> None:
    """No rate is negative, every step list is a base and rising thresholds."""
    for provider in BOOK.providers():
        for found in BOOK.of(provider):
            _check(found)


def _check(found: ModelPrice) -> None:
    for row in (*found.rows, *(row for rows in found.tiers.values() for row in rows)):
        for what, rate in row.rates.items():
            assert what in BUCKETS
            steps = (rate,) if isinstance(rate, int) else rate
            assert len(steps) % 2 == 1
            assert all(step >= 0 for step in steps)
            assert list(steps[1::2]) == sorted(steps[1::2])
